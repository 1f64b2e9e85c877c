//! Whether a job's kernel instance is still as it was made. Others may change it: any root can. One that was changed is not
//! mended but replaced by a new one, in which the run goes on; what happened since it was known to be right is booked as
//! unknown.

use std::sync::Arc;
use std::time::Duration;

use tcpprobe::file::Account;

use super::job::Job;
use super::kept_instance::KeptInstance;
use super::running::EMPTIED;
use super::stop::PANICKED;
use super::{JobError, Jobs, Plan};
use crate::capture::BLOCK_AGE;
use crate::clock;
use crate::store::{RunMeta, RunTarget, RunWriter, Store, at};
use crate::tracefs::{Instance, TracefsError, possible_cpus};

/// A new instance is left as it is for so long, whoever changes it: a replacement costs a new buffer. What happens meanwhile
/// stays unknown.
const REPLACE_INTERVAL: Duration = Duration::from_secs(10);

/// What is wrong with an instance that an earlier daemon left.
pub(super) struct Doubt {
    /// In words.
    pub why: String,
    /// Since when nobody knows what it recorded, in the trace's clock.
    pub since: u64,
    /// Whether what it holds can be understood, though it has to pass the whole filter.
    pub is_readable: bool,
}

impl Jobs {
    /// Compares the instance of a job with what it was, and replaces it where it is another.
    pub(super) fn check_instance(&self, job: &Job) {
        let compared = job.now().state.running().map(|running| {
            (running.instance.clone(), Arc::clone(&running.condition), Arc::clone(running.capture.shared()))
        });
        let Some((instance, condition, shared)) = compared else { return };
        let began = clock::boot_ns();
        let mut changes = match condition.changes(&instance, None) {
            Ok(changes) => changes,
            Err(error) => return self.cannot_compare(job, &error),
        };
        if shared.was_reset() {
            changes.push(EMPTIED.to_owned());
        }
        if changes.is_empty() {
            if let Some(running) = job.now().state.running_mut().filter(|now| Arc::ptr_eq(&now.condition, &condition)) {
                running.good_until = began;
            }
            return;
        }
        // Whoever stops it meanwhile has turned it off.
        let Some(_change) = job.try_change() else { return };
        let is_same = job.now().state.running().is_some_and(|now| Arc::ptr_eq(&now.condition, &condition));
        let why = changes.join("; ");
        if is_same && !self.puts_off(job, &why) {
            self.replace_instance(job, &why);
        }
    }

    /// Whether an instance was itself put in place of a changed one just before: then it stays for a while.
    fn puts_off(&self, job: &Job, why: &str) -> bool {
        let mut now = job.now();
        let Some(running) = now.state.running_mut() else { return false };
        let is_new = running.is_replacement && running.began.elapsed() < REPLACE_INTERVAL;
        if is_new {
            running.notice = format!(
                "somebody changes its kernel instance again and again ({why}); it is replaced every {} s, and nobody knows what happens meanwhile",
                REPLACE_INTERVAL.as_secs()
            );
        }
        is_new
    }

    fn cannot_compare(&self, job: &Job, error: &TracefsError) {
        let notice = format!("whether its kernel instance is as it was cannot be seen: {error}");
        if let Some(running) = job.now().state.running_mut()
            && running.notice != notice
        {
            tracing::warn!(job = job.name, "{notice}");
            running.notice = notice;
        }
    }

    /// Reads what the instance of a running job still holds, and has the run go on in a new one. The job must be held.
    pub(super) fn replace_instance(&self, job: &Job, why: &str) {
        let Some(running) = job.now().state.let_go_if(|_| true) else { return };
        let (since, shared) = (running.sure_until(), Arc::clone(running.capture.shared()));
        if let Some(kept) = KeptInstance::load(&self.runtime, &job.name) {
            let kept = KeptInstance { unknown_since: Some(since), ..kept };
            if let Err(error) = kept.save(&self.runtime, &job.name) {
                tracing::warn!(job = job.name, %error, "should tcpprobed end now, the account of the last seconds is lost");
            }
        }
        let _ = running.instance.set_tracing(false);
        let Some(ending) = running.capture.stop() else {
            return self.note_failure(job, shared.totals(), PANICKED, true);
        };
        ending.run.suspend();
        let spec = job.now().file.spec.clone();
        let begun = self.plan(&spec).and_then(|plan| self.begin_since(job, &plan, true, Some(since)));
        if let Err(error) = begun {
            return self.note_failure(job, shared.totals(), &format!("{why}; it cannot be replaced: {error}"), false);
        }
        let unknown_s = clock::boot_ns().saturating_sub(since) as f64 / 1e9;
        let notice = format!(
            "somebody changed its kernel instance ({why}); it was replaced, and what happened in {unknown_s:.1} s is not known"
        );
        tracing::warn!(job = job.name, "{notice}");
        if let Some(running) = job.now().state.running_mut() {
            running.notice = notice;
            running.is_replacement = true;
        }
        self.changed();
    }

