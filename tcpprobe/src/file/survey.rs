//! What the frames of a trace tell without being decoded: counts, times, losses, damage.

use std::io::{self, Read};

use super::block::BlockHead;
use super::{Account, Anchor, Clock, Damage, Frame, Frames, Kind, Scanned, Select, Totals, decode_accounts};

/// Gathers what frames tell, one after the other.
#[derive(Debug, Default)]
pub struct Survey {
    /// Frames of any kind.
    pub frames: u64,
    /// Events in blocks.
    pub events: u64,
    /// Places that could not be read.
    pub damages: Vec<Damage>,
    clock: Clock,
    newest: Option<u64>,
    /// Those in which something is missing.
    accounts: Vec<Account>,
}

impl Survey {
    /// Surveys a whole trace.
    pub fn of(input: impl Read) -> io::Result<Self> {
        let mut survey = Survey::default();
        let mut frames = Frames::new(input);
        while let Some(scanned) = frames.next_frame()? {
            match scanned {
                Scanned::Frame(frame) => survey.add(&frame),
                Scanned::Damage(damage) => survey.damages.push(damage),
            }
        }
        Ok(survey)
    }

    /// Takes in a frame.
    pub fn add(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        match frame.kind {
            Kind::Anchor => Anchor::decode(frame.payload()).into_iter().for_each(|anchor| self.clock.add(anchor)),
            Kind::Block => {
                if let Ok(head) = BlockHead::decode(frame.payload()) {
                    self.events += u64::from(head.events);
                    self.newest = self.newest.max(Some(head.times.1));
                }
            }
            Kind::Ledger => {
                let accounts = decode_accounts(frame.payload()).unwrap_or_default();
                self.accounts.extend(
                    accounts
                        .into_iter()
                        .filter(|account| account.lost.max(account.dropped) > 0 || account.is_unknown()),
                );
            }
            Kind::Header | Kind::Schema | Kind::Unknown(_) => {}
        }
    }

    /// Nanoseconds since 1970 of the newest event.
    #[must_use]
    pub fn newest_wall_ns(&self) -> Option<i64> {
        self.clock.wall(self.newest?)
    }

    /// What was lost within `range`.
    #[must_use]
    pub fn losses(&self, range: &Select) -> Totals {
        let time = |wall: Option<i64>| wall.and_then(|wall| self.clock.time(wall));
        let (since, until) = (time(range.since).unwrap_or(0), time(range.until).unwrap_or(u64::MAX));
        let mut totals = Totals::default();
        let within = self.accounts.iter().filter(|account| account.to >= since && account.from <= until);
        within.for_each(|account| totals.add(account));
        totals
    }
}
