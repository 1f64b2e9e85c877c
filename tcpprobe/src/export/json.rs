//! JSON: one object a line. Where events are missing there is one whose `event` is null, with `lost`: how many, null where nobody
//! knows; its time is where that begins.

use std::io::Write as _;

use super::Exporter;
use super::columns::{Cell, ColumnTable, clock_column};
use super::time::put_rfc3339;
use crate::Error;
use crate::event::Record;
use crate::kernel::print::put_decimal;
use crate::source::{About, Gap};

/// Makes one object a line. What an event does not tell is not in it.
#[derive(Debug, Default)]
pub struct JsonExporter {
    columns: ColumnTable,
    /// Of each format: `,"name":` of its columns, and its name as a value.
    keys: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
    /// What times in the trace's clock are called.
    clock: &'static str,
    /// UTC (nanoseconds since 1970) minus the trace's clock, by the last event.
    utc_offset_ns: Option<i64>,
    /// Kept for its memory.
    time: String,
}

impl JsonExporter {
    /// With the columns of these names, or all.
    #[must_use]
    pub fn new(fields: Option<Vec<String>>) -> Self {
        JsonExporter { columns: ColumnTable::new(fields), ..JsonExporter::default() }
    }
}

impl Exporter for JsonExporter {
    fn begin(&mut self, about: &About, _out: &mut Vec<u8>) -> Result<(), Error> {
        self.columns.begin(about);
        self.clock = clock_column(about);
        self.keys.clear();
        for (index, known) in about.formats.iter().enumerate() {
            let key = |name: &str| {
                let mut key = vec![b','];
                put_string(name, &mut key);
                key.push(b':');
                key
            };
            let names = self.columns.get(index).into_iter().flat_map(|columns| columns.names());
            let mut event = Vec::new();
            put_string(&known.format.name, &mut event);
            self.keys.push((names.map(key).collect(), event));
        }
        Ok(())
    }

    fn event(&mut self, record: &Record<'_>, wall_ns: Option<i64>, out: &mut Vec<u8>) -> Result<(), Error> {
        let (Some(columns), Some((keys, event))) = (self.columns.get(record.index), self.keys.get(record.index)) else {
            return Ok(());
        };
        self.utc_offset_ns = wall_ns.map(|wall_ns| wall_ns.wrapping_sub_unsigned(record.time));
        put_times(self.clock, Some(record.time), wall_ns, &mut self.time, out);
        out.extend_from_slice(b",\"cpu\":");
        put_decimal(out, u64::from(record.cpu));
        out.extend_from_slice(b",\"pid\":");
        put_signed(record.pid().into(), out);
        out.extend_from_slice(b",\"comm\":");
        match record.comm {
            Some(comm) => put_string(comm, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"event\":");
        out.extend_from_slice(event);
        for ((_, cell), key) in columns.cells(record).zip(keys) {
            out.extend_from_slice(key);
            match cell {
                Some(cell) => put_cell(&cell, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn lost(&mut self, gap: &Gap, out: &mut Vec<u8>) -> Result<(), Error> {
        let wall_ns = self.utc_offset_ns.map(|offset| offset.wrapping_add_unsigned(gap.from));
        put_times(self.clock, Some(gap.from), wall_ns, &mut self.time, out);
        let _ = write!(out, ",\"cpu\":{},\"pid\":null,\"comm\":null,\"event\":null,\"lost\":", gap.cpu);
        match gap.lost {
            Some(lost) => put_decimal(out, lost),
            None => out.extend_from_slice(b"null"),
        }
        let _ = writeln!(out, ",\"until_{}\":{}}}", self.clock, gap.to);
        Ok(())
    }

    fn lost_somewhere(&mut self, lost: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        put_times(self.clock, None, None, &mut self.time, out);
        let _ = writeln!(out, ",\"cpu\":null,\"pid\":null,\"comm\":null,\"event\":null,\"lost\":{lost}}}");
        Ok(())
    }
}

/// Begins an object.
fn put_times(clock: &str, time: Option<u64>, wall_ns: Option<i64>, buffer: &mut String, out: &mut Vec<u8>) {
    match wall_ns {
        Some(wall_ns) => {
            buffer.clear();
            put_rfc3339(wall_ns, buffer);
            out.extend_from_slice(b"{\"time\":\"");
            out.extend_from_slice(buffer.as_bytes());
            out.extend_from_slice(b"\",\"time_ns\":");
            put_signed(wall_ns, out);
        }
        None => out.extend_from_slice(b"{\"time\":null,\"time_ns\":null"),
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(clock.as_bytes());
    out.extend_from_slice(b"\":");
    match time {
        Some(time) => put_decimal(out, time),
        None => out.extend_from_slice(b"null"),
    }
}

fn put_cell(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Unsigned(number) => put_decimal(out, *number),
        Cell::Signed(number) => put_signed(*number, out),
        Cell::Text(text) => put_string(text, out),
        Cell::Address(_) | Cell::Pointer(_) | Cell::Bytes(_) => {
            // None of them has a character to escape, and writing to a Vec cannot fail.
            let _ = write!(out, "\"{cell}\"");
        }
    }
}

fn put_signed(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    put_decimal(out, number.unsigned_abs());
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail, and a string has no keys.
    let _ = serde_json::to_writer(&mut *out, text);
}
