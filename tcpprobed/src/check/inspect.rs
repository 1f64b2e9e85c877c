//! One segment, down to its last event.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use tcpprobe::file::block::{Block, BlockHead, Projection, Schema};
use tcpprobe::file::{Account, FORMAT_VERSION, Header, Kind};

use crate::store::{LedgerFrame, Step, StoredFrame, Walk, events_by_cpu};

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub offset: u64,
    /// What.
    pub what: String,
}

/// A block that can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockFound {
    /// Its number in the run.
    pub number: u64,
    /// Where it begins.
    pub offset: u64,
    /// Its events, by CPU.
    pub events: BTreeMap<u32, u64>,
}

/// What is in a segment.
#[derive(Debug, Default)]
pub struct Inspected {
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
    /// Blocks that can be decoded, in the order of the file.
    pub blocks: Vec<BlockFound>,
    /// Its header, if there is one.
    pub header: Option<Header>,
    /// Whether a newer program wrote it: nothing is said about it then.
    pub is_newer: bool,
    schema: Option<Arc<Schema>>,
}

/// Reads a segment from end to end.
///
/// # Errors
/// Those of the file system.
pub fn inspect(file: File) -> io::Result<Inspected> {
    let mut found = Inspected::default();
    let mut walk = Walk::new(file);
    while let Some(step) = walk.step()? {
        match step {
            Step::Stored { block, ledger } => {
                let decoded = found.block(block);
                if let Some(events) = decoded {
                    found.compare(&events, &ledger);
                }
            }
            Step::Unaccounted(block) => {
                found.flaw(block.offset, "a block that no ledger follows".into());
                found.block(block);
            }
            Step::Missing(ledger) => {
                let stored: u64 = ledger.accounts.iter().map(|account| account.stored).sum();
                found.flaw(ledger.frame.offset, format!("accounts for {stored} events whose block is gone"));
            }
            Step::Other(Kind::Header, frame) => found.header(frame),
            Step::Other(Kind::Schema, frame) => match Schema::decode(frame.payload()) {
                Ok(schema) => found.schema = Some(schema),
                Err(error) => found.flaw(frame.offset, error.to_string()),
            },
            Step::Ledger(_) | Step::Other(..) => {}
            Step::Damage(damage) => {
                found.flaw(damage.offset, format!("{} ({} bytes)", damage.reason, damage.bytes));
            }
        }
        if found.is_newer {
            found.flaws.clear();
            break;
        }
    }
    Ok(found)
}

impl Inspected {
    /// Whether what is whole in it can be understood.
    pub fn is_readable(&self) -> bool {
        self.header.is_some() && self.schema.is_some()
    }

    fn flaw(&mut self, offset: u64, what: String) {
        self.flaws.push(Flaw { offset, what });
    }

    fn header(&mut self, frame: StoredFrame<'_>) {
        match Header::decode(frame.payload()) {
            None => self.flaw(frame.offset, "a header that cannot be read".into()),
            Some(header) => {
                self.is_newer = header.version() > FORMAT_VERSION;
                self.header = Some(header);
            }
        }
    }

    /// Decodes a block and gives its events by CPU.
    fn block(&mut self, frame: StoredFrame<'_>) -> Option<BTreeMap<u32, u64>> {
        let (head, events) = match decode(frame, self.schema.as_ref()) {
            Ok(decoded) => decoded,
            Err(what) => {
                self.flaw(frame.offset, what);
                return None;
            }
        };
        self.blocks.push(BlockFound { number: head.sequence, offset: frame.offset, events: events.clone() });
        Some(events)
    }

    /// Compares the events of a block with what its ledger says.
    fn compare(&mut self, events: &BTreeMap<u32, u64>, ledger: &LedgerFrame<'_>) {
        let told = stored_by_cpu(&ledger.accounts);
        for cpu in events.keys().chain(told.keys().filter(|cpu| !events.contains_key(cpu))) {
            let (held, told) = (events.get(cpu).copied().unwrap_or(0), told.get(cpu).copied().unwrap_or(0));
            if held != told {
                let what = format!("accounts for {told} events of CPU {cpu}, of which the block holds {held}");
                self.flaw(ledger.frame.offset, what);
            }
        }
    }
}

/// Decodes a block to its last event: its head, and its events by CPU; else what is wrong with it.
pub fn decode(frame: StoredFrame<'_>, schema: Option<&Arc<Schema>>) -> Result<(BlockHead, BTreeMap<u32, u64>), String> {
    let schema = schema.ok_or("a block without the schema that explains it")?;
    let block = Block::decode(frame.payload(), schema, &Projection::default()).map_err(|error| error.to_string())?;
    let times = block.rows().iter().map(|row| row.time);
    if times.clone().min().zip(times.max()).is_some_and(|times| times != block.head.times) {
        return Err(format!("block {} has events at other times than its head says", block.head.sequence));
    }
    Ok((block.head.clone(), events_by_cpu(&block)))
}

/// Events that accounts say are stored, by CPU.
pub fn stored_by_cpu(accounts: &[Account]) -> BTreeMap<u32, u64> {
    let mut stored = BTreeMap::new();
    for account in accounts.iter().filter(|account| account.stored > 0) {
        *stored.entry(account.cpu).or_default() += account.stored;
    }
    stored
}
