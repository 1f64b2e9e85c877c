//! Events of a source, many at a time.

use std::sync::Arc;

use super::event_filter::EventFilter;
use crate::event::{EventKind, Record};
use crate::file;
use crate::kernel::format::Format;

/// Events in the order of time, as their source has them: columns of `.tcpp` blocks, or records one after the other.
#[derive(Debug)]
#[non_exhaustive]
pub enum Batch {
    /// Of a `.tcpp` trace.
    Columns(file::Batch),
    /// Of text or pages.
    Rows(Rows),
}

impl Batch {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Batch::Columns(batch) => batch.len(),
            Batch::Rows(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nanoseconds since 1970, UTC, of a time in the trace's clock; `None` where the trace does not know.
    #[must_use]
    pub fn wall(&self, time: u64) -> Option<i64> {
        match self {
            Batch::Columns(batch) => batch.clock().wall(time),
            Batch::Rows(rows) => rows.utc_offset_ns.map(|offset| offset.wrapping_add_unsigned(time)),
        }
    }

    /// UTC (nanoseconds since 1970) minus the trace's clock, at its first event; `None` where the trace does not know.
    #[must_use]
    pub fn utc_offset_ns(&self) -> Option<i64> {
        match self {
            Batch::Columns(batch) => {
                let time = batch.times().next()?;
                batch.clock().wall(time).map(|wall_ns| wall_ns.wrapping_sub_unsigned(time))
            }
            Batch::Rows(rows) => rows.utc_offset_ns,
        }
    }

    /// Calls `f` with each record until it fails.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_for_each<E>(&self, mut f: impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Batch::Columns(batch) => batch.try_for_each(f),
            Batch::Rows(rows) => rows.iter().try_for_each(&mut f),
        }
    }

    /// Calls `f` with each record.
    pub fn for_each(&self, mut f: impl FnMut(Record<'_>)) {
        let done: Result<(), std::convert::Infallible> = self.try_for_each(|record| {
            f(record);
            Ok(())
        });
        match done {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
}

/// A format of a source, with the event that it is.
#[derive(Debug, Clone)]
pub struct SourceFormat {
    /// The format.
    pub format: Arc<Format>,
    /// Which event it is.
    pub kind: EventKind,
}

/// Records in one piece of memory.
#[derive(Debug, Default)]
pub struct Rows {
    formats: Vec<SourceFormat>,
    bytes: Vec<u8>,
    comms: String,
    heads: Vec<Head>,
    /// UTC (nanoseconds since 1970) minus the trace's clock, where that is known.
    utc_offset_ns: Option<i64>,
}

/// Where a record of [`Rows`] is.
#[derive(Debug, Clone, Copy)]
struct Head {
    time: u64,
    cpu: u32,
    format: u32,
    bytes_end: usize,
    comm_end: usize,
    has_comm: bool,
}

impl Rows {
    /// None yet, of a trace whose clock is so far from UTC.
    pub(super) fn at(utc_offset_ns: Option<i64>) -> Self {
        Rows { utc_offset_ns, ..Rows::default() }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The records, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.heads.len()).map(|at| self.record(at))
    }

    /// The bytes to which the next record is appended before [`Rows::push`] takes it.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Takes what was appended to [`Rows::bytes_mut`] as a record of the format at this place, if `filter` does.
    pub(super) fn push(
        &mut self,
        time: u64,
        cpu: u32,
        comm: Option<&str>,
        (index, format): (usize, &SourceFormat),
        filter: &mut EventFilter,
    ) -> bool {
        let start = self.heads.last().map_or(0, |head| head.bytes_end);
        let SourceFormat { format, kind } = format;
        let record = Record { time, cpu, comm, kind: *kind, index, format, bytes: &self.bytes[start..] };
        if !filter.takes(&record) {
            self.bytes.truncate(start);
            return false;
        }
        self.comms.push_str(comm.unwrap_or_default());
        self.heads.push(Head {
            time,
            cpu,
            format: index as u32,
            bytes_end: self.bytes.len(),
            comm_end: self.comms.len(),
            has_comm: comm.is_some(),
        });
        true
    }

    /// Forgets what was appended since the last record.
    pub(super) fn drop_rest(&mut self) {
        self.bytes.truncate(self.heads.last().map_or(0, |head| head.bytes_end));
    }

    /// Gives them with their formats, and begins anew.
    pub(super) fn take(&mut self, formats: &[SourceFormat]) -> Rows {
        let begun = Rows::at(self.utc_offset_ns);
        let taken = std::mem::replace(self, begun);
        self.bytes.reserve(taken.bytes.len());
        self.heads.reserve(taken.heads.len());
        Rows { formats: formats.to_vec(), ..taken }
    }

    fn record(&self, at: usize) -> Record<'_> {
        let head = self.heads[at];
        let (bytes_start, comm_start) = match at.checked_sub(1).map(|before| self.heads[before]) {
            Some(before) => (before.bytes_end, before.comm_end),
            None => (0, 0),
        };
        let SourceFormat { format, kind } = &self.formats[head.format as usize];
        Record {
            time: head.time,
            cpu: head.cpu,
            comm: head.has_comm.then(|| &self.comms[comm_start..head.comm_end]),
            kind: *kind,
            index: head.format as usize,
            format,
            bytes: &self.bytes[bytes_start..head.bytes_end],
        }
    }
}
