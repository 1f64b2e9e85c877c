//! Starting a job.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use tcpprobe::event::EventSet;

use super::job::Job;
use super::{Caller, JobError, JobFile, JobView, Jobs, Plan, Spec, spec};
use crate::clock;
use crate::lock::lock;
use crate::store::at;

/// How a job is to be started.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Go on with its last run.
    pub no_clear: bool,
    /// Only say what that would do.
    pub dry_run: bool,
    /// Refuse a job that somebody else made.
    pub own: bool,
}

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
    pub fn start(&self, name: &str, spec: Spec, how: How, caller: &Caller) -> Result<Started, JobError> {
        let check_owner = |job: &Job| if how.own { job.check_own(caller) } else { job.check_owner(caller) };
        spec::check_name(name)?;
        if self.stopping.load(Ordering::Relaxed) {
            return Err(JobError::Stopping);
        }
        let known = self.job(name).ok();
        if let Some(job) = &known {
            check_owner(job)?;
            // What a start would do can be asked while it runs.
            if !how.dry_run {
                job.check_idle()?;
            }
        }
        let spec = match &known {
            // "start NAME" alone means: as it was.
            Some(job) if spec == Spec::default() => job.now().file.spec.clone(),
            _ => spec,
        };
        let mut spec = spec;
        if spec.events.is_empty() {
            spec.events = vec![EventSet::Default.name().to_owned()];
        }
        let plan = self.plan(&spec)?;
        // Before anything is made of a job that cannot be; it is promised when it is its turn.
        let owner = known.as_ref().map_or_else(|| caller.user.clone(), |job| job.now().file.owner.clone());
        // The memory of one that runs will be free when it is stopped.
        let is_idle = known.as_ref().is_none_or(|job| job.check_idle().is_ok());
        if is_idle {
            drop(self.promise_memory(&plan, &owner, caller.is_admin)?);
        }
        if how.dry_run {
            let run = known.map_or(1, |job| job.now().last_run() + 1);
            return Ok(Started { job: None, plan, run });
        }
        let job = match known {
            Some(job) => job,
            None => self.make(name, &spec, caller)?,
        };
        let _change = self.hold(&job)?;
        check_owner(&job)?;
        job.check_idle()?;
        if job.now().state.resume_due().is_some() {
            self.end_held(&job, &format!("started anew by {}", caller.user))?;
        }
        let old = std::mem::replace(&mut job.now().file.spec, spec);
        let began = self
            .promise_memory(&plan, &owner, caller.is_admin)
            .and_then(|_promise| self.begin(&job, &plan, how.no_clear));
        if let Err(error) = began {
            tracing::warn!(job = name, uid = caller.user.uid(), pid = caller.pid, %error, "start failed");
            self.take_back(&job, old);
            return Err(error);
        }
        tracing::info!(job = name, uid = caller.user.uid(), pid = caller.pid, filter = plan_filter(&job), "started");
        self.changed();
        let now = job.now();
        Ok(Started { job: Some(now.view(name, true, self.store.catalog())), run: now.last_run(), plan })
    }

    /// A job that was not there before.
    fn make(&self, name: &str, spec: &Spec, caller: &Caller) -> Result<Arc<Job>, JobError> {
        let mut jobs = lock(&self.jobs);
        if let Some(job) = jobs.get(name) {
            return Ok(Arc::clone(job));
        }
        let limits = &self.config().limits;
        if jobs.len() >= limits.jobs {
            return Err(JobError::TooMany(jobs.len()));
        }
        let own = jobs.values().filter(|job| job.now().file.owner == caller.user).count();
        if own >= limits.jobs_per_user && !caller.is_admin {
            return Err(JobError::TooManyOwn(own));
        }
        let file =
            JobFile { owner: caller.user.clone(), created_ns: clock::wall_ns(), running: false, spec: spec.clone() };
        let folder = self.store.make_job_folder(name)?;
        at(folder.path(), file.save(&folder))?;
        // Whatever is there of a job that was made or removed by halves is kept.
        let job = Job::new(name, file, self.load_runs(name)?);
        self.close_open_runs(&job, false);
        jobs.insert(name.to_owned(), Arc::clone(&job));
        Ok(job)
    }

    /// Holds a job against changes by others, if it still is there.
    pub(super) fn hold<'j>(&self, job: &'j Arc<Job>) -> Result<MutexGuard<'j, ()>, JobError> {
        let change = job.change();
        match self.job(&job.name) {
            Ok(now) if Arc::ptr_eq(&now, job) => Ok(change),
            _ => Err(JobError::NotFound(job.name.clone())),
        }
    }

    /// Leaves a job as it was before a start that failed; one that never ran is none.
    fn take_back(&self, job: &Job, spec: Spec) {
        let has_runs = {
            let mut now = job.now();
            now.file.spec = spec;
            !now.runs.is_empty()
        };
        let left = if has_runs {
            self.keep_running(job, false)
        } else {
            lock(&self.jobs).remove(&job.name);
            self.store.remove_job(&job.name).map_err(JobError::from)
        };
        if let Err(error) = left {
            tracing::error!(job = job.name, %error, "what a failed start left behind stays there");
        }
    }
}

fn plan_filter(job: &Job) -> String {
    job.now().file.spec.filter.clone()
}
