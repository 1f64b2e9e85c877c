//! What is missing from a trace, as values.

use std::fmt;

use crate::file::{Account, Damage, Totals};
use crate::kernel::text::BrokenLine;

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
        let lost = if account.is_unknown() { None } else { Some(lost) };
        (lost != Some(0)).then_some(Gap { cpu: account.cpu, from: account.from, to: account.to, lost })
    }
}

/// Something that a reader should hear of; reading goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Bytes of a `.tcpp` trace that could not be read.
    Damage(Damage),
    /// A line of text that could not be read.
    BrokenLine(BrokenLine),
    /// An input that is not whole, in words: a gzip stream that was cut.
    Cut(String),
    /// NULs in text, so many: what a writer leaves that goes on where its log was truncated.
    Hole(u64),
    /// A place in saved pages that could not be read, in words: which file, where, why.
    BadPage(String),
    /// Events that nothing describes, in words; they are left out.
    Undescribed(String),
    /// Something that is no damage, in words.
    Note(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Damage(damage) => damage.fmt(f),
            Problem::BrokenLine(line) => write!(f, "{line}; the line is skipped"),
            Problem::Hole(bytes) => write!(f, "a hole of {bytes} NUL bytes; what was there is gone"),
            Problem::Cut(words) => words.fmt(f),
            Problem::BadPage(words) | Problem::Undescribed(words) | Problem::Note(words) => words.fmt(f),
        }
    }
}

/// The sums of what is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events lost while recording.
    pub lost: u64,
    /// Gaps whose size is not known.
    pub gaps_unknown: u64,
    /// Places that could not be read.
    pub damages: u64,
    /// Whether there were events that nothing describes.
    pub undescribed: bool,
}

impl Losses {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Losses::default()
    }

    /// Adds what a ledger says.
    pub fn totals(&mut self, totals: Totals) {
        self.lost = self.lost.saturating_add(totals.missing());
        self.gaps_unknown = self.gaps_unknown.saturating_add(totals.unknown);
    }

    /// Adds a gap.
    pub fn gap(&mut self, gap: &Gap) {
        match gap.lost {
            Some(lost) => self.lost = self.lost.saturating_add(lost),
            None => self.gaps_unknown += 1,
        }
    }

    /// Adds a problem.
    pub fn problem(&mut self, problem: &Problem) {
        match problem {
            Problem::Damage(_) | Problem::BrokenLine(_) | Problem::BadPage(_) | Problem::Cut(_) | Problem::Hole(_) => {
                self.damages += 1
            }
            Problem::Undescribed(_) => self.undescribed = true,
            Problem::Note(_) => {}
        }
    }
}
