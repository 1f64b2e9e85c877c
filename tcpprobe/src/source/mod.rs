//! Where traces come from: [`open`] gives the events of a file, whatever it is, in the order of time.
//!
//! A [`Trace`] is an iterator over [`Item`]s: what is known of the events to come, events by the thousand, and what is missing
//! between them. Losses and damage are values; nothing is printed here. For a loop over single events there is
//! [`Trace::events`].
//!
//! ```
//! use tcpprobe::source::Item;
//!
//! let mut trace = tcpprobe::open("../fixtures/captures/6.18.44-fc-v669/overrun/trace.txt.gz")?;
//! let mut largest = 0;
//! for item in &mut trace {
//!     match item? {
//!         Item::Events(batch) => batch.for_each(|record| {
//!             if let Some(tcpprobe::event::Value::Unsigned(cwnd)) = record.value("snd_cwnd") {
//!                 largest = largest.max(cwnd);
//!             }
//!         }),
//!         Item::Lost(gap) => eprintln!("CPU {} lost events after {} ns", gap.cpu, gap.from),
//!         _ => {}
//!     }
//! }
//! assert_eq!(largest, 18);
//! assert_eq!(trace.losses().lost, 2050);
//! # Ok::<(), tcpprobe::Error>(())
//! ```
//!
//! # What is read
//! `.tcpp` traces; ftrace text as `trace`, `trace_pipe` and tools like them give it, in whatever dress logs put it, and
//! `/proc/net/tcpprobe`; `trace.dat` of trace-cmd; `perf.data` with tracepoints; each gzipped too, as files or streams; and folders
//! of ring-buffer pages that somebody saved ([`RingDump`]). What else is known is named ([`Error::Foreign`]).
//!
//! `trace.dat` and `perf.data` have what belongs together in different places, so they are read into memory as a whole.

mod ahead;
mod batch;
mod described;
mod event_filter;
mod events;
mod foreign;
mod gzip;
mod input;
mod losses;
mod part;
mod perf_data;
mod rewritten;
mod ring_dump;
mod sniff;
mod tcpp;
mod text;
mod times;
mod trace_dat;
mod tracing_data;
mod unwrap;
mod utf16;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub use batch::{Batch, Rows, SourceFormat};
pub use event_filter::EventFilter;
pub use events::{Events, TraceEvent};
pub use foreign::Foreign;
pub use input::Input;
pub use losses::{Gap, Losses, Problem};
pub use ring_dump::{Guard, RingDump};
pub use sniff::{Content, sniff};
pub use text::typical_formats;

use crate::Error;
use crate::event::EventKind;
use crate::file::{Account, Header, Select, Totals};
use crate::kernel::format::Format;
use crate::kernel::text::Layout;
use ahead::Ahead;
use input::Damage;
use perf_data::PerfSource;
use tcpp::TcppSource;
use text::TextSource;

/// What is known of the events that follow.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The formats of the events; [`crate::event::Record::index`] counts them.
    pub formats: Vec<SourceFormat>,
    /// For each of them, whether some of its events may be wanted.
    pub wanted: Vec<bool>,
    /// Whether formats may be added on the way: text tells what it has line by line.
    pub is_open: bool,
    /// `uname -r` of the kernel that recorded them; empty where it is not known.
    pub kernel: String,
    /// The machine that recorded them; empty where it is not known.
    pub host: String,
    /// The clock of their times; empty where it is not known.
    pub clock: String,
    /// How that kernel lays out its text.
    pub layout: Layout,
    /// UTC (nanoseconds since 1970) minus the clock of the times, of a trace that is no `.tcpp` and knows it.
    pub utc_offset_ns: Option<i64>,
    /// What a kernel's text would say in its header, where all events of a buffer follow.
    pub entries: Option<Entries>,
    /// What a `.tcpp` trace says of itself: its job, run, filter; of anything else nothing.
    pub header: Header,
}

impl About {
    /// The formats of which some events may be wanted.
    pub fn wanted_formats(&self) -> impl Iterator<Item = &Arc<Format>> {
        self.formats.iter().zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(format, _)| &format.format)
    }
}

/// What a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entries {
    /// Events in it.
    pub present: u64,
    /// Events that were overwritten.
    pub lost: u64,
    /// CPUs that were online.
    pub cpus: u32,
}

/// What a [`Trace`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item {
    /// Comes first, and again where something of it changes.
    Begin(About),
    /// Events, in the order of time, none earlier than those of the batch before (of the same trace). Text comes in the order in
    /// which it was printed.
    Events(Batch),
    /// Events are missing, about here.
    Lost(Gap),
    /// What became of the events, where that is counted only now. What was lost is not in it again.
    Accounts(Vec<Account>),
    /// Something could not be read, or should be known.
    Problem(Problem),
}

