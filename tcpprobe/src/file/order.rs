//! Events that wait for those that may come before them, in the order of time.
//!
//! The kernel's own order: by time, then by CPU; of one CPU as in the ring buffer. Blocks bring long runs of events that are in
//! that order already, so nothing is sorted: each run is put behind another one that ends before it, which makes a few *lanes*
//! (about one a CPU), and the lanes are merged. A run that belongs nowhere opens a lane.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use super::batch::Batch;
use crate::file::block::{Block, Row};

/// Most blocks that wait, and most bytes of memory that they take, decoded: a recorder lets events wait for less than a
/// second, in two or three blocks of some 3 MB, but a file may claim anything. Where more wait, all are given.
const WAITING_BLOCKS_MAX: usize = 4096;
const WAITING_BYTES_MAX: usize = 128 << 20;
/// Bytes of memory that a lane takes, about.
const LANE_BYTES: usize = 256;

/// What events are ordered by: time, CPU, and then arrival: block and row.
type Place = (u64, u32, u64, u32);

/// Rows of a block, one behind the other, that are in order.
#[derive(Debug, Clone, Copy)]
struct Run {
    block: u64,
    next: u32,
    end: u32,
}

/// What is next in a lane, while it is merged.
#[derive(Debug)]
struct Side {
    lane: usize,
    run: Run,
    block: Arc<Block>,
    /// Its block's number in the batch, once an event of it is in there.
    number: Option<u32>,
}

impl Side {
    /// The place of its next event; `None` at the end of its run.
    #[inline]
    fn place(&self) -> Option<Place> {
        let row = self.block.rows()[..self.run.end as usize].get(self.run.next as usize)?;
        Some((row.time, row.cpu, self.run.block, self.run.next))
    }
}

/// A block of which events wait.
#[derive(Debug)]
struct Waiting {
    block: Arc<Block>,
    bytes: usize,
    /// Events that were not given yet.
    left: usize,
    /// The batch that it was last put into, and its number there.
    number: (u64, u32),
}

/// Blocks and the order of their events.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Those with an event that waits, and some behind them; the number of the first.
    blocks: VecDeque<Waiting>,
    first: u64,
    bytes: usize,
    /// Counts the batches.
    batch: u64,
    lanes: Vec<VecDeque<Run>>,
    /// The lanes that are in use, by what is next in them, and those that are not.
    heads: BinaryHeap<Reverse<(Place, usize)>>,
    free: Vec<usize>,
    /// The lanes that are in use, by what is last in them.
    ends: BTreeMap<Place, usize>,
}

impl Order {
    /// Takes in the events of `block`, which arrived after all others.
    pub fn push(&mut self, block: Block) {
        let number = self.first + self.blocks.len() as u64;
        let rows = block.rows();
        let place = |at: usize, row: &Row| (row.time, row.cpu, number, at as u32);
        let mut start = 0;
        for run in rows.chunk_by(|a, b| (a.time, a.cpu) <= (b.time, b.cpu)) {
            let end = start + run.len();
            let (first, last) = (place(start, &run[0]), place(end - 1, &run[run.len() - 1]));
            self.push_run(Run { block: number, next: start as u32, end: end as u32 }, first, last);
            start = end;
        }
        let (bytes, left) = (block.memory_bytes(), rows.len());
        self.bytes += bytes;
        self.blocks.push_back(Waiting { block: Arc::new(block), bytes, left, number: (0, 0) });
        self.forget();
    }

    /// Puts a run behind the one that ends last before it.
    fn push_run(&mut self, run: Run, first: Place, last: Place) {
        let lane = match self.ends.range(..first).next_back().map(|(&end, &lane)| (end, lane)) {
            Some((end, lane)) => {
                self.ends.remove(&end);
                lane
            }
            None => {
                let lane = self.free.pop().unwrap_or_else(|| {
                    self.lanes.push(VecDeque::new());
                    self.lanes.len() - 1
                });
                self.heads.push(Reverse((first, lane)));
                lane
            }
        };
        self.lanes[lane].push_back(run);
        self.ends.insert(last, lane);
    }

