//! What a capture's thread shares with the rest of the daemon: counters, and how it is told something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use tcpprobe::file::Totals;
use tokio::sync::watch;

use super::up_to_now::Questions;

/// What a capture's thread shares with the rest of the daemon.
#[derive(Debug)]
pub struct Shared {
    pub(super) stored: AtomicU64,
    pub(super) filtered: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) unknown: AtomicU64,
    /// Whether the kernel's counters went backwards: somebody emptied the buffer.
    pub(super) was_reset: AtomicBool,
    /// Every event up to this time was read before the counters were right the last time.
    pub(super) sure_until: AtomicU64,
    pub(super) first_event: AtomicI64,
    pub(super) last_event: AtomicI64,
    pub(super) followers: AtomicU32,
    pub(super) stop: AtomicBool,
    pub(super) wake: OwnedFd,
    pub(super) questions: Questions,
    /// The trouble that the capture is in, in one line.
    pub trouble: watch::Sender<Option<String>>,
}

impl Shared {
    pub(super) fn new(sure_until: u64) -> std::io::Result<Self> {
        Ok(Shared {
            stored: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            was_reset: AtomicBool::new(false),
            sure_until: AtomicU64::new(sure_until),
            first_event: AtomicI64::new(i64::MAX),
            last_event: AtomicI64::new(i64::MIN),
            followers: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            questions: Questions::new(),
            trouble: watch::Sender::new(None),
        })
    }

    /// The ledger so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            stored: get(&self.stored),
            filtered: get(&self.filtered),
            lost: get(&self.lost),
            dropped: get(&self.dropped),
            unknown: get(&self.unknown),
        }
    }

    /// Whether the kernel's counters went backwards: somebody emptied the buffer.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.was_reset.load(Ordering::Relaxed)
    }

    /// Every event up to this time, in the trace's clock, was read before the kernel's counters were right the last time.
    #[must_use]
    pub fn sure_until(&self) -> u64 {
        self.sure_until.load(Ordering::Relaxed)
    }

    /// Wall-clock times of the earliest and the latest event stored.
    #[must_use]
    pub fn walls(&self) -> Option<(i64, i64)> {
        let walls = (self.first_event.load(Ordering::Relaxed), self.last_event.load(Ordering::Relaxed));
        (walls.0 <= walls.1).then_some(walls)
    }

    /// Tells the thread to stop.
    pub(super) fn ask_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn wake(&self) {
        // Only a counter at its limit refuses, and that one wakes too.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// Somebody follows the run: its blocks come sooner as long as this lives.
#[derive(Debug)]
pub struct Follower(Arc<Shared>);

impl Follower {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.followers.fetch_add(1, Ordering::Relaxed);
        shared.wake();
        Follower(shared)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}
