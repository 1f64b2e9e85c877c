//! Maintenance: durations, retention, captures that ended by themselves, what the disk refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Jobs;
use super::job::{Job, Now};
use crate::store::{Capacity, Keep, StoreError};

/// How often jobs are looked after: durations, captures that ended, kernel instances that somebody changed.
const INTERVAL: Duration = Duration::from_secs(1);
/// Retention looks at the store this often.
const RETENTION_INTERVAL: Duration = Duration::from_secs(5);

/// What is due for a job.
enum Due {
    Nothing,
    /// What the disk refused before.
    Rest,
    Resume,
    /// Its capture ended by itself.
    LetGo,
    /// Its duration is over.
    End,
}

impl Jobs {
    /// Looks after the jobs until the daemon stops.
    pub fn maintain(self: &Arc<Self>) {
        let mut retained = Instant::now();
        // Said once, until it is another.
        let mut trouble = None;
        while !self.stopping.load(Ordering::Relaxed) {
            std::thread::sleep(INTERVAL);
            for job in self.all() {
                self.maintain_job(&job);
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

    fn maintain_job(&self, job: &Job) {
        let due = job.now().due(Instant::now());
        match due {
            Due::Nothing => self.check_instance(job),
            Due::Rest => {
                if let Some(_change) = job.try_change() {
                    // That it still fails was said when it began to.
                    let _ = self.close_rest(job);
                }
            }
            Due::Resume => self.resume_again(job),
            Due::LetGo => {
                let _change = job.change();
                self.let_go_if_failed(job);
            }
            Due::End => {
                if let Err(error) = self.end(job, "its duration is over") {
                    tracing::error!(job = job.name, %error, "the run ended badly");
                }
            }
        }
    }

    /// Has the store keep what it is to keep.
    fn retain(&self) -> Result<(), StoreError> {
        let mut keeps = BTreeMap::new();
        for job in self.all() {
            keeps.insert(job.name.clone(), self.keep(&job.now()));
        }
        let config = self.config();
        let capacity = Capacity { bytes_max: config.store.max_size, free_min: config.store.free_min };
        crate::store::enforce(&self.store, &keeps, capacity).map(drop)
    }

    fn keep(&self, now: &Now) -> Keep {
        let spec = &now.file.spec;
        let running = now.state.running();
        Keep {
            bytes_max: if spec.max_size_bytes > 0 { spec.max_size_bytes } else { self.config().job.max_size },
            age_max_ns: i64::try_from(spec.max_age_s.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX),
            runs: now.runs.iter().map(|run| run.number).collect(),
            needed: match running {
                Some(running) => Some(running.meta_file.first_needed()),
                None => now.state.unclosed().map(|unclosed| unclosed.first_needed()),
            },
            live_bytes: running.map_or(0, |running| running.live_bytes()),
            live_wall: running.and_then(|running| running.capture.shared().walls()).map(|walls| walls.1),
        }
    }
}

impl Now {
    fn due(&mut self, time: Instant) -> Due {
        if self.is_unsaved || self.state.unclosed().is_some() {
            return Due::Rest;
        }
        if self.state.resume_due().is_some_and(|due| due <= time) {
            return Due::Resume;
        }
        let Some(running) = self.state.running_mut() else { return Due::Nothing };
        running.note_rate();
        match running.deadline {
            _ if running.capture.is_finished() => Due::LetGo,
            Some(deadline) if deadline <= time => Due::End,
            _ => Due::Nothing,
        }
    }
}
