//! Reads traces: events in the order of time, and everything that is known about them.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::Arc;

use super::anchors::{Anchor, Clock};
use super::frame::{Damage, Frames, Kind, Scanned};
use super::header::{FORMAT_VERSION, Header};
use super::ledger::{Account, decode_accounts};
use crate::event::Record;
use crate::file::block::{Block, BlockHead, Projection, Schema};

/// Most events held back for their order, if a damaged block claims that more are to come.
const PENDING_MAX: usize = 4 << 20;

/// A trace that cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The input failed.
    #[error("reading the trace: {0}")]
    Io(#[from] io::Error),
    /// Written by something newer, or by a draft that was never released.
    #[error("the trace is of format version {0}, this program reads {FORMAT_VERSION}; use the one that wrote it")]
    Version(u32),
    /// There is no frame at all in it.
    #[error("not a .tcpp trace")]
    NotATrace,
}

/// Which events are wanted. Whole blocks outside of it are not even decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Select {
    /// Nanoseconds since 1970.
    pub since: Option<i64>,
    /// Nanoseconds since 1970.
    pub until: Option<i64>,
    /// Which connection, and which fields.
    pub wanted: Projection,
}

/// What a [`Reader`] finds.
#[derive(Debug)]
pub enum Item {
    /// Where the events that follow are from. Comes first, and again where another trace begins.
    Header(Header),
    /// Events, in the order of time, none earlier than those of the batch before (of the same trace).
    Events(Batch),
    /// Entries of the ledger.
    Accounts(Vec<Account>),
    /// Bytes that could not be read.
    Damage(Damage),
}

/// Events in the order of time.
#[derive(Debug)]
pub struct Batch {
    clock: Arc<Clock>,
    blocks: Vec<Arc<Block>>,
    /// Block and row.
    order: Vec<(u32, u32)>,
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

    /// Calls `f` with each record.
    pub fn for_each(&self, mut f: impl FnMut(Record<'_>)) {
        let mut buffer = Vec::new();
        for &(block, row) in &self.order {
            let block = &self.blocks[block as usize];
            f(block.record(&block.rows()[row as usize], &mut buffer));
        }
    }

    /// The clock as it was known then.
    #[must_use]
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Drops the events that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Record<'_>) -> bool) {
        let mut buffer = Vec::new();
        let blocks = &self.blocks;
        self.order.retain(|&(block, row)| {
            let block = &blocks[block as usize];
            keep(&block.record(&block.rows()[row as usize], &mut buffer))
        });
    }

    /// Calls `f` with each record until it fails.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_for_each<E>(&self, mut f: impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut buffer = Vec::new();
        for &(block, row) in &self.order {
            let block = &self.blocks[block as usize];
            f(block.record(&block.rows()[row as usize], &mut buffer))?;
        }
        Ok(())
    }
}

/// An event that waits for those that may come before it.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    time: u64,
    cpu: u32,
    block: u32,
    row: u32,
}

/// A set of sequence numbers that mostly come in order, as ranges; the last number of each belongs to it.
#[derive(Debug, Default)]
struct Sequences(Vec<(u64, u64)>);

impl Sequences {
    /// Adds a number; `false` where it was there already.
    fn insert(&mut self, number: u64) -> bool {
        let place = self.0.partition_point(|range| range.1.saturating_add(1) < number);
        match self.0.get_mut(place) {
            Some(range) if (range.0..=range.1).contains(&number) => return false,
            Some(range) if range.1.checked_add(1) == Some(number) => range.1 = number,
            _ => self.0.insert(place, (number, number)),
        }
        if let [range, next, ..] = &mut self.0[place..]
            && range.1.checked_add(1) == Some(next.0)
        {
            range.1 = next.1;
            self.0.remove(place + 1);
        }
        true
    }
}

/// Reads a trace from any input, one block at a time.
#[derive(Debug)]
pub struct Reader<R> {
    frames: Frames<R>,
    select: Select,
    header: Header,
    schema: Option<Arc<Schema>>,
    clock: Clock,
    blocks: Vec<Arc<Block>>,
    waiting: Vec<Waiting>,
    /// Blocks seen, by trace: a block that comes twice counts once.
    seen: HashMap<String, Sequences>,
    /// What is to be given next, before more is read.
    queue: VecDeque<Item>,
    any_frame: bool,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads everything in `input`.
    pub fn new(input: R) -> Self {
        Reader::select(input, Select::default())
    }

    /// Reads what is wanted of `input`.
    pub fn select(input: R, select: Select) -> Self {
        Reader {
            frames: Frames::new(input),
            select,
            header: Header::default(),
            schema: None,
            clock: Clock::default(),
            blocks: Vec::new(),
            waiting: Vec::new(),
            seen: HashMap::new(),
            queue: VecDeque::new(),
            any_frame: false,
            ended: false,
        }
    }

