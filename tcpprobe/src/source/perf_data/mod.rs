//! `perf.data` with tracepoints, as `perf record -e 'tcp:*' -a` writes it, to a file or a pipe.
//!
//! perf writes what each CPU had in turn, so its records are not in the order of time: they are read into memory, and sorted. Nothing
//! in the file is trusted.

mod attr;
mod header;
mod records;

use std::collections::{BTreeMap, HashMap};

pub use self::header::MAGIC;
use self::header::{Header, Told};
use self::records::{End, Records, record};
use super::batch::{Batch, Rows, SourceFormat};
use super::described::{self, Descriptions};
use super::losses::{Gap, Losses, Problem};
use super::part::Part;
use super::times::Between;
use super::tracing_data::Broken;
use super::{About, EventFilter, Item, Queue, Wanted};
use crate::Error;
use crate::file::block::{Cursor, PointerKey};
use crate::file::{Account, Header as TraceHeader};
use crate::kernel::text::Layout;

/// Most events of a batch.
const BATCH_EVENTS: usize = 4096;
/// Longest name of a task (`TASK_COMM_LEN` less its NUL).
const COMM_CHARS_MAX: usize = 15;
/// So many IDs are named; the others are of the same make.
const IDS_TOLD_MAX: usize = 8;

const MAKE_TEXT: &str = "make text of it, which is read: perf script -i FILE > FILE.txt";
const RECORD_AGAIN: &str = "perf writes the rest when it ends: record again, and end it with Ctrl-C";
const RECORD_SO: &str = "record them: perf record -e 'tcp:*' -a";

/// A record that is wanted, by its time.
#[derive(Debug, Clone, Copy)]
struct Place {
    time: u64,
    at: usize,
}

/// Gives the events of a file.
pub struct PerfSource {
    data: Part,
    told: Told,
    described: Descriptions,
    /// Records by time, and how many of them were given.
    places: Vec<Place>,
    given: usize,
    filter: EventFilter,
    between: Between,
    formats: Vec<SourceFormat>,
    rows: Rows,
    /// tid → comm, up to the present record.
    comms: HashMap<i32, String>,
    cpus: BTreeMap<u32, Account>,
    /// Events lost of which no record tells when.
    lost_somewhere: u64,
    key: PointerKey,
    queue: Queue,
    ended: bool,
}

/// What the records are, told by a first reading.
#[derive(Debug, Default)]
struct Contents {
    places: Vec<Place>,
    /// Events by ID, and those that nothing describes.
    described: BTreeMap<u16, u64>,
    undescribed: BTreeMap<u16, u64>,
    /// Samples of what is no tracepoint.
    others: u64,
    /// Records that make no sense.
    bad: u64,
    first_bad: Option<usize>,
    /// Events lost by the kernel's records, and by what perf counted at the end, which has them again.
    lost: u64,
    lost_in_all: u64,
}

impl PerfSource {
    /// Looks what is in a file, which messages call `name`.
    pub fn open(name: &str, file: Vec<u8>, wanted: Wanted) -> Result<Self, Error> {
        let unreadable = |what: String, hint| Error::Unreadable { name: name.to_owned(), what, hint };
        let broken = |error: Broken| match error {
            Broken::Cut(_) => unreadable(error.to_string(), RECORD_AGAIN),
            _ => unreadable(error.to_string(), MAKE_TEXT),
        };
        let Header { data, offset, missing, is_unfinished, mut told } =
            Header::read(&Part::whole(file)).map_err(broken)?;
        let mut queue = Queue::default();
        read_head(&data, &mut told).map_err(|failure| match failure {
            Failure::Broken(error) => broken(error),
            Failure::Compressed => unreadable("has compressed records (perf record -z)".to_owned(), MAKE_TEXT),
        })?;
        let Some(tracing) = told.tracing.take() else {
            let (what, hint) = match (is_unfinished, told.attrs.has_tracepoints()) {
                (true, _) => ("was never completed: what describes its events is missing", RECORD_AGAIN),
                (false, true) => ("lacks what describes its events", RECORD_SO),
                (false, false) => ("has no tracepoints", RECORD_SO),
            };
            return Err(unreadable(what.to_owned(), hint));
        };
        let described = tracing.described;
        let mut records = Records::new(&data);
        let contents = Contents::survey(&mut records, &told, &described);
        if missing > 0 || records.end == End::Cut {
            queue.push(Item::Problem(Problem::Cut("the file is cut; what came before is read".to_owned())));
        }
        if records.end == End::Bad {
            let words = format!("{name}, byte {}: no record; nothing behind it is read", offset + records.at as u64);
            queue.push(Item::Problem(Problem::BadPage(words)));
        }
        contents.tell(name, offset).into_iter().for_each(|problem| queue.push(Item::Problem(problem)));
        let clock = clock_name(told.attrs.clock());
        let utc_offset_ns = told.utc_offset_ns.or_else(|| (clock == REALTIME).then_some(0));
        let between = Between::of(&wanted.select, utc_offset_ns, name)?;
        let formats = described.source_formats();
        let mut filter = wanted.events;
        let occurs =
            |index: usize| formats.get(index).is_some_and(|known| contents.described.contains_key(&known.format.id));
        filter.begin_some(formats.iter().map(|known| &*known.format), occurs)?;
        queue.push(Item::Begin(About {
            wanted: (0..formats.len()).map(|index| occurs(index) && filter.may_want(index)).collect(),
            formats: formats.clone(),
            is_open: false,
            kernel: told.kernel.clone(),
            host: told.host.clone(),
            clock: clock.to_owned(),
            layout: Layout::told_by(&told.kernel, described.formats().map(|format| &**format)),
            entries: None,
            utc_offset_ns,
            header: TraceHeader::default(),
        }));
        Ok(PerfSource {
            lost_somewhere: contents.lost_in_all.saturating_sub(contents.lost),
            places: contents.places,
            given: 0,
            rows: Rows::at(utc_offset_ns),
            comms: HashMap::new(),
            cpus: BTreeMap::new(),
            key: PointerKey::of_this_process(),
            ended: false,
            data,
            told,
            described,
            filter,
            between,
            formats,
            queue,
        })
    }

