//! A run as the control plane knows it.

use tcpprobe::trace::Totals;

use super::RunView;
use crate::store::{RunMeta, Store, StoreError, at, from_toml};

/// A run that is not going on; of the one that is, what was before this daemon took it up.
pub struct RunRecord {
    pub number: u32,
    pub meta: RunMeta,
    pub bytes: u64,
    pub segments: u32,
    pub walls: Option<(i64, i64)>,
}

impl RunRecord {
    pub fn load(store: &Store, job: &str, number: u32) -> Result<Self, StoreError> {
        let folder = store.run_folder(job, number);
        let meta = at(&folder, RunMeta::load(&folder))?;
        let mut record = RunRecord { number, meta, bytes: 0, segments: 0, walls: None };
        record.measure(store, job)?;
        Ok(record)
    }

    /// Looks at what is on disk.
    pub fn measure(&mut self, store: &Store, job: &str) -> Result<(), StoreError> {
        (self.bytes, self.segments, self.walls) = (0, 0, None);
        for (_, info) in store.closed_segments(job, self.number, None)? {
            self.bytes += info.bytes;
            self.segments += 1;
            self.walls = join(self.walls, info.walls);
        }
        Ok(())
    }

    pub fn view(&self) -> RunView {
        let mut ledger = Totals::default();
        for totals in from_toml(&self.meta.ledger).values() {
            ledger += *totals;
        }
        RunView {
            number: self.number,
            started_ns: self.meta.started_ns,
            ended_ns: self.meta.ended_ns,
            ended_why: self.meta.ended_why.clone(),
            ledger,
            bytes: self.bytes,
            segments: self.segments,
            walls: self.walls,
        }
    }
}

/// The span over both.
pub fn join(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}
