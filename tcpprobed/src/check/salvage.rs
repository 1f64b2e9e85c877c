//! What is whole of a damaged segment, as a segment without a flaw.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use tcpprobe::file::block::{BlockHead, Schema};
use tcpprobe::file::{Account, Header, Kind, encode_accounts, put_frame};

use super::inspect::{decode, stored_by_cpu};
use crate::disk::DiskFile;
use crate::store::{LedgerFrame, Step, StoredFrame, Walk};

/// In the header of a segment that was repaired: blocks may be missing in it.
pub const REPAIRED: &str = "repaired";

/// Writes a segment of what is whole of another one.
struct Salvage<'a> {
    output: &'a DiskFile,
    written: u64,
    schema: Option<Arc<Schema>>,
    /// The number of the first block that was not seen before.
    next: u64,
    pages_end: u64,
    frame: Vec<u8>,
}

/// Writes what is whole of the segment `input` into the empty file `output`: events whose block is gone are accounted for
/// as dropped, blocks before number `next` are left out.
///
/// # Errors
/// Those of the file system.
pub fn salvage(input: File, output: &DiskFile, next: u64) -> io::Result<()> {
    let mut walk = Walk::new(input);
    let mut to = Salvage { output, written: 0, schema: None, next, pages_end: 0, frame: Vec::new() };
    while let Some(step) = walk.step()? {
        match step {
            Step::Stored { block, ledger } => to.block(block, Some(ledger))?,
            Step::Unaccounted(block) => to.block(block, None)?,
            Step::Missing(ledger) => to.ledger(&ledger, &BTreeMap::new())?,
            Step::Ledger(ledger) => to.ledger(&ledger, &BTreeMap::new())?,
            Step::Other(Kind::Header, frame) => to.header(frame)?,
            Step::Other(kind, frame) => {
                if kind == Kind::Schema {
                    to.schema = Schema::decode(frame.payload()).ok().or(to.schema.take());
                }
                to.write(frame.bytes)?;
            }
            Step::Damage(_) => {}
        }
    }
    output.sync()
}

impl Salvage<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn write_frame(&mut self, kind: Kind, payload: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        put_frame(kind, &mut frame, payload);
        let written = self.write(&frame);
        self.frame = frame;
        written
    }

    fn header(&mut self, frame: StoredFrame<'_>) -> io::Result<()> {
        let Some(header) = Header::decode(frame.payload()) else { return Ok(()) };
        let header = header.with(REPAIRED, "blocks may be missing");
        self.write_frame(Kind::Header, |out| header.encode(out))
    }

    fn block(&mut self, frame: StoredFrame<'_>, ledger: Option<LedgerFrame<'_>>) -> io::Result<()> {
        let Ok((head, events)) = decode(frame, self.schema.as_ref()) else {
            return ledger.map_or(Ok(()), |ledger| self.ledger(&ledger, &BTreeMap::new()));
        };
        if head.sequence < self.next {
            return Ok(());
        }
        self.next = head.sequence + 1;
        self.write(frame.bytes)?;
        match ledger {
            Some(ledger) => self.ledger(&ledger, &events),
            None => self.new_ledger(&head, &events),
        }
    }

    /// Writes a ledger whose block holds `events`.
    fn ledger(&mut self, ledger: &LedgerFrame<'_>, events: &BTreeMap<u32, u64>) -> io::Result<()> {
        self.pages_end = ledger.pages_end;
        if stored_by_cpu(&ledger.accounts) == *events {
            return self.write(ledger.frame.bytes);
        }
        let mut left = events.clone();
        let mut accounts = ledger.accounts.clone();
        for account in accounts.iter_mut().filter(|account| account.stored > 0) {
            let told = std::mem::take(&mut account.stored);
            account.stored = left.remove(&account.cpu).unwrap_or(0);
            account.dropped += told.saturating_sub(account.stored);
        }
        self.write_frame(Kind::Ledger, |out| encode_accounts(&accounts, ledger.pages_end, out))
    }

    /// Writes a ledger for a block that has none any more.
    fn new_ledger(&mut self, head: &BlockHead, events: &BTreeMap<u32, u64>) -> io::Result<()> {
        let (from, to) = head.times;
        let account = |(&cpu, &stored): (&u32, &u64)| Account { cpu, from, to, stored, ..Account::default() };
        let accounts: Vec<Account> = events.iter().map(account).collect();
        let pages_end = head.pages.end.max(self.pages_end);
        self.write_frame(Kind::Ledger, |out| encode_accounts(&accounts, pages_end, out))
    }
}
