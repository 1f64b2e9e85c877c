//! JSON: one object a line.

use anyhow::Result;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tcpprobe::event::Record;
use tcpprobe::kernel::text::TextEvent;

use super::columns::{Cell, ColumnCache};
use super::{Exporter, words};
use crate::input::{About, Body, Event};
use crate::value::timestamp;

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
        let mut serializer = serde_json::Serializer::new(&mut *out);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &event.wall_ns.map(timestamp::rfc3339))?;
        map.serialize_entry("time_ns", &event.wall_ns)?;
        map.serialize_entry("clock_ns", &event.time())?;
        match &event.body {
            Body::Record(record) => self.put_record(record, &mut map)?,
            Body::Text(event) => put_text(event, &mut map)?,
        }
        map.end()?;
        out.push(b'\n');
        Ok(())
    }
}

impl JsonExporter {
    fn put_record<M: SerializeMap>(&mut self, record: &Record<'_>, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("cpu", &record.cpu)?;
        map.serialize_entry("pid", &record.pid())?;
        map.serialize_entry("comm", &record.comm)?;
        map.serialize_entry("event", &record.format.name)?;
        let mut cells = self.columns.of(record.format).cells(record);
        cells.try_for_each(|(name, cell)| map.serialize_entry(name, &cell))
    }
}

fn put_text<M: SerializeMap>(event: &TextEvent<'_>, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("cpu", &event.cpu)?;
    map.serialize_entry("pid", &event.pid)?;
    map.serialize_entry("comm", &Some(event.comm).filter(|&comm| comm != "<...>"))?;
    map.serialize_entry("event", event.name)?;
    let (typed, words) = words::cells(event);
    typed.iter().chain(&words).try_for_each(|(name, cell)| map.serialize_entry(name, cell))
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Unsigned(number) => serializer.serialize_u64(*number),
            Cell::Signed(number) => serializer.serialize_i64(*number),
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Address(_) | Cell::Pointer(_) | Cell::Bytes(_) => serializer.collect_str(self),
        }
    }
}
