//! Items of a trace as what a [`FlowTable`] takes.

use std::sync::Arc;

use super::label::Label;
use super::observer::Observer;
use super::table::FlowTable;
use crate::event::{Event, EventReader};
use crate::kernel::format::Format;
use crate::source::{About, Batch, Item, Rows};

/// Reads the events of a trace, whose formats its beginning tells.
#[derive(Debug, Clone, Default)]
pub struct Readers(Vec<(EventReader, Arc<Format>)>);

impl Readers {
    /// Those of a trace.
    #[must_use]
    pub fn new(about: &About) -> Self {
        let formats = about.formats.iter().map(|known| &known.format);
        Readers(formats.map(|format| (EventReader::new(format), format.clone())).collect())
    }

    /// Has `table` take in the events of a trace, item by item, and that some were lost.
    pub fn feed<O: Observer>(&mut self, table: &mut FlowTable<O>, item: &Item) {
        match item {
            Item::Begin(about) => *self = Readers::new(about),
            Item::Events(Batch::Columns(batch)) => table.batch(batch),
            Item::Events(Batch::Rows(rows)) => self.each(rows, |time, event, label| {
                table.event(time, event);
                label.into_iter().for_each(|label| table.label(&event.socket(), label));
            }),
            Item::Lost(_) => table.lose(),
            _ => {}
        }
    }

    /// Gives each typed event to `take`, with its time and what it tells in words.
    pub fn each(&self, rows: &Rows, mut take: impl FnMut(u64, &Event, Option<Label>)) {
        for record in rows.iter() {
            let Some((reader, format)) = self.0.get(record.index) else { continue };
            let Some(event) = reader.read(record.bytes) else { continue };
            take(record.time, &event, Label::read(event.kind(), format, record.bytes));
        }
    }
}