    /// Ends, on disk, a run whose instance is gone. Of this boot, it is booked that nobody knows what became of the events that
    /// no block has.
    pub(super) fn close_without_instance(&self, job: &Job, number: u32, why: &str) {
        if let Err(error) = self.book_unknown(job, number) {
            tracing::error!(job = job.name, run = number, %error, "its account does not tell that events may be missing");
        }
        self.close_interrupted(job, number, why);
    }

    /// Books in a run that nobody writes and that was not ended that nobody knows what happened since its account ends.
    fn book_unknown(&self, job: &Job, number: u32) -> Result<(), JobError> {
        let folder = self.store.run_folder(&job.name, number)?;
        let (key, path) = (Store::run_key(&job.name, number), folder.path().to_owned());
        let mut meta = at(&path, RunMeta::load(&folder))?;
        if meta.ended_ns != 0 || meta.boot != clock::boot_id() {
            return Ok(());
        }
        at(&path, meta.resume(&folder, &key, self.store.catalog()))?;
        let kept = KeptInstance::load(&self.runtime, &job.name);
        let (since, now) = (sure_until(kept.as_ref(), meta.accounted), clock::anchor());
        let accounts: Vec<Account> =
            possible_cpus()?.into_iter().map(|cpu| Account::unknown(cpu, since, now.time)).collect();
        let spec = job.now().file.spec.clone();
        let schema = self.plan_on(&self.plan(&spec)?, &meta, &spec)?.schema()?;
        let (header, pages) = (self.header(job, number, &meta), meta.pages);
        let target = RunTarget { folder, key, meta, header, schema };
        let mut run = at(&path, RunWriter::create(target, self.store.handles()))?;
        at(&path, run.append(&[], 0, (0, 0), &accounts, pages, now))?;
        run.suspend();
        Ok(())
    }

    /// Whether the instance that an earlier daemon left is what this one would have made; of a job that is not to run, it
    /// may be off. `accounted` is where the account ends.
    pub(super) fn doubt(
        &self,
        job: &Job,
        plan: &Plan,
        instance: &Instance,
        (accounted, is_to_run): (u64, bool),
    ) -> Result<Option<Doubt>, JobError> {
        let kept = KeptInstance::load(&self.runtime, &job.name);
        let since = sure_until(kept.as_ref(), accounted);
        let is_boot = || Ok::<_, TracefsError>(instance.clock()? == plan.settings().clock);
        let Some(kept) = kept else {
            let why = "how tcpprobed left it is not known".to_owned();
            return Ok(Some(Doubt { why, since, is_readable: is_boot()? }));
        };
        let changes = kept.condition.changes(instance, (!is_to_run).then_some("tracing_on"))?;
        if !changes.is_empty() || kept.unknown_since.is_some() {
            let now = instance.condition(&[])?;
            let is_readable = kept.condition.is_same_instance(&now) && is_boot()?;
            return Ok(Some(Doubt { why: changes.join("; "), since, is_readable }));
        }
        let expected = plan.settings().events;
        for (event, filter) in &expected {
            if instance.filter(event)? != *filter {
                let why = format!("this tcpprobed has the kernel filter {event} otherwise");
                return Ok(Some(Doubt { why, since: clock::boot_ns(), is_readable: true }));
            }
        }
        Ok(None)
    }
}

/// Up to when it is known what an instance recorded that an earlier daemon left.
pub(super) fn sure_until(kept: Option<&KeptInstance>, accounted: u64) -> u64 {
    let block = u64::try_from(BLOCK_AGE.as_nanos()).unwrap_or(u64::MAX);
    let sure = accounted.saturating_sub(block).max(kept.map_or(0, |kept| kept.since));
    kept.and_then(|kept| kept.unknown_since).map_or(sure, |unknown| sure.min(unknown))
}
