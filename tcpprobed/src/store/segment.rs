//! Segments: the files of a run.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tcpprobe::block::BlockHead;
use tcpprobe::trace::{Anchor, Clock, Frames, Kind, Scanned, Totals, decode_ledger};

/// What is in a segment: everything that is asked of one without reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Length of the file up to its last whole frame.
    pub bytes: u64,
    /// Number of events.
    pub events: u64,
    /// Wall-clock times of the earliest and the latest event, nanoseconds since 1970; `None` without events.
    pub walls: Option<(i64, i64)>,
}

impl SegmentInfo {
    /// Counts a block.
    pub fn add(&mut self, events: u64, walls: (i64, i64)) {
        self.events += events;
        self.walls = Some(self.walls.map_or(walls, |(first, last)| (first.min(walls.0), last.max(walls.1))));
    }
}

/// What a scan of a segment finds, beside its info.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// Its info.
    pub info: SegmentInfo,
    /// Sum of its ledger, by CPU.
    pub totals: BTreeMap<u32, Totals>,
    /// Sequence number of its last block.
    pub last_block: Option<u64>,
    /// Number of the first staged page that is not accounted for.
    pub pages_end: Option<u64>,
    /// End of the last interval in its ledger, in the trace's clock.
    pub accounted_until: u64,
    /// Damaged places, as lines.
    pub damage: Vec<String>,
    /// Bytes behind the last whole frame. Block and ledger are written at once: a block that no ledger follows is not
    /// whole.
    pub torn: u64,
}

/// Reads a segment from end to end.
///
/// # Errors
/// Those of the file system.
pub fn scan(path: &Path) -> io::Result<Scan> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut frames = Frames::new(file);
    let mut scan = Scan::default();
    let mut clock = Clock::default();
    let mut damaged = Vec::new();
    // What there was before a block whose ledger is still to come.
    let mut before_block: Option<(SegmentInfo, Option<u64>)> = None;
    while let Some(found) = frames.next_frame()? {
        let frame = match found {
            Scanned::Frame(frame) => frame,
            Scanned::Damage(damage) => {
                damaged.push(damage);
                continue;
            }
        };
        let before = (scan.info.clone(), scan.last_block);
        scan.info.bytes = frame.offset + frame.bytes.len() as u64;
        match frame.kind {
            Kind::Anchor => {
                if let Some(anchor) = Anchor::decode(frame.payload()) {
                    clock.add(anchor);
                }
            }
            Kind::Block => {
                if let Ok(head) = BlockHead::decode(frame.payload()) {
                    let wall = |time| clock.wall(time).unwrap_or(0);
                    scan.info.add(u64::from(head.events), (wall(head.times.0), wall(head.times.1)));
                    scan.last_block = scan.last_block.max(Some(head.sequence));
                    before_block.get_or_insert(before);
                }
            }
            Kind::Ledger => {
                if let Some((accounts, pages_end)) = decode_ledger(frame.payload()) {
                    for account in accounts {
                        scan.totals.entry(account.cpu).or_default().add(&account);
                        scan.accounted_until = scan.accounted_until.max(account.to);
                    }
                    scan.pages_end = scan.pages_end.max(Some(pages_end));
                    before_block = None;
                }
            }
            _ => {}
        }
    }
    if let Some(before) = before_block {
        (scan.info, scan.last_block) = before;
    }
    scan.torn = length - scan.info.bytes.min(length);
    // The damage at the very end is the torn tail.
    damaged.retain(|damage| damage.offset < scan.info.bytes);
    scan.damage = damaged.iter().map(ToString::to_string).collect();
    Ok(scan)
}

/// A segment that is being written. It always ends with a whole frame, or is cut back to one.
#[derive(Debug)]
pub struct SegmentWriter {
    file: Arc<File>,
    path: PathBuf,
    /// What it holds.
    pub info: SegmentInfo,
}

impl SegmentWriter {
    /// Makes a new segment; there must be none of that name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        super::durable::sync_parent(&path)?;
        Ok(SegmentWriter { file: Arc::new(file), path, info: SegmentInfo::default() })
    }

    /// Goes on with a segment that was scanned; its torn tail is cut.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn reopen(path: PathBuf, scan: &Scan) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc_nofollow()).open(&path)?;
        if scan.torn > 0 {
            file.set_len(scan.info.bytes)?;
            file.sync_all()?;
        }
        Ok(SegmentWriter { file: Arc::new(file), path, info: scan.info.clone() })
    }

    /// Appends whole frames, or nothing.
    ///
    /// # Errors
    /// Those of the file system; what was written in part is cut off again.
    pub fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        match self.file.write_all_at(frames, self.info.bytes) {
            Ok(()) => {
                self.info.bytes += frames.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A tail that cannot be cut now is overwritten by the next append, or cut by the next scan.
                let _ = self.file.set_len(self.info.bytes);
                Err(error)
            }
        }
    }

    /// The file, for somebody else to sync.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn libc_nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}
