//! The data plane: from a kernel instance to the segments of a run, one thread a job.
//!
//! Nothing here waits for the control plane: the thread shares counters with it, and is told to stop by an eventfd.

mod comms;
mod engine;
mod loss_accounting;
mod priority;
mod residual;
mod staging;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use tcpprobe::file::Totals;
use tokio::sync::watch;

pub use comms::Comms;
pub use engine::{Ending, Setup};
pub use priority::raise as raise_priority;
pub use residual::Residual;
pub use staging::Staging;

use crate::store::Progress;

/// Events in a block: see ARCHITECTURE.md.
pub const BLOCK_EVENTS: usize = 32 << 10;
/// A block is sealed at this age.
pub const BLOCK_AGE: Duration = Duration::from_secs(1);
/// The same while somebody follows the run.
pub const BLOCK_AGE_FOLLOWED: Duration = Duration::from_millis(250);
/// Bytes of a job's staging area: a block's worth of pages, the largest sub-buffer several times.
pub const STAGING_BYTES: usize = 8 << 20;

/// What a capture's thread shares with the rest of the daemon.
#[derive(Debug)]
pub struct Shared {
    stored: AtomicU64,
    filtered: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    first_event: AtomicI64,
    last_event: AtomicI64,
    followers: AtomicU32,
    stop: AtomicBool,
    wake: OwnedFd,
    /// The trouble that the capture is in, in one line.
    pub trouble: watch::Sender<Option<String>>,
}

impl Shared {
    fn new() -> std::io::Result<Self> {
        Ok(Shared {
            stored: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            first_event: AtomicI64::new(i64::MAX),
            last_event: AtomicI64::new(i64::MIN),
            followers: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
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
        }
    }

    /// Wall-clock times of the earliest and the latest event stored.
    #[must_use]
    pub fn walls(&self) -> Option<(i64, i64)> {
        let walls = (self.first_event.load(Ordering::Relaxed), self.last_event.load(Ordering::Relaxed));
        (walls.0 <= walls.1).then_some(walls)
    }

    fn wake(&self) {
        // Only a counter at its limit refuses, and that one wakes too.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// Somebody follows the run: its blocks come sooner as long as this lives.
#[derive(Debug)]
pub struct Follower(Arc<Shared>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    thread: JoinHandle<Ending>,
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
}

impl Capture {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there are no more threads or descriptors.
    pub fn start(name: &str, setup: Setup) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let progress = setup.run.progress();
        let theirs = Arc::clone(&shared);
        // Linux cuts thread names to 15 bytes.
        let thread = std::thread::Builder::new()
            .name(format!("cap-{name}"))
            .spawn(move || engine::Engine::new(setup, theirs).run())?;
        Ok(Capture { thread, shared, progress })
    }

    /// Counters.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How far the run is written.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Has blocks sealed sooner.
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.shared.followers.fetch_add(1, Ordering::Relaxed);
        self.shared.wake();
        Follower(Arc::clone(&self.shared))
    }

    /// Whether the thread is gone, be it by an error.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Drains what the kernel still holds, stores it and ends the thread. The kernel must not be recording any more
    /// if the run is to end; if it is, this is a pause, and what comes later waits in the kernel.
    #[must_use]
    pub fn stop(self) -> Option<Ending> {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
        self.thread.join().ok()
    }
}
