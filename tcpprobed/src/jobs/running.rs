//! What runs of a job: its capture, and the kernel instance that it reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SnapshotView;
use crate::capture::Capture;
use crate::store::MetaFile;
use crate::tracefs::{Condition, Instance};

/// Of a buffer whose counters went backwards.
pub(super) const EMPTIED: &str = "its buffer was emptied";
/// The rate is that over at least so much of the last time.
const RATE_TIME: Duration = Duration::from_secs(2);

/// A capture that runs.
pub struct Running {
    pub capture: Capture,
    pub instance: Instance,
    /// How it is to be.
    pub condition: Arc<Condition>,
    /// When it was found so last, in the trace's clock.
    pub good_until: u64,
    /// When this daemon began to read it.
    pub began: Instant,
    /// Whether it was put in place of one that somebody changed.
    pub is_replacement: bool,
    /// What became of it, in one line.
    pub notice: String,
    pub meta_file: Arc<MetaFile>,
    pub kernel_buffer_kb: u64,
    pub deadline: Option<Instant>,
    /// Events stored, snapshots taken, and when that was looked at, twice: for the rates.
    rate: [(Instant, u64, u64); 2],
}

impl Running {
    /// A capture that was just started.
    pub fn new(
        capture: Capture,
        instance: Instance,
        (condition, sure_until): (Condition, u64),
        meta_file: Arc<MetaFile>,
        kernel_buffer_kb: u64,
        deadline: Option<Instant>,
    ) -> Self {
        let rate = [(Instant::now(), capture.shared().totals().stored, 0); 2];
        let (good_until, condition, notice) = (sure_until, Arc::new(condition), String::new());
        Running {
            capture,
            instance,
            condition,
            good_until,
            began: Instant::now(),
            is_replacement: false,
            notice,
            meta_file,
            kernel_buffer_kb,
            deadline,
            rate,
        }
    }

    /// Up to when it is known what the kernel recorded, in the trace's clock.
    pub fn sure_until(&self) -> u64 {
        self.good_until.min(self.capture.shared().sure_until())
    }

    /// Bytes of the segment that is being written.
    pub fn live_bytes(&self) -> u64 {
        self.capture.progress().borrow().bytes
    }

    /// Events a second.
    pub fn rate(&self) -> f64 {
        let [(before, count, _), _] = self.rate;
        per_second(before, self.capture.shared().totals().stored.saturating_sub(count))
    }

    /// Its snapshots, where it has any.
    pub fn snapshots(&self) -> Option<SnapshotView> {
        let [(before, _, count), _] = self.rate;
        let view = SnapshotView::of(self.capture.snapshots()?);
        Some(SnapshotView { per_s: per_second(before, view.taken.saturating_sub(count)), ..view })
    }

    /// Looks at the counts of events and snapshots, for the rates.
    pub fn note_rate(&mut self) {
        if self.rate[1].0.elapsed() >= RATE_TIME {
            let taken = self.snapshots().map_or(0, |snapshots| snapshots.taken);
            self.rate = [self.rate[1], (Instant::now(), self.capture.shared().totals().stored, taken)];
        }
    }
}

fn per_second(before: Instant, count: u64) -> f64 {
    let seconds = before.elapsed().as_secs_f64();
    if seconds < 0.1 { 0.0 } else { count as f64 / seconds }
}
