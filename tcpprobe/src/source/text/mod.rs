//! Ftrace text as records, so that whatever takes records takes text.

mod formats;
mod latency;
mod probe;
mod shape;

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use foldhash::fast::RandomState;

use self::formats::TextFormats;
use self::latency::Latency;
use self::probe::ProbeLines;
use super::batch::{Batch, Rows, SourceFormat};
use super::foreign::{self, Foreign};
use super::input::Damage;
use super::losses::{Gap, Losses, Problem};
use super::{About, EventFilter, Item, Queue, Wanted};
use crate::Error;
use crate::event::table::EVENTS;
use crate::kernel::format::Format;
use crate::kernel::page::Lost;
use crate::kernel::text::{BrokenLine, Layout, Line, LineError, TextEvent, TextReader, UNKNOWN_TICKS};

/// Most events of a batch; a piece of the reader's buffer holds fewer.
const BATCH_EVENTS_MAX: usize = 8192;
/// Broken lines that are held back until it is sure that this is ftrace text; of more only the number is kept.
const HELD_MAX: usize = 1000;
/// Most marks without a number that are told one by one, for one gap.
const UNKNOWN_TOLD_MAX: u64 = 16;
/// Most CPUs whose last event is known; no kernel has more (`NR_CPUS` is at most 8192).
const CPUS_MAX: usize = 1 << 16;

/// Formats as text of the newest kernel has them, of each event of the table.
#[must_use]
pub fn typical_formats() -> Vec<Arc<Format>> {
    let mut formats = TextFormats::default();
    for event in &EVENTS {
        formats.typical(event, event.text, Latency::default());
    }
    formats.formats().cloned().collect()
}

/// What is known of a CPU.
#[derive(Debug, Default)]
struct Cpu {
    /// The time of its last event.
    last: u64,
    /// Events lost since, and marks without a number.
    lost: u64,
    unknown: u64,
}

impl Cpu {
    /// Tells what was lost up to `to`, and forgets it; gives the number of marks that are too many to be told one by one.
    fn tell(&mut self, cpu: u32, to: u64, queue: &mut Queue) -> u64 {
        let gap = |lost| Gap { cpu, from: self.last, to, lost };
        if self.lost > 0 {
            queue.push(Item::Lost(gap(Some(self.lost))));
        }
        let told = self.unknown.min(UNKNOWN_TOLD_MAX);
        (0..told).for_each(|_| queue.push(Item::Lost(gap(None))));
        let untold = self.unknown - told;
        (self.lost, self.unknown) = (0, 0);
        untold
    }
}

/// Whether lines of this format were made of those of the module tcp_probe, of kernels before 4.16.
fn is_of_module(format: &Format) -> bool {
    format.name == "tcp_probe" && format.field("length").is_some() && format.field("mark").is_none()
}

/// Reads ftrace text.
pub struct TextSource<R> {
    name: String,
    reader: TextReader<R>,
    lines: Lines,
    /// What is wrong with the input.
    damage: Damage,
    ended: bool,
}

impl<R: Read> TextSource<R> {
    pub fn new(name: &str, input: R, wanted: Wanted) -> Result<Self, Error> {
        if wanted.select.since.is_some() || wanted.select.until.is_some() {
            return Err(Error::NoWallClock { name: name.to_owned() });
        }
        let mut filter = wanted.events;
        filter.begin_open(typical_formats().iter().map(|format| &**format))?;
        let lines = Lines { name: name.to_owned(), filter, ..Lines::default() };
        let (reader, damage) = (TextReader::new(input), Damage::default());
        Ok(TextSource { name: name.to_owned(), reader, lines, damage, ended: false })
    }

    /// The same, of an input that looks like something else, and may turn out not to be whole.
    pub fn of(mut self, looks_like: Option<Foreign>, damage: Damage) -> Self {
        self.lines.looks_like = looks_like;
        self.damage = damage;
        self
    }

    /// The same, of text about which this should be known.
    pub fn noted(mut self, notes: Vec<Problem>) -> Self {
        notes.into_iter().for_each(|note| self.lines.queue.push(Item::Problem(note)));
        self
    }

    pub fn next_item(&mut self, losses: &mut Losses) -> Result<Option<Item>, Error> {
        loop {
            losses.gaps_unknown += std::mem::take(&mut self.lines.untold);
            if let Some(item) = self.lines.queue.pop() {
                return Ok(Some(item));
            }
            if self.ended {
                return Ok(None);
            }
            self.read(losses)?;
        }
    }

