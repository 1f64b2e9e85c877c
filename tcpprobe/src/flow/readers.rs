//! Rows of a trace as what a [`FlowTable`](super::FlowTable) takes.

use std::sync::Arc;

use super::label::Label;
use crate::event::{Event, EventReader};
use crate::kernel::format::Format;
use crate::source::{About, Rows};

/// Reads the rows of a trace, whose formats its beginning tells.
#[derive(Debug, Clone, Default)]
pub struct Readers(Vec<(EventReader, Arc<Format>)>);

impl Readers {
    /// Those of a trace.
    #[must_use]
    pub fn new(about: &About) -> Self {
        let formats = about.formats.iter().map(|known| &known.format);
        Readers(formats.map(|format| (EventReader::new(format), format.clone())).collect())
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
