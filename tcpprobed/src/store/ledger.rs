//! The ledger of a run by CPU, in memory and as `run.toml` keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tcpprobe::file::Totals;

/// [`Totals`] as `run.toml` keeps them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    stored: u64,
    filtered: u64,
    lost: u64,
    dropped: u64,
    #[serde(default)]
    unknown: u64,
}

impl From<Totals> for Counts {
    fn from(t: Totals) -> Self {
        Counts { stored: t.stored, filtered: t.filtered, lost: t.lost, dropped: t.dropped, unknown: t.unknown }
    }
}

impl From<Counts> for Totals {
    fn from(c: Counts) -> Self {
        Totals { stored: c.stored, filtered: c.filtered, lost: c.lost, dropped: c.dropped, unknown: c.unknown }
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
