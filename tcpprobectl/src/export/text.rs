//! The kernel's own text, line for line as `trace_pipe` shows it.

use anyhow::Result;
use tcpprobe::page::Lost;
use tcpprobe::text::{Layout, TextWriter};
use tcpprobe::trace::Account;

use super::{About, Exporter};
use crate::input::Event;
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
    fn begin(&mut self, about: &About<'_>, _out: &mut Vec<u8>) -> Result<()> {
        self.writer = TextWriter::new(Vec::new(), Layout::of_release(about.kernel));
        self.noted = 0;
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.writer.event(&event.record)?;
        out.append(self.writer.get_mut());
        self.tell_notes();
        Ok(())
    }

    fn lost(&mut self, account: &Account, out: &mut Vec<u8>) -> Result<()> {
        self.writer.lost(account.cpu, Lost::Events(account.lost.saturating_add(account.dropped)))?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}
