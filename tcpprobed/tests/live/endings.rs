//! Other ends than SIGKILL and SIGTERM: a watchdog, another binary, a reboot.

use std::fs;
use std::thread;
use std::time::Duration;

use tcpprobe_proto::v1::{JobState, ReadRequest};

use crate::common::{Client, Daemon, Shadow, Site, Trace, wait_until};
use crate::restart::{check_complete, roomy, stored, under_load};

/// Ends and starts a daemon several times under load: nothing is lost.
fn check(what: &str, end: impl Fn(&mut Daemon)) {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start(what, &daemon.api().start(roomy("web", &site.filter())).plan);
    under_load(&site, || {
        for pause_ms in [50, 900, 1200] {
            thread::sleep(Duration::from_millis(pause_ms));
            end(&mut daemon);
            daemon.run();
        }
    });
    shadow.quiet();
    let job = daemon.api().stop("web");
    assert_eq!(job.runs.len(), 1, "the run went on");
    check_complete(&daemon, shadow);
}

#[test]
fn a_watchdog() {
    check("watchdog", Daemon::abort);
}

#[test]
fn an_upgrade() {
    check("upgrade", |daemon| {
        daemon.terminate();
        daemon.upgrade();
    });
    check("upgrade-killed", |daemon| {
        daemon.kill();
        daemon.upgrade();
    });
}

/// How the kernel instance is lost between two daemons, while 200 events wait in it; a client ends with `exit`.
fn check_gap(what: &str, why: &str, exit: i32, lose: impl Fn(&Daemon)) {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let plan = daemon.api().start(roomy("web", &site.filter())).plan;
    let first = Shadow::start(&format!("{what}-1"), &plan);
    site.ping_pong(200);
    let traced = first.quiet();
    wait_until("all is stored", || stored(&daemon) == traced);
    daemon.kill();
    let first = first.stop();
    site.ping_pong(100);
    lose(&daemon);
    daemon.run();
    let second = Shadow::start(&format!("{what}-2"), &plan);
    site.ping_pong(300);
    second.quiet();
    let job = daemon.api().stop("web");
    let [before, after] = &job.runs[..] else { panic!("{job:?}") };
    assert_eq!((before.ledger.unwrap().stored, before.ended_ns), (traced, before.last_event_ns));
    assert!(before.ended_why.contains(why) && before.ended_why.contains("is lost"), "{before:?}");
    assert!(after.started_ns > before.ended_ns, "{job:?}");
    let trace = Trace::decode(&daemon.api().read(ReadRequest { name: "web".into(), run: 1, ..Default::default() }));
    crate::common::assert_same(&trace.events, &first.events);
    if let Some(client) = Client::of(&daemon) {
        let status = client.run(&["status", "web"]).expect(0);
        assert!(status.contains(why) && status.contains("is lost"), "{status}");
        let text = client.run(&["fetch", "web", "--run", "1", "--format", "text"]).expect(exit);
        assert_eq!(text.lines().filter(|line| !line.starts_with(['#', 'C'])).count() as u64, traced);
    }
    check_complete(&daemon, second);
}

/// Has a run be one of another boot.
fn forget_boot(daemon: &Daemon) {
    let path = daemon.path("state/jobs/web/000001/run.toml");
    let mut run: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let old = run.insert("boot".into(), "e3b0c442-98fc-4c14-9afb-f4c8996fb924".into());
    assert_eq!(old.unwrap().as_str(), Some(boot.trim()));
    fs::write(path, toml::to_string(&run).unwrap()).unwrap();
}

/// The instance and all that was in /run are gone, and it is another boot.
#[test]
fn a_reboot() {
    check_gap("reboot", "the machine was restarted", 0, |daemon| {
        fs::remove_dir(daemon.instance("web")).unwrap();
        fs::remove_dir_all(daemon.path("run")).unwrap();
        forget_boot(daemon);
    });
}

/// An instance of the same name that somebody made since is not the run's.
#[test]
fn a_reboot_and_an_instance() {
    check_gap("reboot-instance", "the machine was restarted", 0, forget_boot);
}

#[test]
fn a_lost_instance() {
    // What it held since the last look is an unknown number of events.
    check_gap("lost", "instance was removed", 6, |daemon| fs::remove_dir(daemon.instance("web")).unwrap());
}

/// Whoever stops a job and is interrupted has stopped it: the next daemon stores what is left, and ends the run.
#[test]
fn half_a_stop() {
    for switch in ["0", "1"] {
        let Some(mut daemon) = Daemon::start() else { return };
        let site = Site::v4();
        let shadow = Shadow::start("half", &daemon.api().start(roomy("web", &site.filter())).plan);
        site.ping_pong(200);
        daemon.kill();
        site.ping_pong(100);
        shadow.quiet();
        let path = daemon.path("state/jobs/web/job.toml");
        let mut job: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(job.insert("running".into(), false.into()), Some(true.into()));
        fs::write(path, toml::to_string(&job).unwrap()).unwrap();
        fs::write(daemon.instance("web").join("tracing_on"), switch).unwrap();
        daemon.run();
        let job = daemon.api().get("web");
        assert_eq!((job.state(), job.runs.len(), daemon.instances()), (JobState::Stopped, 1, Vec::new()), "{job:?}");
        assert!(job.runs[0].ended_why.contains("interrupted"), "{job:?}");
        check_complete(&daemon, shadow);
    }
}

/// Of a job that cannot be read, the instance goes on: once it can, nothing is missing.
#[test]
fn a_job_that_cannot_be_read() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("unread", &daemon.api().start(roomy("web", &site.filter())).plan);
    site.ping_pong(200);
    daemon.kill();
    let path = daemon.path("state/jobs/web/job.toml");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, "rubbish").unwrap();
    daemon.run();
    assert!(daemon.api().list().is_empty());
    site.ping_pong(200);
    daemon.kill();
    fs::write(&path, good).unwrap();
    daemon.run();
    shadow.quiet();
    daemon.api().stop("web");
    check_complete(&daemon, shadow);
}

/// Somebody removed the folder of a job that runs: it can be removed, and nothing of it stays.
#[test]
fn a_folder_that_is_gone() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(roomy("web", &site.filter()));
    site.ping_pong(50);
    fs::remove_dir_all(daemon.path("state/jobs/web")).unwrap();
    site.ping_pong(50);
    // What the open files took, nobody will read.
    let refused = api.try_stop("web").unwrap_err();
    assert!(refused.message().contains("was removed") && refused.message().contains("rm web"), "{refused}");
    assert!(daemon.instances().is_empty());
    let job = api.get("web");
    assert!(job.state() == JobState::Stopped && job.message.contains("was removed"), "{job:?}");
    api.remove("web", false).unwrap();
    assert_eq!((api.list().len(), daemon.instances()), (0, Vec::new()));
    let left = fs::read_dir(daemon.path("run")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with("web.")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Somebody cut the staging area short under a capture: nothing is lost, and the daemon goes on.
#[test]
fn a_staging_area_that_is_cut_short() {
    let Some(daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("cut", &daemon.api().start(roomy("web", &site.filter())).plan);
    for length in [0, 5000] {
        site.ping_pong(100);
        let file = fs::OpenOptions::new().write(true).open(daemon.path("run/web.staging")).unwrap();
        file.set_len(length).unwrap();
        site.ping_pong(500);
    }
    shadow.quiet();
    assert_eq!(daemon.api().stop("web").runs.len(), 1);
    assert!(daemon.log().contains("cut its staging area short"), "{}", daemon.log());
    check_complete(&daemon, shadow);
}
