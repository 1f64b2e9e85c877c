//! A disk that refuses: the capture goes on, counts what it cannot store, says so, and recovers by itself.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use tcpprobed::config::Config;
use tcpprobed::disk::{Change, FsHook, OptionalHook};
use tcpprobed::jobs::{How, Jobs, Spec, State};

use crate::common::{
    Inside, ROOT, Shadow, Site, Trace, assert_same, read_run, rehearsed, stored, told_plan, tracefs, wait_until, web,
};

/// Makes changes fail while it is told to.
#[derive(Debug, Default)]
struct Faults {
    failing: Mutex<Option<(Which, Errno)>>,
    made: AtomicU64,
}

/// Which changes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Writes,
    Syncs,
    /// Files and folders are not made, renamed or removed.
    Names,
}

impl FsHook for Faults {
    fn before(&self, change: Change<'_>) -> io::Result<()> {
        let Some((which, errno)) = *self.failing.lock().unwrap() else { return Ok(()) };
        let kind = match change {
            Change::Write(..) | Change::Cut(..) => Which::Writes,
            Change::SyncFile(_) | Change::SyncFolder(_) => Which::Syncs,
            Change::MakeFolder(_) | Change::Create(_) | Change::Rename(..) | Change::Remove(_) => Which::Names,
        };
        if which != Which::All && which != kind {
            return Ok(());
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        Err(errno.into())
    }

    fn after(&self, _: Change<'_>) {}
}

impl Faults {
    fn begin(&self, which: Which, errno: Errno) {
        self.made.store(0, Ordering::Relaxed);
        *self.failing.lock().unwrap() = Some((which, errno));
    }

    /// Ends the faults; how many there were.
    fn end(&self) -> u64 {
        *self.failing.lock().unwrap() = None;
        self.made.load(Ordering::Relaxed)
    }
}

/// A job under load on a disk of faults, and what the kernel really traced.
fn under_load(what: &str, work: impl FnOnce(&Arc<Jobs>, &Faults, &Spec)) {
    let faults = Arc::new(Faults::default());
    rehearsed(what, &faults, |jobs, spec, _| work(jobs, &faults, spec));
}

#[test]
fn each_kind_of_fault() {
    under_load("faults", |jobs, faults, _| {
        let all = [Which::Writes, Which::Names, Which::Syncs, Which::All];
        let _sooner = jobs.readable_run("web", 0, true).unwrap();
        for (errno, whiches) in [(Errno::IO, &all[..]), (Errno::NOSPC, &all[..1]), (Errno::ROFS, &all[3..])] {
            for &which in whiches {
                let before = stored(jobs);
                wait_until("events are stored", || stored(jobs) > before);
                faults.begin(which, errno);
                if matches!(which, Which::Writes | Which::All) {
                    let dropped = web(jobs).runs[0].ledger.dropped;
                    wait_until("events are dropped", || {
                        web(jobs).runs[0].ledger.dropped > dropped || !web(jobs).message.is_empty()
                    });
                    let message = web(jobs).message;
                    assert!(message.contains("being dropped") && message.contains("os error"), "{message}");
                } else {
                    wait_until("something fails", || faults.made.load(Ordering::Relaxed) > 0);
                    assert_eq!(web(jobs).message, "", "{which:?} of {errno}: events are stored nevertheless");
                }
                assert_eq!(web(jobs).state, State::Running);
                let before = stored(jobs);
                assert!(faults.end() > 0, "{which:?} of {errno}: this shows nothing");
                wait_until("it recovers by itself", || stored(jobs) > before && web(jobs).message.is_empty());
            }
        }
    });
}

/// A job that an earlier daemon began and this one cannot resume, for the disk refuses to be written.
struct Stuck {
    faults: Arc<Faults>,
    jobs: Arc<Jobs>,
    spec: Spec,
    site: Site,
    shadow: Shadow,
    maintenance: thread::JoinHandle<()>,
    inside: Inside,
}

impl Stuck {
    fn new(what: &str) -> Option<Self> {
        let faults = Arc::new(Faults::default());
        let hook = || OptionalHook::some(Arc::clone(&faults) as Arc<_>);
        let inside = Inside::new(tracefs()?, what);
        let mut config = Config::default();
        config.store.free_min = 0;
        let site = Site::v4();
        let spec = Spec { filter: site.filter(), ..Spec::default() };
        let jobs = inside.open(config.clone(), hook());
        let started = jobs.start("web", spec.clone(), How::default(), ROOT).unwrap();
        let shadow = Shadow::start(what, &told_plan(&started.plan));
        site.ping_pong(100);
        jobs.suspend();
        drop(jobs);
        site.ping_pong(100);
        faults.begin(Which::Writes, Errno::NOSPC);
        let jobs = inside.open(config, hook());
        let maintenance = Arc::clone(&jobs);
        let maintenance = thread::spawn(move || maintenance.maintain());
        let job = web(&jobs);
        assert_eq!((job.state, job.message.contains("No space left")), (State::Failed, true), "{job:?}");
        Some(Stuck { faults, jobs, spec, site, shadow, maintenance, inside })
    }

    fn instances(&self) -> Vec<String> {
        self.jobs.tracefs().instances(self.jobs.instance_prefix()).unwrap()
    }

    /// Checks that a run has all that was traced.
    fn check_run(&self, number: u32) {
        let Stuck { jobs, shadow, .. } = self;
        let traced = shadow.quiet();
        if web(jobs).runs.len() == number as usize {
            jobs.stop("web", ROOT).unwrap();
        }
        let run = &web(jobs).runs[number as usize - 1];
        assert_eq!((run.ledger.stored, run.ledger.missing()), (traced, 0), "{run:?}");
        assert_same(&Trace::decode(&read_run(jobs, "web", number)).events, &shadow.take());
    }

    fn end(self) {
        self.jobs.suspend();
        self.maintenance.join().unwrap();
        drop((self.jobs, self.inside));
    }
}

/// A job that cannot be resumed is resumed when the disk lets it be; the kernel goes on recording meanwhile.
#[test]
fn taken_up_on_a_bad_disk() {
    let Some(stuck) = Stuck::new("taken-up") else { return };
    stuck.site.ping_pong(100);
    stuck.faults.end();
    wait_until("it goes on", || web(&stuck.jobs).state == State::Running);
    stuck.site.ping_pong(100);
    stuck.check_run(1);
    stuck.end();
}

/// One that is started anew when it cannot be resumed yet is resumed for a moment, so that its run is whole.
#[test]
fn started_anew_on_a_bad_disk() {
    let Some(stuck) = Stuck::new("anew") else { return };
    stuck.site.ping_pong(100);
    stuck.faults.end();
    stuck.jobs.start("web", stuck.spec.clone(), How::default(), ROOT).unwrap();
    stuck.check_run(1);
    assert_eq!(web(&stuck.jobs).runs.len(), 2);
    stuck.end();
}

/// One that is stopped or removed while the disk refuses is given up: its kernel instance records no more.
#[test]
fn given_up_on_a_bad_disk() {
    let Some(stuck) = Stuck::new("given-up") else { return };
    let jobs = &stuck.jobs;
    assert!(jobs.stop("web", ROOT).is_err());
    assert_eq!(stuck.instances(), [""; 0]);
    let job = web(jobs);
    assert!(job.runs[0].ended_why.contains("could not be resumed: "), "{job:?}");
    assert_eq!(job.state, State::Stopped);
    stuck.faults.end();
    wait_until("that is noted", || web(jobs).message.is_empty());
    assert!(jobs.start("web", stuck.spec.clone(), How::default(), ROOT).is_ok());
    stuck.end();
    let Some(stuck) = Stuck::new("removed") else { return };
    stuck.faults.end();
    stuck.jobs.remove("web", false, ROOT).unwrap();
    assert_eq!(stuck.instances(), [""; 0]);
    stuck.end();
}

/// A job that is stopped while the disk refuses is stopped; its run is closed when the disk lets it be.
#[test]
fn stopped_on_a_bad_disk() {
    under_load("stopped-on", |jobs, faults, spec| {
        wait_until("events are stored", || stored(jobs) > 0);
        faults.begin(Which::All, Errno::IO);
        thread::sleep(Duration::from_millis(1200));
        jobs.stop("web", ROOT).unwrap();
        let job = web(jobs);
        assert_eq!(job.state, State::Stopped);
        assert!(job.message.contains("os error") && job.runs[0].ended_ns > 0, "{job:?}");
        for name in ["web", "other"] {
            let refused = jobs.start(name, spec.clone(), How::default(), ROOT).map(drop).unwrap_err().to_string();
            assert!(refused.contains("Input/output error"), "{refused}");
        }
        assert!(jobs.remove("web", false, ROOT).is_err());
        assert_eq!(jobs.list().len(), 1);
        faults.end();
        wait_until("the run is closed", || web(jobs).message.is_empty());
        jobs.start("other", spec.clone(), How::default(), ROOT).unwrap();
        jobs.remove("other", true, ROOT).unwrap();
        // It is an ordinary run, which can go on.
        jobs.start("web", spec.clone(), How { no_clear: true, ..How::default() }, ROOT).unwrap();
        let before = stored(jobs);
        wait_until("it goes on", || stored(jobs) > before);
        jobs.stop("web", ROOT).unwrap();
        jobs.start("web", spec.clone(), How::default(), ROOT).unwrap();
        assert_eq!(web(jobs).runs.len(), 2);
    });
}
