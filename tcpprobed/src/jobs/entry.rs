//! One job in memory: what is so at the moment, and who may change it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tcpprobe::file::Totals;

use super::record::RunRecord;
use super::stop::Unclosed;
use super::{JobError, JobFile, JobView, RunView, State};
use crate::capture::Capture;
use crate::store::{Catalog, MetaFile, Store, join};
use crate::tracefs::Instance;

/// One job.
pub struct Entry {
    pub name: String,
    /// Held by whoever starts, stops or removes it.
    pub change: Mutex<()>,
    pub now: Mutex<Now>,
}

/// What is so at the moment.
pub struct Now {
    pub file: JobFile,
    pub runs: Vec<RunRecord>,
    pub state: State,
    pub capture: Option<Running>,
    /// The newest run, where it ended and could not be closed: the disk is full.
    pub unclosed: Option<Unclosed>,
    /// When to try again to take up a job that could not be taken up.
    pub resume_due: Option<Instant>,
    /// The account when the capture ended by itself last.
    pub failed_at: Option<Totals>,
    /// Whether `job.toml` is older than `file`.
    pub is_unsaved: bool,
    pub message: String,
}

pub struct Running {
    pub capture: Capture,
    pub instance: Instance,
    pub meta_file: Arc<MetaFile>,
    pub kernel_buffer_kb: u64,
    /// Events stored and when that was looked at, twice: for the rate.
    pub rate: [(Instant, u64); 2],
    pub deadline: Option<Instant>,
}

/// The lock, also after a thread panicked that held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    pub fn new(name: &str, file: JobFile, runs: Vec<RunRecord>) -> Arc<Self> {
        let (state, message) = (State::Stopped, String::new());
        let (capture, unclosed, resume_due, failed_at, is_unsaved) = (None, None, None, None, false);
        let now = Now { file, runs, state, capture, unclosed, resume_due, failed_at, is_unsaved, message };
        Arc::new(Entry { name: name.to_owned(), change: Mutex::new(()), now: Mutex::new(now) })
    }

    pub fn check_idle(&self) -> Result<(), JobError> {
        match lock(&self.now).capture {
            Some(_) => Err(JobError::Running(self.name.clone())),
            None => Ok(()),
        }
    }
}

impl Now {
    pub fn last_run(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.number)
    }

    pub fn view(&self, name: &str, all_runs: bool, catalog: &Catalog) -> JobView {
        let skip = if all_runs { 0 } else { self.runs.len().saturating_sub(1) };
        let mut runs: Vec<RunView> = self.runs[skip..].iter().map(|run| run.view(name, catalog)).collect();
        if let (Some(running), Some(last)) = (&self.capture, runs.last_mut()) {
            let shared = running.capture.shared();
            last.ledger = shared.totals();
            last.bytes += running.live_bytes();
            last.walls = join(last.walls, shared.walls());
            last.segments += 1;
        }
        let running = self.capture.as_ref();
        let trouble = running.and_then(|running| running.capture.shared().trouble.borrow().clone());
        JobView {
            name: name.to_owned(),
            spec: self.file.spec.clone(),
            state: self.state,
            owner_uid: self.file.owner_uid,
            created_ns: self.file.created_ns,
            runs,
            events_per_s: running.map_or(0.0, Running::rate),
            kernel_buffer_kb: running.map_or(0, |running| running.kernel_buffer_kb),
            message: trouble.unwrap_or_else(|| self.message.clone()),
        }
    }

    /// Bytes on disk.
    pub fn stored_bytes(&self, name: &str, catalog: &Catalog) -> u64 {
        let closed = self.runs.iter().map(|run| catalog.sum(&Store::run_key(name, run.number)).bytes);
        closed.sum::<u64>() + self.capture.as_ref().map_or(0, Running::live_bytes)
    }
}

impl Running {
    /// Bytes of the segment that is being written.
    pub fn live_bytes(&self) -> u64 {
        self.capture.progress().borrow().bytes
    }

    pub fn rate(&self) -> f64 {
        let [(before, count), _] = self.rate;
        let seconds = before.elapsed().as_secs_f64();
        let new = self.capture.shared().totals().stored.saturating_sub(count);
        if seconds < 0.1 { 0.0 } else { new as f64 / seconds }
    }

    pub fn note_rate(&mut self) {
        if self.rate[1].0.elapsed() >= Duration::from_secs(2) {
            self.rate = [self.rate[1], (Instant::now(), self.capture.shared().totals().stored)];
        }
    }
}
