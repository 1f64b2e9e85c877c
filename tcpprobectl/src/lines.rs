//! A trace as lines, one event at a time, for what is shown as it comes.

use std::io::{self, IsTerminal};

use anyhow::Result;
use tcpprobe::export::{Exporter, JsonExporter, TextExporter, item_to};
use tcpprobe::source::{Item, Trace};

use crate::brief::BriefExporter;
use crate::cli::LineFormat;
use crate::report::Report;

/// The exporter for what people or programs asked for; on a terminal they get short lines, and scripts what they always had.
#[must_use]
pub fn exporter(format: Option<LineFormat>) -> Box<dyn Exporter> {
    let default = if io::stdout().is_terminal() { LineFormat::Short } else { LineFormat::Text };
    match format.unwrap_or(default) {
        LineFormat::Short => Box::new(BriefExporter::default()),
        LineFormat::Text => Box::new(TextExporter::default()),
        LineFormat::Json => Box::new(JsonExporter::new(None)),
    }
}

/// Gives the exported bytes of each event to `sink`, with the time of day of the event.
pub fn each(
    trace: &mut Trace<'_>,
    exporter: &mut dyn Exporter,
    report: &mut Report,
    mut sink: impl FnMut(&[u8], Option<i64>) -> io::Result<()>,
) -> Result<()> {
    let mut bytes = Vec::new();
    for item in trace {
        match item? {
            Item::Events(batch) => batch.try_for_each(|record| {
                bytes.clear();
                let wall_ns = batch.wall(record.time);
                exporter.event(&record, wall_ns, &mut bytes)?;
                sink(&bytes, wall_ns).map_err(tcpprobe::Error::from)
            })?,
            other => {
                bytes.clear();
                item_to(&other, exporter, &mut bytes, &mut |problem| report.tell(problem))?;
                sink(&bytes, None)?;
            }
        }
        exporter.notes().iter().for_each(|note| crate::say(note));
    }
    Ok(())
}