    /// Reads lines until there is something to give.
    fn read(&mut self, losses: &mut Losses) -> Result<(), Error> {
        let Self { name, reader, lines, damage, ended } = self;
        while lines.queue.is_empty() {
            // What has come is given before there is a wait for more.
            if lines.rows.len() >= BATCH_EVENTS_MAX || (!lines.rows.is_empty() && !reader.has_line()) {
                lines.give();
                return Ok(());
            }
            let number = reader.number() + 1;
            let was_given = match reader.next_line_or_part() {
                // Of a part of a line at the end of an input that is not whole, that was told.
                Ok(Some((_, true))) if damage.words().is_some() => true,
                Ok(Some((line, _))) => {
                    lines.line(line, number, losses);
                    true
                }
                Ok(None) => false,
                Err(source) => {
                    // What came before it is given first.
                    if !lines.rows.is_empty() {
                        lines.give();
                        return Ok(());
                    }
                    return Err(Error::Read { name: name.clone(), source });
                }
            };
            let nul_bytes = reader.take_nul_bytes();
            if nul_bytes > 0 {
                lines.hole(nul_bytes);
            }
            if !was_given {
                *ended = true;
                return lines.end();
            }
        }
        Ok(())
    }
}

/// What lines told so far.
#[derive(Default)]
struct Lines {
    /// As the text is called.
    name: String,
    /// What the text is otherwise, by its beginning.
    looks_like: Option<Foreign>,
    /// Lines of it around the events.
    around: u64,
    /// Whether it was told what `/proc/net/tcpprobe` leaves open.
    has_told_module: bool,
    /// Whether times are ticks; `None` before the first event.
    ticks: Option<bool>,
    filter: EventFilter,
    formats: TextFormats,
    probes: ProbeLines,
    /// The formats so far, and how many of them were told.
    known: Vec<SourceFormat>,
    told: usize,
    rows: Rows,
    cpus: HashMap<u32, Cpu, RandomState>,
    layout: Option<Layout>,
    any_event: bool,
    /// Broken lines before the first event.
    held: Vec<BrokenLine>,
    held_more: u64,
    /// NULs before it.
    held_nul_bytes: u64,
    /// Marks of loss without a number that are in no item.
    untold: u64,
    queue: Queue,
}

impl Lines {
    #[inline]
    fn line(&mut self, line: Result<Line<'_>, BrokenLine>, number: u64, losses: &mut Losses) {
        match line {
            Ok(Line::Event(event)) => {
                if let Err(reason) = self.event(&event) {
                    self.rows.drop_rest();
                    self.broken(BrokenLine::of(&event, number, reason));
                } else if !self.any_event {
                    self.any_event = true;
                    losses.damages += std::mem::take(&mut self.held_more);
                    self.tell_hole();
                    let held = std::mem::take(&mut self.held);
                    held.into_iter().for_each(|line| self.queue.push(Item::Problem(Problem::BrokenLine(line))));
                }
            }
            Ok(Line::Lost { cpu, lost }) => {
                // Of more CPUs than there are, the sums alone are kept.
                let (events, marks) = match self.cpu(cpu) {
                    Some(cpu) => (&mut cpu.lost, &mut cpu.unknown),
                    None => (&mut losses.lost, &mut losses.gaps_unknown),
                };
                match lost {
                    Lost::Events(count) => *events = events.saturating_add(count),
                    _ => *marks += 1,
                }
            }
            // Overwritten before the text was made, nobody knows of which CPU.
            Ok(Line::Entries { in_buffer, written }) => {
                losses.lost = losses.lost.saturating_add(written.saturating_sub(in_buffer));
            }
            Ok(Line::Comment(_)) => {}
            Err(line) => self.broken(line),
        }
    }

    #[inline]
    fn event(&mut self, event: &TextEvent<'_>) -> Result<(), LineError> {
        if self.formats.is_full() {
            self.begin_anew();
        }
        if self.ticks != Some(event.ticks) {
            self.turn_to(event.ticks);
        }
        let time = event.time;
        let is_behind_gap = self.cpus.get(&event.cpu).is_some_and(|cpu| cpu.lost > 0 || cpu.unknown > 0);
        if is_behind_gap {
            self.give();
        }
        let bytes = self.rows.bytes_mut();
        let index = match self.probes.record(&mut self.formats, event, bytes) {
            Some(index) => index,
            None => self.formats.record(event, bytes)?,
        };
        if index >= self.known.len() {
            self.learn(event.flags);
        }
        if is_behind_gap {
            self.begin();
        }
        if let Some(cpu) = self.cpus.get_mut(&event.cpu) {
            if is_behind_gap {
                self.untold += cpu.tell(event.cpu, time, &mut self.queue);
                self.filter.lose();
            }
            cpu.last = time;
        } else if let Some(cpu) = self.cpu(event.cpu) {
            cpu.last = time;
        }
        let comm = Some(event.comm).filter(|&comm| comm != "<...>");
        self.rows.push(time, event.cpu, comm, (index, &self.known[index]), &mut self.filter);
        Ok(())
    }

