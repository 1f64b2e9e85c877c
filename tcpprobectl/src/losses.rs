//! What is missing from a trace, and how that is told.

use tcpprobe::trace::{Damage, Totals};

use crate::exit::{Exit, Failure};
use crate::say;
use crate::value::count;

/// Damage is told this often, and then only counted.
const DAMAGES_TOLD_MAX: u64 = 5;

/// Events lost while recording, and places that cannot be read.
#[derive(Debug, Clone)]
pub struct Losses {
    /// As messages call the trace: `job web`, `web.tcpp`.
    name: String,
    /// What the ledger says.
    pub totals: Totals,
    /// Places told of.
    damages: u64,
}

impl Losses {
    /// Nothing is missing yet.
    #[must_use]
    pub fn new(name: &str, totals: Totals) -> Self {
        Losses { name: name.to_owned(), totals, damages: 0 }
    }

    /// Counts a place that could not be read; the first few are told on stderr.
    pub fn damage(&mut self, damage: &Damage) {
        self.damages += 1;
        if self.damages <= DAMAGES_TOLD_MAX {
            say(&format!("{}: {damage}", self.name));
        }
    }

    /// Whether something could not be read.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damages > 0
    }

    /// Tells the sums on stderr; the exit code that they make.
    #[must_use]
    pub fn report(&self) -> Exit {
        if self.damages > DAMAGES_TOLD_MAX {
            say(&format!("{}: {} damaged places in all", self.name, self.damages));
        }
        if self.totals.missing() > 0 {
            let (lost, dropped) = (count::human(self.totals.lost), count::human(self.totals.dropped));
            say(&format!("{}: {lost} events were lost and {dropped} dropped while recording", self.name));
        }
        if self.totals.missing() > 0 || self.damages > 0 { Exit::Lossy } else { Exit::Ok }
    }

    /// The failure that there is nothing to show, where no event was `selected`.
    pub fn require_events(&self, selected: u64) -> Result<(), Failure> {
        if selected > 0 {
            return Ok(());
        }
        let _ = self.report();
        let hint = "take a wider range or filter, or wait for TCP traffic";
        Err(Failure::new(Exit::NoData, format!("{} has no such events", self.name), hint))
    }
}
