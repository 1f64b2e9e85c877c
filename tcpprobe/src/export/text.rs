//! The kernel's own text, line for line as `trace_pipe` shows it, and of a whole buffer as `trace` does.

use super::{Exporter, TextWriter};
use crate::Error;
use crate::event::Record;
use crate::kernel::page::Lost;
use crate::kernel::text::Layout;
use crate::source::{About, Entries, Gap};

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

impl Exporter for TextExporter {
    fn begin(&mut self, about: &About, out: &mut Vec<u8>) -> Result<(), Error> {
        self.writer = TextWriter::new(Vec::new(), about.layout).with_clock(&about.clock);
        self.noted = 0;
        if let Some(Entries { present, lost, cpus }) = about.entries {
            self.writer.header(present, present.saturating_add(lost), cpus)?;
            out.append(self.writer.get_mut());
        }
        Ok(())
    }

    fn event(&mut self, record: &Record<'_>, _wall_ns: Option<i64>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.writer.event(record)?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn lost(&mut self, gap: &Gap, out: &mut Vec<u8>) -> Result<(), Error> {
        self.writer.lost(gap.cpu, gap.lost.map_or(Lost::Unknown, Lost::Events))?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn notes(&mut self) -> Vec<String> {
        let new: Vec<String> = self.writer.notes().skip(self.noted).map(str::to_owned).collect();
        self.noted += new.len();
        new
    }
}
