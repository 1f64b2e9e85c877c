//! Where events come from: a job, or a file of any kind. One type gives them in the order of time and knows the losses.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use tcpprobe::event::{Event as Typed, Record};
use tcpprobe::file::{Account, Batch, Damage, Item, MAGIC, Reader, Select, TraceError};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::page;
use tcpprobe::kernel::text::{Layout, Line, TextEvent, TextReader};

use crate::exit::{Exit, Failure};
use crate::losses::{Gap, Losses};
use crate::range;
use crate::saved::Saved;
use crate::select::Selection;

/// Enough that reading a file is not held up by system calls, and to see what kind of file it is.
const BUFFER_BYTES: usize = 256 << 10;
/// A gzip file begins with these bytes (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// After so many lines that make no sense, and none that does, a file is no ftrace text.
const BROKEN_LINES_MAX: usize = 1000;

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Nanoseconds since 1970, where the trace knows.
    pub wall_ns: Option<i64>,
    /// The event itself.
    pub body: Body<'a>,
}

/// An event as its source has it.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// As the kernel recorded it.
    Record(Record<'a>),
    /// As the kernel printed it.
    Text(TextEvent<'a>),
}

impl Event<'_> {
    /// Nanoseconds in the trace's clock.
    #[must_use]
    pub fn time(&self) -> u64 {
        match &self.body {
            Body::Record(record) => record.time,
            Body::Text(event) => event.time,
        }
    }
}

/// What is known before the events that follow.
#[derive(Debug)]
pub struct About<'a> {
    /// The formats of the events wanted; `None` in text, where nobody knows what will come.
    pub formats: Option<Vec<&'a Format>>,
    /// `uname -r` of the kernel that recorded them; empty where it is not known.
    pub kernel: &'a str,
    /// The machine that recorded them; empty where it is not known.
    pub host: &'a str,
    /// The clock of their times; empty where it is not known.
    pub clock: &'a str,
    /// How that kernel lays out its text.
    pub layout: Layout,
    /// What the header of the kernel's text says, where all events of a buffer follow.
    pub entries: Option<Entries>,
}

/// What a buffer holds.
#[derive(Debug, Clone, Copy)]
pub struct Entries {
    /// Events in it.
    pub present: u64,
    /// Events that were overwritten.
    pub lost: u64,
    /// CPUs that were online.
    pub cpus: u32,
}

/// Takes what an [`Input`] gives.
pub trait Visitor {
    /// Called first, and again where what is known changes.
    fn begin(&mut self, _about: &About<'_>) -> Result<()> {
        Ok(())
    }

    /// An event, in the order of time.
    fn event(&mut self, event: &Event<'_>) -> Result<()>;

    /// Events are missing, about here.
    fn lost(&mut self, _gap: &Gap) -> Result<()> {
        Ok(())
    }

    /// What became of the events, where that is counted only now. What was lost is not in it again.
    fn accounts(&mut self, _accounts: &[Account]) -> Result<()> {
        Ok(())
    }
}

/// A trace being read.
pub struct Input<'a> {
    name: String,
    source: Source<'a>,
    range: Select,
    losses: Losses,
}

/// A trace, by what is in it; gzip is undone.
pub enum Source<'a> {
    /// A `.tcpp` trace.
    Trace(Box<dyn Read + 'a>),
    /// Ftrace text, or what will turn out to be nothing.
    Text(Box<dyn Read + 'a>),
    /// Pages that were saved without the daemon.
    Saved(Box<Saved>),
}

impl<'a> Source<'a> {
    /// Opens a file and looks what it is.
    pub fn open(path: &Path) -> Result<Self> {
        let mut input = unpacked(path).with_context(|| format!("cannot read {}", path.display()))?;
        let head = input.fill_buf().with_context(|| format!("cannot read {}", path.display()))?;
        // A damaged trace may not begin with a frame, but text has neither frames nor zeros.
        let is_trace = head.contains(&0) || head.windows(MAGIC.len()).any(|window| window == MAGIC);
        Ok(if is_trace { Source::Trace(Box::new(input)) } else { Source::Text(Box::new(input)) })
    }

    /// The same, with what reads it wrapped.
    #[must_use]
    pub fn map<R: Read + 'a>(self, wrap: impl FnOnce(Box<dyn Read + 'a>) -> R) -> Self {
        match self {
            Source::Trace(input) => Source::Trace(Box::new(wrap(input))),
            Source::Text(input) => Source::Text(Box::new(wrap(input))),
            Source::Saved(saved) => Source::Saved(saved),
        }
    }
}

