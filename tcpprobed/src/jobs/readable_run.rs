//! A run that can be read, whether it goes on or not.

use tokio::sync::watch;

use super::{JobError, Jobs};
use crate::capture::Follower;
use crate::disk::Folder;
use crate::store::{Progress, Store};

/// Where a run can be read.
pub struct ReadableRun {
    /// The run's folder.
    pub folder: Folder,
    /// The run's name in the catalog.
    pub key: String,
    /// How far it is written, while it goes on.
    pub progress: Option<watch::Receiver<Progress>>,
    /// Keeps blocks coming sooner, for somebody who follows.
    pub follower: Option<Follower>,
}

impl Jobs {
    /// Where a run can be read; run 0 is the newest.
    ///
    /// # Errors
    /// [`JobError::NotFound`], [`JobError::NoRun`].
    pub fn readable_run(&self, name: &str, run: u32, follow: bool) -> Result<ReadableRun, JobError> {
        let job = self.job(name)?;
        let now = job.now();
        let number = if run == 0 { now.last_run() } else { run };
        if number == 0 || !now.runs.iter().any(|known| known.number == number) {
            return Err(JobError::NoRun { job: name.to_owned(), run: number });
        }
        let live = now.state.running().filter(|_| number == now.last_run());
        Ok(ReadableRun {
            folder: self.store.run_folder(name, number)?,
            key: Store::run_key(name, number),
            progress: live.map(|running| running.capture.progress()),
            follower: live.filter(|_| follow).map(|running| running.capture.follow()),
        })
    }
}