    /// Takes over the formats that were made since.
    #[cold]
    fn learn(&mut self, columns: &str) {
        self.layout.get_or_insert_with(|| latency::layout(columns));
        let new = self.formats.formats().skip(self.known.len());
        let new: Vec<SourceFormat> = new.map(|format| SourceFormat::new(Arc::clone(format))).collect();
        self.filter.add(new.iter().map(|known| &*known.format));
        if !self.has_told_module && new.iter().any(|known| is_of_module(&known.format)) {
            self.has_told_module = true;
            let words = format!(
                "{}: /proc/net/tcpprobe tells neither CPU nor the unit of srtt: it is read as microseconds, as since Linux 3.15; \
                 before, it counts jiffies, which are 1000 to 10000 of them",
                self.name
            );
            self.queue.push(Item::Problem(Problem::Note(words)));
        }
        self.known.extend(new);
    }

    /// Lets go of all formats, when there are too many.
    #[cold]
    fn begin_anew(&mut self) {
        self.give();
        (self.formats, self.probes) = (TextFormats::default(), ProbeLines::default());
        self.known.clear();
        self.told = 0;
        self.filter.forget_formats();
    }

    /// Goes on with times of another kind.
    #[cold]
    fn turn_to(&mut self, ticks: bool) {
        self.give();
        self.told = 0;
        self.ticks = Some(ticks);
        if ticks {
            let words = format!("{}: the clock does not count nanoseconds; times are its ticks", self.name);
            self.queue.push(Item::Problem(Problem::Note(words)));
        }
    }

    /// Gives the events so far, after their formats.
    fn give(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        self.begin();
        self.queue.push(Item::Events(Batch::Rows(self.rows.take(&self.known))));
    }

    /// Tells the formats so far, if they were not told.
    fn begin(&mut self) {
        if self.told < self.known.len() {
            self.told = self.known.len();
            self.queue.push(Item::Begin(About {
                formats: self.known.clone(),
                wanted: (0..self.known.len()).map(|index| self.filter.may_want(index)).collect(),
                is_open: true,
                clock: if self.ticks == Some(true) { UNKNOWN_TICKS.to_owned() } else { String::new() },
                layout: self.layout.unwrap_or_default(),
                ..About::default()
            }));
        }
    }

    fn cpu(&mut self, number: u32) -> Option<&mut Cpu> {
        if self.cpus.len() >= CPUS_MAX && !self.cpus.contains_key(&number) {
            return None;
        }
        Some(self.cpus.entry(number).or_default())
    }

    fn hole(&mut self, nul_bytes: u64) {
        self.held_nul_bytes += nul_bytes;
        if self.any_event {
            self.give();
            self.tell_hole();
        }
    }

    fn tell_hole(&mut self) {
        if self.held_nul_bytes > 0 {
            self.queue.push(Item::Problem(Problem::Hole(std::mem::take(&mut self.held_nul_bytes))));
        }
    }

    fn broken(&mut self, line: BrokenLine) {
        // A page is told of at its end.
        if self.looks_like == Some(foreign::HTML) && line.reason.what == "the task" {
            self.around += 1;
        } else if self.any_event {
            self.queue.push(Item::Problem(Problem::BrokenLine(line)));
        } else if self.held.len() < HELD_MAX {
            self.held.push(line);
        } else {
            self.held_more += 1;
        }
    }

    /// Gives what is left.
    fn end(&mut self) -> Result<(), Error> {
        if !self.any_event && (!self.held.is_empty() || self.around > 0) {
            let name = self.name.clone();
            return Err(match self.looks_like {
                Some(Foreign { what, hint }) => Error::Foreign { name, what, hint },
                None => Error::NotATrace { name },
            });
        }
        self.give();
        self.tell_hole();
        if self.around > 0 {
            let words = format!("{}: {} lines of the page around the events are passed over", self.name, self.around);
            self.queue.push(Item::Problem(Problem::Note(words)));
        }
        let mut cpus: Vec<(u32, Cpu)> = self.cpus.drain().collect();
        cpus.sort_by_key(|(number, _)| *number);
        for (number, mut cpu) in cpus {
            let last = cpu.last;
            self.untold += cpu.tell(number, last, &mut self.queue);
        }
        Ok(())
    }
}
