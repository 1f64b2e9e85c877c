//! What a segment came to, found by reading all of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use tcpprobe::file::block::{Block, BlockHead, Projection, Schema};
use tcpprobe::file::{Account, Anchor, Clock, Damage, Kind, Totals};

use super::segment::SegmentInfo;
use super::walk::{Step, StoredFrame, Walk};

/// What a scan of a segment finds.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// Its info. The length is that of what is whole: see [`Scan::torn`].
    pub info: SegmentInfo,
    /// Sum of its ledger, by CPU: `stored` is what its blocks hold, whatever is damaged.
    pub totals: BTreeMap<u32, Totals>,
    /// Sequence number of its last block.
    pub last_block: Option<u64>,
    /// Number of the first staged page that is not accounted for.
    pub pages_end: Option<u64>,
    /// End of the last interval in its ledger, in the trace's clock.
    pub accounted_until: u64,
    /// Damaged places, as lines.
    pub damage: Vec<String>,
    /// Bytes behind the last whole frame. A block that no ledger follows is not whole.
    pub torn: u64,
    schema: Option<Arc<Schema>>,
    clock: Clock,
}

/// Reads a segment from end to end.
///
/// # Errors
/// Those of the file system.
pub fn scan(file: File) -> io::Result<Scan> {
    let length = file.metadata()?.len();
    let mut walk = Walk::new(file);
    let mut scan = Scan::default();
    let mut damaged: Vec<Damage> = Vec::new();
    // What there was before blocks whose ledger is missing. They count if anything is whole behind them.
    let mut before_torn: Option<Scan> = None;
    while let Some(step) = walk.step()? {
        match step {
            Step::Stored { block, ledger } => {
                scan.block(block);
                scan.accounts(&ledger.accounts, ledger.pages_end, 1);
                scan.info.bytes = ledger.frame.end();
                before_torn = None;
            }
            Step::Ledger(ledger) | Step::Missing(ledger) => {
                // What was stored in a block that is gone counts as dropped.
                scan.accounts(&ledger.accounts, ledger.pages_end, 0);
                scan.info.bytes = ledger.frame.end();
                before_torn = None;
            }
            Step::Unaccounted(block) => {
                before_torn.get_or_insert_with(|| scan.clone());
                scan.unaccounted(block);
                scan.info.bytes = block.end();
            }
            Step::Other(kind, frame) => {
                scan.other(kind, frame);
                scan.info.bytes = frame.end();
            }
            Step::Damage(damage) => damaged.push(damage),
        }
    }
    if let Some(before) = before_torn {
        scan = before;
    }
    scan.torn = length - scan.info.bytes.min(length);
    // The damage at the very end is the torn tail.
    damaged.retain(|damage| damage.offset < scan.info.bytes);
    scan.damage = damaged.iter().map(ToString::to_string).collect();
    Ok(scan)
}

impl Scan {
    /// Whether there is nothing in it that anybody recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.info.events == 0 && self.totals.is_empty() && self.damage.is_empty()
    }

    fn block(&mut self, block: StoredFrame<'_>) {
        if let Ok(head) = BlockHead::decode(block.payload()) {
            let wall = |time| self.clock.wall(time).unwrap_or(0);
            let walls = (wall(head.times.0), wall(head.times.1));
            self.info.add(u64::from(head.events), walls);
            self.last_block = self.last_block.max(Some(head.sequence));
        }
    }

    /// Adds accounts, whose stored events are in a block (`are_stored` 1) or not (0).
    fn accounts(&mut self, accounts: &[Account], pages_end: u64, are_stored: u64) {
        for account in accounts {
            let (stored, gone) = (account.stored * are_stored, account.stored * (1 - are_stored));
            let account = Account { stored, dropped: account.dropped.saturating_add(gone), ..*account };
            self.totals.entry(account.cpu).or_default().add(&account);
            self.accounted_until = self.accounted_until.max(account.to);
        }
        self.pages_end = self.pages_end.max(Some(pages_end));
    }

    /// A block whose ledger is damaged: its events are accounted for; what else was in the ledger, nobody knows.
    fn unaccounted(&mut self, block: StoredFrame<'_>) {
        let decoded =
            self.schema.as_ref().and_then(|schema| Block::decode(block.payload(), schema, &Projection::default()).ok());
        let Some(decoded) = decoded else { return };
        self.block(block);
        for (cpu, stored) in events_by_cpu(&decoded) {
            self.totals.entry(cpu).or_default().stored += stored;
        }
    }

    fn other(&mut self, kind: Kind, frame: StoredFrame<'_>) {
        match kind {
            Kind::Anchor => Anchor::decode(frame.payload()).into_iter().for_each(|anchor| self.clock.add(anchor)),
            Kind::Schema => self.schema = Schema::decode(frame.payload()).ok().or(self.schema.take()),
            _ => {}
        }
    }
}

/// How many events of each CPU a block holds.
#[must_use]
pub fn events_by_cpu(block: &Block) -> BTreeMap<u32, u64> {
    let mut events = BTreeMap::new();
    block.rows().iter().for_each(|row| *events.entry(row.cpu).or_default() += 1);
    events
}
