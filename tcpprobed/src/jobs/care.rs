//! Looking after jobs: durations, retention, captures that ended by themselves, what the disk refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Jobs;
use super::entry::{Entry, Now, lock};
use crate::store::{Capacity, Keep};

/// How often jobs are looked after: durations, retention, captures that ended.
const CARE_INTERVAL: Duration = Duration::from_secs(1);
/// Retention looks at the store this often.
const RETENTION_INTERVAL: Duration = Duration::from_secs(5);

impl Jobs {
    /// Looks after the jobs until the daemon stops.
    pub fn care(self: &Arc<Self>) {
        let mut retained = Instant::now();
        // Said once, until it is another.
        let mut trouble = None;
        while !self.stopping.load(Ordering::Relaxed) {
            std::thread::sleep(CARE_INTERVAL);
            for entry in self.all() {
                self.care_for(&entry);
            }
            if retained.elapsed() >= RETENTION_INTERVAL {
                retained = Instant::now();
                let failed = self.retain().err().map(|error| error.to_string());
                if let Some(error) = failed.as_ref().filter(|_| failed != trouble) {
                    tracing::error!(error, "retention failed");
                }
                trouble = failed;
            }
        }
    }

    fn care_for(&self, entry: &Entry) {
        let (ended, due) = {
            let mut now = lock(&entry.now);
            if now.unclosed.is_some() || now.is_unsaved {
                drop(now);
                return self.care_for_rest(entry);
            }
            if now.resume_due.is_some_and(|due| due <= Instant::now()) {
                drop(now);
                return self.resume_again(entry);
            }
            let Some(running) = &mut now.capture else { return };
            running.note_rate();
            (running.capture.is_finished(), running.deadline.is_some_and(|deadline| deadline <= Instant::now()))
        };
        if ended {
            let _change = lock(&entry.change);
            self.let_go(entry);
        } else if due && let Err(error) = self.end(entry, "its duration is over") {
            tracing::error!(job = entry.name, %error, "the run ended badly");
        }
    }

    /// Tries again what the disk refused, unless somebody else is at the job.
    fn care_for_rest(&self, entry: &Entry) {
        if let Ok(_change) = entry.change.try_lock() {
            // That it still fails was said when it began to.
            let _ = self.close_rest(entry);
        }
    }

    /// Has the store keep what it is to keep.
    fn retain(&self) -> Result<(), crate::store::StoreError> {
        let mut keeps = BTreeMap::new();
        for entry in self.all() {
            keeps.insert(entry.name.clone(), self.keep(&lock(&entry.now)));
        }
        let config = self.config();
        let capacity = Capacity { bytes_max: config.store.max_size, free_min: config.store.free_min };
        crate::store::enforce(&self.store, &keeps, capacity).map(drop)
    }

    fn keep(&self, now: &Now) -> Keep {
        let spec = &now.file.spec;
        let running = now.capture.as_ref();
        Keep {
            bytes_max: if spec.max_size_bytes > 0 { spec.max_size_bytes } else { self.config().job.max_size },
            age_max_ns: i64::try_from(spec.max_age_s.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX),
            runs: now.runs.iter().map(|run| run.number).collect(),
            needed: match (running, &now.unclosed) {
                (Some(running), _) => Some(running.meta_file.first_needed()),
                (None, Some(unclosed)) => Some(unclosed.first_needed()),
                (None, None) => None,
            },
            live_bytes: running.map_or(0, |running| running.live_bytes()),
            live_wall: running.and_then(|running| running.capture.shared().walls()).map(|walls| walls.1),
        }
    }
}
