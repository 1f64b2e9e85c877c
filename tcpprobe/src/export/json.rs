//! JSON: one object a line.

use std::io::Write as _;

use super::Exporter;
use super::columns::{Cell, ColumnTable};
use super::time::put_rfc3339;
use crate::Error;
use crate::event::Record;
use crate::kernel::print::put_decimal;
use crate::source::About;

/// Makes one object a line. What an event does not tell is not in it.
#[derive(Debug, Default)]
pub struct JsonExporter {
    columns: ColumnTable,
    /// Of each format: `,"name":` of its columns, and its name as a value.
    keys: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
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
        match wall_ns {
            Some(wall_ns) => {
                self.time.clear();
                put_rfc3339(wall_ns, &mut self.time);
                out.extend_from_slice(b"{\"time\":\"");
                out.extend_from_slice(self.time.as_bytes());
                out.extend_from_slice(b"\",\"time_ns\":");
                put_signed(wall_ns, out);
            }
            None => out.extend_from_slice(b"{\"time\":null,\"time_ns\":null"),
        }
        out.extend_from_slice(b",\"clock_ns\":");
        put_decimal(out, record.time);
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
