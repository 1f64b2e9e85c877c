//! Events in the order of time, as columns and as records.

use std::sync::Arc;

use super::anchors::Clock;
use crate::event::Record;
use crate::file::block::{Block, Row};

/// Events in the order of time: rows of a few blocks.
///
/// Who looks at some fields of many events takes [`Batch::rows`] and columns of their blocks ([`Block::columns`]); who wants
/// all of each event, records ([`Batch::for_each`]).
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub(super) blocks: Vec<Arc<Block>>,
    /// Block and row.
    pub(super) order: Vec<(u32, u32)>,
    pub(super) clock: Arc<Clock>,
}

impl Batch {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The clock of the trace, as far as it was known when these events were read.
    #[must_use]
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// The blocks that the events are in.
    #[must_use]
    pub fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// For each event, the place of its block in [`Batch::blocks`], and of its row in [`Block::rows`].
    #[must_use]
    pub fn order(&self) -> &[(u32, u32)] {
        &self.order
    }

    /// Each event: its block and its row.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&Block, &Row)> {
        self.order.iter().map(|&place| self.at(place))
    }

    /// The times of the events, nanoseconds in the trace's clock.
    pub fn times(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.rows().map(|(_, row)| row.time)
    }

    fn at(&self, (block, row): (u32, u32)) -> (&Block, &Row) {
        let block = &self.blocks[block as usize];
        (block, &block.rows()[row as usize])
    }

    /// Calls `f` with each record.
    pub fn for_each(&self, mut f: impl FnMut(Record<'_>)) {
        let mut buffer = Vec::new();
        self.rows().for_each(|(block, row)| f(block.record(row, &mut buffer)));
    }

    /// Calls `f` with each record until it fails.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_for_each<E>(&self, mut f: impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut buffer = Vec::new();
        self.rows().try_for_each(|(block, row)| f(block.record(row, &mut buffer)))
    }

    /// Drops the events that `wanted` does not accept.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Record<'_>) -> bool) {
        let (blocks, mut buffer) = (&self.blocks, Vec::new());
        self.order.retain(|&(block, row)| {
            let block = &blocks[block as usize];
            wanted(&block.record(&block.rows()[row as usize], &mut buffer))
        });
        if self.order.is_empty() {
            self.blocks.clear();
        }
    }
}