    /// The clock of the trace, as far as it is known by now.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The header in force.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The schema in force.
    #[must_use]
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref()
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// When the input fails, is no trace, or is of a later version.
    pub fn next_item(&mut self) -> Result<Option<Item>, TraceError> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                if let Item::Header(header) = &item {
                    self.turn_to(header.clone());
                }
                return Ok(Some(item));
            }
            if self.ended {
                return Ok(None);
            }
            self.step()?;
        }
    }

    /// Takes in one frame.
    fn step(&mut self) -> Result<(), TraceError> {
        let Some(found) = self.frames.next_frame()? else {
            self.ended = true;
            self.release(u64::MAX);
            return if self.any_frame { Ok(()) } else { Err(TraceError::NotATrace) };
        };
        let frame = match found {
            Scanned::Damage(damage) => {
                self.queue.push_back(Item::Damage(damage));
                return Ok(());
            }
            Scanned::Frame(frame) => frame,
        };
        self.any_frame = true;
        let (kind, offset, bytes) = (frame.kind, frame.offset, frame.bytes.len() as u64);
        let damaged = |reason: String| Item::Damage(Damage { offset, bytes, reason });
        match kind {
            Kind::Header => match Header::decode(frame.payload()) {
                Some(header) => self.begin(header)?,
                None => self.queue.push_back(damaged("a header that cannot be read".into())),
            },
            Kind::Schema => match Schema::decode(frame.payload()) {
                Ok(schema) if self.schema.as_ref().is_some_and(|known| known.id() == schema.id()) => {}
                Ok(schema) => self.schema = Some(schema),
                Err(error) => self.queue.push_back(damaged(error.to_string())),
            },
            Kind::Anchor => match Anchor::decode(frame.payload()) {
                Some(anchor) => self.clock.add(anchor),
                None => self.queue.push_back(damaged("an anchor that cannot be read".into())),
            },
            Kind::Ledger => self.queue.push_back(match decode_accounts(frame.payload()) {
                Some(accounts) => Item::Accounts(accounts),
                None => damaged("a ledger that cannot be read".into()),
            }),
            Kind::Block => {
                let payload = frame.payload().to_vec();
                if let Err(reason) = self.block(&payload) {
                    self.queue.push_back(damaged(reason));
                }
            }
            Kind::Unknown(_) => {}
        }
        Ok(())
    }

    /// Another trace begins, or another file of the same.
    fn begin(&mut self, header: Header) -> Result<(), TraceError> {
        if header.version() != FORMAT_VERSION {
            return Err(TraceError::Version(header.version()));
        }
        if header == self.header {
            return Ok(());
        }
        if header.get("trace") != self.header.get("trace") {
            self.release(u64::MAX);
        }
        self.queue.push_back(Item::Header(header));
        Ok(())
    }

    /// From here on everything is of the trace with this header. What came before was given with its own clock.
    fn turn_to(&mut self, header: Header) {
        if header.get("trace") != self.header.get("trace") {
            self.clock = Clock::default();
            self.schema = None;
        }
        self.header = header;
    }

    fn block(&mut self, payload: &[u8]) -> Result<(), String> {
        let head = BlockHead::decode(payload).map_err(|e| e.to_string())?;
        if !self.seen.entry(self.header.get("trace").to_owned()).or_default().insert(head.sequence) {
            return Ok(());
        }
        if self.is_wanted(&head) {
            let schema = self.schema.as_ref().ok_or("a block without the schema that explains it")?;
            let block = Block::decode(payload, schema, self.select.wanted.clone()).map_err(|e| e.to_string())?;
            let number = self.blocks.len() as u32;
            self.waiting.extend(block.rows().iter().enumerate().map(|(row, r)| Waiting {
                time: r.time,
                cpu: r.cpu,
                block: number,
                row: row as u32,
            }));
            self.blocks.push(Arc::new(block));
        }
        self.release(if self.waiting.len() > PENDING_MAX { u64::MAX } else { head.complete_until });
        Ok(())
    }

    fn is_wanted(&self, head: &BlockHead) -> bool {
        let (first, last) = (self.clock.wall(head.times.0), self.clock.wall(head.times.1));
        let early = matches!((self.select.since, last), (Some(since), Some(last)) if last < since);
        let late = matches!((self.select.until, first), (Some(until), Some(first)) if first > until);
        let other = self.select.wanted.connection.is_some_and(|connection| !head.may_hold(connection));
        !early && !late && !other
    }

    /// Gives all events up to `time` that wait.
    fn release(&mut self, time: u64) {
        // The kernel's own order: by time, then by CPU; of one CPU as in the ring buffer. The sort is stable.
        self.waiting.sort_by_key(|event| (event.time, event.cpu));
        let count = self.waiting.partition_point(|event| event.time <= time);
        if count > 0 {
            let (since, until) = self.bounds();
            let order: Vec<(u32, u32)> = self
                .waiting
                .drain(..count)
                .filter(|event| (since..=until).contains(&event.time))
                .map(|event| (event.block, event.row))
                .collect();
            if !order.is_empty() {
                self.queue.push_back(Item::Events(Batch {
                    clock: Arc::new(self.clock.clone()),
                    blocks: self.blocks.clone(),
                    order,
                }));
            }
        }
        self.forget_blocks();
    }

    /// The wanted range in the trace's clock.
    fn bounds(&self) -> (u64, u64) {
        let time = |wall: Option<i64>| wall.and_then(|wall| self.clock.time(wall));
        (time(self.select.since).unwrap_or(0), time(self.select.until).unwrap_or(u64::MAX))
    }

    /// Drops the blocks of which no event waits.
    fn forget_blocks(&mut self) {
        let Some(oldest) = self.waiting.iter().map(|event| event.block).min() else {
            self.blocks.clear();
            return;
        };
        self.blocks.drain(..oldest as usize);
        self.waiting.iter_mut().for_each(|event| event.block -= oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sequences_are_a_set(numbers in prop::collection::vec(prop_oneof![0u64..50, u64::MAX - 9..=u64::MAX], 0..100)) {
            let (mut ours, mut reference) = (Sequences::default(), std::collections::BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ours.insert(number), reference.insert(number));
            }
            prop_assert!(ours.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }
}
