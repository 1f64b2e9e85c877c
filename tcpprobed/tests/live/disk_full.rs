//! A disk that is really full, or really read-only. Each in a mount namespace of its own, so that no mount is left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};
use tcpprobe_proto::v1::{JobSpec, JobState, Ledger};
use tcpprobed::check::check;

use crate::common::mounts::{Mounted, fill, filler, is_alone, tmpfs};
use crate::common::{Daemon, Shadow, Site, assert_part, job, unlocked, wait_until};

/// Small enough to be filled at once.
const DISK_MB: u64 = 4;

/// Of the load: far more than what takes a minute.
const ROUNDS_MAX: u32 = 10_000_000;
/// Of CPU, of all the time that a full disk lasts.
const CPU_SHARE_MAX: f64 = 0.3;

/// A daemon whose state is on a file system of its own.
struct Scene {
    /// Let go of before the daemon, whose folder it is in.
    state: Mounted,
    daemon: Daemon,
    site: Site,
    shadow: Shadow,
}

impl Scene {
    /// With a job that records.
    fn new(what: &str, mount_at: impl FnOnce(&Path)) -> Self {
        let config = "[store]\nsegment_bytes = 65536\nsync_seconds = 1\n";
        let mut state = PathBuf::new();
        let daemon = Daemon::prepared(config, |folder| {
            state = folder.join("state");
            fs::create_dir(&state).unwrap();
            mount_at(&state);
        });
        let (daemon, site) = (daemon.unwrap(), Site::v4());
        let spec = JobSpec { buffer_kb: 64 << 10, ..job("web", &site.filter()) };
        let shadow = Shadow::start(what, &daemon.api().start(spec).plan);
        Scene { state: Mounted(state), daemon, site, shadow }
    }

    fn ledger(&self) -> Ledger {
        self.daemon.api().ledger("web")
    }

    fn message(&self) -> String {
        self.daemon.api().get("web").message
    }

    /// Traffic until `done`.
    fn traffic_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        wait_until(what, || {
            self.site.ping_pong(20);
            done()
        });
    }

    /// Waits until events are being stored, and nothing is wrong.
    fn recovers(&self) {
        let before = self.ledger().stored;
        self.traffic_until("it recovers by itself", || self.ledger().stored > before && self.message().is_empty());
    }

    /// Runs `work` under load; checks that the daemon takes little of the CPU all the while, and says little.
    fn calmly(&self, work: impl FnOnce()) {
        let (cpu, lines, began) =
            (self.daemon.cpu_seconds(), self.daemon.log().lines().count(), std::time::Instant::now());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.site.steady(&stop, ROUNDS_MAX));
            work();
            stop.store(true, Ordering::Relaxed);
        });
        let share = (self.daemon.cpu_seconds() - cpu) / began.elapsed().as_secs_f64();
        assert!(share < CPU_SHARE_MAX, "{share} of a CPU");
        let lines = self.daemon.log().lines().count() - lines;
        assert!(lines < 20, "{lines} lines in the log\n{}", self.daemon.log());
    }

    /// Ends the job and checks its account.
    fn end(self) {
        let Scene { state, mut daemon, shadow, .. } = self;
        shadow.quiet();
        let api = daemon.api();
        if api.get("web").state() == JobState::Running {
            api.stop("web");
        }
        let ledger = api.ledger("web");
        let trace = api.trace("web");
        let recorded = shadow.stop();
        let missing = assert_part(&trace.events, &recorded.events);
        assert_eq!(ledger.stored, trace.events.len() as u64, "{ledger:?}");
        assert_eq!((ledger.lost + ledger.dropped, ledger.filtered), (missing, 0), "{ledger:?}");
        assert!(ledger.dropped > 0, "{ledger:?}: this shows little");
        assert_eq!(trace.totals.stored + trace.totals.missing(), recorded.events.len() as u64);
        daemon.terminate();
        let findings = unlocked(|| check(&state.0, false)).findings;
        assert!(findings.is_empty(), "{findings:#?}");
        drop((state, daemon));
    }
}

#[test]
fn a_full_disk() {
    if !is_alone("disk_full::a_full_disk") {
        return;
    }
    let mut scene = Scene::new("full", |state| tmpfs(state, DISK_MB));
    let state = scene.state.0.clone();
    for round in 0..2 {
        scene.recovers();
        fill(&state);
        scene.calmly(|| {
            wait_until("events are dropped", || scene.ledger().dropped > 0 && !scene.message().is_empty());
            thread::sleep(Duration::from_millis(1500));
        });
        let message = scene.message();
        assert!(message.contains("being dropped") && message.contains("No space left"), "{message}");
        let api = scene.daemon.api();
        let refused = api.try_start(job("other", "port == 1")).unwrap_err();
        assert!(refused.message().contains("No space left"), "{refused}");
        assert_eq!(api.list().len(), 1);
        if round == 1 {
            // The next daemon cannot resume it at first, and does when it can. The kernel went on meanwhile.
            drop(api);
            scene.daemon.kill();
            fill(&state);
            scene.daemon.run();
            let job = scene.daemon.api().get("web");
            // Where what it makes anew, or an empty segment, leaves room for one page, it can.
            let is_full = job.state() == JobState::Failed && job.message.contains("No space left");
            assert!(is_full || job.state() == JobState::Running, "{job:?}");
            assert_eq!(scene.daemon.instances(), ["web"]);
        }
        fs::remove_file(filler(&state)).unwrap();
        wait_until("it runs", || scene.daemon.api().get("web").state() == JobState::Running);
        scene.recovers();
    }
    scene.end();
}

