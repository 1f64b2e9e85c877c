//! Machines that are not there: folders that look like their tracefs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Check, Level, events, jobs, kernel, owners, snapshots};
use crate::jobs::{JobView, RunView, Spec, State};
use crate::owners::Means;
use crate::sockdiag::Listening;
use crate::tracefs::{Features, Tracefs};
use crate::user::User;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/formats")
}

/// What looks like the tracefs of a kernel of the fixtures, in which nothing happens.
struct Fake(tempfile::TempDir);

impl Fake {
    fn of(kernel: &str) -> Self {
        let fake = Fake(tempfile::tempdir().unwrap());
        let events = fixtures().join(kernel).join("events");
        fake.put("events/header_page", &fs::read_to_string(events.join("header_page")).unwrap());
        for system in ["tcp", "sock"] {
            for event in fs::read_dir(events.join(system)).unwrap() {
                let event = event.unwrap().path();
                let name = event.file_name().unwrap().to_str().unwrap();
                let format = fs::read_to_string(event.join("format")).unwrap();
                fake.put(&format!("events/{system}/{name}/format"), &format);
            }
        }
        fs::create_dir(fake.path("instances")).unwrap();
        for (name, content) in [
            ("trace_clock", "[local] global boot\n"),
            ("current_tracer", "nop\n"),
            ("set_event", ""),
            ("tracing_on", "1\n"),
        ] {
            fake.put(name, content);
        }
        fake
    }

