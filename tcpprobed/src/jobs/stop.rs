//! Ending runs, letting go of them, and removing jobs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Entry, lock};
use super::record::RunRecord;
use super::{Caller, JobError, JobView, Jobs, State};
use crate::capture::{Ending, Shared};
use crate::clock;
use crate::store::{RunMeta, StoreError};
use crate::tracefs::Instance;

/// What became of a thread that should have ended the run.
const PANICKED: &str = "the capture's thread panicked; the job is taken up again";

/// A run that ended and is to be closed: what is on disk does not tell all of its account yet, nor that it ended.
pub struct Unclosed {
    ending: Ending,
    ended_ns: i64,
    why: String,
    /// Records no more. Should the daemon end now, the kernel's totals tell the next one what is missing from the account.
    instance: Instance,
}

impl Unclosed {
    /// Closes the run; where that fails, it can be tried again.
    fn close(&mut self) -> io::Result<RunMeta> {
        self.ending.close(self.ended_ns, &self.why)
    }

    /// The first segment that is needed to take the run up.
    pub fn first_needed(&self) -> u32 {
        self.ending.run.meta_file().first_needed()
    }
}

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
        self.end_held(entry, why)
    }

    /// Ends the run of a job, which must be held. One that failed is taken up first: nothing is lost that can be stored.
    pub(super) fn end_held(&self, entry: &Entry, why: &str) -> Result<(), JobError> {
        self.let_go(entry);
        let has_failed = lock(&entry.now).state == State::Failed;
        if has_failed && let Err(error) = self.resume(entry) {
            return self.give_up(entry, &format!("{why}, when it could not go on: {error}"));
        }
        let running = {
            let mut now = lock(&entry.now);
            now.resume_due = None;
            let running = now.capture.take().ok_or_else(|| JobError::NotRunning(entry.name.clone()))?;
            now.state = State::Stopping;
            running
        };
        self.changed();
        // From here on the run ends, whatever fails on the way: where this process does, the next one ends it.
        let kept = self.keep_running(entry, false);
        let quiet = running.instance.set_tracing(false);
        let shared = Arc::clone(running.capture.shared());
        let Some(ending) = running.capture.stop() else {
            self.has_failed(entry, shared.totals(), PANICKED, true);
            return Err(JobError::Io { doing: "ending the run", source: io::Error::other(PANICKED) });
        };
        let (finished, removed) = match self.finish(entry, ending, running.instance, &shared, why) {
            Ok(instance) => (Ok(()), self.remove_instance(entry, instance)),
            Err(error) => (Err(error), Ok(())),
        };
        let mut now = lock(&entry.now);
        now.state = State::Stopped;
        // What the disk refuses is tried again until it does not.
        now.message = finished.and(kept).err().map(|error| error.to_string()).unwrap_or_default();
        drop(now);
        self.changed();
        quiet?;
        removed?;
        Ok(())
    }

    /// Ends a run that cannot be taken up. What the kernel still holds of it is lost.
    fn give_up(&self, entry: &Entry, why: &str) -> Result<(), JobError> {
        tracing::error!(job = entry.name, why, "the run is given up");
        let number = lock(&entry.now).last_run();
        self.close_interrupted(entry, number, why);
        let name = self.instance_name(&entry.name);
        if Instance::exists(&self.tracefs, &name) {
            self.remove_instance(entry, Instance::adopt(&self.tracefs, &name)?)?;
        }
        {
            let mut now = lock(&entry.now);
            (now.state, now.message, now.resume_due) = (State::Stopped, String::new(), None);
        }
        self.changed();
        self.keep_running(entry, false)
    }

    /// Removes the instance of a run that is closed: all that was in it and in the staging area is stored.
    fn remove_instance(&self, entry: &Entry, instance: Instance) -> Result<(), JobError> {
        self.runtime.remove_staging(&entry.name);
        Ok(instance.remove()?)
    }

    /// Closes the run's files and notes what it came to. Gives back the instance, if nobody needs it any more.
    fn finish(
        &self,
        entry: &Entry,
        ending: Ending,
        instance: Instance,
        shared: &Shared,
        why: &str,
    ) -> Result<Instance, JobError> {
        let number = lock(&entry.now).last_run();
        let ended_ns = clock::wall_ns();
        let why = ending.error.as_ref().map_or_else(|| why.to_owned(), ToString::to_string);
        let meta = ending.meta(ended_ns, &why);
        let mut unclosed = Unclosed { ending, ended_ns, why, instance };
        let (meta, unclosed, closed) = match unclosed.close() {
            Ok(meta) => (meta, None, Ok(unclosed.instance)),
            Err(error) => (meta, Some(unclosed), Err(self.not_closed(entry, number, error))),
        };
        let mut now = lock(&entry.now);
        now.runs.retain(|run| run.number != number);
        now.runs.push(RunRecord { number, meta });
        now.unclosed = unclosed;
        let totals = shared.totals();
        let (stored, lost) = (totals.stored, totals.missing());
        tracing::info!(job = entry.name, run = number, stored, lost, "run ended");
        closed
    }

    fn not_closed(&self, entry: &Entry, run: u32, source: io::Error) -> JobError {
        tracing::error!(job = entry.name, run, error = %source, "the run cannot be closed; this is tried again");
        let path = self.store.run_folder(&entry.name, run).map(|folder| folder.path().to_owned()).unwrap_or_default();
        JobError::Store(StoreError::Io { path, source })
    }

    /// Does what the disk refused before: closes a run that ended, saves `job.toml`. The job must be held.
    pub(super) fn close_rest(&self, entry: &Entry) -> Result<(), JobError> {
        let unclosed = lock(&entry.now).unclosed.take();
        if let Some(mut unclosed) = unclosed {
            if let Err(source) = unclosed.close() {
                lock(&entry.now).unclosed = Some(unclosed);
                return Err(JobError::Io { doing: "closing the run before", source });
            }
            if let Err(error) = self.remove_instance(entry, unclosed.instance) {
                tracing::error!(job = entry.name, %error, "its kernel instance cannot be removed");
            }
            tracing::info!(job = entry.name, "the run that could not be closed is closed");
        } else if !lock(&entry.now).is_unsaved {
            return Ok(());
        }
        self.save(entry)?;
        lock(&entry.now).message.clear();
        self.changed();
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
        if lock(&entry.now).state == State::Failed {
            self.give_up(&entry, "removed")?;
        }
        let bytes = lock(&entry.now).stored_bytes(name, self.store.catalog());
        self.store.remove_job(name)?;
        let unclosed = lock(&entry.now).unclosed.take();
        if let Some(unclosed) = unclosed {
            self.remove_instance(&entry, unclosed.instance)?;
        }
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
            if let Err(error) = self.close_rest(&entry) {
                tracing::error!(job = entry.name, %error, "its last run will be found interrupted");
            }
            let Some(running) = lock(&entry.now).capture.take() else { continue };
            if let Some(ending) = running.capture.stop() {
                ending.run.suspend();
            }
        }
        self.store.catalog().close();
        self.changed();
    }
}
