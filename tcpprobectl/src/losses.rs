//! What is missing from a trace, and how that is told.

use tcpprobe::file::{Account, Damage, Totals};
use tcpprobe::kernel::text::BrokenLine;

use crate::exit::{Exit, Failure};
use crate::say;
use crate::value::count;

/// Damage is told this often, and then only counted.
const DAMAGES_TOLD_MAX: u64 = 5;

/// A stretch of time in which events of a CPU are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The CPU.
    pub cpu: u32,
    /// Nanoseconds in the trace's clock, as narrow as is known.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// How many events; `None` where the kernel did not say.
    pub lost: Option<u64>,
}

impl Gap {
    /// The gap that an account tells of, if any.
    #[must_use]
    pub fn of(account: &Account) -> Option<Self> {
        let lost = account.lost.saturating_add(account.dropped);
        (lost > 0).then_some(Gap { cpu: account.cpu, from: account.from, to: account.to, lost: Some(lost) })
    }
}

/// Events lost while recording, and places that cannot be read.
#[derive(Debug, Clone)]
pub struct Losses {
    /// As messages call the trace: `job web`, `web.tcpp`.
    name: String,
    lost: u64,
    /// Gaps whose size is not known.
    gaps_unknown: u64,
    damages: u64,
    /// Events that the filter could not be asked about.
    unfiltered: u64,
    /// Whether there were events that nothing describes.
    undescribed: bool,
}

impl Losses {
    /// Nothing is missing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Losses { name: name.to_owned(), lost: 0, gaps_unknown: 0, damages: 0, unfiltered: 0, undescribed: false }
    }

    /// Adds what a ledger says.
    pub fn totals(&mut self, totals: Totals) {
        self.lost = self.lost.saturating_add(totals.missing());
    }

    /// Adds a gap.
    pub fn gap(&mut self, gap: &Gap) {
        match gap.lost {
            Some(lost) => self.lost = self.lost.saturating_add(lost),
            None => self.gaps_unknown += 1,
        }
    }

    /// Adds events that were overwritten before the text was made.
    pub fn overwritten(&mut self, events: u64) {
        self.lost = self.lost.saturating_add(events);
    }

    /// Adds events of text that were left out because a filter can only be asked about typed ones.
    pub fn unfiltered(&mut self, events: u64) {
        self.unfiltered += events;
    }

    /// Counts a place that could not be read; the first few are told on stderr.
    pub fn damage(&mut self, damage: &Damage) {
        self.tell(&format!("{}: {damage}", self.name));
    }

    /// The same for a line of text.
    pub fn broken_line(&mut self, line: &BrokenLine) {
        self.tell(&format!("{}: {line}; the line is skipped", self.name));
    }

    /// The same for a place in saved pages.
    pub fn bad_page(&mut self, words: &str) {
        self.tell(words);
    }

    /// Tells of events that are left out, since nothing describes them.
    pub fn undescribed(&mut self, words: &str) {
        self.undescribed = true;
        say(&format!("{}: {words}", self.name));
    }

    fn tell(&mut self, words: &str) {
        self.damages += 1;
        if self.damages <= DAMAGES_TOLD_MAX {
            say(words);
        }
    }

    /// Tells the sums on stderr; the exit code that they make.
    #[must_use]
    pub fn report(&self) -> Exit {
        let name = &self.name;
        if self.damages > DAMAGES_TOLD_MAX {
            say(&format!("{name}: {} damaged places in all", count::human(self.damages)));
        }
        if self.unfiltered > 0 {
            let events = count::human(self.unfiltered);
            say(&format!("{name}: {events} events of other kinds than the filter knows in text are left out"));
        }
        if self.lost > 0 {
            say(&format!("{name}: {} events were lost while recording", count::human(self.lost)));
        }
        if self.gaps_unknown > 0 {
            let places = if self.gaps_unknown == 1 { "one place" } else { &format!("{} places", self.gaps_unknown) };
            say(&format!("{name}: an unknown number of events was lost in {places}"));
        }
        if self.undescribed || self.lost.max(self.gaps_unknown).max(self.damages) > 0 { Exit::Lossy } else { Exit::Ok }
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
