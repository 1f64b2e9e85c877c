//! JSON: one object a line.

use anyhow::Result;
use serde::ser::{SerializeMap, Serializer};

use super::columns::{Cell, ColumnCache};
use super::{About, Exporter};
use crate::input::Event;
use crate::value::moment;

/// Makes one object a line.
#[derive(Debug, Default)]
pub struct JsonExporter {
    columns: ColumnCache,
}

impl Exporter for JsonExporter {
    fn begin(&mut self, _about: &About<'_>, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        let record = &event.record;
        let mut serializer = serde_json::Serializer::new(&mut *out);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &event.wall_ns.map(moment::rfc3339))?;
        map.serialize_entry("time_ns", &event.wall_ns)?;
        map.serialize_entry("clock_ns", &record.time)?;
        map.serialize_entry("cpu", &record.cpu)?;
        map.serialize_entry("pid", &record.pid())?;
        map.serialize_entry("comm", &record.comm)?;
        map.serialize_entry("event", &record.format.name)?;
        for (name, cell) in self.columns.of(record.format).cells(record) {
            match cell {
                None => map.serialize_entry(name, &())?,
                Some(Cell::Unsigned(number)) => map.serialize_entry(name, &number)?,
                Some(Cell::Signed(number)) => map.serialize_entry(name, &number)?,
                Some(Cell::Text(text)) => map.serialize_entry(name, &text)?,
                Some(cell) => map.serialize_entry(name, &cell.to_string())?,
            }
        }
        map.end()?;
        out.push(b'\n');
        Ok(())
    }
}
