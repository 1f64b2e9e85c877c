//! Ending runs, letting go of them, and removing jobs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Entry, lock};
use super::record::RunRecord;
use super::{Caller, JobError, JobView, Jobs, State};
use crate::capture::{Ending, Shared};
use crate::clock;
use crate::store::{RunMeta, at};

impl Jobs {
    /// Ends the run of a job.
    ///
    /// # Errors
    /// When it does not run, or the caller may not.
    pub fn stop(&self, name: &str, caller: Caller) -> Result<JobView, JobError> {
        let entry = self.entry(name)?;
        self.check_owner(&entry, caller)?;
        self.end(&entry, &format!("stopped by uid {}", caller.uid))?;
        tracing::info!(job = name, uid = caller.uid, pid = caller.pid, "stopped");
        self.get(name)
    }

    pub(super) fn end(&self, entry: &Entry, why: &str) -> Result<(), JobError> {
        let _change = lock(&entry.change);
        let running = {
            let mut now = lock(&entry.now);
            let Some(running) = now.capture.take() else {
                if now.state == State::Failed {
                    (now.state, now.file.running) = (State::Stopped, false);
                    drop(now);
                    return self.keep_running(entry, false);
                }
                return Err(JobError::NotRunning(entry.name.clone()));
            };
            now.state = State::Stopping;
            running
        };
        self.changed();
        // From here on the run ends, whatever fails on the way.
        let quiet = running.instance.set_tracing(false);
        let totals = Arc::clone(running.capture.shared());
        let ending = running.capture.stop();
        let finished = self.finish(entry, ending, &totals, why);
        let removed = running.instance.remove();
        let _ = std::fs::remove_file(self.staging_path(&entry.name));
        let kept = self.keep_running(entry, false);
        let mut now = lock(&entry.now);
        now.state = State::Stopped;
        now.message = finished.err().map(|error| error.to_string()).unwrap_or_default();
        drop(now);
        self.changed();
        quiet?;
        removed?;
        kept
    }

    /// Closes the run's files and notes what it came to.
    fn finish(&self, entry: &Entry, ending: Option<Ending>, shared: &Shared, why: &str) -> Result<(), JobError> {
        let number = lock(&entry.now).last_run();
        let folder = self.store.run_folder(&entry.name, number);
        let ended_ns = clock::wall_ns();
        let meta = match ending {
            Some(ending) => {
                let why = ending.error.map_or_else(|| why.to_owned(), |error| error.to_string());
                at(&folder, ending.run.finish(ended_ns, &why))?
            }
            None => {
                self.close_interrupted(entry, number, "the capture's thread panicked");
                at(&folder, RunMeta::load(&folder))?
            }
        };
        let mut record = RunRecord { number, meta, bytes: 0, segments: 0, walls: None };
        record.measure(&self.store, &entry.name)?;
        let mut now = lock(&entry.now);
        now.runs.retain(|run| run.number != number);
        now.runs.push(record);
        let totals = shared.totals();
        let (stored, lost) = (totals.stored, totals.missing());
        tracing::info!(job = entry.name, run = number, stored, lost, "run closed");
        Ok(())
    }

    /// Removes a job and what it recorded; says how many bytes that were.
    ///
    /// # Errors
    /// When it runs and is not to be stopped by `force`, or the caller may not.
    pub fn remove(&self, name: &str, force: bool, caller: Caller) -> Result<u64, JobError> {
        let entry = self.entry(name)?;
        self.check_owner(&entry, caller)?;
        if force {
            match self.end(&entry, &format!("removed by uid {}", caller.uid)) {
                Err(JobError::NotRunning(_)) => {}
                ended => ended?,
            }
        }
        let _change = self.hold(&entry)?;
        entry.check_idle()?;
        let bytes = lock(&entry.now).stored_bytes();
        self.store.remove_job(name)?;
        lock(&self.entries).remove(name);
        self.changed();
        tracing::info!(job = name, uid = caller.uid, pid = caller.pid, bytes, "removed");
        Ok(bytes)
    }

    /// Lets go of everything: what was read is stored, the kernel goes on recording, and the next daemon takes it up.
    pub fn suspend(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for entry in self.all() {
            let _change = lock(&entry.change);
            let Some(running) = lock(&entry.now).capture.take() else { continue };
            if let Some(ending) = running.capture.stop() {
                ending.run.suspend();
            }
        }
        self.store.catalog().flush();
        self.changed();
    }
}
