//! Taking up what an earlier daemon left: jobs, runs that nobody ended, kernel instances that went on recording.

use std::time::{Duration, Instant};

use tcpprobe::file::Totals;

use super::begin::boot_id;
use super::entry::{Entry, lock};
use super::record::RunRecord;
use super::{JobError, JobFile, Jobs, Plan, State, spec};
use crate::capture::Setup;
use crate::store::{LedgerByCpu, RunMeta, RunPlace, RunWriter, Store, at, from_toml};
use crate::tracefs::Instance;

/// A job that cannot be taken up is tried again this often: the disk may have been full.
const RESUME_INTERVAL: Duration = Duration::from_secs(5);

impl Jobs {
    pub(super) fn load(&self, name: &str) -> Result<(), JobError> {
        spec::check_name(name)?;
        let folder = self.store.job_folder(name)?;
        let file = at(folder.path(), JobFile::load(&folder))?;
        let entry = Entry::new(name, file, self.load_runs(name)?);
        self.close_open_runs(&entry, self.goes_on(&entry));
        lock(&self.entries).insert(name.to_owned(), entry);
        Ok(())
    }

    /// Whether an earlier daemon left something to be gone on with: the job, or the end of its run.
    pub(super) fn goes_on(&self, entry: &Entry) -> bool {
        let now = lock(&entry.now);
        let is_open = now.runs.last().is_some_and(|run| run.meta.ended_ns == 0 && run.meta.boot == boot_id());
        now.file.running || is_open && Instance::exists(&self.tracefs, &self.instance_name(&entry.name))
    }

    pub(super) fn load_runs(&self, name: &str) -> Result<Vec<RunRecord>, JobError> {
        let mut runs = Vec::new();
        for number in self.store.runs(name)? {
            match RunRecord::load(&self.store, name, number) {
                Ok(run) => runs.push(run),
                Err(_) if self.store.has_not_begun(name, number)? => self.store.remove_run(name, number)?,
                Err(error) => tracing::error!(job = name, run = number, %error, "a run cannot be read; left alone"),
            }
        }
        Ok(runs)
    }

    /// Ends, on disk, the runs of a job that nobody ended; not the newest, if that goes on.
    pub(super) fn close_open_runs(&self, entry: &Entry, newest_goes_on: bool) {
        let numbers: Vec<u32> = lock(&entry.now).runs.iter().map(|run| run.number).collect();
        for &number in &numbers[..numbers.len() - usize::from(newest_goes_on && !numbers.is_empty())] {
            self.close_interrupted(entry, number, "tcpprobed was interrupted");
        }
    }

    /// Removes kernel instances of ours that no running job has; but not those of jobs that cannot be read.
    pub(super) fn remove_leftovers(&self, unread: &[String]) {
        let goes_on = |name: &str| self.entry(name).is_ok_and(|entry| self.goes_on(&entry));
        let wanted = |name: &str| goes_on(name) || unread.iter().any(|job| job == name);
        for instance in self.tracefs.instances(&self.prefix).unwrap_or_default() {
            let job = &instance[self.prefix.len()..];
            if !wanted(job) {
                tracing::warn!(instance, "a kernel instance of a job that does not run is removed");
                if let Err(error) = Instance::adopt(&self.tracefs, &instance).and_then(Instance::remove) {
                    tracing::error!(instance, %error, "it cannot be removed");
                }
            }
        }
    }

    /// Takes up a job that was running when an earlier daemon ended. One that was being stopped records no more. The job
    /// must be held.
    pub(super) fn resume(&self, entry: &Entry) -> Result<(), JobError> {
        let plan = Plan::new(&lock(&entry.now).file.spec.clone(), &self.config(), &self.tracefs)?;
        let name = self.instance_name(&entry.name);
        let (number, is_to_run) = {
            let now = lock(&entry.now);
            (now.last_run(), now.file.running)
        };
        let folder = self.store.run_folder(&entry.name, number).ok();
        let found = folder.and_then(|folder| Some((RunMeta::load(&folder).ok()?, folder)));
        let has_restarted = found.as_ref().is_some_and(|(meta, _)| meta.boot != boot_id());
        // An instance is not that of a run which ended.
        let found = found.filter(|(meta, _)| !has_restarted && meta.ended_ns == 0);
        let (Some((mut meta, folder)), true) = (found, Instance::exists(&self.tracefs, &name)) else {
            let why = if has_restarted { "the machine was restarted" } else { "its kernel instance was removed" };
            self.close_interrupted(entry, number, &format!("{why}: what was not stored yet is lost"));
            if !is_to_run {
                lock(&entry.now).state = State::Stopped;
                return Ok(());
            }
            tracing::info!(job = entry.name, why, "a new run begins");
            return self.begin(entry, &plan, false);
        };
        let instance = Instance::adopt(&self.tracefs, &name)?;
        let (key, path) = (Store::run_key(&entry.name, number), folder.path().to_owned());
        let resumed = at(&path, meta.take_up(&folder, &key, self.store.catalog()))?;
        let (header, schema) = (self.header(entry, number, &meta), plan.schema()?);
        let place = RunPlace { folder, key, meta: meta.clone(), header, schema: schema.clone() };
        let run = at(&path, RunWriter::create(place, self.store.workshop()))?;
        if resumed.torn > 0 {
            tracing::warn!(job = entry.name, bytes = resumed.torn, "the torn tail of the last segment was cut");
        }
        resumed.damage.iter().for_each(|line| tracing::warn!(job = entry.name, "damaged: {line}"));
        let setup = Setup {
            tracefs: self.tracefs.clone(),
            layout: self.tracefs.page_layout()?,
            residuals: plan.residuals(),
            pointer_key: meta.pointer_key(),
            since: meta.accounted,
            booked: difference(run.ledger(), &from_toml(&meta.baseline)),
            staging: self.open_staging(&entry.name, meta.pages)?,
            pages_end: meta.pages,
            instance: instance.clone(),
            schema,
            run,
        };
        if is_to_run {
            instance.set_tracing(true)?;
        }
        tracing::info!(job = entry.name, run = number, "adopted: the kernel went on recording");
        self.launch(entry, setup, RunRecord { number, meta })
    }

