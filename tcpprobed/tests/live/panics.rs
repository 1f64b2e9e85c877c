//! A capture's thread that panics takes nothing with it: its job is resumed as after a crash of the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, io, thread};

use tcpprobed::disk::{Change, FsHook};
use tcpprobed::jobs::{How, State};

use crate::common::{ROOT, rehearsed, stored, wait_until, web};

/// Makes captures' threads panic as they write: so many times before something is written, or after.
#[derive(Debug, Default)]
struct Panics {
    before: AtomicU32,
    after: AtomicU32,
    /// Somebody is to wait before it panics, and does.
    is_to_wait: AtomicBool,
    waits: AtomicBool,
}

/// Whether it is a capture that writes.
fn is_capture(change: Change<'_>) -> bool {
    matches!(change, Change::Write(..)) && thread::current().name().is_some_and(|name| name.starts_with("cap-"))
}

fn take(left: &AtomicU32) {
    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        panic!("the test makes this thread panic");
    }
}

impl FsHook for Panics {
    fn before(&self, change: Change<'_>) -> io::Result<()> {
        if is_capture(change) {
            while self.is_to_wait.load(Ordering::Relaxed) {
                self.waits.store(true, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
            take(&self.before);
        }
        Ok(())
    }

    fn after(&self, change: Change<'_>) {
        if is_capture(change) {
            take(&self.after);
        }
    }
}

/// Has it panic so often, and waits until something is stored again.
fn panic(left: &AtomicU32, times: u32, stored: impl Fn() -> u64) {
    left.store(times, Ordering::Relaxed);
    wait_until("it panics", || left.load(Ordering::Relaxed) == 0);
    let before = stored();
    wait_until("it goes on", || stored() > before);
}

#[test]
fn nothing_is_lost() {
    let panics = Arc::new(Panics::default());
    rehearsed("panics", &panics, |jobs, _, _| {
        let _sooner = jobs.readable_run("web", 0, true).unwrap();
        for _ in 0..2 {
            panic(&panics.before, 1, || stored(jobs));
            panic(&panics.after, 1, || stored(jobs));
        }
        let job = web(jobs);
        assert_eq!((job.state, job.message.as_str(), job.runs.len()), (State::Running, "", 1), "{job:?}");
        assert_eq!(job.runs[0].ledger.missing(), 0, "{job:?}");
    });
}

/// What makes a thread panic whenever it is looked at is dropped, and counted.
#[test]
fn again_and_again() {
    let panics = Arc::new(Panics::default());
    rehearsed("panics-again", &panics, |jobs, _, _| {
        wait_until("events are stored", || stored(jobs) > 0);
        panic(&panics.before, 3, || stored(jobs));
        let job = web(jobs);
        assert_eq!((job.state, job.runs.len()), (State::Running, 1), "{job:?}");
        // The kernel's totals, which alone know of them, are read once a second.
        wait_until("they are counted", || web(jobs).runs[0].ledger.dropped > 0);
    });
}

/// A run is not ended by halves.
#[test]
fn while_it_is_stopped() {
    let panics = Arc::new(Panics::default());
    rehearsed("panics-stopped", &panics, |jobs, spec, quiet| {
        wait_until("events are stored", || stored(jobs) > 0);
        panics.is_to_wait.store(true, Ordering::Relaxed);
        wait_until("it is about to write", || panics.waits.load(Ordering::Relaxed));
        quiet();
        panics.before.store(1, Ordering::Relaxed);
        let switch = format!("instances/{}web/tracing_on", jobs.instance_prefix());
        let switch = jobs.tracefs().root().join(switch);
        let refused = thread::scope(|scope| {
            let stop = scope.spawn(|| jobs.stop("web", ROOT).unwrap_err().to_string());
            wait_until("it is being stopped", || fs::read_to_string(&switch).unwrap().trim() == "0");
            panics.is_to_wait.store(false, Ordering::Relaxed);
            stop.join().unwrap()
        });
        assert!(refused.contains("panicked"), "{refused}");
        jobs.start("other", spec.clone(), How::default(), ROOT).unwrap();
        jobs.remove("other", true, ROOT).unwrap();
        wait_until("it is stopped after all", || web(jobs).state == State::Stopped);
        assert_eq!((web(jobs).runs.len(), switch.exists()), (1, false));
    });
}

/// A job whose capture is gone can be stopped at once, and nothing is lost.
#[test]
fn stopped_before_it_is_noticed() {
    let panics = Arc::new(Panics::default());
    rehearsed("panics-noticed", &panics, |jobs, _, quiet| {
        wait_until("events are stored", || stored(jobs) > 0);
        panics.after.store(1, Ordering::Relaxed);
        wait_until("it panics", || panics.after.load(Ordering::Relaxed) == 0);
        quiet();
        jobs.stop("web", ROOT).unwrap();
        assert_eq!((web(jobs).state, web(jobs).runs.len()), (State::Stopped, 1));
    });
}