/// What is wanted of a trace. Nothing else is decoded, as far as the source allows that.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By time of day, connection and fields.
    pub select: Select,
    /// By event and filter.
    pub events: EventFilter,
}

/// A trace being read. See the [module](self).
pub struct Trace<'a> {
    name: String,
    source: Source<'a>,
    /// What is wrong with the input, until it was told.
    damage: Option<Damage>,
    losses: Losses,
    selected: u64,
    ended: bool,
}

enum Source<'a> {
    Tcpp(Box<TcppSource<Box<dyn Read + 'a>>>),
    Text(Box<TextSource<Box<dyn Read + 'a>>>),
    RingDump(Box<ring_dump::Reading>),
    Perf(Box<PerfSource>),
    Ahead(Ahead),
}

/// Opens a file and looks what it is.
///
/// ```
/// for event in tcpprobe::open("../fixtures/captures/6.18.44-fc-v669/ipv4-loss2/trace.txt.gz")?.events().take(3) {
///     let event = event?;
///     println!("{} {} {:?}", event.time, event.format.name, event.get("snd_cwnd"));
/// }
/// # Ok::<(), tcpprobe::Error>(())
/// ```
///
/// # Errors
/// When it cannot be opened or its beginning not be read.
pub fn open(path: impl AsRef<Path>) -> Result<Trace<'static>, Error> {
    Trace::open(path, Wanted::default(), |file| file)
}

/// Opens a file that is no folder.
///
/// # Errors
/// When it is one, or cannot be opened.
pub fn open_file(path: &Path) -> Result<File, Error> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(Error::read(&name))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(Error::IsADirectory { name }),
        _ => Ok(file),
    }
}

