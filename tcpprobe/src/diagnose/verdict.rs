//! From slices to intervals: what looked the same gets its limit, now that all is known.

use super::limit::Limit;
use super::slices::{Class, Slice};
use super::track::{Episode, Facts, Track};

/// A stretch of time with one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Nanoseconds in the trace's clock.
    pub from: u64,
    /// Its end, the next one's beginning.
    pub to: u64,
    /// What held the connection back.
    pub limit: Limit,
    /// Whether the events say so, and nothing is inferred.
    pub is_exact: bool,
}

/// The whole life of a connection, without gaps.
pub(super) fn intervals(track: &Track) -> Vec<Interval> {
    let judge = Judge::new(track);
    let mut intervals: Vec<Interval> = Vec::new();
    let slices = track.slices.list();
    for (at, slice) in slices.iter().enumerate() {
        let (limit, is_exact) = judge.limit(slices, at);
        let next = Interval { from: slice.from, to: slice.to, limit, is_exact };
        match intervals.last_mut() {
            Some(last) if (last.limit, last.is_exact) == (limit, is_exact) => last.to = next.to,
            _ => intervals.push(next),
        }
    }
    intervals
}

/// What is known of the whole connection.
struct Judge<'a> {
    facts: &'a Facts,
    episodes: &'a [Episode],
    is_policed: bool,
    stream: Limit,
    window: Limit,
}

impl<'a> Judge<'a> {
    fn new(track: &'a Track) -> Self {
        let facts = &track.facts;
        Judge {
            facts,
            episodes: &track.episodes,
            is_policed: super::policer::is_policed(&track.episodes, u64::from(facts.base_us) * 1000),
            stream: stream(track),
            window: window(facts),
        }
    }

    fn limit(&self, slices: &[Slice], at: usize) -> (Limit, bool) {
        let slice = &slices[at];
        match slice.class {
            Class::Connecting => (Limit::Connecting, true),
            Class::Idle => (Limit::Idle, true),
            Class::Turn | Class::Written => (Limit::SenderApplication, false),
            Class::Timeout => (Limit::Timeout, true),
            Class::Hole => (Limit::PacketLoss, false),
            Class::Exchange => (Limit::RoundTrips, false),
            Class::Nagle => (Limit::SmallWrites, false),
            Class::ClosedWindow => (Limit::ReceiverApplication, true),
            Class::Window => (self.window, self.window == Limit::ReceiveWindow),
            Class::OwnReader => (Limit::ReceiverApplication, false),
            Class::OwnWindow => (Limit::ReceiveWindow, false),
            Class::Receiving if self.facts.bytes_received > 4 * self.facts.bytes_acked => (Limit::Unseen, true),
            Class::Receiving => (Limit::Idle, false),
            Class::Unseen => (Limit::Unseen, true),
            Class::Growing if !slice.queue => (Limit::WindowGrowth, true),
            Class::Growing | Class::Cwnd | Class::Repair => (self.path(slice), false),
            Class::Room | Class::Stream => (self.room(slices, at), false),
        }
    }

    /// What of the path keeps the congestion window small.
    fn path(&self, slice: &Slice) -> Limit {
        if self.facts.is_rate_based {
            return Limit::Bandwidth;
        }
        if self.is_policed {
            return Limit::Policer;
        }
        // The losses around it.
        let after = self.episodes.partition_point(|episode| episode.time <= slice.from);
        let around = &self.episodes[after.saturating_sub(1)..(after + 1).min(self.episodes.len())];
        match around.iter().any(|episode| episode.queue) {
            true => Limit::Bandwidth,
            false if around.is_empty() && slice.queue => Limit::Bandwidth,
            false if after == 0 => Limit::WindowGrowth,
            false => Limit::PacketLoss,
        }
    }

    /// Room in both windows: short pauses are part of what is around them.
    fn room(&self, slices: &[Slice], at: usize) -> Limit {
        let round = u64::from(self.facts.base_us) * 2000;
        let is_room = |slice: &Slice| matches!(slice.class, Class::Room | Class::Stream);
        let mut from = at;
        while from > 0 && is_room(&slices[from - 1]) && slices[at].from - slices[from - 1].from < round {
            from -= 1;
        }
        let mut to = at;
        while to + 1 < slices.len() && is_room(&slices[to + 1]) && slices[to + 1].to - slices[at].from < round {
            to += 1;
        }
        if slices[to].to - slices[from].from < round && from > 0 {
            let before = slices[from - 1];
            match before.class {
                Class::Growing if !before.queue => return Limit::WindowGrowth,
                Class::Growing | Class::Cwnd | Class::Repair => return self.path(&before),
                Class::Window | Class::ClosedWindow => return self.window,
                _ => {}
            }
        }
        self.stream
    }
}

/// A sender that never drains, with room in both windows.
fn stream(track: &Track) -> Limit {
    let facts = &track.facts;
    let (acks, odd) = facts.stream_acks;
    if acks == 0 || odd * 4 > acks {
        return Limit::SenderApplication;
    }
    if facts.episodes > 0 {
        return Limit::Bandwidth;
    }
    // Behind a full send buffer flights go as bursts, one each round trip; pacing and queues spread them.
    let (all, bursts) = facts.stream_gaps;
    if bursts * 2 > all { Limit::SendBuffer } else { Limit::SenderHost }
}

/// A window that is filled: whose fault.
fn window(facts: &Facts) -> Limit {
    let (acked, moved) = facts.edge;
    if facts.window_closed > 0 || moved * 2 < acked { Limit::ReceiverApplication } else { Limit::ReceiveWindow }
}
