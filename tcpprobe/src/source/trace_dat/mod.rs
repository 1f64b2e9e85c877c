//! `trace.dat` of trace-cmd, versions 6 and 7: pages of ring buffers with what explains them, in one file.
//!
//! Source: the manual pages trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5), and files that trace-cmd wrote. No offset or length in one is
//! trusted. What is in the file is read into memory, once; what is compressed is inflated there.

mod compression;
mod options;
mod version6;
mod version7;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::options::Options;
use super::losses::Problem;
use super::part::Part;
use super::ring_dump::{Events, Folder, Place, RingDump, Uname};
use super::tracing_data::{self, Broken, TracingData};
use crate::Error;
use crate::file::block::{Cursor, PointerKey};
use crate::kernel::format::PageLayout;
use crate::kernel::ring::CpuStats;

/// What to do with a file that is not whole.
const RECORD_AGAIN: &str = "trace-cmd writes the rest when it ends: record again, and end it with Ctrl-C";
/// What to do where trace-cmd reads what is not read here.
const MAKE_TEXT: &str = "make text of it, which is read: trace-cmd report -i FILE > FILE.txt";

/// What a file holds.
pub enum Contents {
    /// Pages.
    Pages(Box<RingDump>),
    /// Text, as `trace` had it (`trace-cmd record` of a latency tracer).
    Text(Part, Vec<Problem>),
}

/// A buffer: that of the whole machine, or an instance.
#[derive(Debug, Default)]
struct Buffer {
    /// Empty for the machine's.
    name: String,
    /// Empty where it is that of the file.
    clock: String,
    /// The pages of each CPU.
    cpus: Vec<(u32, Part)>,
}

/// What was found in a file.
#[derive(Debug, Default)]
struct Found {
    data: TracingData,
    options: Options,
    buffers: Vec<Buffer>,
    /// Text instead of pages.
    text: Option<Part>,
    /// What should be known.
    notes: Vec<Problem>,
}

/// Looks what is in a file, which messages call `name`.
pub fn open(name: &str, file: Vec<u8>) -> Result<Contents, Error> {
    let file = Part::whole(file);
    let unreadable = |what: String, hint| Error::Unreadable { name: name.to_owned(), what, hint };
    let broken = |error: Broken| match error {
        Broken::Pages(source) => unreadable(source.to_string(), MAKE_TEXT),
        error => unreadable(error.to_string(), RECORD_AGAIN),
    };
    let mut cursor = Cursor(file.as_slice());
    let head = tracing_data::head(&mut cursor).map_err(broken)?;
    let found = match head.version.as_str() {
        _ if head.is_big_endian => return Err(unreadable("is of a big-endian machine".to_owned(), MAKE_TEXT)),
        "6" => version6::read(&file, cursor).map_err(broken)?,
        "7" => version7::read(&file, cursor).map_err(broken)?,
        version => return Err(unreadable(format!("is of version {version}"), MAKE_TEXT)),
    };
    if let Some(algorithm) = &found.options.unread {
        let what = format!("is compressed by {algorithm}");
        return Err(unreadable(what, "unpack it first: trace-cmd convert -i FILE -o OTHER --compression none"));
    }
    if let Some(text) = found.text.filter(|_| found.buffers.iter().all(|buffer| buffer.cpus.is_empty())) {
        return Ok(Contents::Text(text, found.notes));
    }
    let pages = found.data.pages.unwrap_or(PageLayout { size: head.page_bytes as usize, ..PageLayout::default() });
    Ok(Contents::Pages(Box::new(Found { text: None, ..found }.into_dump(name, pages))))
}

impl Found {
    /// As pages that somebody saved.
    fn into_dump(mut self, name: &str, pages: PageLayout) -> RingDump {
        let clock = self.choose_buffers(name);
        let times = self.options.times(&clock);
        if self.options.is_guest {
            let words = format!("{name}: recorded in a guest; its times are not shifted to those of the host");
            self.notes.push(Problem::Note(words));
        }
        let wanted: BTreeSet<&str> = self.buffers.iter().map(|buffer| buffer.name.as_str()).collect();
        let mut stats: BTreeMap<u32, CpuStats> = BTreeMap::new();
        for (_, cpu, counts) in self.options.stats.iter().filter(|(buffer, ..)| wanted.contains(buffer.as_str())) {
            let sum = stats.entry(*cpu).or_default();
            sum.overrun = sum.overrun.saturating_add(counts.overrun);
            sum.commit_overrun = sum.commit_overrun.saturating_add(counts.commit_overrun);
            sum.dropped_events = sum.dropped_events.saturating_add(counts.dropped_events);
        }
        let place = |cpu: u32| format!("{name}, CPU {cpu}");
        let parts = self.buffers.into_iter().flat_map(|buffer| buffer.cpus);
        let places: Vec<(u32, Place)> = parts.map(|(cpu, part)| (cpu, Place::Part(place(cpu), part))).collect();
        let cpus: BTreeSet<u32> = places.iter().map(|(cpu, _)| *cpu).collect();
        let TracingData { described, comms, .. } = self.data;
        RingDump {
            name: name.to_owned(),
            folder: Folder {
                pages: places,
                cpus: cpus.len() as u32,
                stats,
                comms,
                clock: if times.scale.is_some() { "tsc2nsec".to_owned() } else { clock },
                notes: self.notes,
            },
            events: Events { name: name.to_owned(), pages, notes: Vec::new(), described },
            uname: Uname::parse(&self.options.uname),
            times,
            hints: [RECORD_AGAIN, "trace-cmd saves what describes an event with each -e: record again"],
            has_whole_stats: true,
            key: PointerKey::of_this_process(),
            guard: Arc::new(|pages| pages),
        }
    }

    /// Keeps the buffers whose events can stand in one order: those of one clock, which it gives. What is left out is told.
    fn choose_buffers(&mut self, name: &str) -> String {
        let own = &self.options.clock;
        self.buffers.retain(|buffer| buffer.cpus.iter().any(|(_, part)| !part.as_slice().is_empty()));
        for buffer in &mut self.buffers {
            if buffer.clock.is_empty() {
                buffer.clock.clone_from(own);
            }
        }
        let Some(clock) = self.buffers.first().map(|buffer| buffer.clock.clone()) else { return own.clone() };
        let called = |buffer: &Buffer| if buffer.name.is_empty() { "the top one" } else { &buffer.name }.to_owned();
        for other in self.buffers.iter().filter(|buffer| buffer.clock != clock) {
            let words = format!(
                "{name}: the buffer {} has another clock ({} instead of {clock}), and is left out",
                called(other),
                other.clock
            );
            self.notes.push(Problem::Undescribed(words));
        }
        self.buffers.retain(|buffer| buffer.clock == clock);
        if self.buffers.len() > 1 {
            let names: Vec<String> = self.buffers.iter().map(called).collect();
            let words = format!("{name}: holds {} buffers ({}), read as one", names.len(), names.join(", "));
            self.notes.push(Problem::Note(words));
        }
        clock
    }
}

/// The pages of a CPU at this place of the file; what of them is not there is told.
fn pages(file: &Part, cpu: u32, offset: u64, size: u64, notes: &mut Vec<Problem>) -> Part {
    let part = file.of(offset, size);
    let missing = size.saturating_sub(part.as_slice().len() as u64);
    if missing > 0 {
        notes.push(Problem::Cut(format!("the file is cut; {missing} bytes of the pages of CPU {cpu} are missing")));
    }
    part
}
