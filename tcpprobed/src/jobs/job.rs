//! One job in memory: what is so at the moment, and who may change it.

use std::sync::{Arc, Mutex, MutexGuard};

use super::record::RunRecord;
use super::running::Running;
use super::state::JobState;
use super::{Caller, JobError, JobFile, JobView, RunView};
use crate::lock::{lock, try_lock};
use crate::store::{Catalog, Store, join};

/// One job.
pub struct Job {
    pub name: String,
    now: Mutex<Now>,
    /// Held by whoever starts, stops or removes it.
    change: Mutex<()>,
}

/// What is so at the moment.
pub struct Now {
    pub file: JobFile,
    /// Whether `job.toml` is older than `file`.
    pub is_unsaved: bool,
    pub runs: Vec<RunRecord>,
    pub state: JobState,
}

impl Job {
    /// A job of which nothing runs.
    pub fn new(name: &str, file: JobFile, runs: Vec<RunRecord>) -> Arc<Self> {
        let now = Now { file, is_unsaved: false, runs, state: JobState::stopped() };
        Arc::new(Job { name: name.to_owned(), now: Mutex::new(now), change: Mutex::new(()) })
    }

    /// What is so now; held for a moment only.
    pub fn now(&self) -> MutexGuard<'_, Now> {
        lock(&self.now)
    }

    /// Keeps others from changing the job, and waits until they are done.
    pub fn change(&self) -> MutexGuard<'_, ()> {
        lock(&self.change)
    }

    /// The same, unless somebody is at it.
    pub fn try_change(&self) -> Option<MutexGuard<'_, ()>> {
        try_lock(&self.change)
    }

    /// Refuses where it runs.
    pub fn check_idle(&self) -> Result<(), JobError> {
        match self.now().state.running() {
            Some(_) => Err(JobError::Running(self.name.clone())),
            None => Ok(()),
        }
    }

    /// Refuses whoever may not change it.
    pub fn check_owner(&self, caller: &Caller) -> Result<(), JobError> {
        if caller.is_admin { Ok(()) } else { self.check_own(caller) }
    }

    /// Refuses whoever did not make it, administrators too.
    pub fn check_own(&self, caller: &Caller) -> Result<(), JobError> {
        let now = self.now();
        if caller.user == now.file.owner {
            return Ok(());
        }
        Err(JobError::NotOwner { job: self.name.clone(), owner: now.file.owner.clone(), is_admin: caller.is_admin })
    }
}

impl Now {
    /// Number of the newest run, 0 where there is none.
    pub fn last_run(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.number)
    }

    /// Notes what is known of a run, in place of what was.
    pub fn note_run(&mut self, record: RunRecord) {
        self.runs.retain(|run| run.number != record.number);
        self.runs.push(record);
    }

    /// What the job looks like from outside.
    pub fn view(&self, name: &str, all_runs: bool, catalog: &Catalog) -> JobView {
        let skip = if all_runs { 0 } else { self.runs.len().saturating_sub(1) };
        let mut runs: Vec<RunView> = self.runs[skip..].iter().map(|run| run.view(name, catalog)).collect();
        let running = self.state.running();
        if let (Some(running), Some(last)) = (running, runs.last_mut()) {
            let shared = running.capture.shared();
            last.ledger = shared.totals();
            last.bytes += running.live_bytes();
            last.walls = join(last.walls, shared.walls());
            last.segments += 1;
        }
        let trouble = running.and_then(|running| running.capture.shared().trouble.borrow().clone());
        let notice = running.map(|running| running.notice.clone()).filter(|notice| !notice.is_empty());
        JobView {
            name: name.to_owned(),
            spec: self.file.spec.clone(),
            state: self.state.shown(),
            owner: self.file.owner.clone(),
            created_ns: self.file.created_ns,
            runs,
            events_per_s: running.map_or(0.0, |running| running.rate()),
            kernel_buffer_kb: running.map_or(0, |running| running.kernel_buffer_kb),
            snapshots: running.and_then(Running::snapshots),
            finals: None,
            message: trouble.or(notice).unwrap_or_else(|| self.state.message().to_owned()),
            owners: None,
        }
    }

    /// Bytes on disk.
    pub fn stored_bytes(&self, name: &str, catalog: &Catalog) -> u64 {
        let closed = self.runs.iter().map(|run| catalog.sum(&Store::run_key(name, run.number)).bytes);
        closed.sum::<u64>() + self.state.running().map_or(0, |running| running.live_bytes())
    }
}
