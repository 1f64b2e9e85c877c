//! Where a run can be read.

use tokio::sync::watch;

use super::entry::lock;
use super::{JobError, Jobs};
use crate::capture::Follower;
use crate::disk::Folder;
use crate::store::{Progress, Store};

/// Where a run can be read.
pub struct Source {
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
    pub fn source(&self, name: &str, run: u32, follow: bool) -> Result<Source, JobError> {
        let entry = self.entry(name)?;
        let now = lock(&entry.now);
        let number = if run == 0 { now.last_run() } else { run };
        if number == 0 || !now.runs.iter().any(|known| known.number == number) {
            return Err(JobError::NoRun { job: name.to_owned(), run: number });
        }
        let live = now.capture.as_ref().filter(|_| number == now.last_run());
        Ok(Source {
            folder: self.store.run_folder(name, number)?,
            key: Store::run_key(name, number),
            progress: live.map(|running| running.capture.progress()),
            follower: live.filter(|_| follow).map(|running| running.capture.follow()),
        })
    }
}
