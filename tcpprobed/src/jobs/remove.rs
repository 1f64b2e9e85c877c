//! Removing a job and what it recorded.

use super::{Caller, JobError, Jobs};
use crate::lock::lock;

impl Jobs {
    /// Removes a job and what it recorded; says how many bytes that were.
    ///
    /// # Errors
    /// When it runs and is not to be stopped by `force`, or the caller may not.
    pub fn remove(&self, name: &str, force: bool, caller: &Caller) -> Result<u64, JobError> {
        let job = self.job(name)?;
        job.check_owner(caller)?;
        if force {
            match self.end(&job, &format!("removed by {}", caller.user)) {
                Err(JobError::NotRunning(_) | JobError::FolderGone { .. }) => {}
                ended => ended?,
            }
        }
        let _change = self.hold(&job)?;
        job.check_idle()?;
        // The next daemon is to find what this one has let go of.
        if job.now().state.is_let_go() {
            return Err(JobError::Stopping);
        }
        if job.now().state.resume_due().is_some() {
            self.give_up(&job, "removed")?;
        }
        let bytes = job.now().stored_bytes(name, self.store.catalog());
        self.store.remove_job(name)?;
        let unclosed = job.now().state.take_unclosed();
        if let Some(unclosed) = unclosed {
            self.remove_instance(&job, unclosed.instance)?;
        }
        lock(&self.jobs).remove(name);
        self.changed();
        tracing::info!(job = name, uid = caller.user.uid(), pid = caller.pid, bytes, "removed");
        Ok(bytes)
    }
}
