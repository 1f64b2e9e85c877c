//! What runs, stored up to the moment somebody asked.

use super::Jobs;
use crate::capture::UpToNow;

impl Jobs {
    /// Asks the capture of a job, or of all jobs where none is named, to store what it has. Nothing waits here: the answers do.
    #[must_use]
    pub fn ask(&self, name: Option<&str>) -> Vec<UpToNow> {
        let jobs = match name {
            Some(name) => self.job(name).into_iter().collect(),
            None => self.all(),
        };
        jobs.iter().filter_map(|job| Some(job.now().state.running()?.capture.ask())).collect()
    }
}
