//! Looking after jobs that run: durations, retention, captures that ended by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::entry::{Entry, lock};
use super::{Jobs, State};
use crate::store::{Capacity, Keep};

/// How often jobs are looked after: durations, retention, captures that ended.
const CARE_INTERVAL: Duration = Duration::from_secs(1);
/// Retention looks at the store this often.
const RETENTION_INTERVAL: Duration = Duration::from_secs(5);

impl Jobs {
    /// Looks after the jobs until the daemon stops: durations, retention, captures that ended by themselves.
    pub fn care(self: &Arc<Self>) {
        let mut retained = Instant::now();
        while !self.stopping.load(Ordering::Relaxed) {
            std::thread::sleep(CARE_INTERVAL);
            for entry in self.all() {
                self.care_for(&entry);
            }
            if retained.elapsed() >= RETENTION_INTERVAL {
                retained = Instant::now();
                self.retain();
            }
        }
    }

    fn care_for(&self, entry: &Entry) {
        let (ended, due) = {
            let mut now = lock(&entry.now);
            let Some(running) = &mut now.capture else { return };
            running.note_rate();
            (running.capture.is_finished(), running.deadline.is_some_and(|deadline| deadline <= Instant::now()))
        };
        if !ended && !due {
            return;
        }
        let why = if ended { "the capture failed" } else { "its duration is over" };
        if let Err(error) = self.end(entry, why) {
            tracing::error!(job = entry.name, %error, "the run ended badly");
        }
        if ended {
            let mut now = lock(&entry.now);
            now.state = State::Failed;
            now.message = now.runs.last().map(|run| run.meta.ended_why.clone()).unwrap_or_default();
        }
    }

    fn retain(&self) {
        let mut keeps = BTreeMap::new();
        for entry in self.all() {
            let now = lock(&entry.now);
            let spec = &now.file.spec;
            let bytes_max = if spec.max_size_bytes > 0 { spec.max_size_bytes } else { self.config.job.max_size };
            let age_max_ns = i64::try_from(spec.max_age_s.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX);
            let progress = now.capture.as_ref().map(|running| *running.capture.progress().borrow());
            let live = progress.map(|progress| (now.last_run(), progress.segment));
            let live_bytes = progress.map_or(0, |progress| progress.bytes);
            keeps.insert(entry.name.clone(), Keep { bytes_max, age_max_ns, live, live_bytes });
        }
        let (bytes_max, free_min) = (self.config.store.max_size, self.config.store.free_min);
        let capacity = Capacity { bytes_max, free_min, interval: RETENTION_INTERVAL };
        match crate::store::enforce(&self.store, &keeps, capacity) {
            Ok(0) => {}
            Ok(_) => self.measure_all(),
            Err(error) => tracing::error!(%error, "retention failed"),
        }
    }

    /// Looks at the disk again after segments went.
    fn measure_all(&self) {
        for entry in self.all() {
            let mut now = lock(&entry.now);
            let written = now.capture.as_ref().map_or(0, |running| running.capture.shared().bytes());
            let live = now.capture.is_some().then(|| now.last_run());
            for run in &mut now.runs {
                if let Err(error) = run.measure(&self.store, &entry.name) {
                    tracing::error!(job = entry.name, %error, "its size is not known");
                }
                if Some(run.number) == live {
                    run.bytes = run.bytes.saturating_sub(written);
                }
            }
        }
    }
}
