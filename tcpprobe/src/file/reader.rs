//! Reads traces: events in the order of time, and everything that is known about them.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::Arc;

use super::anchors::{Anchor, Clock};
use super::batch::Batch;
use super::frame::{Damage, Frames, Kind, Scanned};
use super::header::{FORMAT_VERSION, Header};
use super::ledger::{Account, decode_accounts};
use super::order::Order;
use super::sequences::Sequences;
use crate::file::block::{Block, BlockHead, Projection, Schema};

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

/// Reads a trace from any input, one block at a time.
#[derive(Debug)]
pub struct Reader<R> {
    frames: Frames<R>,
    select: Select,
    header: Header,
    schema: Option<Arc<Schema>>,
    clock: Arc<Clock>,
    order: Order,
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
            clock: Arc::default(),
            order: Order::default(),
            seen: HashMap::new(),
            queue: VecDeque::new(),
            any_frame: false,
            ended: false,
        }
    }

    /// The clock of the trace, as far as it is known by now.
    #[must_use]
    pub fn clock(&self) -> &Arc<Clock> {
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
                Some(anchor) => Arc::make_mut(&mut self.clock).add(anchor),
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
            self.clock = Arc::default();
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
            self.order.push(Block::decode(payload, schema, &self.select.wanted).map_err(|e| e.to_string())?);
        }
        self.release(if self.order.is_full() { u64::MAX } else { head.complete_until });
        Ok(())
    }

    fn is_wanted(&self, head: &BlockHead) -> bool {
        let (first, last) = (self.clock.wall(head.times.0), self.clock.wall(head.times.1));
        let early = matches!((self.select.since, last), (Some(since), Some(last)) if last < since);
        let late = matches!((self.select.until, first), (Some(until), Some(first)) if first > until);
        let wanted = self.select.wanted.connections.as_deref();
        let other = wanted.is_some_and(|ids| !ids.iter().any(|&id| head.may_hold(id)));
        !early && !late && !other
    }

    /// Gives all events up to `time` that wait.
    fn release(&mut self, time: u64) {
        let mut batch = self.order.release(time, self.bounds());
        if !batch.is_empty() {
            batch.clock = Arc::clone(&self.clock);
            self.queue.push_back(Item::Events(batch));
        }
    }

    /// The wanted range in the trace's clock.
    fn bounds(&self) -> (u64, u64) {
        let time = |wall: Option<i64>| wall.and_then(|wall| self.clock.time(wall));
        (time(self.select.since).unwrap_or(0), time(self.select.until).unwrap_or(u64::MAX))
    }
}
