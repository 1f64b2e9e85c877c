//! `run.toml`: what is known of a run without its segments.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use tcpprobe::file::block::PointerKey;

use super::ledger::Counts;
use super::names::RUN_FILE;
use super::toml_file::{load_toml, save_toml};
use crate::clock;
use crate::disk::Folder;

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
    /// Bytes of tcp_info in its snapshots, as it was begun; 0 where it has none. So all its segments have the same columns.
    #[serde(default)]
    pub tcp_info_bytes: usize,
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

impl RunMeta {
    /// A new run, from now on.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new() -> io::Result<Self> {
        let mut random = [0u8; 24];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(RunMeta {
            started_ns: clock::wall_ns(),
            trace: hex(&random[..8]),
            pointer_secret: hex(&random[8..]),
            boot: clock::boot_id(),
            segment: 1,
            ..RunMeta::default()
        })
    }

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
