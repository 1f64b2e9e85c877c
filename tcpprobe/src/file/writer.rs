//! Writes traces, for converters; the daemon writes its segments itself, frame by frame.

use std::io::{self, Write};
use std::sync::Arc;

use super::anchors::Anchor;
use super::frame::{Kind, put_frame};
use super::header::Header;
use super::ledger::{Account, encode_accounts};
use crate::event::Record;
use crate::file::block::{BlockBuilder, Schema, Seal};

/// Events in a block, measured: see DECISIONS.md.
pub const BLOCK_EVENTS: usize = 32 << 10;

/// Writes records into a trace.
pub struct Writer<W> {
    output: W,
    builder: BlockBuilder,
    comms: std::collections::HashMap<i32, String>,
    sequence: u64,
    latest: u64,
    buffer: Vec<u8>,
    totals: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a trace. Header and schema are written twice, for everything else depends on them. Pointers in records must be ids
    /// already: kernel addresses are no reader's.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(mut output: W, header: &Header, schema: &Arc<Schema>, anchors: &[Anchor]) -> io::Result<Self> {
        let mut buffer = Vec::new();
        begin(header, schema, &mut buffer);
        for anchor in anchors {
            put_frame(Kind::Anchor, &mut buffer, |out| anchor.encode(out));
        }
        output.write_all(&buffer)?;
        buffer.clear();
        let builder = BlockBuilder::new(Arc::clone(schema));
        let comms = std::collections::HashMap::new();
        Ok(Writer { output, builder, comms, sequence: 0, latest: 0, buffer, totals: 0 })
    }

    /// Adds a record; those of one CPU must come in the order of the ring buffer, and all in about the order of time.
    /// `false` where the schema does not know the record's kind.
    ///
    /// # Errors
    /// Those of the output.
    pub fn push(&mut self, record: &Record<'_>) -> io::Result<bool> {
        if let Some(comm) = record.comm
            && self.comms.get(&record.pid()).is_none_or(|known| known != comm)
        {
            self.comms.insert(record.pid(), comm.to_owned());
        }
        if self.builder.push(record.cpu, &[(record.time, record.bytes)]) > 0 {
            return Ok(false);
        }
        self.latest = self.latest.max(record.time);
        if self.builder.len() >= BLOCK_EVENTS {
            self.seal()?;
        }
        Ok(true)
    }

    /// Adds accounts to the ledger.
    ///
    /// # Errors
    /// Those of the output.
    pub fn account(&mut self, accounts: &[Account]) -> io::Result<()> {
        put_frame(Kind::Ledger, &mut self.buffer, |out| encode_accounts(accounts, 0, out));
        self.flush()
    }

    /// Goes on with records of other formats, after those of before are written.
    ///
    /// # Errors
    /// Those of the output.
    pub fn turn_to(&mut self, schema: &Arc<Schema>) -> io::Result<()> {
        if !self.builder.is_empty() {
            self.seal()?;
        }
        // Twice, as at the beginning.
        for _ in 0..2 {
            put_frame(Kind::Schema, &mut self.buffer, |out| out.extend(schema.encode()));
        }
        self.builder = BlockBuilder::new(Arc::clone(schema));
        self.flush()
    }

    /// The output, to take what was written.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.output
    }

    fn seal(&mut self) -> io::Result<()> {
        let seal = Seal { sequence: self.sequence, complete_until: self.latest, pages: 0..0 };
        self.sequence += 1;
        self.totals += self.builder.len() as u64;
        let (builder, comms) = (&mut self.builder, &self.comms);
        put_frame(Kind::Block, &mut self.buffer, |out| {
            builder.seal(&seal, None, |pid| comms.get(&pid).map(String::as_str), out);
        });
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left and gives back the output and the number of events written.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        if !self.builder.is_empty() {
            self.seal()?;
        }
        self.output.flush()?;
        Ok((self.output, self.totals))
    }
}

/// Appends what every file begins with.
pub fn begin(header: &Header, schema: &Schema, out: &mut Vec<u8>) {
    for _ in 0..2 {
        put_frame(Kind::Header, out, |out| header.encode(out));
        put_frame(Kind::Schema, out, |out| out.extend(schema.encode()));
    }
}
