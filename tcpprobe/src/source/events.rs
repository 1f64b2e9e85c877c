//! Events one by one.

use std::sync::Arc;

use super::losses::Losses;
use super::{Item, Trace};
use crate::Error;
use crate::event::{Event, EventKind, EventReader, Record, Value};
use crate::kernel::format::Format;

/// An event with everything that its source knows of it, on its own.
#[derive(Debug, Clone)]
pub struct TraceEvent {
    /// Nanoseconds in the trace's clock.
    pub time: u64,
    /// Nanoseconds since 1970, UTC, where the trace knows.
    pub wall_ns: Option<i64>,
    /// The CPU that recorded it.
    pub cpu: u32,
    /// The task that was interrupted; seldom the owner of the connection.
    pub comm: Option<String>,
    /// Which event of the table it is.
    pub kind: EventKind,
    /// The event in its type, where it has one.
    pub event: Option<Event>,
    /// Explains `bytes`.
    pub format: Arc<Format>,
    /// The record, from `common_type` on.
    pub bytes: Vec<u8>,
}

impl TraceEvent {
    /// The value of the field `name`; `None` where the event has none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.format.field(name).and_then(|field| Value::of(field, &self.bytes))
    }
}

/// The events of a trace, one by one. A trace that must be read fast is better read in batches: each of these is a piece of memory
/// of its own.
#[derive(Debug)]
pub struct Events<'a> {
    trace: Trace<'a>,
    formats: Vec<(Arc<Format>, EventReader)>,
    /// Those of a batch, the last first.
    waiting: Vec<TraceEvent>,
}

impl<'a> Events<'a> {
    pub(super) fn new(trace: Trace<'a>) -> Self {
        Events { trace, formats: Vec::new(), waiting: Vec::new() }
    }

    /// What was missing in what was read so far.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        self.trace.losses()
    }
}

impl Iterator for Events<'_> {
    type Item = Result<TraceEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(Ok(event));
            }
            match self.trace.next()? {
                Ok(Item::Begin(about)) => {
                    let known = about.formats.into_iter().map(|known| known.format);
                    self.formats = known.map(|format| (format.clone(), EventReader::new(&format))).collect();
                }
                Ok(Item::Events(batch)) => {
                    let (formats, waiting) = (&self.formats, &mut self.waiting);
                    batch.for_each(|record| waiting.push(own(&record, batch.wall(record.time), formats)));
                    waiting.reverse();
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn own(record: &Record<'_>, wall_ns: Option<i64>, formats: &[(Arc<Format>, EventReader)]) -> TraceEvent {
    let known = formats.get(record.index);
    TraceEvent {
        time: record.time,
        wall_ns,
        cpu: record.cpu,
        comm: record.comm.map(str::to_owned),
        kind: record.kind,
        event: known.and_then(|(_, reader)| reader.read(record.bytes)),
        format: known.map_or_else(|| Arc::new(record.format.clone()), |(format, _)| Arc::clone(format)),
        bytes: record.bytes.to_vec(),
    }
}
