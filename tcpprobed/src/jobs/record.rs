//! A run as the control plane knows it.

use tcpprobe::file::Totals;

use super::RunView;
use crate::store::{Catalog, RunMeta, Store, StoreError, at, from_toml};

/// A run that is not going on; of the one that is, what was before this daemon resumed it.
pub struct RunRecord {
    pub number: u32,
    pub meta: RunMeta,
}

impl RunRecord {
    /// Reads a run's `run.toml`, and has the catalog know its segments.
    pub fn load(store: &Store, job: &str, number: u32) -> Result<Self, StoreError> {
        let folder = store.run_folder(job, number)?;
        let meta = at(folder.path(), RunMeta::load(&folder))?;
        store.closed_segments(job, number, None)?;
        Ok(RunRecord { number, meta })
    }

    pub fn view(&self, job: &str, catalog: &Catalog) -> RunView {
        let mut ledger = Totals::default();
        for totals in from_toml(&self.meta.ledger).values() {
            ledger += *totals;
        }
        let sum = catalog.sum(&Store::run_key(job, self.number));
        RunView {
            number: self.number,
            started_ns: self.meta.started_ns,
            ended_ns: self.meta.ended_ns,
            ended_why: self.meta.ended_why.clone(),
            ledger,
            bytes: sum.bytes,
            segments: sum.segments,
            walls: sum.walls,
        }
    }
}
