//! What is missing from a trace, told on stderr, and the exit code that it makes.

use tcpprobe::source::{Losses, Problem};

use crate::escape;
use crate::exit::{Exit, Failure};
use crate::say;
use crate::value::count;

/// Damage is told this often, and then only counted.
const DAMAGES_TOLD_MAX: u64 = 5;

/// Tells of one trace.
#[derive(Debug)]
pub struct Report {
    /// As messages call the trace: `job web`, `web.tcpp`.
    name: String,
    damages: u64,
}

impl Report {
    /// Nothing was told yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Report { name: name.to_owned(), damages: 0 }
    }

    /// Tells of a problem; of damage only the first few times.
    pub fn tell(&mut self, problem: &Problem) {
        let words = match problem {
            Problem::Damage(_) | Problem::BrokenLine(_) | Problem::Cut(_) | Problem::Hole(_) => {
                format!("{}: {problem}", self.name)
            }
            Problem::BadPage(words) => words.clone(),
            other => return say(&escape::text(&other.to_string())),
        };
        self.damages += 1;
        if self.damages <= DAMAGES_TOLD_MAX {
            say(&escape::text(&words));
        }
    }

    /// Tells the sums; the exit code that they make: 6 where anything is missing.
    #[must_use]
    pub fn sums(&self, losses: &Losses) -> Exit {
        let name = &self.name;
        if losses.damages > DAMAGES_TOLD_MAX {
            say(&format!("{name}: {} damaged places in all", count::human(losses.damages)));
        }
        if losses.lost > 0 {
            say(&format!("{name}: {} events were lost while recording", count::human(losses.lost)));
        }
        if losses.gaps_unknown > 0 {
            let unknown = losses.gaps_unknown;
            let places = if unknown == 1 { "one place" } else { &format!("{unknown} places") };
            say(&format!("{name}: an unknown number of events was lost in {places}"));
        }
        if losses.is_none() { Exit::Ok } else { Exit::Lossy }
    }

    /// The failure that there is nothing to show, where no event was `selected`.
    pub fn require_events(&self, selected: u64, losses: &Losses) -> Result<(), Failure> {
        if selected > 0 {
            return Ok(());
        }
        let _ = self.sums(losses);
        let hint = "take a wider range or filter, or wait for TCP traffic";
        Err(Failure::new(Exit::NoData, format!("{} has no such events", self.name), hint))
    }
}
