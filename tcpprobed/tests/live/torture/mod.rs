//! Whatever happens to the daemon, however often and in whatever order: every event is stored once or accounted for.
//!
//! `TCPPROBE_TORTURE_SEED` repeats a plan (what the machine makes of it is another matter), `TCPPROBE_TORTURE_SECONDS`
//! makes it longer: 1800 is an evening's worth of faults.

mod faults;
mod load;
mod people;
mod record;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tcpprobe::file::Totals;
use tcpprobe_proto::v1::{Job, JobSpec, JobState, Run};
use tcpprobed::check::check;
use tcpprobed::clock::boot_ns;

use self::faults::{Fault, Step};
use self::record::Record;
use crate::common::mounts::{Mounted, fill, filler, is_alone, tmpfs};
use crate::common::{Daemon, Random, Shadow, Site, job, unlocked, wait_until};

/// How long it goes on.
const SECONDS: u64 = 60;
/// Far more than is recorded in that time, little enough to be filled at once.
const DISK_MB: u64 = 64;
/// Segments are closed every other second, or every second.
const CONFIGS: [&str; 2] = [
    "[store]\nsegment_bytes = 65536\nsegment_seconds = 5\nsync_seconds = 1\n",
    "[store]\nsegment_bytes = 131072\nsegment_seconds = 1\nsync_seconds = 2\n",
];
/// What somebody writes to which file of an instance. Each only loses events.
const CHANGES: [(&str, &str); 4] = [
    ("tracing_on", "0"),
    ("events/enable", "0"),
    ("events/tcp/tcp_probe/filter", "sport == 1"),
    ("set_event_pid", "1"),
];
const PAUSE: Duration = Duration::from_secs(1);
/// Within this time an event is stored, whoever is stopped, killed and started meanwhile.
const STORED_AFTER: Duration = Duration::from_secs(10);

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Tells threads to stop, also when this one panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// With this buffer. Of the one event whose addresses the kernel cannot filter.
fn probes(buffer_kb: u64, spec: JobSpec) -> JobSpec {
    JobSpec { buffer_kb, events: vec!["tcp:tcp_probe".to_owned()], ..spec }
}

fn some_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 % 1_000_000
}

#[test]
fn whatever_happens() {
    if !is_alone("torture::whatever_happens") {
        return;
    }
    let seed = given("TCPPROBE_TORTURE_SEED").unwrap_or_else(some_seed);
    let seconds = given("TCPPROBE_TORTURE_SECONDS").unwrap_or(SECONDS);
    println!("{seconds} s; TCPPROBE_TORTURE_SEED={seed} does the same again");
    let mut state = PathBuf::new();
    let mut daemon = Daemon::prepared(CONFIGS[0], |folder| {
        state = folder.join("state");
        fs::create_dir(&state).unwrap();
        tmpfs(&state, DISK_MB + seconds / 10);
    })
    .unwrap();
    let mounted = Mounted(state);
    let site = Site::any_v4();
    // One that loses nothing, and one that loses and filters; the kernel gives both the same events.
    let wide = probes(64 << 10, job("wide", &site.filter()));
    let narrow = probes(64, job("narrow", &format!("addr == 127.0.0.2 && {}", site.filter())));
    let plan = daemon.api().start(wide).plan;
    let kernels = |plan: &[tcpprobe_proto::v1::EventPlan]| -> Vec<String> {
        plan.iter().map(|event| event.kernel_filter.clone()).collect()
    };
    assert_eq!(kernels(&daemon.api().start(narrow).plan), kernels(&plan));
    let shadow = Shadow::start("torture", &plan);

    let api = daemon.api();
    let (quiet, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut traced, (faults, full_since), changes) = thread::scope(|scope| {
        let (_quiet, _ended) = (Stop(&quiet), Stop(&ended));
        let recorded = scope.spawn(|| Record::of_shadow(&shadow, &ended));
        let traffic = scope.spawn(|| load::bursts(&site, Random(seed + 1), &quiet));
        let people = scope.spawn(|| people::change_jobs(&api, site.port(), Random(seed + 2), &quiet));
        let faults = torture(&mut daemon, &mounted.0, Random(seed), Duration::from_secs(seconds));
        quiet.store(true, Ordering::Relaxed);
        let changes = people.join().unwrap();
        traffic.join().unwrap();
        shadow.quiet();
        ended.store(true, Ordering::Relaxed);
        (recorded.join().unwrap(), faults, changes)
    });
    traced.sort();
    assert_eq!(traced.len(), shadow.count(), "the shadow's own");

    for job in api.list() {
        if job.state() != JobState::Stopped {
            api.stop(&job.spec.unwrap().name);
        }
    }
    let jobs = api.list();
    wait_until("all runs are closed", || api.list().iter().all(|job| job.message.is_empty()));
    daemon.terminate();
    let mut text = String::new();
    for job in &jobs {
        text += &check_job(job, &mounted.0, &traced, full_since);
    }
    let findings = unlocked(|| check(&mounted.0, false)).findings;
    assert!(findings.is_empty(), "{findings:#?}\n{}", daemon.log());
    println!("{} events traced\n{text}people: {changes:?} (done, refused)", traced.len());
    println!("survived {} faults: {faults:?}", faults.values().sum::<u32>());
    assert!(traced.len() > 100 * seconds && faults.values().sum::<u32>() as u64 > seconds / 4, "this shows little");
    drop((mounted, daemon));
}

