//! `run.toml`: what is known of a run without its segments.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tcpprobe::file::Totals;
use tcpprobe::file::block::PointerKey;

use super::catalog::Catalog;
use super::scan::scan;
use super::segment::{close_interrupted, segment_name, segments};
use super::{load_toml, save_toml};
use crate::disk::Folder;

/// Its name in the run's folder.
pub const RUN_FILE: &str = "run.toml";

/// What is known of a run without its segments. Of those before `segment` it tells what they came to; they are durable.
/// What later ones came to, only they tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMeta {
    /// Wall clock, nanoseconds since 1970.
    pub started_ns: i64,
    /// 0 while the run goes on.
    pub ended_ns: i64,
    /// Why it ended.
    pub ended_why: String,
    /// Random id of the run, in hexadecimal; names it in the headers of its segments.
    pub trace: String,
    /// Secret under which kernel pointers become ids, in hexadecimal. Never leaves this file.
    pub pointer_secret: String,
    /// `boot_id` of the boot in which the run's kernel instance was made.
    pub boot: String,
    /// The first segment that is not in these figures.
    pub segment: u32,
    /// Sequence number of the next block, at the beginning of that segment.
    pub sequence: u64,
    /// Number of the first staged page that is not accounted for, at the beginning of that segment.
    pub pages: u64,
    /// End of the last interval in the ledger, in the trace's clock, at the beginning of that segment.
    pub accounted: u64,
    /// Ledger by CPU up to the beginning of that segment.
    pub ledger: BTreeMap<String, Counts>,
    /// Ledger by CPU when the kernel instance was made: what came before it, the instance does not know.
    pub baseline: BTreeMap<String, Counts>,
}

/// [`Totals`] as `run.toml` keeps them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    stored: u64,
    filtered: u64,
    lost: u64,
    dropped: u64,
}

impl From<Totals> for Counts {
    fn from(t: Totals) -> Self {
        Counts { stored: t.stored, filtered: t.filtered, lost: t.lost, dropped: t.dropped }
    }
}

impl From<Counts> for Totals {
    fn from(c: Counts) -> Self {
        Totals { stored: c.stored, filtered: c.filtered, lost: c.lost, dropped: c.dropped }
    }
}

/// Ledger by CPU.
pub type LedgerByCpu = BTreeMap<u32, Totals>;

/// By CPU as TOML has it, whose keys are strings.
pub fn to_toml(ledger: &LedgerByCpu) -> BTreeMap<String, Counts> {
    ledger.iter().map(|(cpu, totals)| (cpu.to_string(), Counts::from(*totals))).collect()
}

/// The inverse of [`to_toml`].
pub fn from_toml(ledger: &BTreeMap<String, Counts>) -> LedgerByCpu {
    ledger.iter().filter_map(|(cpu, counts)| Some((cpu.parse().ok()?, Totals::from(*counts)))).collect()
}

/// What was found in the segments of an interrupted run.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    /// Wall clock of their newest event.
    pub last_wall: Option<i64>,
    /// Bytes that were cut off them.
    pub torn: u64,
    /// Damage in them, as lines.
    pub damage: Vec<String>,
}

impl RunMeta {
    /// Reads `run.toml` of a run's folder.
    ///
    /// # Errors
    /// Those of the file system, and when it is not what [`RunMeta::save`] wrote.
    pub fn load(folder: &Folder) -> io::Result<Self> {
        load_toml(folder, RUN_FILE)
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: &Folder) -> io::Result<()> {
        save_toml(folder, RUN_FILE, self)
    }

    /// Takes up the segments that are not in these figures, of a run that was interrupted: torn tails are cut, and what
    /// the segments came to is known here then, and they are durable, so that the run can go on. Saves nothing.
    ///
    /// # Errors
    /// Those of the file system. A segment that cannot be read is passed over as damaged.
    pub fn take_up(&mut self, folder: &Folder, key: &str, catalog: &Catalog) -> io::Result<Resumed> {
        (self.ended_ns, self.ended_why) = (0, String::new());
        let mut resumed = Resumed::default();
        let first = self.segment;
        for number in segments(folder)?.into_iter().filter(|&number| number >= first) {
            match self.take_up_segment(folder, key, number, catalog, &mut resumed) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.segment = number + 1;
                    resumed.damage.push(format!("segment {number} is passed over: {error}"));
                }
                Ok(()) => {}
            }
        }
        folder.sync()?;
        Ok(resumed)
    }

    fn take_up_segment(
        &mut self,
        folder: &Folder,
        key: &str,
        number: u32,
        catalog: &Catalog,
        resumed: &mut Resumed,
    ) -> io::Result<()> {
        let found = scan(folder.file(&segment_name(number))?)?;
        catalog.forget(key, number);
        resumed.torn += found.torn;
        if !close_interrupted(folder, number, &found)? {
            return Ok(());
        }
        catalog.put(key, number, &found.info);
        catalog.keep(key, number);
        let mut ledger = from_toml(&self.ledger);
        found.totals.iter().for_each(|(cpu, totals)| *ledger.entry(*cpu).or_default() += *totals);
        self.ledger = to_toml(&ledger);
        self.sequence = found.last_block.map_or(self.sequence, |last| last + 1).max(self.sequence);
        self.pages = found.pages_end.unwrap_or(self.pages);
        self.accounted = self.accounted.max(found.accounted_until);
        self.segment = number + 1;
        resumed.last_wall = resumed.last_wall.max(found.info.walls.map(|walls| walls.1));
        resumed.damage.extend(found.damage.iter().map(|line| format!("segment {number}: {line}")));
        Ok(())
    }

    /// The key of the run's pointer ids.
    #[must_use]
    pub fn pointer_key(&self) -> PointerKey {
        let mut secret = [0u8; 16];
        for (byte, place) in secret.iter_mut().zip((0..).step_by(2)) {
            *byte = self.pointer_secret.get(place..place + 2).and_then(|s| u8::from_str_radix(s, 16).ok()).unwrap_or(0);
        }
        PointerKey::new(secret)
    }
}

/// `run.toml` of a run that is being written, by whoever has newer figures.
#[derive(Debug)]
pub struct MetaFile {
    folder: Folder,
    /// The first segment that is not in the figures on disk; `None` when nothing more is to be saved.
    saved: Mutex<Option<u32>>,
}

impl MetaFile {
    /// That of a run in `folder`, with these figures.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(folder: Folder, meta: &RunMeta) -> io::Result<Self> {
        meta.save(&folder)?;
        Ok(MetaFile { folder, saved: Mutex::new(Some(meta.segment)) })
    }

    /// Saves figures, if they are newer.
    pub fn advance(&self, meta: &RunMeta) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.is_none_or(|saved| saved >= meta.segment) {
            return;
        }
        match meta.save(&self.folder) {
            Ok(()) => *saved = Some(meta.segment),
            Err(error) => tracing::error!(folder = %self.folder.path().display(), %error, "run.toml cannot be saved"),
        }
    }

    /// Saves the figures of a run that ended.
    ///
    /// # Errors
    /// Those of the file system; it can be tried again.
    pub fn end(&self, meta: &RunMeta) -> io::Result<()> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        meta.save(&self.folder)?;
        *saved = None;
        Ok(())
    }

    /// Has nothing more saved.
    pub fn leave(&self) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first segment that is not in the figures on disk: from it on, segments are needed to take the run up.
    #[must_use]
    pub fn first_needed(&self) -> u32 {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(u32::MAX)
    }
}
