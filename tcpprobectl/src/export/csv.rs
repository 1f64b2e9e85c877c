//! CSV (RFC 4180): a header, then one event a line; a cell is empty where the event lacks the column.

use std::io::Write;

use anyhow::{Result, bail};

use super::columns::{COMMON, ColumnCache};
use super::{About, Exporter};
use crate::input::Event;
use crate::value::moment;

/// Makes one table with the columns of all events of the trace.
#[derive(Debug, Default)]
pub struct CsvExporter {
    columns: ColumnCache,
    /// The columns behind the common ones; `None` before the header was made.
    header: Option<Vec<String>>,
    /// The cells behind the common ones, kept for their memory.
    row: Vec<String>,
}

impl Exporter for CsvExporter {
    fn begin(&mut self, about: &About<'_>, out: &mut Vec<u8>) -> Result<()> {
        let mut names: Vec<String> = Vec::new();
        for format in &about.formats {
            for name in self.columns.of(format).names() {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        if let Some(header) = &self.header {
            if let Some(new) = names.iter().find(|name| !header.contains(name)) {
                bail!("the field {new} first appears within the trace, and a csv has one header; use json");
            }
            return Ok(());
        }
        line(out, COMMON.into_iter().chain(names.iter().map(String::as_str)));
        self.row = vec![String::new(); names.len()];
        self.header = Some(names);
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        let record = &event.record;
        self.row.iter_mut().for_each(String::clear);
        let header = self.header.as_deref().unwrap_or_default();
        for (name, cell) in self.columns.of(record.format).cells(record) {
            if let (Some(place), Some(cell)) = (header.iter().position(|known| known == name), cell) {
                self.row[place] = cell.to_string();
            }
        }
        let common = [
            event.wall_ns.map(moment::rfc3339).unwrap_or_default(),
            event.wall_ns.map(|ns| ns.to_string()).unwrap_or_default(),
            record.time.to_string(),
            record.cpu.to_string(),
            record.pid().to_string(),
            record.comm.unwrap_or_default().to_owned(),
            record.format.name.clone(),
        ];
        line(out, common.iter().chain(&self.row).map(String::as_str));
        Ok(())
    }
}

fn line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = &'a str>) {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        super::line(&mut out, ["a", "b,c", "say \"x\"", ""].into_iter());
        assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\",\"say \"\"x\"\"\",\n");
    }
}