    pub fn next_item(&mut self, losses: &mut Losses) -> Result<Option<Item>, Error> {
        while self.queue.is_empty() && !self.ended {
            match self.places.get(self.given).copied() {
                Some(place) => self.step(place),
                None => self.end(losses),
            }
            self.given += 1;
        }
        Ok(self.queue.pop())
    }

    fn step(&mut self, place: Place) {
        let data = self.data.clone();
        let Ok(record) = record(data.as_slice(), place.at) else { return };
        match record.kind {
            records::SAMPLE => self.sample(place.time, record.body),
            records::COMM => self.comm(record.body),
            records::FORK => self.fork(record.body),
            _ => self.lost(place.time, record.body),
        }
        if self.rows.len() >= BATCH_EVENTS {
            self.give();
        }
    }

    fn sample(&mut self, time: u64, body: &[u8]) {
        let Some(sample) = self.told.attrs.sample(body) else { return };
        let Some(raw) = sample.raw.filter(|_| self.between.has(time)) else { return };
        let account = account(&mut self.cpus, sample.cpu, time);
        let Some(described) = self.described.describe(raw) else {
            account.dropped += 1;
            return;
        };
        let rows = self.rows.bytes_mut();
        let start = rows.len();
        rows.extend_from_slice(described.without_padding(raw));
        described.hide_pointers(&mut rows[start..], &self.key);
        let pid = described::pid(raw);
        let comm = self.comms.get(&pid).or_else(|| self.comms.get(&sample.tid)).filter(|_| pid != 0);
        let format = (described.index, &self.formats[described.index]);
        match self.rows.push(time, sample.cpu, comm.map(String::as_str), format, &mut self.filter) {
            true => account.stored += 1,
            false => account.filtered += 1,
        }
    }

    /// `pid, tid, comm`
    fn comm(&mut self, body: &[u8]) {
        let mut cursor = Cursor(body);
        let (Some(_pid), Some(tid)) = (cursor.u32(), cursor.u32()) else { return };
        let bytes = cursor.0.split(|byte| *byte == 0).next().unwrap_or_default();
        let comm = String::from_utf8_lossy(bytes).chars().take(COMM_CHARS_MAX).collect();
        self.comms.insert(tid.cast_signed(), comm);
    }

    /// `pid, ppid, tid, ptid`: who was forked is called as who did it.
    fn fork(&mut self, body: &[u8]) {
        let mut cursor = Cursor(body);
        let words: Vec<u32> = (0..4).map_while(|_| cursor.u32()).collect();
        if let [_, _, tid, parent] = words[..]
            && let Some(comm) = self.comms.get(&parent.cast_signed()).cloned()
        {
            self.comms.insert(tid.cast_signed(), comm);
        }
    }

    /// `id, lost`: since the last event of this CPU.
    fn lost(&mut self, time: u64, body: &[u8]) {
        let mut cursor = Cursor(body);
        let (Some(_id), Some(lost)) = (cursor.u64(), cursor.u64()) else { return };
        let cpu = self.told.attrs.trailer(body).and_then(|trailer| trailer.cpu).unwrap_or(0);
        let from = self.cpus.get(&cpu).map_or(time, |account| account.to);
        if !self.between.overlaps(from, time) {
            return;
        }
        self.give();
        self.filter.lose();
        self.queue.push(Item::Lost(Gap { cpu, from, to: time, lost: Some(lost) }));
    }

    fn give(&mut self) {
        if !self.rows.is_empty() {
            self.queue.push(Item::Events(Batch::Rows(self.rows.take(&self.formats))));
        }
    }