    /// Lets go of a capture that ended by itself, by an error or a panic, as if the daemon had been killed: the kernel goes
    /// on recording, and the job is to be taken up, soon where it got anywhere since the last time. The job must be held.
    pub(super) fn let_go(&self, entry: &Entry) {
        let Some(running) = lock(&entry.now).capture.take_if(|running| running.capture.is_finished()) else { return };
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
        self.has_failed(entry, account, &why, has_panicked);
    }

    /// Notes that a capture ended by itself, with this account so far.
    pub(super) fn has_failed(&self, entry: &Entry, account: Totals, why: &str, has_panicked: bool) {
        tracing::error!(job = entry.name, why, "the capture ended by itself; the job is taken up again");
        let mut now = lock(&entry.now);
        let is_stuck = now.failed_at.replace(account) == Some(account);
        if is_stuck && has_panicked {
            // What is staged may be the cause. Without it, the kernel's totals tell how many events are missing.
            tracing::error!(job = entry.name, "what was read and not stored is dropped");
            self.runtime.remove_staging(&entry.name);
        }
        let pause = if is_stuck { RESUME_INTERVAL } else { Duration::ZERO };
        (now.state, now.message, now.resume_due) = (State::Failed, why.to_owned(), Some(Instant::now() + pause));
        drop(now);
        self.changed();
    }

    /// Takes up a job again that could not be taken up before, unless somebody is at it.
    pub(super) fn resume_again(&self, entry: &Entry) {
        if let Ok(_change) = entry.change.try_lock()
            && lock(&entry.now).resume_due.is_some()
        {
            self.resume_or_say(entry);
        }
    }

    /// Ends the run of a job that was taken up and is not to run: whoever stopped it was interrupted.
    fn end_if_stopped(&self, entry: &Entry) -> Result<(), JobError> {
        let is_half_stopped = {
            let now = lock(&entry.now);
            !now.file.running && now.capture.is_some()
        };
        if is_half_stopped { self.end_held(entry, "stopped, after tcpprobed was interrupted") } else { Ok(()) }
    }

    /// Takes up a job; where that fails, it is tried again later. The job must be held.
    pub(super) fn resume_or_say(&self, entry: &Entry) {
        let failed = self.resume(entry).and_then(|()| self.end_if_stopped(entry)).err().map(|error| error.to_string());
        let mut now = lock(&entry.now);
        now.resume_due = failed.as_ref().map(|_| Instant::now() + RESUME_INTERVAL);
        match failed {
            None => tracing::info!(job = entry.name, state = ?now.state, "the job was taken up"),
            Some(error) if now.message == error => {}
            Some(error) => {
                tracing::error!(job = entry.name, error, "the job cannot go on; this is tried again");
                (now.state, now.message) = (State::Failed, error);
            }
        }
        drop(now);
        self.changed();
    }

    /// Ends, on disk, a run that nobody ended.
    pub(super) fn close_interrupted(&self, entry: &Entry, number: u32, why: &str) {
        let Ok(folder) = self.store.run_folder(&entry.name, number) else { return };
        let Ok(mut meta) = RunMeta::load(&folder) else { return };
        if meta.ended_ns != 0 {
            return;
        }
        let key = Store::run_key(&entry.name, number);
        let closed = meta.take_up(&folder, &key, self.store.catalog()).and_then(|_| {
            let walls = self.store.catalog().sum(&key).walls;
            meta.ended_ns = walls.map_or(meta.started_ns, |walls| walls.1);
            meta.ended_why = why.to_owned();
            meta.save(&folder)
        });
        if let Err(error) = closed {
            tracing::error!(job = entry.name, run = number, %error, "the interrupted run cannot be closed");
        }
        if let Some(run) = lock(&entry.now).runs.iter_mut().find(|run| run.number == number) {
            run.meta = meta;
        }
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
        };
        (*cpu, since)
    };
    ledger.iter().map(minus).collect()
}
