//! A job under load within the test's process, and the account of all that became of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tcpprobed::check::check;
use tcpprobed::config::Config;
use tcpprobed::disk::{FsHook, OptionalHook};
use tcpprobed::jobs::{How, JobView, Jobs, Spec, State};

use super::{Inside, ROOT, Shadow, Site, Trace, assert_part, read_run, told_plan, tracefs, unlocked};

/// The job.
pub fn web(jobs: &Jobs) -> JobView {
    jobs.get("web").unwrap()
}

/// Events that its newest run has stored.
pub fn stored(jobs: &Jobs) -> u64 {
    web(jobs).runs.last().unwrap().ledger.stored
}

/// Does `work` while a job of this spec records, and `hook` sees what is written; then checks that every event which
/// the kernel traced is stored once or accounted for. What `work` is given last ends the traffic.
pub fn rehearsed(what: &str, hook: &Arc<impl FsHook + 'static>, work: impl FnOnce(&Arc<Jobs>, &Spec, &dyn Fn())) {
    let Some(tracefs) = tracefs() else { return };
    let inside = Inside::new(tracefs, what);
    let mut config = Config::default();
    (config.store.free_min, config.store.segment_bytes, config.store.sync_seconds) = (0, 32 << 10, 1);
    let jobs = inside.open(config, OptionalHook::some(Arc::clone(hook) as Arc<_>));
    let maintenance = Arc::clone(&jobs);
    let maintenance = thread::spawn(move || maintenance.maintain());
    let site = Site::v4();
    let spec =
        Spec { filter: site.filter(), buffer_kb: 64 << 10, events: vec!["minimal".to_owned()], ..Spec::default() };
    let started = jobs.start("web", spec.clone(), How::default(), ROOT).unwrap();
    let shadow = Shadow::start(what, &told_plan(&started.plan));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                site.ping_pong(20);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let quiet = || {
            stop.store(true, Ordering::Relaxed);
            shadow.quiet();
        };
        // Also when it panics.
        let ended = catch_unwind(AssertUnwindSafe(|| work(&jobs, &spec, &quiet)));
        stop.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| resume_unwind(panic));
    });
    shadow.quiet();
    if web(&jobs).state == State::Running {
        jobs.stop("web", ROOT).unwrap();
    }
    let recorded = shadow.stop();
    let runs = web(&jobs).runs;
    let traces: Vec<Trace> = runs.iter().map(|run| Trace::decode(&read_run(&jobs, "web", run.number))).collect();
    let events: Vec<_> = traces.iter().flat_map(|trace| trace.events.iter().cloned()).collect();
    let missing = assert_part(&events, &recorded.events);
    assert_eq!(runs.iter().map(|run| run.ledger.stored).sum::<u64>(), events.len() as u64);
    // Between two runs nobody records.
    if let [run] = &runs[..] {
        assert_eq!((run.ledger.missing(), run.ledger.filtered), (missing, 0), "{run:?}");
        assert_eq!(traces[0].totals, run.ledger, "the trace has another account");
    }
    jobs.suspend();
    maintenance.join().unwrap();
    drop(jobs);
    let findings = unlocked(|| check(&inside.state(), false)).findings;
    assert!(findings.is_empty(), "{findings:#?}");
}
