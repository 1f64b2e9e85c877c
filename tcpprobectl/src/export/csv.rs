//! CSV (RFC 4180): a header, then one event a line; a cell is empty where the event lacks the column.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Result, bail};

use super::columns::{COMMON, Cell, ColumnCache};
use super::{Exporter, words};
use crate::input::{About, Body, Event};
use crate::value::timestamp;

/// The last column of events from text: fields that are not known beforehand, as `name=value` words.
const OTHER: &str = "other";

/// Makes one table with the columns of all events of the trace.
#[derive(Debug, Default)]
pub struct CsvExporter {
    columns: ColumnCache,
    /// The columns behind the common ones; `None` before the header was made.
    header: Option<Vec<String>>,
    /// The cells of a line, kept for their memory.
    row: Vec<String>,
}

impl Exporter for CsvExporter {
    fn begin(&mut self, about: &About<'_>, out: &mut Vec<u8>) -> Result<()> {
        let names = self.names(about);
        if let Some(header) = &self.header {
            if let Some(new) = names.iter().find(|name| !header.contains(name)) {
                bail!("the field {new} first appears within the trace, and a csv has one header; use json");
            }
            return Ok(());
        }
        line(out, COMMON.into_iter().chain(names.iter().map(String::as_str)));
        self.row = vec![String::new(); COMMON.len() + names.len()];
        self.header = Some(names);
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.row.iter_mut().for_each(String::clear);
        if let Some(wall_ns) = event.wall_ns {
            self.row[0].push_str(&timestamp::rfc3339(wall_ns));
            write!(self.row[1], "{wall_ns}")?;
        }
        write!(self.row[2], "{}", event.time())?;
        let header = self.header.as_deref().unwrap_or_default();
        let row = &mut self.row;
        match &event.body {
            Body::Record(record) => {
                put_common(row, record.cpu, record.pid(), record.comm.unwrap_or_default(), &record.format.name)?;
                let mut cells = self.columns.of(record.format).cells(record);
                cells.try_for_each(|(name, cell)| cell.map_or(Ok(()), |cell| put(row, header, name, &cell)))?;
            }
            Body::Text(event) => {
                let comm = if event.comm == "<...>" { "" } else { event.comm };
                put_common(row, event.cpu, event.pid, comm, event.name)?;
                let (typed, words) = words::cells(event);
                typed.iter().try_for_each(|(name, cell)| put(row, header, name, cell))?;
                let other: Vec<String> = words.iter().map(|(name, cell)| format!("{name}={cell}")).collect();
                put(row, header, OTHER, &Cell::Text(other.join(" ").into()))?;
            }
        }
        line(out, self.row.iter().map(String::as_str));
        Ok(())
    }
}

impl CsvExporter {
    /// The columns of the events to come, behind the common ones.
    fn names(&mut self, about: &About<'_>) -> Vec<String> {
        let Some(formats) = &about.formats else {
            return words::TYPED.into_iter().chain([OTHER]).map(str::to_owned).collect();
        };
        let mut names: Vec<String> = Vec::new();
        for format in formats {
            for name in self.columns.of(format).names() {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }
}

/// The columns of [`COMMON`] behind the times.
fn put_common(row: &mut [String], cpu: u32, pid: i32, comm: &str, event: &str) -> std::fmt::Result {
    write!(row[3], "{cpu}")?;
    write!(row[4], "{pid}")?;
    row[5].push_str(comm);
    row[6].push_str(event);
    Ok(())
}

fn put(row: &mut [String], header: &[String], name: &str, cell: &Cell<'_>) -> std::fmt::Result {
    match header.iter().position(|known| known == name) {
        Some(place) => write!(row[COMMON.len() + place], "{cell}"),
        None => Ok(()),
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
