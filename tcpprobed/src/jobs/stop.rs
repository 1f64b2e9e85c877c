//! Ending the run of a job.

use std::io;
use std::sync::Arc;

use super::job::Job;
use super::record::RunRecord;
use super::running::EMPTIED;
use super::state::NotRunning;
use super::unclosed::Unclosed;
use super::{Caller, JobError, JobView, Jobs};
use crate::capture::{Ending, Shared};
use crate::clock;
use crate::store::StoreError;
use crate::tracefs::{Instance, possible_cpus};

/// What became of a thread that should have ended the run.
pub(super) const PANICKED: &str = "the capture's thread panicked; the job is resumed";

impl Jobs {
    /// Ends the run of a job.
    ///
    /// # Errors
    /// When it does not run, or the caller may not.
    pub fn stop(&self, name: &str, caller: &Caller) -> Result<JobView, JobError> {
        let job = self.job(name)?;
        job.check_owner(caller)?;
        self.end(&job, &format!("stopped by {}", caller.user))?;
        tracing::info!(job = name, uid = caller.user.uid(), pid = caller.pid, "stopped");
        self.get(name)
    }

    pub(super) fn end(&self, job: &Job, why: &str) -> Result<(), JobError> {
        let _change = job.change();
        self.end_held(job, why)
    }

    /// Ends the run of a job, which must be held. One that failed is resumed first: nothing is lost that can be stored.
    pub(super) fn end_held(&self, job: &Job, why: &str) -> Result<(), JobError> {
        self.let_go_if_failed(job);
        let has_failed = job.now().state.resume_due().is_some();
        if has_failed && let Err(error) = self.resume(job) {
            return self.give_up(job, &format!("{why}, when it could not be resumed: {error}"));
        }
        self.owners.catch_up();
        let running = job.now().state.take_for_stop().map_err(|found| match found {
            NotRunning::Stopped => JobError::NotRunning(job.name.clone()),
            NotRunning::LetGo => JobError::Stopping,
        })?;
        self.changed();
        // Of a run whose stop was interrupted it may be off.
        let may_be_off = !job.now().file.running;
        let changes = running.condition.changes(&running.instance, may_be_off.then_some("tracing_on"));
        let since = running.sure_until();
        // From here on the run ends, whatever fails on the way: where this process does, the next one ends it.
        let kept = self.keep_running(job, false);
        let quiet = running.instance.set_tracing(false);
        let shared = Arc::clone(running.capture.shared());
        let Some(mut ending) = running.capture.stop() else {
            self.note_failure(job, shared.totals(), PANICKED, true);
            return Err(JobError::Io { doing: "ending the run", source: io::Error::other(PANICKED) });
        };
        let mut changes = changes.unwrap_or_else(|error| vec![error.to_string()]);
        if shared.was_reset() {
            changes.push(EMPTIED.to_owned());
        }
        let mut why = why.to_owned();
        if !changes.is_empty() {
            ending.book_unknown(possible_cpus()?, since);
            why += &format!("; somebody changed its kernel instance before ({})", changes.join("; "));
            tracing::warn!(job = job.name, why, "what happened in the last seconds is not known");
        }
        let (unclosed, finished, removed) = match self.finish(job, ending, running.instance, &shared, &why) {
            Ok(instance) => (None, Ok(()), self.remove_instance(job, instance)),
            Err((unclosed, _)) if self.store.is_gone(&job.name, job.now().last_run()) => {
                let error = self.note_folder_gone(job);
                self.remove_instance(job, unclosed.instance)?;
                return Err(error);
            }
            Err((unclosed, error)) => (Some(unclosed), Err(error), Ok(())),
        };
        // What the disk refuses is tried again until it does not.
        let message = finished.and(kept).err().map(|error| error.to_string()).unwrap_or_default();
        job.now().state.ended(unclosed, message);
        self.changed();
        quiet?;
        removed?;
        Ok(())
    }

