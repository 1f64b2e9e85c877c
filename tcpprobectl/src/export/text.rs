//! The kernel's own text, line for line as `trace_pipe` shows it, and of a whole buffer as `trace` does.

use std::io::Write;

use anyhow::Result;
use tcpprobe::kernel::page::Lost;
use tcpprobe::kernel::text::{Layout, TextEvent, TextWriter};

use super::Exporter;
use crate::input::{About, Body, Entries, Event};
use crate::losses::Gap;
use crate::say;

/// Makes a line an event, in the layout of the kernel that recorded it.
#[derive(Debug)]
pub struct TextExporter {
    writer: TextWriter<Vec<u8>>,
    /// How many notes were told.
    noted: usize,
}

impl Default for TextExporter {
    fn default() -> Self {
        TextExporter { writer: TextWriter::new(Vec::new(), Layout::default()), noted: 0 }
    }
}

impl TextExporter {
    fn tell_notes(&mut self) {
        for note in self.writer.notes().skip(self.noted) {
            say(note);
            self.noted += 1;
        }
    }
}

impl Exporter for TextExporter {
    fn begin(&mut self, about: &About<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.writer = TextWriter::new(Vec::new(), about.layout).with_clock(about.clock);
        self.noted = 0;
        if let Some(Entries { present, lost, cpus }) = about.entries {
            self.writer.header(present, present.saturating_add(lost), cpus)?;
            out.append(self.writer.get_mut());
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        match &event.body {
            Body::Record(record) => {
                self.writer.event(record)?;
                out.append(self.writer.get_mut());
                self.tell_notes();
            }
            Body::Text(event) => put_line(event, out)?,
        }
        Ok(())
    }

    fn lost(&mut self, gap: &Gap, out: &mut Vec<u8>) -> Result<()> {
        self.writer.lost(gap.cpu, gap.lost.map_or(Lost::Unknown, Lost::Events))?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

/// A line of text as it was, but for its columns, which are the kernel's.
fn put_line(event: &TextEvent<'_>, out: &mut Vec<u8>) -> std::io::Result<()> {
    let TextEvent { time, cpu, pid, comm, flags, name, body, .. } = event;
    let micros = time / 1000;
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let blank = if flags.is_empty() { "" } else { " " };
    writeln!(out, "{comm:>16}-{pid:<7} [{cpu:03}] {flags}{blank}{seconds:>5}.{micros:06}: {name}: {body}")
}
