//! Resuming a job whose run nobody ended: after the daemon was restarted, or after its capture ended by itself.

use tcpprobe::file::Totals;

use super::instance_check::sure_until;
use super::job::Job;
use super::kept_instance::KeptInstance;
use super::record::RunRecord;
use super::{JobError, Jobs};
use crate::capture::{OwnEvents, Setup};
use crate::clock::boot_id;
use crate::store::{LedgerByCpu, RunMeta, RunTarget, RunWriter, Store, at, from_toml};
use crate::tracefs::Instance;

impl Jobs {
    /// Resumes a job. One that was being stopped records no more: only the end of its run is resumed. The job must be held.
    pub(super) fn resume(&self, job: &Job) -> Result<(), JobError> {
        let spec = job.now().file.spec.clone();
        let plan = self.plan(&spec)?;
        let name = self.instance_name(&job.name);
        let (number, is_to_run) = {
            let now = job.now();
            (now.last_run(), now.file.running)
        };
        let folder = self.store.run_folder(&job.name, number).ok();
        let found = folder.and_then(|folder| Some((RunMeta::load(&folder).ok()?, folder)));
        let has_restarted = found.as_ref().is_some_and(|(meta, _)| meta.boot != boot_id());
        // An instance is not that of a run which ended.
        let found = found.filter(|(meta, _)| !has_restarted && meta.ended_ns == 0);
        let (Some((mut meta, folder)), true) = (found, Instance::exists(&self.tracefs, &name)) else {
            let why = if has_restarted { "the machine was restarted" } else { "its kernel instance was removed" };
            self.close_without_instance(job, number, &format!("{why}: what was not stored yet is lost"));
            if !is_to_run {
                job.now().state.ended(None, String::new());
                return Ok(());
            }
            tracing::info!(job = job.name, why, "a new run begins");
            return self.begin(job, &plan, false);
        };
        let plan = self.plan_on(&plan, &meta, &spec)?;
        let instance = Instance::open(&self.tracefs, &name)?;
        let (key, path) = (Store::run_key(&job.name, number), folder.path().to_owned());
        let resumed = at(&path, meta.resume(&folder, &key, self.store.catalog()))?;
        let (header, schema) = (self.header(job, number, &meta), plan.schema()?);
        let target = RunTarget { folder, key, meta: meta.clone(), header, schema: schema.clone() };
        let run = at(&path, RunWriter::create(target, self.store.handles()))?;
        if resumed.torn > 0 {
            tracing::warn!(job = job.name, bytes = resumed.torn, "the torn tail of the last segment was cut");
        }
        resumed.damage.iter().for_each(|line| tracing::warn!(job = job.name, "damaged: {line}"));
        let doubt = self.doubt(job, &plan, &instance, (meta.accounted, is_to_run))?;
        if let Some(doubt) = &doubt {
            instance.set_tracing(false)?;
            if !doubt.is_readable {
                instance.clear()?;
            }
        }
        let kept = KeptInstance::load(&self.runtime, &job.name);
        let condition = match &kept {
            // Not as it is now: somebody may be changing it.
            Some(kept) if doubt.is_none() => kept.condition.clone(),
            _ => instance.condition(plan.events.iter().map(|plan| &plan.event))?,
        };
        let sure_until = doubt.as_ref().map_or_else(|| sure_until(kept.as_ref(), meta.accounted), |doubt| doubt.since);
        let own_events = OwnEvents::default();
        let setup = Setup {
            tracefs: self.tracefs.clone(),
            layout: self.tracefs.page_layout()?,
            residuals: if doubt.is_some() { plan.whole_residuals() } else { plan.residuals() },
            lookout: self.lookout(&plan, &own_events),
            own_events,
            pointer_key: meta.pointer_key(),
            since: meta.accounted,
            unknown_since: doubt.as_ref().filter(|_| !is_to_run).map(|doubt| doubt.since),
            sure_until,
            booked: difference(run.ledger(), &from_toml(&meta.baseline)),
            staging: self.open_staging(&job.name, meta.pages)?,
            pages_end: meta.pages,
            instance: instance.clone(),
            schema,
            run,
        };
        match doubt {
            Some(doubt) => {
                self.launch(job, setup, condition, RunRecord { number, meta })?;
                if is_to_run {
                    self.replace_instance(job, &doubt.why);
                }
                Ok(())
            }
            None => {
                tracing::info!(job = job.name, run = number, "resumed: the kernel went on recording");
                self.launch(job, setup, condition, RunRecord { number, meta })
            }
        }
    }

    /// Tries again to resume a job that could not be resumed before, unless somebody is at it.
    pub(super) fn resume_again(&self, job: &Job) {
        if let Some(_change) = job.try_change()
            && job.now().state.resume_due().is_some()
        {
            self.resume_or_say(job);
        }
    }

    /// Resumes a job; where that fails, it is tried again later. The job must be held.
    pub(super) fn resume_or_say(&self, job: &Job) {
        let failed = self.resume(job).and_then(|()| self.end_if_stopped(job)).err();
        match failed {
            None => tracing::info!(job = job.name, state = ?job.now().state.shown(), "the job was resumed"),
            Some(error) => {
                let error = error.to_string();
                if job.now().state.not_resumed(error.clone()) {
                    tracing::error!(job = job.name, error, "the job cannot be resumed; this is tried again");
                }
            }
        }
        self.changed();
    }

    /// Ends the run of a job that was resumed and is not to run: whoever stopped it was interrupted.
    fn end_if_stopped(&self, job: &Job) -> Result<(), JobError> {
        let is_half_stopped = {
            let now = job.now();
            !now.file.running && now.state.running().is_some()
        };
        if is_half_stopped { self.end_held(job, "stopped, after tcpprobed was interrupted") } else { Ok(()) }
    }
}

/// What was booked since the instance was made.
fn difference(ledger: &LedgerByCpu, baseline: &LedgerByCpu) -> LedgerByCpu {
    let minus = |(cpu, totals): (&u32, &Totals)| {
        let before = baseline.get(cpu).copied().unwrap_or_default();
        let since = Totals {
            stored: totals.stored - before.stored.min(totals.stored),
            filtered: totals.filtered - before.filtered.min(totals.filtered),
            lost: totals.lost - before.lost.min(totals.lost),
            dropped: totals.dropped - before.dropped.min(totals.dropped),
            unknown: totals.unknown - before.unknown.min(totals.unknown),
        };
        (*cpu, since)
    };
    ledger.iter().map(minus).collect()
}