    /// Gives what is left, and the accounts.
    fn end(&mut self, losses: &mut Losses) {
        self.ended = true;
        self.give();
        let mut accounts: Vec<Account> = std::mem::take(&mut self.cpus).into_values().collect();
        if self.lost_somewhere > 0 {
            losses.lost = losses.lost.saturating_add(self.lost_somewhere);
            let from = accounts.iter().map(|account| account.from).min().unwrap_or(0);
            let to = accounts.iter().map(|account| account.to).max().unwrap_or(0);
            accounts.push(Account { from, to, lost: self.lost_somewhere, ..Account::default() });
        }
        if !accounts.is_empty() {
            self.queue.push(Item::Accounts(accounts));
        }
    }
}

/// Why what precedes the events cannot be read.
enum Failure {
    Broken(Broken),
    Compressed,
}

/// Takes what records tell that are in a file's head otherwise.
fn read_head(data: &Part, told: &mut Told) -> Result<(), Failure> {
    for record in Records::new(data) {
        match record.kind {
            records::HEADER_ATTR => told.attr(record.body),
            records::HEADER_TRACING_DATA => told.tracing(record.behind).map_err(Failure::Broken)?,
            records::HEADER_FEATURE => {
                let mut cursor = Cursor(record.body);
                let feature = cursor.u64().and_then(|feature| usize::try_from(feature).ok());
                told.feature(feature.unwrap_or(0), cursor.0).map_err(Failure::Broken)?;
            }
            records::COMPRESSED | records::COMPRESSED2 => return Err(Failure::Compressed),
            _ => {}
        }
    }
    Ok(())
}

impl Contents {
    /// Reads everything once.
    fn survey(records: &mut Records<'_>, told: &Told, described: &Descriptions) -> Self {
        let mut contents = Contents::default();
        let mut last = 0;
        for record in records {
            let time = match record.kind {
                records::SAMPLE => {
                    let Some(sample) = told.attrs.sample(record.body) else {
                        contents.bad += 1;
                        contents.first_bad.get_or_insert(record.at);
                        continue;
                    };
                    let Some(raw) = sample.raw.filter(|raw| raw.len() >= 8) else {
                        contents.others += 1;
                        continue;
                    };
                    let counts = match described.describe(raw) {
                        Some(_) => &mut contents.described,
                        None => &mut contents.undescribed,
                    };
                    *counts.entry(described::id(raw).unwrap_or(0)).or_default() += 1;
                    sample.time
                }
                records::LOST => {
                    let lost = record.body.get(8..).and_then(|rest| rest.first_chunk());
                    contents.lost = contents.lost.saturating_add(lost.map_or(0, |lost| u64::from_le_bytes(*lost)));
                    told.attrs.trailer(record.body).and_then(|trailer| trailer.time)
                }
                records::LOST_SAMPLES => {
                    let lost = record.body.first_chunk().filter(|_| record.misc & records::BY_FILTER == 0);
                    let lost = lost.map_or(0, |lost| u64::from_le_bytes(*lost));
                    contents.lost_in_all = contents.lost_in_all.saturating_add(lost);
                    continue;
                }
                records::COMM | records::FORK => told.attrs.trailer(record.body).and_then(|trailer| trailer.time),
                _ => continue,
            };
            last = time.unwrap_or(last);
            contents.places.push(Place { time: last, at: record.at });
        }
        // Of equal times, as they are in the file.
        contents.places.sort_by_key(|place| place.time);
        contents
    }

    /// What should be known of them.
    fn tell(&self, name: &str, offset: u64) -> Vec<Problem> {
        let mut told = Vec::new();
        if self.others > 0 {
            let words = format!("{name}: {} samples of what is no tracepoint are passed over", self.others);
            told.push(Problem::Note(words));
        }
        let undescribed: u64 = self.undescribed.values().sum();
        if undescribed > 0 {
            let ids: Vec<String> = self.undescribed.keys().take(IDS_TOLD_MAX).map(u16::to_string).collect();
            let ids = ids.join(", ");
            let words = format!("{name}: {undescribed} events are left out, for it does not describe them (ID {ids})");
            told.push(Problem::Undescribed(words));
        }
        if let Some(at) = self.first_bad {
            let words =
                format!("{name}, byte {}: a sample makes no sense; {} such in all", offset + at as u64, self.bad);
            told.push(Problem::BadPage(words));
        }
        told
    }
}

/// What became of the events of a CPU, up to this time.
fn account(cpus: &mut BTreeMap<u32, Account>, cpu: u32, time: u64) -> &mut Account {
    let account = cpus.entry(cpu).or_insert(Account { cpu, from: time, ..Account::default() });
    account.to = time;
    account
}

/// What the wall clock is called.
const REALTIME: &str = "realtime";

/// The clock of this number (`include/uapi/linux/time.h`), as `trace_clock` calls it; perf's own is that of the scheduler.
fn clock_name(clock: Option<i32>) -> &'static str {
    match clock {
        None => "perf",
        Some(0) => REALTIME,
        Some(1) => "mono",
        Some(4) => "mono_raw",
        Some(7) => "boot",
        Some(11) => "tai",
        Some(_) => "",
    }
}
