//! Letting go of captures without ending their runs: the kernel goes on recording, and the jobs are to be resumed.

use std::sync::atomic::Ordering;

use tcpprobe::file::Totals;

use super::job::Job;
use super::{Caller, Jobs};
use crate::user::User;

impl Jobs {
    /// Removes all jobs, whoever made them: for a daemon that leaves nothing behind.
    pub fn remove_all(&self) {
        let caller = Caller { user: User::root(), pid: 0, is_admin: true };
        for job in self.all() {
            if let Err(error) = self.remove(&job.name, true, &caller) {
                tracing::error!(job = job.name, %error, "the job stays");
            }
        }
    }

    /// Lets go of everything: what was read is stored, and the next daemon resumes the jobs.
    pub fn suspend(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.owners.catch_up();
        self.owners.stop();
        for job in self.all() {
            let _change = job.change();
            if let Err(error) = self.close_rest(&job) {
                tracing::error!(job = job.name, %error, "its last run will be found interrupted");
            }
            let running = job.now().state.let_go_if(|_| true);
            if running.is_some() {
                tracing::info!(
                    job = job.name,
                    "goes on recording in the kernel, for the next daemon; `tcpprobectl stop` ends a job, and needs a daemon"
                );
            }
            if let Some(ending) = running.and_then(|running| running.capture.stop()) {
                ending.run.suspend();
            }
        }
        self.store.catalog().close();
        self.changed();
    }

    /// Lets go of a capture that ended by itself, by an error or a panic, as if the daemon had been killed; the job is to be
    /// resumed, soon where it got anywhere since the last time. The job must be held.
    pub(super) fn let_go_if_failed(&self, job: &Job) {
        let running = job.now().state.let_go_if(|running| running.capture.is_finished());
        let Some(running) = running else { return };
        let account = running.capture.shared().totals();
        let ending = running.capture.stop();
        let has_panicked = ending.is_none();
        let why = match ending {
            None => "the capture's thread panicked".to_owned(),
            Some(ending) => {
                let why = ending.error.as_ref().map(ToString::to_string).unwrap_or_default();
                ending.run.suspend();
                why
            }
        };
        self.note_failure(job, account, &why, has_panicked);
    }

    /// Notes that a capture ended by itself, with this account so far.
    pub(super) fn note_failure(&self, job: &Job, account: Totals, why: &str, has_panicked: bool) {
        tracing::error!(job = job.name, why, "the capture ended by itself; the job is resumed");
        let mut now = job.now();
        let is_stuck = now.state.failed(account, why);
        if is_stuck && has_panicked {
            // What is staged may be the cause. Without it, the kernel's totals tell how many events are missing.
            tracing::error!(job = job.name, "what was read and not stored is dropped");
            self.runtime.remove_staging(&job.name);
        }
        drop(now);
        self.changed();
    }
}
