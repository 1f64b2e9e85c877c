//! What is found of a connection.

use super::moments::Moments;
use super::snapshot::Snapshots;
use super::track::Track;
use super::{Causes, Facts, Finding, Histogram, Interval, Limit, Moment, Words, findings, limits, verdict};
use crate::event::Snapshot;
use crate::flow::{Connection, Told};

/// A limit is the headline from this share on.
const HEADLINE_SHARE: f64 = 0.3;

/// What is found of one connection.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// Whose it is.
    pub connection: Connection,
    /// Whose it is, and its congestion control.
    pub told: Told,
    /// Events that are known to be of it, from the one that it begins with.
    pub events: u64,
    /// Its life, without gaps, in the trace's clock.
    pub intervals: Vec<Interval>,
    /// Its retransmissions.
    pub causes: Causes,
    /// When they were; empty unless [`super::Diagnoser::keep_moments`] was asked for.
    pub moments: Vec<Moment>,
    /// Its numbers.
    pub facts: Facts,
    /// Smoothed RTT at each ACK, microseconds.
    pub rtts: Histogram,
    /// Congestion window at each ACK, packets.
    pub cwnds: Histogram,
    /// What passed between its losses, bytes a second, where that was even: a policer's rate.
    pub policer_rate: Option<f64>,
    /// Nanoseconds of it in which events were lost.
    pub lost: u64,
    /// Which end it is, where the peer's socket is in the trace as well.
    pub end: Option<End>,
}

/// An end of a connection whose two sockets are in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It sends more, and what is said of it holds for both.
    Sender,
    /// The other one.
    Receiver,
}

impl Diagnosis {
    pub(super) fn new(
        connection: &Connection,
        mut track: Track,
        moments: Moments,
        snapshots: &[(u64, Snapshot)],
    ) -> Self {
        let snapshots = Snapshots::new(snapshots);
        track.finish();
        track.facts.is_rate_based |= snapshots.is_rate_based();
        track.facts.send_buffer = snapshots.send_buffer();
        Diagnosis {
            connection: *connection,
            told: Told::default(),
            events: 0,
            intervals: verdict::intervals(&track, snapshots),
            causes: track.retransmissions.causes,
            moments: moments.into_list(),
            facts: track.facts,
            rtts: track.rtts,
            cwnds: track.cwnds,
            policer_rate: limits::policer::spread(&track.episodes, u64::from(track.facts.base_us) * 1000)
                .map(|(_, rate)| rate),
            lost: 0,
            end: None,
        }
    }

    /// Its time, in nanoseconds.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.to() - self.from()
    }

    /// Its time other than idle, in nanoseconds.
    pub(super) fn active(&self) -> u64 {
        self.intervals.iter().filter(|interval| interval.limit != Limit::Idle).map(|i| i.to - i.from).sum()
    }

    /// Its beginning, in the trace's clock.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.intervals.first().map_or(0, |first| first.from)
    }

    /// Its end.
    #[must_use]
    pub fn to(&self) -> u64 {
        self.intervals.last().map_or(0, |last| last.to)
    }

    /// The share of each limit that has any, the largest first. They sum to 1, where there was any time.
    #[must_use]
    pub fn shares(&self) -> Vec<(Limit, f64)> {
        let total = self.duration().max(1) as f64;
        let mut times = [0_u64; Limit::ALL.len()];
        self.intervals.iter().for_each(|interval| times[interval.limit as usize] += interval.to - interval.from);
        let shares = Limit::ALL.iter().zip(times).filter(|(_, time)| *time > 0);
        let mut shares: Vec<(Limit, f64)> = shares.map(|(&limit, time)| (limit, time as f64 / total)).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }

    /// The limit of the largest share other than idle, `None` where none stands out; and the share.
    #[must_use]
    pub fn headline(&self) -> (Option<Limit>, f64) {
        let shares = self.shares();
        let Some(&(limit, share)) = shares.iter().find(|(limit, _)| *limit != Limit::Idle) else {
            return (Some(if shares.is_empty() { Limit::Unseen } else { Limit::Idle }), 1.0);
        };
        let idle = shares.iter().find(|(limit, _)| *limit == Limit::Idle).map_or(0.0, |(_, share)| *share);
        (Some(limit).filter(|_| share >= HEADLINE_SHARE * (1.0 - idle)), share)
    }

    /// Whether the headline's time is exact.
    #[must_use]
    pub fn is_exact(&self, limit: Limit) -> bool {
        self.intervals.iter().filter(|interval| interval.limit == limit).all(|interval| interval.is_exact)
    }

    /// Nanoseconds in which something held it back that somebody could mend; none of the receiver's end.
    #[must_use]
    pub fn held(&self) -> u64 {
        if self.end == Some(End::Receiver) {
            return 0;
        }
        self.intervals.iter().filter(|interval| !interval.limit.is_well()).map(|i| i.to - i.from).sum()
    }

    /// Nanoseconds of a limit.
    #[must_use]
    pub fn time(&self, limit: Limit) -> u64 {
        self.intervals.iter().filter(|interval| interval.limit == limit).map(|i| i.to - i.from).sum()
    }

    /// The longest interval of a limit, nanoseconds.
    pub(super) fn longest(&self, limit: Limit) -> u64 {
        self.intervals.iter().filter(|interval| interval.limit == limit).map(|i| i.to - i.from).max().unwrap_or(0)
    }

    /// The share of a limit.
    #[must_use]
    pub fn share(&self, limit: Limit) -> f64 {
        self.time(limit) as f64 / self.duration().max(1) as f64
    }

    /// What was acknowledged (or received, where that is more), bytes a second of the time other than idle.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.facts.bytes_acked.max(self.facts.bytes_received) as f64 * 1e9 / self.active().max(1) as f64
    }

    /// Segments that were retransmitted, of all: a lower bound, for one event may stand for several.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let segments = self.facts.bytes_acked as f64 / f64::from(self.facts.mss.max(1));
        self.causes.total() as f64 / (segments + self.causes.total() as f64).max(1.0)
    }

    /// Whether RTT rose far above its minimum.
    pub(super) fn is_queued(&self) -> bool {
        let base = self.facts.base_us;
        self.facts.srtt_max_us > base.saturating_add((base / 4).max(3000))
    }

    /// Evidence for `limit` and a remedy, each a line; empty where there is nothing to do.
    #[must_use]
    pub fn words(&self, limit: Limit) -> Words {
        limits::words(self, limit)
    }

    /// What else is worth saying.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        findings::all(self)
    }

    /// Lets what lies before a moment go.
    pub(super) fn forget(&mut self, before: u64) {
        self.intervals.retain(|interval| interval.to > before);
        if let Some(first) = self.intervals.first_mut() {
            first.from = first.from.max(before);
        }
    }

    /// What was lost in `gaps` is not seen.
    pub(super) fn cut(&mut self, gaps: &[(u64, u64)]) {
        for &(from, to) in gaps {
            if from >= self.to() || to <= self.from() {
                continue;
            }
            self.lost += to.min(self.to()) - from.max(self.from());
            let mut cut = Vec::with_capacity(self.intervals.len() + 2);
            for interval in &self.intervals {
                let Interval { from: a, to: b, .. } = *interval;
                let (x, y) = (from.clamp(a, b), to.clamp(a, b));
                let unseen = Interval { from: x, to: y, limit: Limit::Unseen, is_exact: true };
                let parts = [Interval { to: x, ..*interval }, unseen, Interval { from: y, ..*interval }];
                cut.extend(parts.into_iter().filter(|part| part.to > part.from));
            }
            self.intervals = cut;
        }
    }
}
