//! CSV (RFC 4180): a header, then one event a line; a cell is empty where the event lacks the column.

use std::fmt::Write as _;

use super::Exporter;
use super::columns::{COMMON, ColumnTable, Columns};
use super::time::put_rfc3339;
use crate::Error;
use crate::event::Record;
use crate::source::{About, Batch, typical_formats};

/// The last column of events from text: fields that are not known beforehand, as `name=value` words.
const OTHER: &str = "other";

/// Makes one table with the columns of all events of the trace.
#[derive(Debug, Default)]
pub struct CsvExporter {
    fields: Option<Vec<String>>,
    columns: ColumnTable,
    /// The columns behind the common ones; `None` before the header was made.
    header: Option<Vec<String>>,
    /// Of each format, the place of each of its columns in a row; `None` where it goes into [`OTHER`].
    places: Vec<Vec<Option<usize>>>,
    /// The cells of a line, kept for their memory.
    row: Vec<String>,
}

impl CsvExporter {
    /// With the columns of these names, or all.
    #[must_use]
    pub fn new(fields: Option<Vec<String>>) -> Self {
        CsvExporter { columns: ColumnTable::new(fields.clone()), fields, ..CsvExporter::default() }
    }
}

impl Exporter for CsvExporter {
    fn begin(&mut self, about: &About, out: &mut Vec<u8>) -> Result<(), Error> {
        self.columns.begin(about);
        let names = self.names(about);
        let header = match self.header.take() {
            Some(header) => {
                if let Some(field) = names.into_iter().find(|name| !header.contains(name)) {
                    return Err(Error::LateColumn { field });
                }
                header
            }
            None => {
                self.row = vec![String::new(); COMMON.len() + names.len()];
                let header = COMMON.into_iter().chain(names.iter().map(String::as_str));
                put_row(&mut writer(out), header)?;
                names
            }
        };
        let place = |name: &str| header.iter().position(|known| known == name).map(|place| COMMON.len() + place);
        let places =
            |index| self.columns.get(index).map_or_else(Vec::new, |columns| columns.names().map(place).collect());
        self.places = (0..about.formats.len()).map(places).collect();
        self.header = Some(header);
        Ok(())
    }

    fn event(&mut self, record: &Record<'_>, wall_ns: Option<i64>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.fill(record, wall_ns);
        put_row(&mut writer(out), self.row.iter().map(String::as_str))
    }

    fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut writer = writer(out);
        batch.try_for_each(|record| {
            self.fill(&record, batch.wall(record.time));
            put_row(&mut writer, self.row.iter().map(String::as_str))
        })
    }
}

impl CsvExporter {
    /// The columns of the events to come, behind the common ones.
    fn names(&self, about: &About) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut add = |columns: &mut dyn Iterator<Item = &str>| {
            for name in columns {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        };
        if about.is_open {
            let wanted =
                |name: &&str| self.fields.as_ref().is_none_or(|fields| fields.iter().any(|field| field == name));
            typical_formats().iter().for_each(|format| add(&mut Columns::new(format).names().filter(wanted)));
            names.push(OTHER.to_owned());
            return names;
        }
        let wanted = about.wanted.iter().enumerate().filter(|(_, wanted)| **wanted);
        wanted.filter_map(|(index, _)| self.columns.get(index)).for_each(|columns| add(&mut columns.names()));
        names
    }

    /// Makes the row of an event.
    fn fill(&mut self, record: &Record<'_>, wall_ns: Option<i64>) {
        let row = &mut self.row;
        row.iter_mut().for_each(String::clear);
        let (Some(columns), Some(places)) = (self.columns.get(record.index), self.places.get(record.index)) else {
            return;
        };
        if let Some(wall_ns) = wall_ns {
            put_rfc3339(wall_ns, &mut row[0]);
            put(&mut row[1], &wall_ns);
        }
        put(&mut row[2], &record.time);
        put(&mut row[3], &record.cpu);
        put(&mut row[4], &record.pid());
        row[5].push_str(record.comm.unwrap_or_default());
        row[6].push_str(&record.format.name);
        for ((name, cell), place) in columns.cells(record).zip(places) {
            match (cell, place) {
                (None, _) => {}
                (Some(cell), Some(place)) => put(&mut row[*place], &cell),
                (Some(cell), None) => {
                    if let Some(other) = row.last_mut() {
                        let blank = if other.is_empty() { "" } else { " " };
                        put(other, &format_args!("{blank}{name}={cell}"));
                    }
                }
            }
        }
    }
}

fn put(cell: &mut String, value: &impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(cell, "{value}");
}

fn writer(out: &mut Vec<u8>) -> csv::Writer<&mut Vec<u8>> {
    csv::Writer::from_writer(out)
}

fn put_row<'a>(writer: &mut csv::Writer<&mut Vec<u8>>, cells: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    writer.write_record(cells).map_err(|error| Error::Write(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        put_row(&mut writer(&mut out), ["a", "b,c", "say \"x\"", ""].into_iter()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\",\"say \"\"x\"\"\",\n");
    }
}