    /// Whether more waits than may.
    pub fn is_full(&self) -> bool {
        let lanes = self.lanes.len() * LANE_BYTES;
        self.blocks.len() > WAITING_BLOCKS_MAX || self.bytes + lanes > WAITING_BYTES_MAX
    }

    /// Takes out all events up to `until`, and makes a batch of those from `since` to `to`.
    pub fn release(&mut self, until: u64, span: (u64, u64)) -> Batch {
        let mut batch = Batch::default();
        self.batch += 1;
        while self.heads.peek().is_some_and(|Reverse((place, _))| place.0 <= until) {
            // The two lanes that come first, as far as a third one begins.
            let sides = [self.take_first(), self.take_first()];
            let third = self.heads.peek().map(|Reverse((place, _))| *place).filter(|place| place.0 <= until);
            let limit = third.unwrap_or((until, u32::MAX, u64::MAX, u32::MAX));
            for side in self.merge(sides, limit, span, &mut batch).into_iter().flatten() {
                self.put_back(&side);
            }
        }
        if self.heads.is_empty() {
            self.lanes.clear();
            self.free.clear();
        }
        self.forget();
        batch
    }

    /// Takes the lane out of the heads that comes first.
    fn take_first(&mut self) -> Option<Side> {
        let Reverse((_, lane)) = self.heads.pop()?;
        let run = *self.lanes[lane].front()?;
        let block = Arc::clone(&self.blocks[(run.block - self.first) as usize].block);
        Some(Side { lane, run, block, number: None })
    }

    /// Takes the events of two lanes that come before `limit`, in turns, until the run of one ends; there is always a first.
    fn merge(
        &mut self,
        mut sides: [Option<Side>; 2],
        limit: Place,
        (since, to): (u64, u64),
        batch: &mut Batch,
    ) -> [Option<Side>; 2] {
        while let [Some(side), other] = &mut sides {
            let bound = other.as_ref().and_then(Side::place).map_or(limit, |place| place.min(limit));
            let rows = &side.block.rows()[side.run.next as usize..side.run.end as usize];
            let comes_before = |row: &Row, at: usize| {
                row.time < bound.0
                    || row.time == bound.0 && (row.time, row.cpu, side.run.block, side.run.next + at as u32) <= bound
            };
            let count = rows.iter().enumerate().position(|(at, row)| !comes_before(row, at)).unwrap_or(rows.len());
            let is_wanted = |row: &Row| (since..=to).contains(&row.time);
            // They are in the order of time: where both ends are wanted, so is what is between.
            let taken = match &rows[..count] {
                [first, .., last] if is_wanted(first) && is_wanted(last) => 0..count as u32,
                rows => {
                    let start = rows.partition_point(|row| row.time < since) as u32;
                    start..rows.partition_point(|row| row.time <= to).max(start as usize) as u32
                }
            };
            if !taken.is_empty() {
                let number = match side.number {
                    Some(number) => number,
                    None => *side.number.insert(self.number_of(side.run.block, batch)),
                };
                batch.order.extend(taken.map(|at| (number, side.run.next + at)));
            }
            side.run.next += count as u32;
            if count == rows.len() || side.place().is_some_and(|place| place > limit) {
                break;
            }
            sides.swap(0, 1);
        }
        sides
    }

    /// The number of a block in the batch, which it is put into if need be.
    fn number_of(&mut self, block: u64, batch: &mut Batch) -> u32 {
        let waiting = &mut self.blocks[(block - self.first) as usize];
        if waiting.number.0 != self.batch {
            waiting.number = (self.batch, batch.blocks.len() as u32);
            batch.blocks.push(Arc::clone(&waiting.block));
        }
        waiting.number.1
    }

