//! Starting a job.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use super::entry::{Entry, lock};
use super::{Caller, JobError, JobFile, JobView, Jobs, Plan, Spec, State, spec};
use crate::clock;
use crate::store::at;

/// A job that was started.
pub struct Started {
    /// As it is now; none in a dry run.
    pub job: Option<JobView>,
    /// What it does.
    pub plan: Plan,
    /// Its run.
    pub run: u32,
}

impl Jobs {
    /// Starts a job, or says what starting it would do.
    ///
    /// # Errors
    /// When the spec is not possible, the job runs, or the caller may not.
    pub fn start(
        &self,
        name: &str,
        spec: Spec,
        no_clear: bool,
        dry_run: bool,
        caller: Caller,
    ) -> Result<Started, JobError> {
        spec::check_name(name)?;
        if self.stopping.load(Ordering::Relaxed) {
            return Err(JobError::Stopping);
        }
        let known = self.entry(name).ok();
        if let Some(entry) = &known {
            self.check_owner(entry, caller)?;
            entry.check_idle()?;
        }
        let spec = match &known {
            // "start NAME" alone means: as it was.
            Some(entry) if spec == Spec::default() => lock(&entry.now).file.spec.clone(),
            _ => spec,
        };
        let plan = Plan::new(&spec, &self.config(), &self.tracefs)?;
        // Before anything is made of a job that cannot be; it is promised when it is its turn.
        drop(self.promise_memory(&plan)?);
        if dry_run {
            let run = known.map_or(1, |entry| lock(&entry.now).last_run() + 1);
            return Ok(Started { job: None, plan, run });
        }
        let entry = match known {
            Some(entry) => entry,
            None => self.make(name, &spec, caller)?,
        };
        let _change = self.hold(&entry)?;
        self.check_owner(&entry, caller)?;
        entry.check_idle()?;
        if lock(&entry.now).state == State::Failed {
            self.end_held(&entry, &format!("started anew by uid {}", caller.uid))?;
        }
        let old = std::mem::replace(&mut lock(&entry.now).file.spec, spec);
        let began = self.promise_memory(&plan).and_then(|_promise| self.begin(&entry, &plan, no_clear));
        if let Err(error) = began {
            tracing::warn!(job = name, uid = caller.uid, pid = caller.pid, %error, "start failed");
            self.take_back(&entry, old);
            return Err(error);
        }
        tracing::info!(job = name, uid = caller.uid, pid = caller.pid, filter = plan_filter(&entry), "started");
        self.changed();
        let now = lock(&entry.now);
        Ok(Started { job: Some(now.view(name, true, self.store.catalog())), run: now.last_run(), plan })
    }

    pub(super) fn check_owner(&self, entry: &Entry, caller: Caller) -> Result<(), JobError> {
        let owner = lock(&entry.now).file.owner_uid;
        if caller.is_admin || caller.uid == owner {
            return Ok(());
        }
        Err(JobError::NotOwner { job: entry.name.clone(), owner })
    }

    /// A job that was not there before.
    fn make(&self, name: &str, spec: &Spec, caller: Caller) -> Result<Arc<Entry>, JobError> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(name) {
            return Ok(Arc::clone(entry));
        }
        let limits = &self.config().limits;
        if entries.len() >= limits.jobs {
            return Err(JobError::TooMany(entries.len()));
        }
        let own = entries.values().filter(|entry| lock(&entry.now).file.owner_uid == caller.uid).count();
        if own >= limits.jobs_per_user && !caller.is_admin {
            return Err(JobError::TooManyOwn(own));
        }
        let file = JobFile { owner_uid: caller.uid, created_ns: clock::wall_ns(), running: false, spec: spec.clone() };
        let folder = self.store.make_job_folder(name)?;
        at(folder.path(), file.save(&folder))?;
        // Whatever is there of a job that was made or removed by halves is kept.
        let entry = Entry::new(name, file, self.load_runs(name)?);
        self.close_open_runs(&entry, false);
        entries.insert(name.to_owned(), Arc::clone(&entry));
        Ok(entry)
    }

    /// Holds a job against changes by others, if it still is there.
    pub(super) fn hold<'e>(&self, entry: &'e Arc<Entry>) -> Result<MutexGuard<'e, ()>, JobError> {
        let change = lock(&entry.change);
        match self.entry(&entry.name) {
            Ok(now) if Arc::ptr_eq(&now, entry) => Ok(change),
            _ => Err(JobError::NotFound(entry.name.clone())),
        }
    }

    /// Leaves a job as it was before a start that failed; one that never ran is none.
    fn take_back(&self, entry: &Entry, spec: Spec) {
        let has_runs = {
            let mut now = lock(&entry.now);
            (now.file.spec, now.state) = (spec, State::Stopped);
            !now.runs.is_empty()
        };
        let left = if has_runs {
            self.keep_running(entry, false)
        } else {
            lock(&self.entries).remove(&entry.name);
            self.store.remove_job(&entry.name).map_err(JobError::from)
        };
        if let Err(error) = left {
            tracing::error!(job = entry.name, %error, "what a failed start left behind stays there");
        }
    }
}

fn plan_filter(entry: &Entry) -> String {
    lock(&entry.now).file.spec.filter.clone()
}
