//! Records as a `.tcpp` trace.

use std::sync::Arc;

use super::{Exporter, Options};
use crate::Error;
use crate::event::Record;
use crate::file::block::Schema;
use crate::file::{Account, Anchor, Header, Writer};
use crate::source::{About, Gap};

/// Writes a trace of records whose pointers are ids already.
pub struct TcppExporter {
    options: Options,
    /// Made when the formats are known.
    writer: Option<Writer<Vec<u8>>>,
    /// Whether all that is lost is in accounts; text has none.
    has_accounts: bool,
}

impl TcppExporter {
    /// With a header of these.
    #[must_use]
    pub fn new(options: Options) -> Self {
        TcppExporter { options, writer: None, has_accounts: false }
    }

    fn header(&self, about: &About) -> Header {
        let trace: String = self.options.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
        // What text looked like, no kernel's release tells.
        let layout = if about.is_open { about.layout.name() } else { "" };
        let told = [
            ("writer", self.options.writer.as_str()),
            ("kernel", &about.kernel),
            ("host", &about.host),
            ("clock", &about.clock),
            ("layout", layout),
            ("selection", self.options.selection.as_deref().unwrap_or_default()),
        ];
        let told = told.into_iter().filter(|(_, value)| !value.is_empty());
        told.fold(Header::new(&trace), |header, (name, value)| header.with(name, value))
    }

    /// Moves what was written to `out`.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if let Some(writer) = &mut self.writer {
            out.append(writer.get_mut());
        }
    }
}

impl Exporter for TcppExporter {
    fn begin(&mut self, about: &About, out: &mut Vec<u8>) -> Result<(), Error> {
        // All of a text's, for more may come; of others those that are wanted.
        let schema = match about.is_open {
            true => Schema::new(about.formats.iter().map(|known| Arc::clone(&known.format)))?,
            false => Schema::new(about.wanted_formats().cloned())?,
        };
        self.has_accounts = !about.is_open;
        match &mut self.writer {
            Some(writer) => writer.turn_to(&schema)?,
            None => {
                let anchor = about.utc_offset_ns.map(|wall| Anchor { time: 0, wall });
                self.writer = Some(Writer::new(Vec::new(), &self.header(about), &schema, anchor.as_slice())?);
            }
        }
        self.flush(out);
        Ok(())
    }

    fn event(&mut self, record: &Record<'_>, _wall_ns: Option<i64>, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(writer) = &mut self.writer {
            writer.push(record)?;
            out.append(writer.get_mut());
        }
        Ok(())
    }

    /// An unknown number of events is one in the ledger, which knows numbers only.
    fn lost(&mut self, gap: &Gap, out: &mut Vec<u8>) -> Result<(), Error> {
        let Gap { cpu, from, to, lost } = *gap;
        self.accounts(&[Account { cpu, from, to, lost: lost.unwrap_or(1), ..Account::default() }], out)
    }

    /// The ledger is by CPU and time: these stand at the first CPU and moment.
    fn lost_somewhere(&mut self, lost: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.has_accounts {
            return Ok(());
        }
        self.accounts(&[Account { lost, ..Account::default() }], out)
    }

    fn accounts(&mut self, accounts: &[Account], out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(writer) = &mut self.writer {
            writer.account(accounts)?;
        }
        self.flush(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(writer) = self.writer.take() {
            let (mut rest, _) = writer.finish()?;
            out.append(&mut rest);
        }
        Ok(())
    }
}