    /// Puts a lane back among the heads, or frees it where it ended.
    fn put_back(&mut self, side: &Side) {
        let (lane, block) = (side.lane, (side.run.block - self.first) as usize);
        let Some(run) = self.lanes[lane].front_mut() else { return };
        self.blocks[block].left -= (side.run.next - run.next) as usize;
        run.next = side.run.next;
        if let Some(place) = side.place() {
            self.heads.push(Reverse((place, lane)));
            return;
        }
        self.lanes[lane].pop_front();
        let Some(run) = self.lanes[lane].front() else {
            let last = &side.block.rows()[side.run.end as usize - 1];
            self.ends.remove(&(last.time, last.cpu, side.run.block, side.run.end - 1));
            self.free.push(lane);
            return;
        };
        let row = &self.blocks[(run.block - self.first) as usize].block.rows()[run.next as usize];
        self.heads.push(Reverse(((row.time, row.cpu, run.block, run.next), lane)));
    }

    /// Drops the blocks of which no event waits.
    fn forget(&mut self) {
        while self.blocks.front().is_some_and(|waiting| waiting.left == 0) {
            self.bytes -= self.blocks.pop_front().map_or(0, |waiting| waiting.bytes);
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::block::{BlockBuilder, Projection, Schema, Seal};
    use crate::kernel::format::Format;
    use proptest::prelude::*;

    fn schema() -> Arc<Schema> {
        let text = "name: e\nID: 1\nformat:\n\tfield:u16 common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
            \tfield:u32 n;\toffset:8;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n";
        Schema::new([Format::parse("test", text).unwrap()]).unwrap()
    }

    /// A block of events of these times and CPUs, which are numbered from `first`.
    fn block(schema: &Arc<Schema>, events: &[(u64, u32)], first: u32) -> Block {
        let mut builder = BlockBuilder::new(Arc::clone(schema));
        for ((time, cpu), number) in events.iter().zip(first..) {
            let mut record = [0; 12];
            record[0] = 1;
            record[8..].copy_from_slice(&number.to_le_bytes());
            assert_eq!(builder.push(*cpu, &[(*time, &record)]), 0);
        }
        let mut payload = Vec::new();
        builder.seal(&Seal::default(), None, |_| None, &mut payload);
        Block::decode(&payload, schema, &Projection::default()).unwrap()
    }

    fn numbers(batch: &Batch) -> Vec<(u64, u32, u64)> {
        let number = |(block, row): (&Block, &Row)| (row.time, row.cpu, block.column(0, "n").unwrap().get(row));
        batch.rows().map(number).collect()
    }

    proptest! {
        /// As if all that waits were sorted at each release, and the sort were stable.
        #[test]
        fn as_a_stable_sort(
            blocks in prop::collection::vec((prop::collection::vec((0u64..40, 0u32..3), 0..30), 0u64..45), 0..12),
            bounds in (0u64..20, 15u64..50)
        ) {
            let schema = schema();
            let (mut order, mut waiting, mut number) = (Order::default(), Vec::new(), 0u32);
            for (events, until) in &blocks {
                order.push(block(&schema, events, number));
                waiting.extend(events.iter().zip(u64::from(number)..).map(|(&(time, cpu), number)| (time, cpu, number)));
                number += events.len() as u32;
                waiting.sort_by_key(|event| (event.0, event.1));
                let count = waiting.partition_point(|event| event.0 <= *until);
                let expected: Vec<_> = waiting.drain(..count).filter(|e| (bounds.0..=bounds.1).contains(&e.0)).collect();
                let batch = order.release(*until, bounds);
                prop_assert_eq!(numbers(&batch), expected);
                prop_assert!(batch.blocks().len() <= batch.len());
            }
            prop_assert_eq!(order.release(u64::MAX, (0, u64::MAX)).len(), waiting.len());
            prop_assert_eq!((order.blocks.len(), order.bytes, order.ends.len()), (0, 0, 0));
        }
    }

    #[test]
    fn runs_of_each_cpu_are_lanes() {
        let schema = schema();
        let mut order = Order::default();
        for round in 0..50 {
            let chunk = |cpu| (0..100).map(move |at| (round * 200 + at * 2 + u64::from(cpu % 2), cpu));
            order.push(block(&schema, &chunk(0).chain(chunk(1)).collect::<Vec<_>>(), 0));
        }
        assert_eq!(order.heads.len(), 2);
        let batch = order.release(u64::MAX, (0, u64::MAX));
        assert!(batch.times().eq(0..10_000));
    }
}
