//! Saved pages, read: first what they hold, which has to be told before the first event, then the events.

use std::collections::{BTreeMap, VecDeque};

use super::super::batch::{Batch, Rows, SourceFormat};
use super::super::described;
use super::super::losses::{Gap, Losses, Problem};
use super::super::times::Between;
use super::super::{About, Entries, EventFilter, Item};
use super::RingDump;
use super::contents::Contents;
use super::folder::Pages;
use crate::Error;
use crate::file::{Account, Header, Totals};
use crate::kernel::ring::{self, BadPage, Buffer, Loss, ReadError};
use crate::kernel::text::clock_ticks;

/// Most events of a batch: some thousand fit into a processor's cache.
const BATCH_EVENTS: usize = 4096;

/// The reading of a folder of pages.
pub struct Reading {
    dump: RingDump,
    contents: Contents,
    buffer: Buffer<Pages>,
    filter: EventFilter,
    between: Between,
    formats: Vec<SourceFormat>,
    rows: Rows,
    accounts: BTreeMap<u32, CpuAccount>,
    queue: VecDeque<Item>,
    ended: bool,
}

/// What became of the events of a CPU.
#[derive(Debug, Default)]
struct CpuAccount {
    /// Of all that could be read.
    whole: Account,
    /// Of those that nothing describes.
    undescribed: Account,
    /// Places that make no sense since the last record; in the ledger each is an event, for at least that many are gone.
    bad: u64,
}

impl Reading {
    pub fn new(dump: RingDump, mut filter: EventFilter, between: Between) -> Result<Self, Error> {
        let contents = Contents::survey(&dump)?;
        contents.require_events(&dump)?;
        let mut queue: VecDeque<Item> =
            dump.folder.notes.iter().chain(&dump.events.notes).cloned().map(Item::Problem).collect();
        let clock = dump.folder.clock.as_str();
        if clock_ticks(clock) {
            let words = format!("{}: the clock {clock} does not count nanoseconds; times are its ticks", dump.name);
            queue.push_back(Item::Problem(Problem::Note(words)));
        }
        if let Some(words) = contents.beside() {
            queue.push_back(Item::Problem(Problem::Note(format!("{}: {words}", dump.name))));
        }
        if let Some(words) = contents.undescribed(&dump) {
            queue.push_back(Item::Problem(Problem::Undescribed(format!("{}: {words}", dump.name))));
        }
        let formats = dump.events.described.source_formats();
        let occurs = |index: usize| formats.get(index).is_some_and(|known| contents.has(known.format.id));
        filter.begin_some(formats.iter().map(|known| &*known.format), occurs)?;
        let entries = Entries { present: contents.described(), lost: contents.lost(&dump), cpus: dump.folder.cpus };
        queue.push_back(Item::Begin(About {
            wanted: (0..formats.len()).map(|index| occurs(index) && filter.may_want(index)).collect(),
            formats: formats.clone(),
            is_open: false,
            kernel: dump.uname.release.clone(),
            host: dump.uname.host.clone(),
            clock: clock.to_owned(),
            layout: dump.layout(),
            entries: (filter.is_all() && between.is_all()).then_some(entries),
            utc_offset_ns: dump.times.utc_offset_ns,
            header: Header::default(),
        }));
        let buffer = dump.buffer()?;
        let (rows, accounts) = (Rows::at(dump.times.utc_offset_ns), BTreeMap::new());
        Ok(Reading { dump, contents, buffer, filter, between, formats, rows, accounts, queue, ended: false })
    }

    pub fn next_item(&mut self, losses: &mut Losses) -> Result<Option<Item>, Error> {
        while self.queue.is_empty() && !self.ended {
            self.step(losses)?;
        }
        Ok(self.queue.pop_front())
    }