/// A job can be stopped on a full disk; it stays stopped, and its account is whole when there is room again.
#[test]
fn stopped_on_a_full_disk() {
    if !is_alone("disk_full::stopped_on_a_full_disk") {
        return;
    }
    let scene = Scene::new("stopped-full", |state| tmpfs(state, DISK_MB));
    let state = scene.state.0.clone();
    scene.recovers();
    fill(&state);
    scene.traffic_until("events are dropped", || scene.ledger().dropped > 0 || !scene.message().is_empty());
    let traced = scene.shadow.quiet();
    let job = scene.daemon.api().stop("web");
    assert_eq!(job.state(), JobState::Stopped);
    assert!(job.message.contains("No space left"), "{job:?}");
    let ledger = job.runs[0].ledger.unwrap();
    assert_eq!(ledger.stored + ledger.dropped, traced, "{ledger:?}");
    fs::remove_file(filler(&state)).unwrap();
    wait_until("the run is closed", || scene.message().is_empty());
    let Scene { state, mut daemon, .. } = scene;
    daemon.kill();
    daemon.run();
    let job = daemon.api().get("web");
    assert_eq!((job.state(), job.runs[0].ledger.unwrap()), (JobState::Stopped, ledger));
    let trace = daemon.api().trace("web");
    assert_eq!((trace.events.len() as u64, trace.totals.dropped), (ledger.stored, ledger.dropped));
    drop((state, daemon));
}

/// Where the daemon is killed before there is room, what it had counted is counted again by the next one.
#[test]
fn killed_when_stopped_on_a_full_disk() {
    if !is_alone("disk_full::killed_when_stopped_on_a_full_disk") {
        return;
    }
    let mut scene = Scene::new("killed-full", |state| tmpfs(state, DISK_MB));
    let state = scene.state.0.clone();
    scene.recovers();
    fill(&state);
    // More than is staged at a time, so that not all of it can be stored after all.
    scene.traffic_until("events are dropped", || scene.ledger().dropped > 0);
    scene.calmly(|| thread::sleep(Duration::from_secs(3)));
    scene.shadow.quiet();
    assert_eq!(scene.daemon.api().stop("web").state(), JobState::Stopped);
    scene.daemon.kill();
    fs::remove_file(filler(&state)).unwrap();
    scene.daemon.run();
    scene.end();
}

/// A file system that turned read-only under open files, as ext4 does on errors. It has to be mounted anew, so the daemon
/// is too. (Nobody can remount it read-only while a segment is open. `disk_faults` has one that becomes writable again.)
#[test]
fn a_read_only_disk() {
    if !is_alone("disk_full::a_read_only_disk") {
        return;
    }
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(16 << 20).unwrap();
    let run = |command: &str, state: &Path| {
        let mut shell = Command::new("sh");
        shell.args(["-ec", command, "sh"]).arg(image.path()).arg(state);
        shell.output().unwrap()
    };
    let possible = run("mkfs.ext4 -q -F \"$1\" && losetup -f", Path::new(""));
    if !possible.status.success() {
        return println!("skipped: no ext4 in a file: {}", String::from_utf8_lossy(&possible.stderr));
    }
    let mount = |state: &Path| {
        let mounted = run("mount -o loop,errors=remount-ro \"$1\" \"$2\"", state);
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    };
    let mut scene = Scene::new("read-only", mount);
    let state = scene.state.0.clone();
    scene.recovers();
    let remounted = run("mount -o remount,ro \"$2\"", &state);
    assert!(!remounted.status.success(), "busy");
    let device = run("basename \"$(findmnt -no SOURCE \"$2\")\"", &state);
    let device = String::from_utf8(device.stdout).unwrap();
    fs::write(format!("/sys/fs/ext4/{}/trigger_fs_error", device.trim()), "a test").unwrap();
    scene.calmly(|| {
        wait_until("events are dropped", || scene.ledger().dropped > 0 && !scene.message().is_empty());
        thread::sleep(Duration::from_millis(1500));
    });
    let message = scene.message();
    assert!(message.contains("Read-only file system"), "{message}");
    assert_eq!(scene.daemon.api().get("web").state(), JobState::Running);
    scene.daemon.kill();
    unmount(&state, UnmountFlags::empty()).unwrap();
    mount(&state);
    scene.daemon.run();
    scene.recovers();
    scene.end();
}