    /// The run of a job ended, and somebody has removed its folder: it can never be closed.
    fn note_folder_gone(&self, job: &Job) -> JobError {
        let mut now = job.now();
        let stored = now.runs.last().map_or(0, |run| run.view(&job.name, self.store.catalog()).ledger.stored);
        let error = JobError::FolderGone { job: job.name.clone(), stored };
        tracing::error!(job = job.name, %error, "the run is lost");
        now.state.ended(None, error.to_string());
        drop(now);
        self.changed();
        error
    }

    /// Ends a run that cannot be resumed. What the kernel still holds of it is lost.
    pub(super) fn give_up(&self, job: &Job, why: &str) -> Result<(), JobError> {
        tracing::error!(job = job.name, why, "the run is given up");
        let number = job.now().last_run();
        self.close_interrupted(job, number, why);
        let name = self.instance_name(&job.name);
        if Instance::exists(&self.tracefs, &name) {
            self.remove_instance(job, Instance::open(&self.tracefs, &name)?)?;
        }
        job.now().state.ended(None, String::new());
        self.changed();
        if self.store.is_gone(&job.name, number) {
            return Err(self.note_folder_gone(job));
        }
        self.keep_running(job, false)
    }

    /// Removes the instance of a run that is closed: all that was in it and in the staging area is stored.
    pub(super) fn remove_instance(&self, job: &Job, instance: Instance) -> Result<(), JobError> {
        self.runtime.remove_staging(&job.name);
        self.runtime.forget_instance(&job.name);
        Ok(instance.remove()?)
    }

    /// Closes the run's files and notes what it came to. Gives back the instance, which nobody needs any more, or the run that
    /// could not be closed.
    fn finish(
        &self,
        job: &Job,
        ending: Ending,
        instance: Instance,
        shared: &Shared,
        why: &str,
    ) -> Result<Instance, (Box<Unclosed>, JobError)> {
        let number = job.now().last_run();
        let why = ending.error.as_ref().map_or_else(|| why.to_owned(), ToString::to_string);
        let mut unclosed = Box::new(Unclosed::new(ending, clock::wall_ns(), why, instance));
        let expected = unclosed.meta();
        let (meta, closed) = match unclosed.close() {
            Ok(meta) => (meta, Ok(unclosed.instance)),
            Err(error) => (expected, Err((unclosed, self.not_closed(job, number, error)))),
        };
        job.now().note_run(RunRecord { number, meta });
        let totals = shared.totals();
        let (stored, lost) = (totals.stored, totals.missing());
        tracing::info!(job = job.name, run = number, stored, lost, "run ended");
        closed
    }

    fn not_closed(&self, job: &Job, run: u32, source: io::Error) -> JobError {
        tracing::error!(job = job.name, run, error = %source, "the run cannot be closed; this is tried again");
        let path = self.store.run_folder(&job.name, run).map(|folder| folder.path().to_owned()).unwrap_or_default();
        JobError::Store(StoreError::Io { path, source })
    }

    /// Does what the disk refused before: closes a run that ended, saves `job.toml`. The job must be held.
    pub(super) fn close_rest(&self, job: &Job) -> Result<(), JobError> {
        let unclosed = job.now().state.take_unclosed();
        if let Some(mut unclosed) = unclosed {
            if let Err(source) = unclosed.close() {
                job.now().state.not_closed(unclosed);
                return Err(JobError::Io { doing: "closing the run before", source });
            }
            if let Err(error) = self.remove_instance(job, unclosed.instance) {
                tracing::error!(job = job.name, %error, "its kernel instance cannot be removed");
            }
            tracing::info!(job = job.name, "the run that could not be closed is closed");
        } else if !job.now().is_unsaved {
            return Ok(());
        }
        self.save(job)?;
        job.now().state.clear_message();
        self.changed();
        Ok(())
    }
}