fn unpacked(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

impl<'a> Input<'a> {
    /// Reads what `range` says of `source`, which messages call `name`. Text and pages know no wall clock, so no range either.
    pub fn new(name: &str, source: Source<'a>, range: Select) -> Result<Self, Failure> {
        if matches!(source, Source::Text(_) | Source::Saved(_)) && range != Select::default() {
            return Err(range::no_wall_clock(name));
        }
        Ok(Input { name: name.to_owned(), source, range, losses: Losses::new(name) })
    }

    /// Leaves out all other fields than these, where the source has columns; see [`tcpprobe::file::block::Projection`].
    #[must_use]
    pub fn fields(mut self, fields: &'static [&'static str]) -> Self {
        self.range.wanted.fields = Some(fields);
        self
    }

    /// Gives the events of `selection` to `visitor`. How many there were, and what is missing.
    pub fn visit(mut self, selection: &mut Selection, visitor: &mut dyn Visitor) -> Result<(u64, Losses)> {
        let selected = match self.source {
            Source::Saved(saved) => saved.visit(selection, visitor, &mut self.losses)?,
            Source::Trace(input) => {
                let reader = Reader::select(input, self.range);
                TraceVisit { name: &self.name, reader, range: self.range, schema: None, held: Vec::new() }.run(
                    selection,
                    visitor,
                    &mut self.losses,
                )?
            }
            Source::Text(input) => {
                TextVisit { name: &self.name, selected: 0, others: 0, last: Vec::new(), gaps: Vec::new() }.run(
                    &mut TextReader::new(input),
                    selection,
                    visitor,
                    &mut self.losses,
                )?
            }
        };
        Ok((selected, self.losses))
    }
}

/// A `.tcpp` trace being visited.
struct TraceVisit<'n, R> {
    name: &'n str,
    reader: Reader<R>,
    range: Select,
    /// The schema that the visitor knows.
    schema: Option<u32>,
    /// Damage found before it is sure that this is a trace at all.
    held: Vec<Damage>,
}

impl<R: Read> TraceVisit<'_, R> {
    fn run(mut self, selection: &mut Selection, visitor: &mut dyn Visitor, losses: &mut Losses) -> Result<u64> {
        let mut selected = 0;
        loop {
            let item = match self.reader.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => break,
                // A job that recorded nothing has an empty stream.
                Err(TraceError::NotATrace) if self.held.is_empty() => break,
                Err(TraceError::NotATrace) => return Err(no_trace(self.name).into()),
                Err(error) => return Err(anyhow::Error::from(error).context(self.name.to_owned())),
            };
            match item {
                Item::Header(_) => {}
                Item::Events(batch) => {
                    self.begin(selection, visitor)?;
                    selected += self.events(&batch, selection, visitor)?;
                }
                Item::Accounts(accounts) => self.accounts(&accounts, visitor, losses)?,
                Item::Damage(damage) => self.held.push(damage),
            }
            if self.reader.schema().is_some() {
                self.held.drain(..).for_each(|damage| losses.damage(&damage));
            }
        }
        self.held.drain(..).for_each(|damage| losses.damage(&damage));
        Ok(selected)
    }

    /// Tells the visitor the formats, if it does not know them.
    fn begin(&mut self, selection: &mut Selection, visitor: &mut dyn Visitor) -> Result<()> {
        let Some(schema) = self.reader.schema().filter(|schema| self.schema != Some(schema.id())) else {
            return Ok(());
        };
        if self.range != Select::default() && !self.reader.clock().is_anchored() {
            return Err(range::no_wall_clock(self.name).into());
        }
        let header = self.reader.header();
        visitor.begin(&About {
            formats: Some(selection.begin(schema.formats())?),
            kernel: header.get("kernel"),
            host: header.get("host"),
            clock: header.get("clock"),
            layout: Layout::told_by(header.get("kernel"), schema.formats()),
            entries: None,
        })?;
        self.schema = Some(schema.id());
        Ok(())
    }

    fn events(&self, batch: &Batch, selection: &Selection, visitor: &mut dyn Visitor) -> Result<u64> {
        let mut selected = 0;
        batch.try_for_each(|record| {
            if !selection.takes(&record) {
                return Ok(());
            }
            selected += 1;
            visitor.event(&Event { wall_ns: self.reader.clock().wall(record.time), body: Body::Record(record) })
        })?;
        Ok(selected)
    }

    fn accounts(&self, accounts: &[Account], visitor: &mut dyn Visitor, losses: &mut Losses) -> Result<()> {
        let time = |wall: Option<i64>| wall.and_then(|wall| self.reader.clock().time(wall));
        let (since, until) = (time(self.range.since).unwrap_or(0), time(self.range.until).unwrap_or(u64::MAX));
        let gaps = accounts.iter().filter(|account| account.to >= since && account.from <= until).filter_map(Gap::of);
        gaps.into_iter().try_for_each(|gap| {
            losses.gap(&gap);
            visitor.lost(&gap)
        })
    }
}

