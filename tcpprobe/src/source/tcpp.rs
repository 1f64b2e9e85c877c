//! `.tcpp` traces as items.

use std::collections::VecDeque;
use std::io::Read;

use super::batch::{Batch, SourceFormat};
use super::losses::{Gap, Problem};
use super::{About, EventFilter, Item, Queue, Wanted};
use crate::Error;
use crate::file::{self, Account, Damage, Reader, Select, Totals, TraceError};
use crate::kernel::text::Layout;

/// Reads a `.tcpp` trace.
pub struct TcppSource<R> {
    name: String,
    reader: Reader<R>,
    select: Select,
    filter: EventFilter,
    /// The schema that was told.
    schema: Option<u32>,
    /// Damage found before it is sure that this is a trace at all.
    held: VecDeque<Damage>,
    queue: Queue,
    ledger: Totals,
    ended: bool,
}

impl<R: Read> TcppSource<R> {
    pub fn new(name: &str, input: R, wanted: Wanted) -> Self {
        TcppSource {
            name: name.to_owned(),
            reader: Reader::select(input, wanted.select.clone()),
            select: wanted.select,
            filter: wanted.events,
            schema: None,
            held: VecDeque::new(),
            queue: Queue::default(),
            ledger: Totals::default(),
            ended: false,
        }
    }

    /// The sums of the ledger up to here.
    pub fn ledger(&self) -> Totals {
        self.ledger
    }

    pub fn next_item(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.queue.pop() {
                return Ok(Some(item));
            }
            if self.ended {
                return Ok(None);
            }
            self.step()?;
        }
    }

    fn step(&mut self) -> Result<(), Error> {
        match self.reader.next_item() {
            Ok(Some(file::Item::Header(_))) => {}
            Ok(Some(file::Item::Events(mut batch))) => {
                self.begin()?;
                if !self.filter.is_all() {
                    batch.retain(|record| self.filter.takes(record));
                }
                if !batch.is_empty() {
                    self.queue.push(Item::Events(Batch::Columns(batch)));
                }
            }
            Ok(Some(file::Item::Accounts(accounts))) => {
                self.begin()?;
                self.accounts(&accounts);
            }
            Ok(Some(file::Item::Damage(damage))) => self.held.push_back(damage),
            Ok(None) => self.ended = true,
            // A job that recorded nothing has an empty stream.
            Err(TraceError::NotATrace) if self.held.is_empty() => self.ended = true,
            Err(TraceError::NotATrace) => return Err(Error::NotATrace { name: self.name.clone() }),
            Err(TraceError::Version(version)) => return Err(Error::Version { name: self.name.clone(), version }),
            Err(TraceError::Io(source)) => return Err(Error::Read { name: self.name.clone(), source }),
        }
        if self.ended || self.reader.schema().is_some() {
            self.held.drain(..).for_each(|damage| self.queue.push(Item::Problem(Problem::Damage(damage))));
        }
        Ok(())
    }

    /// Tells the formats, if they were not told.
    fn begin(&mut self) -> Result<(), Error> {
        let Some(schema) = self.reader.schema().filter(|schema| self.schema != Some(schema.id())) else {
            return Ok(());
        };
        let is_ranged = self.select.since.is_some() || self.select.until.is_some();
        if is_ranged && !self.reader.clock().is_anchored() {
            return Err(Error::NoWallClock { name: self.name.clone() });
        }
        let header = self.reader.header();
        let layout = Layout::named(header.get("layout"))
            .unwrap_or_else(|| Layout::told_by(header.get("kernel"), schema.formats()));
        let formats = schema.layouts().iter();
        let about = About {
            wanted: self.filter.begin(schema.formats())?,
            formats: formats.map(|layout| SourceFormat { format: layout.format.clone(), kind: layout.kind }).collect(),
            is_open: false,
            kernel: header.get("kernel").to_owned(),
            host: header.get("host").to_owned(),
            clock: header.get("clock").to_owned(),
            layout,
            utc_offset_ns: None,
            entries: None,
            header: header.clone(),
        };
        self.schema = Some(schema.id());
        self.queue.push(Item::Begin(about));
        Ok(())
    }

    fn accounts(&mut self, accounts: &[Account]) {
        let time = |wall: Option<i64>| wall.and_then(|wall| self.reader.clock().time(wall));
        let (since, until) = (time(self.select.since).unwrap_or(0), time(self.select.until).unwrap_or(u64::MAX));
        let within: Vec<&Account> =
            accounts.iter().filter(|account| account.to >= since && account.from <= until).collect();
        within.iter().for_each(|account| self.ledger.add(account));
        let gaps: Vec<Gap> = within.into_iter().filter_map(Gap::of).collect();
        if !gaps.is_empty() {
            self.filter.lose();
        }
        gaps.into_iter().for_each(|gap| self.queue.push(Item::Lost(gap)));
    }
}
