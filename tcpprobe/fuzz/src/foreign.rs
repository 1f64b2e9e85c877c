//! Traces of trace-cmd and perf, as they are.

use std::io::{Cursor, Read};

use tcpprobe::Error;
use tcpprobe::export::{self, ExportFormat, Options};
use tcpprobe::source::{Content, Item, Losses, Trace, Wanted, sniff};

use super::input::Trickle;

/// Traces of more events are not written again.
const EVENTS_MAX: usize = 10_000;

pub fn run(input: &[u8]) {
    let Ok((Content::TraceDat | Content::PerfData, _)) = sniff(Cursor::new(input)) else { return };
    let once = read(Cursor::new(input));
    assert!(once == read(Trickle::new(input)), "it matters by which pieces it comes");
    if let Ok(found) = once {
        comes_back(input, &found);
    }
}

/// Time, CPU, comm, event, bytes of its fields.
type Event = (u64, u32, Option<String>, String, Vec<u8>);

/// What is in a trace.
#[derive(Debug, PartialEq)]
struct Found {
    events: Vec<Event>,
    others: Vec<String>,
    losses: Losses,
}

/// Reads a trace, whose batches must be in the order of time, and whose records as long as their formats say.
fn read(input: impl Read) -> Result<Found, String> {
    let mut trace = Trace::sniff("input", input, Wanted::default()).map_err(|error: Error| error.to_string())?;
    let (mut events, mut others) = (Vec::new(), Vec::new());
    for item in &mut trace {
        match item.map_err(|error| error.to_string())? {
            Item::Events(batch) => batch.for_each(|record| {
                assert!(record.bytes.len() >= record.format.record_size());
                let comm = record.comm.map(str::to_owned);
                // What lies between fields is nobody's, and perf leaves anything there.
                let fields = record.format.fields.iter().filter_map(|field| field.bytes(record.bytes));
                let bytes = fields.flatten().copied().collect();
                events.push((record.time, record.cpu, comm, record.format.name.clone(), bytes));
            }),
            Item::Lost(gap) => {
                assert!(gap.from <= gap.to);
                others.push(format!("{gap:?}"));
            }
            Item::Begin(about) => assert_eq!(about.formats.len(), about.wanted.len()),
            other => others.push(format!("{other:?}")),
        }
    }
    assert!(events.is_sorted_by_key(|event| event.0));
    Ok(Found { events, others, losses: *trace.losses() })
}

/// As a `.tcpp`, it has the same events.
fn comes_back(input: &[u8], found: &Found) {
    if found.events.len() > EVENTS_MAX {
        return;
    }
    let mut trace = Trace::sniff("input", Cursor::new(input), Wanted::default()).expect("it was opened before");
    let mut exporter = ExportFormat::Tcpp.exporter(&Options::default());
    let mut out = Vec::new();
    if export::export(&mut trace, &mut *exporter, &mut out, |_| ()).is_err() {
        return;
    }
    let again = read(Cursor::new(out)).expect("what was written is read");
    assert_eq!(again.events.len(), found.events.len());
    let plain = |(time, cpu, _, name, bytes): &Event| (*time, *cpu, name.clone(), bytes.clone());
    let sorted = |events: &[_]| {
        let mut events: Vec<_> = events.iter().map(plain).collect();
        events.sort();
        events
    };
    assert!(sorted(&again.events) == sorted(&found.events));
}
