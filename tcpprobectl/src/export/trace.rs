//! Records as a `.tcpp` trace.

use std::io::Write;

use anyhow::{Result, anyhow};
use tcpprobe::file::block::Schema;
use tcpprobe::file::{Account, Header, Writer};

use crate::input::{About, Body, Event, Visitor};
use crate::losses::Gap;
use crate::random;

/// Writes a trace of records whose pointers are ids already.
pub struct TraceExporter<W: Write> {
    /// Taken by the writer, which is made when the formats are known.
    output: Option<W>,
    writer: Option<Writer<W>>,
    selection: Option<String>,
}

impl<W: Write> TraceExporter<W> {
    /// Writes to `output`. `selection` says which events, where it is not all.
    pub fn new(output: W, selection: Option<String>) -> Self {
        TraceExporter { output: Some(output), writer: None, selection }
    }

    /// Writes what is left.
    pub fn finish(self) -> Result<()> {
        self.writer.map_or(Ok(()), |writer| writer.finish().map(drop))?;
        Ok(())
    }

    fn header(&self, about: &About<'_>) -> Result<Header> {
        let trace: [u8; 8] = random::bytes()?;
        let trace: String = trace.iter().map(|byte| format!("{byte:02x}")).collect();
        let header = Header::new(&trace).with("writer", concat!("tcpprobectl ", env!("CARGO_PKG_VERSION")));
        let told = [("kernel", about.kernel), ("host", about.host), ("clock", about.clock)];
        let told = told.into_iter().chain(self.selection.as_deref().map(|words| ("selection", words)));
        Ok(told.filter(|(_, value)| !value.is_empty()).fold(header, |header, (name, value)| header.with(name, value)))
    }

    fn writer(&mut self) -> Result<&mut Writer<W>> {
        self.writer.as_mut().ok_or_else(|| anyhow!("events before the formats that explain them"))
    }
}

impl<W: Write> Visitor for TraceExporter<W> {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        let header = self.header(about)?;
        let formats = about.formats.iter().flatten().map(|&format| format.clone()).collect();
        let schema = Schema::new(formats)?;
        let output = self.output.take().ok_or_else(|| anyhow!("formats that change within a trace"))?;
        self.writer = Some(Writer::new(output, &header, &schema, &[], None)?);
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        if let Body::Record(record) = &event.body {
            self.writer()?.push(record)?;
        }
        Ok(())
    }

    /// An unknown number of events is one in the ledger, which knows numbers only.
    fn lost(&mut self, gap: &Gap) -> Result<()> {
        let Gap { cpu, from, to, lost } = *gap;
        self.accounts(&[Account { cpu, from, to, lost: lost.unwrap_or(1), ..Account::default() }])
    }

    fn accounts(&mut self, accounts: &[Account]) -> Result<()> {
        Ok(self.writer()?.account(accounts)?)
    }
}