    fn step(&mut self, losses: &mut Losses) -> Result<(), Error> {
        let item = self.buffer.next_item().map_err(|error| failure(&self.dump, error))?;
        match item {
            Some(ring::Item::Record { time, cpu, bytes }) => {
                let time = self.dump.times.of(time);
                if self.dump.events.described.is_beside(bytes) || !self.between.has(time) {
                    return Ok(());
                }
                let account = self.accounts.entry(cpu).or_insert_with(|| CpuAccount::new(cpu));
                if account.bad > 0 {
                    let dropped = std::mem::take(&mut account.bad);
                    let bad = Account { cpu, from: account.whole.to, to: time, dropped, ..Account::default() };
                    self.queue.push_back(Item::Accounts(vec![bad]));
                }
                account.begin(time);
                account.whole.to = time;
                let Some(described) = self.dump.events.described.describe(bytes) else {
                    account.undescribed(time);
                    return Ok(());
                };
                let rows = self.rows.bytes_mut();
                let start = rows.len();
                rows.extend_from_slice(bytes);
                described.hide_pointers(&mut rows[start..], &self.dump.key);
                let pid = described::pid(&rows[start..]);
                let comm = self.dump.folder.comms.get(&pid).map(String::as_str);
                let format = (described.index, &self.formats[described.index]);
                match self.rows.push(time, cpu, comm, format, &mut self.filter) {
                    true => account.whole.stored += 1,
                    false => account.whole.filtered += 1,
                }
                if self.rows.len() >= BATCH_EVENTS || !self.queue.is_empty() {
                    self.give();
                }
            }
            Some(ring::Item::Lost(loss)) => self.lost(&loss),
            Some(ring::Item::Bad(bad)) => {
                self.give();
                self.queue.push_back(Item::Problem(Problem::BadPage(tell(&self.dump, &bad))));
                self.accounts.entry(bad.cpu).or_insert_with(|| CpuAccount::new(bad.cpu)).bad += 1;
            }
            None => self.end(losses),
        }
        Ok(())
    }

    fn give(&mut self) {
        if !self.rows.is_empty() {
            self.queue.push_back(Item::Events(Batch::Rows(self.rows.take(&self.formats))));
        }
    }

    fn lost(&mut self, loss: &Loss) {
        let [from, to] = [loss.from, loss.to].map(|time| time.map(|time| self.dump.times.of(time)));
        let from = from.unwrap_or(0);
        let to = to.unwrap_or(from);
        if !self.between.overlaps(from, to) {
            return;
        }
        self.give();
        self.filter.lose();
        let lost = self.contents.count(&self.dump, loss);
        self.queue.push_back(Item::Lost(Gap { cpu: loss.cpu, from, to, lost }));
    }

    /// Gives the accounts, and adds what marks on pages never tell.
    fn end(&mut self, losses: &mut Losses) {
        self.ended = true;
        self.give();
        for &cpu in self.dump.folder.stats.keys() {
            self.accounts.entry(cpu).or_insert_with(|| CpuAccount::new(cpu));
        }
        for (cpu, account) in std::mem::take(&mut self.accounts) {
            let Account { from, to, .. } = account.whole;
            let stats = self.dump.folder.stats.get(&cpu).copied().unwrap_or_default();
            let lost = stats.commit_overrun.saturating_add(self.contents.unmarked(&self.dump, cpu));
            let unmarked = Totals { lost, dropped: stats.dropped_events, ..Totals::default() };
            losses.totals(unmarked);
            let dropped = unmarked.dropped.saturating_add(account.bad);
            let unmarked = Account { cpu, from, to, lost: unmarked.lost, dropped, ..Account::default() };
            let told = [account.whole, account.undescribed, unmarked];
            let told: Vec<Account> = told.into_iter().filter(|account| account.events() > 0).collect();
            if !told.is_empty() {
                self.queue.push_back(Item::Accounts(told));
            }
        }
    }
}

pub(super) fn failure(dump: &RingDump, error: ReadError) -> Error {
    Error::Read { name: dump.folder.name(error.cpu), source: error.source }
}

pub(super) fn tell(dump: &RingDump, bad: &BadPage) -> String {
    format!("{}, {bad}", dump.folder.name(bad.cpu))
}

impl CpuAccount {
    fn new(cpu: u32) -> Self {
        let account = Account { cpu, ..Account::default() };
        CpuAccount { whole: account, undescribed: account, bad: 0 }
    }

    /// Takes the time of the first record for the beginning.
    fn begin(&mut self, time: u64) {
        if self.whole.events() + self.undescribed.events() == 0 {
            self.whole.from = time;
        }
    }

    fn undescribed(&mut self, time: u64) {
        let undescribed = &mut self.undescribed;
        if undescribed.dropped == 0 {
            undescribed.from = time;
        }
        (undescribed.to, undescribed.dropped) = (time, undescribed.dropped + 1);
    }
}
