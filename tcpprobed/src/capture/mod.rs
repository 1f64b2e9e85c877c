//! The data plane: from a kernel instance to the segments of a run, one thread a job.
//!
//! Nothing here waits for the control plane: the thread shares counters with it, and is told to stop by an eventfd.

mod block_limits;
mod comms;
mod ending;
mod engine;
mod loss_accounting;
mod own_events;
mod priority;
mod residual;
mod seen;
mod setup;
mod shared;
mod staging;
mod up_to_now;

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

pub use block_limits::{BLOCK_AGE, BLOCK_AGE_FOLLOWED, BLOCK_EVENTS};
pub use comms::Comms;
pub use ending::Ending;
pub use own_events::{OwnEvent, OwnEvents};
pub use priority::raise as raise_priority;
pub use residual::{Residuals, Verdict};
pub use seen::{Lookout, Seen, SnapshotCounts, Snapshots};
pub use setup::Setup;
pub use shared::{Follower, Shared};
pub use staging::{STAGING_BYTES, Staging};
pub use up_to_now::UpToNow;

use crate::store::Progress;

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    thread: JoinHandle<Ending>,
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    own_events: OwnEvents,
    snapshots: Option<Arc<Snapshots>>,
}

impl Capture {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there are no more threads or descriptors.
    pub fn start(name: &str, setup: Setup) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(setup.sure_until)?);
        let (progress, own_events) = (setup.run.progress(), setup.own_events.clone());
        let snapshots = setup.lookout.as_ref().map(|(_, snapshots)| Arc::clone(snapshots));
        let job = name.to_owned();
        let theirs = Arc::clone(&shared);
        // Linux cuts thread names to 15 bytes.
        let thread = std::thread::Builder::new()
            .name(format!("cap-{name}"))
            .spawn(move || engine::Engine::new(&job, setup, theirs).run())?;
        Ok(Capture { thread, shared, progress, own_events, snapshots })
    }

    /// Where events of our own are handed over to it.
    #[must_use]
    pub fn own_events(&self) -> &OwnEvents {
        &self.own_events
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

    /// Its snapshots, where it has any.
    #[must_use]
    pub fn snapshots(&self) -> Option<&Snapshots> {
        self.snapshots.as_deref()
    }

    /// Has blocks sealed sooner.
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower::new(Arc::clone(&self.shared))
    }

    /// Asks that what the kernel recorded until now be stored.
    #[must_use]
    pub fn ask(&self) -> UpToNow {
        let asked = UpToNow::ask(&self.shared.questions);
        self.shared.wake();
        asked
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
        self.shared.ask_stop();
        self.thread.join().ok()
    }
}