impl<'a> Trace<'a> {
    /// Opens a file and looks what it is. Reads through what `wrap` makes of the file: something that shows progress or can
    /// be interrupted.
    ///
    /// # Errors
    /// As [`open`], and where a range of the wall clock is wanted of text, which does not know it.
    pub fn open<R: Read + 'a>(
        path: impl AsRef<Path>,
        wanted: Wanted,
        wrap: impl FnOnce(File) -> R,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        Trace::sniff(&path.display().to_string(), wrap(open_file(path)?), wanted)
    }

    /// Looks what is in a stream, such as standard input. It is called `name` in what is told of it.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub fn sniff(name: &str, input: impl Read + 'a, wanted: Wanted) -> Result<Self, Error> {
        let (content, input) = sniff(input).map_err(Error::read(name))?;
        Trace::sniffed(name, content, input, wanted)
    }

    /// Reads what [`sniff`](sniff()) found.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub fn sniffed(name: &str, content: Content, input: Input<'a>, wanted: Wanted) -> Result<Self, Error> {
        let damage = input.shared_damage();
        let source = match content {
            Content::Tcpp => Source::Tcpp(Box::new(TcppSource::new(name, Box::new(input) as Box<dyn Read>, wanted))),
            Content::Text(looks_like) => {
                let source = TextSource::new(name, Box::new(input) as Box<dyn Read>, wanted)?;
                Source::Text(Box::new(source.of(looks_like, damage.clone())))
            }
            Content::TraceDat => return Trace::trace_dat(name, input, wanted),
            Content::PerfData => {
                let source = PerfSource::open(name, whole(name, input)?, wanted)?;
                Source::Perf(Box::new(source))
            }
            Content::Foreign(Foreign { what, hint }) => {
                return Err(Error::Foreign { name: name.to_owned(), what, hint });
            }
        };
        Ok(Trace { damage: Some(damage), ..Trace::new(name, source) })
    }

    /// Reads a stream of `.tcpp` frames, as the daemon sends them.
    pub fn tcpp(name: &str, input: impl Read + 'a, wanted: Wanted) -> Self {
        let source = TcppSource::new(name, Box::new(input) as Box<dyn Read + 'a>, wanted);
        Trace::new(name, Source::Tcpp(Box::new(source)))
    }

    /// Reads ftrace text that is not gzipped.
    ///
    /// # Errors
    /// Where a range of the wall clock is wanted, or the filter is about no field of any event that text can have.
    pub fn text(name: &str, input: impl Read + 'a, wanted: Wanted) -> Result<Self, Error> {
        let source = TextSource::new(name, Box::new(input) as Box<dyn Read + 'a>, wanted)?;
        Ok(Trace::new(name, Source::Text(Box::new(source))))
    }

    /// Reads pages that were saved.
    ///
    /// # Errors
    /// Where a range of the wall clock is wanted, which pages do not know, or their files cannot be opened.
    pub fn ring_dump(dump: RingDump, wanted: Wanted) -> Result<Self, Error> {
        let name = dump.name().to_owned();
        Ok(Trace::new(&name, Source::RingDump(Box::new(dump.read(wanted)?))))
    }

    fn trace_dat(name: &str, input: Input<'a>, wanted: Wanted) -> Result<Self, Error> {
        let damage = input.shared_damage();
        let source = match trace_dat::open(name, whole(name, input)?)? {
            trace_dat::Contents::Pages(dump) => Source::RingDump(Box::new(dump.read(wanted)?)),
            trace_dat::Contents::Text(text, notes) => {
                let source = TextSource::new(name, Box::new(text) as Box<dyn Read>, wanted)?;
                Source::Text(Box::new(source.noted(notes)))
            }
        };
        Ok(Trace { damage: Some(damage), ..Trace::new(name, source) })
    }

    /// Reads what `open` opens in a thread of its own, a few items ahead, while those before are looked at: all the same, in about
    /// half of the time where both take as long. A stream that goes on is not held up: what came is given at once.
    ///
    /// ```
    /// use tcpprobe::source::Trace;
    ///
    /// let trace = Trace::ahead(|| tcpprobe::open("../fixtures/traces/version-2.tcpp"))?;
    /// assert!(trace.events().count() > 1000);
    /// # Ok::<(), tcpprobe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `open`, and where no thread can be made.
    pub fn ahead(open: impl FnOnce() -> Result<Trace<'static>, Error> + Send + 'static) -> Result<Self, Error> {
        let (name, ahead) = Ahead::new(open)?;
        Ok(Trace::new(&name, Source::Ahead(ahead)))
    }

    fn new(name: &str, source: Source<'a>) -> Self {
        Trace { name: name.to_owned(), source, damage: None, losses: Losses::default(), selected: 0, ended: false }
    }

    /// As it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was missing in what was read so far.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// The sums of a `.tcpp` trace's ledger, as far as it was read: what became of all events of the recording, or of those of the
    /// intervals that a wanted range of time has; `None` of anything else, which has no ledger.
    #[must_use]
    pub fn ledger(&self) -> Option<Totals> {
        match &self.source {
            Source::Tcpp(source) => Some(source.ledger()),
            Source::Text(_) | Source::RingDump(_) | Source::Perf(_) => None,
            Source::Ahead(ahead) => ahead.ledger,
        }
    }

    /// How many wanted events were read so far.
    #[must_use]
    pub fn selected(&self) -> u64 {
        self.selected
    }

    /// The events one by one, typed where they have a type. What is missing between them is in [`Events::losses`].
    #[must_use]
    pub fn events(self) -> Events<'a> {
        Events::new(self)
    }

    fn next_item(&mut self) -> Result<Option<Item>, Error> {
        match &mut self.source {
            Source::Tcpp(source) => source.next_item(),
            Source::Text(source) => source.next_item(&mut self.losses),
            Source::RingDump(source) => source.next_item(&mut self.losses),
            Source::Perf(source) => source.next_item(&mut self.losses),
            Source::Ahead(ahead) => ahead.next_item(&mut self.losses).transpose(),
        }
    }

    /// Counts what an item says is missing, if whoever read it did not.
    fn count(&mut self, item: &Item) {
        let is_counted = matches!(self.source, Source::Ahead(_));
        match item {
            Item::Events(batch) => self.selected += batch.len() as u64,
            Item::Lost(gap) if !is_counted => self.losses.gap(gap),
            Item::Problem(problem) if !is_counted => self.losses.problem(problem),
            _ => {}
        }
    }
}

/// Reads an input into memory.
fn whole(name: &str, mut input: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(Error::read(name))?;
    Ok(bytes)
}

impl Iterator for Trace<'_> {
    type Item = Result<Item, Error>;

    /// The next item; `None` at the end, and after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut item = self.next_item();
        if let Ok(None) = item
            && let Some(words) = self.damage.take().and_then(|damage| damage.words())
        {
            item = Ok(Some(Item::Problem(Problem::Cut(words))));
        }
        match &item {
            Ok(Some(item)) => self.count(item),
            Ok(None) | Err(_) => self.ended = true,
        }
        item.transpose()
    }
}

impl std::fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("name", &self.name).field("losses", &self.losses).finish_non_exhaustive()
    }
}

/// Items that were found and not given yet.
#[derive(Debug, Default)]
struct Queue(VecDeque<Item>);

impl Queue {
    fn push(&mut self, item: Item) {
        self.0.push_back(item);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn pop(&mut self) -> Option<Item> {
        self.0.pop_front()
    }
}

impl SourceFormat {
    fn new(format: Arc<Format>) -> Self {
        SourceFormat { kind: EventKind::of(&format.name), format }
    }
}