/// Does one thing after the other to the daemon: what was done, and when the disk was full first, in the clock of the
/// events; in the first half of the time it is not. In the end the daemon runs, and the steady jobs go on.
fn torture(daemon: &mut Daemon, state: &Path, mut random: Random, time: Duration) -> (BTreeMap<Fault, u32>, u64) {
    let began = Instant::now();
    let (mut done, mut full_since) = (BTreeMap::new(), u64::MAX);
    thread::scope(|scope| {
        while began.elapsed() < time {
            let step = Step::any(&mut random, began.elapsed() > time / 2);
            thread::sleep(step.pause);
            if step.fault == Fault::FullDisk {
                full_since = full_since.min(boot_ns());
                fill(state);
                scope.spawn(move || {
                    thread::sleep(step.full);
                    // Another one may have been faster.
                    let _ = fs::remove_file(filler(state));
                });
            } else {
                suffer(daemon, state, &step);
            }
            *done.entry(step.fault).or_default() += 1;
        }
    });
    wait_until("the steady jobs go on", || {
        let is_well = |name| {
            let job: Job = daemon.api().get(name);
            let is_told = job.message.is_empty() || job.message.contains("somebody change");
            job.state() == JobState::Running && is_told
        };
        is_well("wide") && is_well("narrow")
    });
    (done, full_since)
}

fn suffer(daemon: &mut Daemon, state: &Path, step: &Step) {
    let catalog = state.join("catalog");
    match step.fault {
        Fault::Kill => daemon.kill(),
        Fault::KillTwice => {
            daemon.kill();
            daemon.launch();
            thread::sleep(step.early);
            daemon.kill();
        }
        Fault::Terminate => daemon.terminate(),
        Fault::Pause => {
            daemon.pause();
            thread::sleep(PAUSE);
            return daemon.go_on();
        }
        Fault::Watchdog => daemon.abort(),
        Fault::Upgrade => {
            daemon.terminate();
            daemon.upgrade();
        }
        Fault::NoCatalog => {
            daemon.kill();
            let _ = fs::remove_dir_all(catalog);
        }
        Fault::CatalogRemoved => {
            // It may make a file in it at the same moment.
            let _ = fs::remove_dir_all(catalog);
            return;
        }
        Fault::Reload => {
            let log = daemon.reload(CONFIGS[step.early.as_millis() as usize % 2]);
            return assert!(log.contains("read again"), "{log}");
        }
        Fault::Tamper => {
            let (file, text) = CHANGES[step.early.as_millis() as usize % CHANGES.len()];
            // It may be replaced at the same moment.
            let _ = fs::write(daemon.instance("narrow").join(file), text);
            return;
        }
        Fault::FullDisk => return,
    }
    daemon.run();
}

/// Checks the account of every run of a job against what was traced; what there is to tell of it.
fn check_job(job: &Job, state: &Path, traced: &Record, full_since: u64) -> String {
    let name = job.spec.as_ref().unwrap().name.as_str();
    let is_steady = ["wide", "narrow"].contains(&name);
    let (mut all, mut unknown) = (Totals::default(), Vec::new());
    for run in &job.runs {
        let (mut stored, written, unknown_here) = Record::of_run(&state.join(format!("jobs/{name}/{:06}", run.number)));
        stored.sort();
        let what = format!("run {} of {name}", run.number);
        let Run { ledger: Some(ledger), .. } = run else { panic!("{what} has no account") };
        let told = Totals {
            stored: ledger.stored,
            filtered: ledger.filtered,
            lost: ledger.lost,
            dropped: ledger.dropped,
            unknown: ledger.unknown,
        };
        assert_eq!(told, written, "{what}: told, and in its segments");
        assert_eq!(stored.len(), told.stored, "{what}: events stored");
        let beyond = stored.beyond(traced);
        let shown = &beyond[..beyond.len().min(3)];
        assert!(beyond.is_empty(), "{what}: {} stored twice, or never traced: {shown:?}", beyond.len());
        unknown.extend(unknown_here);
        if is_steady && unknown.is_empty() {
            let sum = told.stored + told.filtered + told.missing();
            assert_eq!((sum, job.runs.len()), (traced.len(), 1), "{what}: {told:?}");
        }
        if name == "wide" {
            let missing = traced.beyond(&stored);
            assert_eq!((told.lost, told.dropped), (0, missing.len() as u64), "{what}");
            let stored_until = full_since.saturating_sub(STORED_AFTER.as_nanos() as u64);
            let early = missing.iter().filter(|(_, time)| *time < stored_until).count();
            assert_eq!(early, 0, "{what}: events missing that no full disk can have cost");
        }
        all += told;
    }
    let sum = all.stored + all.filtered + all.missing();
    if is_steady && !unknown.is_empty() {
        let known = traced.known(&unknown);
        assert!(
            name == "narrow" && (known..=traced.len()).contains(&sum),
            "{name}: {known} of {}, {all:?}",
            traced.len()
        );
    }
    format!("{name}: {} runs, {all:?}\n", job.runs.len())
}
