//! Saved pages, event by event.

use std::collections::BTreeMap;

use anyhow::{Error, Result};
use tcpprobe::event::Record;
use tcpprobe::file::{Account, Totals};
use tcpprobe::kernel::ring::{BadPage, Item, Loss, ReadError};
use tcpprobe::kernel::text::clock_ticks;

use super::Saved;
use super::contents::Contents;
use crate::input::{About, Body, Entries, Event, Visitor};
use crate::losses::{Gap, Losses};
use crate::say;
use crate::select::Selection;

impl Saved {
    /// Gives the events of `selection` to `visitor`, and says how many there were. Reads the pages twice: what they hold
    /// has to be told before the first event.
    pub fn visit(&self, selection: &mut Selection, visitor: &mut dyn Visitor, losses: &mut Losses) -> Result<u64> {
        let contents = Contents::survey(self)?;
        contents.require_events(self)?;
        let clock = self.folder.clock.as_str();
        if clock_ticks(clock) {
            say(&format!("{}: the clock {clock} does not count nanoseconds; times are its ticks", self.name));
        }
        if let Some(words) = contents.undescribed(self) {
            losses.undescribed(&words);
        }
        let formats = selection.begin(contents.formats(self))?;
        let entries = Entries { present: contents.described(), lost: contents.lost(self), cpus: self.folder.cpus };
        visitor.begin(&About {
            formats: Some(formats),
            kernel: &self.uname.release,
            host: &self.uname.host,
            clock,
            layout: self.layout(),
            entries: selection.is_all().then_some(entries),
        })?;
        let mut visit =
            Visit { saved: self, contents: &contents, visitor, losses, books: BTreeMap::new(), record: Vec::new() };
        let mut buffer = self.buffer()?;
        while let Some(item) = buffer.next_item().map_err(|error| self.failure(error))? {
            match item {
                Item::Record { time, cpu, bytes } => visit.record(time, cpu, bytes, selection)?,
                Item::Lost(loss) => visit.lost(&loss)?,
                Item::Bad(bad) => visit.bad(&bad),
            }
        }
        visit.end()
    }

    pub(super) fn failure(&self, error: ReadError) -> Error {
        Error::from(error.source).context(format!("cannot read {}", self.folder.name(error.cpu)))
    }

    pub(super) fn tell(&self, bad: &BadPage) -> String {
        format!("{}, {bad}", self.folder.name(bad.cpu))
    }
}

/// The reading of the pages.
struct Visit<'a> {
    saved: &'a Saved,
    contents: &'a Contents,
    visitor: &'a mut dyn Visitor,
    losses: &'a mut Losses,
    books: BTreeMap<u32, Books>,
    /// A record without its pointers, kept for its memory.
    record: Vec<u8>,
}

/// What became of the events of a CPU.
#[derive(Debug, Default)]
struct Books {
    /// Of all that could be read.
    whole: Account,
    /// Of those that nothing describes.
    undescribed: Account,
    /// Places that make no sense since the last record; in the ledger each is an event, for at least that many are gone.
    bad: u64,
}

impl Visit<'_> {
    fn record(&mut self, time: u64, cpu: u32, bytes: &[u8], selection: &Selection) -> Result<()> {
        let books = self.books.entry(cpu).or_insert_with(|| Books::new(cpu));
        if books.bad > 0 {
            let dropped = std::mem::take(&mut books.bad);
            self.visitor.accounts(&[Account { cpu, from: books.whole.to, to: time, dropped, ..Account::default() }])?;
        }
        books.begin(time);
        books.whole.to = time;
        let Some(described) = self.saved.events.describe(bytes) else {
            let undescribed = &mut books.undescribed;
            if undescribed.dropped == 0 {
                undescribed.from = time;
            }
            (undescribed.to, undescribed.dropped) = (time, undescribed.dropped + 1);
            return Ok(());
        };
        self.record.clear();
        self.record.extend_from_slice(bytes);
        for &place in &described.pointers {
            if let Some(pointer) = self.record[place..].first_chunk_mut() {
                *pointer = self.saved.key.id(u64::from_le_bytes(*pointer)).to_le_bytes();
            }
        }
        let mut record = Record { time, cpu, comm: None, format: &described.format, bytes: &self.record };
        record.comm = self.saved.folder.comms.get(&record.pid()).map(String::as_str);
        if !selection.takes(&record) {
            books.whole.filtered += 1;
            return Ok(());
        }
        books.whole.stored += 1;
        self.visitor.event(&Event { wall_ns: None, body: Body::Record(record) })
    }

    fn lost(&mut self, loss: &Loss) -> Result<()> {
        let from = loss.from.unwrap_or(0);
        let gap = Gap { cpu: loss.cpu, from, to: loss.to.unwrap_or(from), lost: self.contents.count(self.saved, loss) };
        self.losses.gap(&gap);
        self.visitor.lost(&gap)
    }

    fn bad(&mut self, bad: &BadPage) {
        self.losses.bad_page(&self.saved.tell(bad));
        self.books.entry(bad.cpu).or_insert_with(|| Books::new(bad.cpu)).bad += 1;
    }

    /// Gives the accounts, and adds what marks on pages never tell.
    fn end(mut self) -> Result<u64> {
        for &cpu in self.saved.folder.stats.keys() {
            self.books.entry(cpu).or_insert_with(|| Books::new(cpu));
        }
        let mut selected = 0;
        for (cpu, books) in self.books {
            let Account { from, to, stored, .. } = books.whole;
            selected += stored;
            let stats = self.saved.folder.stats.get(&cpu).copied().unwrap_or_default();
            let unmarked = Totals { lost: stats.commit_overrun, dropped: stats.dropped_events, ..Totals::default() };
            self.losses.totals(unmarked);
            let dropped = unmarked.dropped.saturating_add(books.bad);
            let unmarked = Account { cpu, from, to, lost: unmarked.lost, dropped, ..Account::default() };
            let told = [books.whole, books.undescribed, unmarked];
            let told: Vec<Account> = told.into_iter().filter(|account| account.events() > 0).collect();
            self.visitor.accounts(&told)?;
        }
        Ok(selected)
    }
}

impl Books {
    fn new(cpu: u32) -> Self {
        let account = Account { cpu, ..Account::default() };
        Books { whole: account, undescribed: account, bad: 0 }
    }

    /// Takes the time of the first record for the beginning.
    fn begin(&mut self, time: u64) {
        if self.whole.events() + self.undescribed.events() == 0 {
            self.whole.from = time;
        }
    }
}