    fn new() -> Self {
        Fake::of("6.18.44-fc-v669")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn tracefs(&self) -> Tracefs {
        Tracefs::locate(Some(self.0.path())).unwrap()
    }
}

#[track_caller]
fn expect(check: &Check, level: Level, words: &[&str]) {
    assert_eq!(check.level, level, "{check:?}");
    let text = format!("{}; {}", check.finding, check.remedy);
    assert!(words.iter().all(|word| text.contains(word)), "{check:?} should say {words:?}");
    assert!(!text.contains('\n'));
}

#[test]
fn an_errors_second_half_is_the_remedy() {
    let check = |words: &str| {
        let check = Check::error("x", &std::io::Error::other(words));
        (check.finding, check.remedy)
    };
    assert_eq!(check("no tracefs; mount it; soon"), ("no tracefs".into(), "mount it; soon".into()));
    assert_eq!(check("no tracefs"), ("no tracefs".into(), String::new()));
}

#[test]
fn the_events_of_every_kernel_are_judged() {
    for found in fs::read_dir(fixtures()).unwrap() {
        let release = found.unwrap().file_name().into_string().unwrap();
        let checks = events::events(&Fake::of(&release).tracefs());
        assert_eq!(checks.len(), 9, "{release}: {checks:?}");
        assert!(
            checks.iter().all(|check| check.level == Level::Ok && check.remedy.is_empty()),
            "{release}: {checks:?}"
        );
        // tcp_probe has the socket's address since 6.9.
        let is_old = release.starts_with("5.10") || release.starts_with("6.1.0");
        assert_eq!(checks[0].finding.contains("without skaddr"), is_old, "{release}: {}", checks[0].finding);
        // tcp_cong_state_set is there since 5.19.
        let lacks = checks[3].finding.contains("does not have it (since 5.19)");
        assert_eq!(lacks, release.starts_with("5.10"), "{release}: {}", checks[3].finding);
        assert!(checks[8].finding.contains("can be recorded"), "{}", checks[8].finding);
    }
}

#[test]
fn events_that_lack_something() {
    let fake = Fake::new();
    let format = fs::read_to_string(fake.path("events/tcp/tcp_probe/format")).unwrap();
    fake.put("events/tcp/tcp_probe/format", &format.replace(" snd_cwnd;", " cwnd;"));
    fake.put("events/tcp/tcp_bad_csum/format", "rubbish");
    fs::remove_dir_all(fake.path("events/tcp/tcp_retransmit_skb")).unwrap();
    let checks = events::events(&fake.tracefs());
    expect(&checks[0], Level::Warning, &["plots need", "snd_cwnd"]);
    expect(&checks[1], Level::Failure, &["does not have it", "4.16"]);
    expect(&checks[8], Level::Ok, &["can be recorded"]);
    assert_eq!(checks[9].name, "tcp:tcp_bad_csum");
    expect(&checks[9], Level::Warning, &["line 1"]);
}

#[test]
fn a_folder_is_no_tracefs() {
    let fake = Fake::new();
    let tracefs = fake.tracefs();
    expect(&kernel::tracefs(&tracefs), Level::Failure, &["only looks like a tracefs"]);
    fs::remove_dir(fake.path("instances")).unwrap();
    expect(&kernel::tracefs(&tracefs), Level::Failure, &["it has no `instances`"]);
}

#[test]
fn lockdowns() {
    let check = |level: Option<&str>| kernel::lockdown(level.map(str::to_owned));
    expect(&check(Some("confidentiality")), Level::Failure, &["forbids tracing", "lockdown=none"]);
    expect(&check(Some("integrity")), Level::Ok, &["integrity"]);
    expect(&check(None), Level::Ok, &["none"]);
}

#[test]
fn what_older_kernels_cannot_is_said() {
    let check = |subbuf_size, buffer_percent| kernel::sub_buffers(Features { subbuf_size, buffer_percent }, 64);
    expect(&check(true, true), Level::Ok, &["64 KiB", "a quarter"]);
    expect(&check(false, true), Level::Ok, &["before 6.8", "a quarter"]);
    expect(&check(false, false), Level::Ok, &["before 5.0"]);
}

#[test]
fn clocks() {
    let fake = Fake::new();
    let tracefs = fake.tracefs();
    expect(&kernel::clock(&tracefs, Some("tsc")), Level::Ok, &["boot, from tsc"]);
    expect(&kernel::clock(&tracefs, None), Level::Ok, &["boot"]);
    expect(&kernel::clock(&tracefs, Some("hpet")), Level::Warning, &["1 µs", "clocksource=tsc"]);
    fake.put("trace_clock", "[local] global\n");
    expect(&kernel::clock(&tracefs, Some("tsc")), Level::Failure, &["`boot`"]);
    fs::remove_file(fake.path("trace_clock")).unwrap();
    expect(&kernel::clock(&tracefs, None), Level::Failure, &["trace_clock", "No such file"]);
}

#[test]
fn other_users_are_told() {
    let fake = Fake::new();
    let tracefs = fake.tracefs();
    let check = || kernel::others(&tracefs, "tcpprobed.");
    expect(&check(), Level::Ok, &["nobody"]);
    for name in ["tcpprobed.web", "foo"] {
        fs::create_dir_all(fake.path("instances").join(name)).unwrap();
    }
    expect(&check(), Level::Ok, &["nobody", "1 instance of others (foo)"]);
    // Somebody reads it: this test.
    fake.put("trace_pipe", "");
    let pipe = fs::File::open(fake.path("trace_pipe")).unwrap();
    expect(&check(), Level::Ok, &["in use", &format!("trace_pipe is read by {} (", std::process::id())]);
    drop(pipe);
    fake.put("set_event", "sched:sched_switch\ntcp:tcp_probe\n");
    expect(&check(), Level::Warning, &["2 events are on (sched:sched_switch, tcp:tcp_probe)", "/set_event"]);
    fake.put("tracing_on", "0\n");
    expect(&check(), Level::Ok, &["nobody"]);
    fake.put("current_tracer", "function\n");
    expect(&check(), Level::Warning, &["the tracer function is on", "echo nop > ", "/current_tracer"]);
}

#[test]
fn leftovers_are_told_with_what_removes_them() {
    let (fake, runtime) = (Fake::new(), tempfile::tempdir().unwrap());
    let tracefs = fake.tracefs();
    let running = BTreeSet::from(["web".to_owned()]);
    let check = || jobs::leftover_check(&tracefs, "tcpprobed.", runtime.path(), &running);
    for name in ["tcpprobed.web", "tcpprobed..trial", "tcpprobed-123.web", "other"] {
        fs::create_dir(fake.path("instances").join(name)).unwrap();
    }
    fs::write(runtime.path().join("web.staging"), "").unwrap();
    expect(&check(), Level::Ok, &["none"]);
    fs::create_dir(fake.path("instances/tcpprobed.gone")).unwrap();
    fs::write(runtime.path().join("old.staging"), "").unwrap();
    let remedy = format!(
        "rmdir {}; rm {}",
        fake.path("instances/tcpprobed.gone").display(),
        runtime.path().join("old.staging").display()
    );
    expect(&check(), Level::Warning, &["1 kernel instance (tcpprobed.gone), 1 staging area (old)", &remedy]);
}

#[test]
fn jobs_that_are_not_well_are_told() {
    let job = |name: &str, state, lost, message: &str| JobView {
        snapshots: None,
        finals: None,
        name: name.to_owned(),
        spec: Spec::default(),
        state,
        owner: User::root(),
        created_ns: 0,
        runs: vec![RunView {
            number: 1,
            started_ns: 0,
            ended_ns: 0,
            ended_why: String::new(),
            ledger: tcpprobe::file::Totals { lost, ..Default::default() },
            bytes: 0,
            segments: 1,
            walls: None,
        }],
        events_per_s: 0.0,
        kernel_buffer_kb: 16_384,
        message: message.to_owned(),
        owners: None,
    };
    let good = || job("good", State::Running, 0, "");
    let check = |other: JobView| jobs::jobs(&[good(), other]);
    expect(&jobs::jobs(&[]), Level::Ok, &["none yet"]);
    expect(&check(job("old", State::Stopped, 9, "")), Level::Ok, &["2 jobs, 1 running without loss"]);
    expect(&jobs::jobs(&[job("old", State::Stopped, 9, "")]), Level::Ok, &["1 job, none is running"]);
    let restart = "tcpprobectl stop web; tcpprobectl start web --buffer 65536";
    expect(&check(job("web", State::Running, 7, "")), Level::Warning, &["web lost 7 events", restart]);
    expect(&check(job("web", State::Running, 7, "the disk is full")), Level::Warning, &["web: the disk is full"]);
    expect(&check(job("web", State::Failed, 0, "EIO")), Level::Warning, &["web failed: EIO", "tcpprobectl start web"]);
}

#[test]
fn snapshots_are_missed_only_where_they_are_wanted() {
    let check = |is_off: bool, told: Result<Option<usize>, &str>, level: Level, words: &str| {
        let check = snapshots::snapshot_check(is_off, told.map_err(str::to_owned));
        assert_eq!(check.level, level, "{check:?}");
        assert!(check.finding.contains(words), "{check:?}");
        assert_eq!(check.remedy.is_empty(), level == Level::Ok, "{check:?}");
    };
    check(false, Ok(Some(280)), Level::Ok, "280 bytes");
    check(false, Ok(None), Level::Ok, "no TCP socket");
    check(true, Ok(Some(232)), Level::Ok, "; off");
    check(false, Err("not permitted"), Level::Warning, "inferred: not permitted");
    check(true, Err("not permitted"), Level::Ok, "not possible: not permitted");
}

#[test]
fn how_it_stands_with_closing_sockets() {
    let large = Listening { is_listening: true, buffer_bytes: 32 << 20, ..Listening::default() };
    let check = |listening: Listening| snapshots::final_check(Some(Ok(listening)));
    expect(&snapshots::final_check(None), Level::Ok, &["off"]);
    expect(&check(large.clone()), Level::Ok, &["tells of each", "34 MB"]);
    expect(
        &check(Listening { is_listening: false, lost: 7, ..large.clone() }),
        Level::Ok,
        &["nobody listens", "7 closed"],
    );
    expect(&check(Listening { fell_behind: 2, ..large.clone() }), Level::Warning, &["2 times", "final = false"]);
    expect(&check(Listening { buffer_bytes: 425_984, ..large }), Level::Warning, &["1 MB", "rmem_max"]);
    expect(&snapshots::final_check(Some(Err("not allowed".into()))), Level::Warning, &["not allowed", "daemon-reload"]);
}

#[test]
fn how_far_owners_are_told() {
    let all = Means { taken: true, sent: true, processes: true, numbers: true };
    expect(&owners::owners(true, Means { numbers: false, ..all }), Level::Warning, &["PID namespace", "--pid=host"]);
    expect(&owners::owners(true, all), Level::Ok, &["connect, receive, send"]);
    expect(&owners::owners(true, Means { sent: false, ..all }), Level::Ok, &["of sending alone"]);
    expect(&owners::owners(true, Means { taken: false, ..all }), Level::Warning, &["tcp_rcv_space_adjust"]);
    expect(&owners::owners(true, Means { processes: false, ..all }), Level::Warning, &["/proc hides", "ProtectProc="]);
    expect(&owners::owners(false, all), Level::Ok, &["not asked for"]);
}