/// Ftrace text being visited.
struct TextVisit<'n> {
    name: &'n str,
    selected: u64,
    /// Events that the filter cannot be asked about.
    others: u64,
    /// The time of the last event of each CPU.
    last: Vec<(u32, u64)>,
    /// Losses whose end is the next event of their CPU.
    gaps: Vec<Gap>,
}

impl TextVisit<'_> {
    fn run<R: Read>(
        mut self,
        reader: &mut TextReader<R>,
        selection: &mut Selection,
        visitor: &mut dyn Visitor,
        losses: &mut Losses,
    ) -> Result<u64> {
        selection.begin_text()?;
        let layout = Layout::default();
        visitor.begin(&About { formats: None, kernel: "", host: "", clock: "", layout, entries: None })?;
        let mut broken = Vec::new();
        while let Some(line) = reader.next_line().with_context(|| format!("cannot read {}", self.name))? {
            match line {
                Ok(Line::Event(event)) => {
                    broken.drain(..).for_each(|line| losses.broken_line(&line));
                    self.event(&event, selection, visitor, losses)?;
                }
                Ok(Line::Lost { cpu, lost }) => self.gaps.push(self.gap(cpu, lost)),
                Ok(Line::Entries { in_buffer, written }) => losses.overwritten(written.saturating_sub(in_buffer)),
                Ok(Line::Comment(_)) => {}
                Err(line) => broken.push(line),
            }
            if broken.len() > BROKEN_LINES_MAX {
                break;
            }
        }
        if self.last.is_empty() && !broken.is_empty() {
            return Err(no_trace(self.name).into());
        }
        broken.iter().for_each(|line| losses.broken_line(line));
        for gap in std::mem::take(&mut self.gaps) {
            losses.gap(&gap);
            visitor.lost(&gap)?;
        }
        losses.unfiltered(self.others);
        Ok(self.selected)
    }

    fn event(
        &mut self,
        event: &TextEvent<'_>,
        selection: &Selection,
        visitor: &mut dyn Visitor,
        losses: &mut Losses,
    ) -> Result<()> {
        let (ended, rest) = self.gaps.drain(..).partition(|gap| gap.cpu == event.cpu);
        self.gaps = rest;
        let ended: Vec<Gap> = ended;
        for mut gap in ended {
            gap.to = event.time;
            losses.gap(&gap);
            visitor.lost(&gap)?;
        }
        match self.last.iter_mut().find(|(cpu, _)| *cpu == event.cpu) {
            Some((_, time)) => *time = event.time,
            None => self.last.push((event.cpu, event.time)),
        }
        match selection.takes_text(event) {
            Some(true) => {
                self.selected += 1;
                visitor.event(&Event { wall_ns: None, body: Body::Text(*event) })
            }
            Some(false) => Ok(()),
            None => {
                self.others += 1;
                Ok(())
            }
        }
    }

    fn gap(&self, cpu: u32, lost: page::Lost) -> Gap {
        let from = self.last.iter().find(|(known, _)| *known == cpu).map_or(0, |(_, time)| *time);
        let lost = if let page::Lost::Events(count) = lost { Some(count) } else { None };
        Gap { cpu, from, to: from, lost }
    }
}

/// The failure that `name` is nothing that can be read here.
pub fn no_trace(name: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{name} is not a trace"), "it takes .tcpp and ftrace text, both also with .gz")
}

/// The typed event in `event`, where there is one; `readers` are those of the formats in force.
#[must_use]
pub fn typed(event: &Event<'_>, readers: &[(u16, tcpprobe::event::EventReader)]) -> Option<Typed> {
    match &event.body {
        Body::Text(event) => event.event,
        Body::Record(record) => {
            readers.iter().find(|(id, _)| *id == record.format.id).and_then(|(_, reader)| reader.read(record.bytes))
        }
    }
}
