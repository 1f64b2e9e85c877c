//! CSV (RFC 4180): a header, then one event a line; a cell is empty where the event lacks the column. Where events are missing there
//! is a line without an event, whose last column tells how many; it is empty where nobody knows.

use std::fmt::Write as _;

use super::Exporter;
use super::columns::{COMMON, Cell, ColumnTable, Columns, clock_column};
use super::time::put_rfc3339;
use crate::Error;
use crate::event::Record;
use crate::source::{About, Batch, Gap, typical_formats};

/// The last column but one of events from text: fields that are not known beforehand, as `name=value` words.
const OTHER: &str = "other";

/// The last column: how many events are missing here. Lines with an event have nothing in it.
const LOST: &str = "lost";

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
    /// UTC (nanoseconds since 1970) minus the trace's clock, by the last event.
    utc_offset_ns: Option<i64>,
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
                self.row = vec![String::new(); COMMON.len() + names.len() + 1];
                let common = COMMON.map(|name| if name == COMMON[2] { clock_column(about) } else { name });
                let header = common.into_iter().chain(names.iter().map(String::as_str)).chain([LOST]);
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

    fn lost(&mut self, gap: &Gap, out: &mut Vec<u8>) -> Result<(), Error> {
        self.row.iter_mut().for_each(String::clear);
        let wall_ns = self.utc_offset_ns.map(|offset| offset.wrapping_add_unsigned(gap.from));
        let [time, time_ns, clock, cpu, .., lost] = &mut self.row[..] else { return Ok(()) };
        if let Some(wall_ns) = wall_ns {
            put_rfc3339(wall_ns, time);
            put(time_ns, &wall_ns);
        }
        put(clock, &gap.from);
        put(cpu, &gap.cpu);
        gap.lost.iter().for_each(|count| put(lost, count));
        put_row(&mut writer(out), self.row.iter().map(String::as_str))
    }

    fn lost_somewhere(&mut self, count: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        self.row.iter_mut().for_each(String::clear);
        let Some(lost) = self.row.last_mut() else { return Ok(()) };
        put(lost, &count);
        put_row(&mut writer(out), self.row.iter().map(String::as_str))
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
        self.utc_offset_ns = wall_ns.map(|wall_ns| wall_ns.wrapping_sub_unsigned(record.time));
        if let Some(wall_ns) = wall_ns {
            put_rfc3339(wall_ns, &mut row[0]);
            put(&mut row[1], &wall_ns);
        }
        put(&mut row[2], &record.time);
        put(&mut row[3], &record.cpu);
        put(&mut row[4], &record.pid());
        put_text(&mut row[5], record.comm.unwrap_or_default());
        row[6].push_str(&record.format.name);
        for ((name, cell), place) in columns.cells(record).zip(places) {
            match (cell, place) {
                (None, _) => {}
                (Some(Cell::Text(text)), Some(place)) => put_text(&mut row[*place], &text),
                (Some(cell), Some(place)) => put(&mut row[*place], &cell),
                (Some(cell), None) => {
                    if let [.., other, _] = &mut row[..] {
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

/// What somebody else chose: tasks name themselves. A spreadsheet must not take it for a formula.
fn put_text(cell: &mut String, text: &str) {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        cell.push('\'');
    }
    cell.push_str(text);
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
    fn no_cell_of_text_is_a_formula() {
        let cell = |text: &str| {
            let mut cell = String::new();
            put_text(&mut cell, text);
            cell
        };
        assert_eq!(["=1+1", "-bash", "@a", "+a", "a=b", ""].map(cell), ["'=1+1", "'-bash", "'@a", "'+a", "a=b", ""]);
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        put_row(&mut writer(&mut out), ["a", "b,c", "say \"x\"", ""].into_iter()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\",\"say \"\"x\"\"\",\n");
    }
}
