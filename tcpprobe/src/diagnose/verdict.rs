//! From slices to intervals: what looked the same gets its limit, now that all is known.

use super::facts::Facts;
use super::limit::Limit;
use super::limits::policer::{self, Pattern};
use super::slices::{Class, Slice};
use super::snapshot::Snapshots;
use super::track::{Episode, Track};

/// How far around a moment is looked, at least.
const AROUND_NS: u64 = 1_000_000_000;

/// A window that is closed for longer is not read from; a reader may be woken late.
const CLOSED_NS: u64 = 10_000_000;

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
pub(super) fn intervals(track: &Track, snapshots: Snapshots<'_>) -> Vec<Interval> {
    let judge = Judge::new(track, snapshots);
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
    snapshots: Snapshots<'a>,
    pattern: Option<Pattern>,
    /// Sums of what was counted in slices with room in both windows, and in those where the peer's window was filled, before each.
    rooms: Vec<[f64; 4]>,
    windows: Vec<[f64; 4]>,
    /// Nanoseconds in which the peer's window was filled, and closed.
    window_times: Vec<[f64; 4]>,
    /// The same of turns: how many, of how many the last segment was not full, nanoseconds, and those of room in both windows.
    turns: Vec<[f64; 4]>,
}

impl<'a> Judge<'a> {
    fn new(track: &'a Track, snapshots: Snapshots<'a>) -> Self {
        let (facts, slices) = (&track.facts, track.slices.list());
        let dropped = track.retransmissions.causes.total() as f64 / facts.episodes.max(1) as f64;
        let pattern = || policer::pattern(&track.episodes, u64::from(facts.base_us) * 1000, facts.rate_max, dropped);
        Judge {
            facts,
            episodes: &track.episodes,
            snapshots,
            pattern: is_pressing(slices).then(pattern).flatten(),
            rooms: sums(slices, |slice| match slice.class {
                Class::Room | Class::Stream => slice.counts,
                _ => [0.0; 4],
            }),
            turns: sums(slices, |slice| match slice.class {
                Class::Turn => [slice.counts[0], slice.counts[1], (slice.to - slice.from) as f32, 0.0],
                Class::Written | Class::Room | Class::Stream => [0.0, 0.0, 0.0, (slice.to - slice.from) as f32],
                _ => [0.0; 4],
            }),
            windows: sums(slices, |slice| match slice.class {
                Class::Window | Class::ClosedWindow => slice.counts,
                _ => [0.0; 4],
            }),
            window_times: sums(slices, |slice| match slice.class {
                Class::ClosedWindow if slice.met >= CLOSED_NS => [0.0, slice.met as f32, 0.0, 0.0],
                Class::Window | Class::ClosedWindow => [slice.met as f32, 0.0, 0.0, 0.0],
                _ => [0.0; 4],
            }),
        }
    }

    fn limit(&self, slices: &[Slice], at: usize) -> (Limit, bool) {
        let slice = &slices[at];
        match slice.class {
            Class::Connecting => (Limit::Connecting, true),
            Class::Idle => (Limit::Idle, self.snapshots.is_written(slice.from, slice.to)),
            Class::Turn | Class::Written => self.turn(slices, at),
            Class::Timeout => (Limit::Timeout, self.facts.has_states),
            Class::Hole => (Limit::PacketLoss, false),
            Class::Exchange => (Limit::RoundTrips, false),
            Class::Nagle => (Limit::SmallWrites, false),
            Class::ClosedWindow if slice.met >= self.long() => (Limit::ReceiverApplication, true),
            Class::ClosedWindow => (self.window(slices, at), false),
            Class::Window => (self.window(slices, at), self.kernel_says_window(slice)),
            Class::OwnReader => (Limit::ReceiverApplication, false),
            Class::OwnWindow => (Limit::ReceiveWindow, false),
            Class::Receiving if self.facts.bytes_received > 4 * self.facts.bytes_acked => (Limit::Unseen, true),
            Class::Receiving => (Limit::Idle, false),
            Class::Unseen => (Limit::Unseen, true),
            Class::Growing if !slice.queue => (Limit::WindowGrowth, self.snapshots.is_waiting(slice.from, slice.to)),
            Class::Growing | Class::Cwnd | Class::Repair => (self.path(slice), false),
            Class::Room | Class::Stream if self.kernel_says_window(slice) => (self.window(slices, at), true),
            Class::Room | Class::Stream => self.room(slices, at),
        }
    }

    /// So long a reader that reads all the time keeps no window closed.
    fn long(&self) -> u64 {
        CLOSED_NS.max(u64::from(self.facts.base_us) * 2000)
    }

    /// Whether the kernel counted nearly all of that time as limited by the peer's window.
    fn kernel_says_window(&self, slice: &Slice) -> bool {
        self.snapshots.window_share(slice.from.midpoint(slice.to)).is_some_and(|share| share >= 0.9)
    }

    /// What of the path keeps the congestion window small.
    fn path(&self, slice: &Slice) -> Limit {
        if self.facts.is_rate_based {
            return Limit::Bandwidth;
        }
        match self.pattern {
            Some(Pattern::Bucket) => return Limit::Policer,
            Some(Pattern::Link) => return Limit::Bandwidth,
            None => {}
        }
        if slice.queue && slice.class == Class::Cwnd {
            return Limit::Bandwidth;
        }
        // The losses around it.
        let after = self.episodes.partition_point(|episode| episode.time <= slice.from);
        let around = &self.episodes[after.saturating_sub(2)..(after + 2).min(self.episodes.len())];
        // Holes make RTT longer now and then: most of the losses decide.
        let queued = around.iter().filter(|episode| episode.queue).count();
        match queued > 0 && queued * 2 >= around.len() {
            true => Limit::Bandwidth,
            false if around.is_empty() && slice.queue => Limit::Bandwidth,
            false if after == 0 => Limit::WindowGrowth,
            false => Limit::PacketLoss,
        }
    }

    /// Room in both windows: short pauses are part of what is around them.
    fn room(&self, slices: &[Slice], at: usize) -> (Limit, bool) {
        let round = u64::from(self.facts.base_us) * 2000;
        let is_room = |slice: &Slice| matches!(slice.class, Class::Room | Class::Stream);
        let is_window = |slice: Option<&Slice>| {
            slice.is_some_and(|slice| matches!(slice.class, Class::Window | Class::ClosedWindow))
        };
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
                Class::Growing if !before.queue => return (Limit::WindowGrowth, false),
                Class::Growing | Class::Cwnd | Class::Repair => return (self.path(&before), false),
                Class::Window | Class::ClosedWindow if is_window(slices.get(to + 1)) => {
                    return (self.window(slices, from - 1), false);
                }
                _ => {}
            }
        }
        let has_room = |time: u64| {
            let slice = slices.get(slices.partition_point(|slice| slice.to <= time));
            slice.is_some_and(is_room)
        };
        if self.snapshots.is_buffer_limited(slices[at].from.midpoint(slices[at].to)) {
            return (Limit::SendBuffer, true);
        }
        let inferred = self.stream(slices, at);
        match self.snapshots.room(slices[at].from, slices[at].to, has_room) {
            Some(limit) => (limit, true),
            None => (inferred, false),
        }
    }

    /// Nothing was outstanding, and the sender ended that: its program, or what holds its data back.
    fn turn(&self, slices: &[Slice], at: usize) -> (Limit, bool) {
        let is_turn = |slice: &Slice| matches!(slice.class, Class::Turn | Class::Written | Class::Room | Class::Stream);
        let has_room = |time: u64| {
            let slice = slices.get(slices.partition_point(|slice| slice.to <= time));
            slice.is_some_and(is_turn)
        };
        let [drains, odd, turns, rooms] = self.around(slices, at, &self.turns);
        // A writer that waits for room in the buffer gets some long before all is acknowledged (`include/net/sock.h`,
        // `sk_stream_is_writeable()`): where nothing is outstanding for a while, it was not waiting.
        let may_wait = turns * 8.0 < rooms;
        match self.snapshots.room(slices[at].from, slices[at].to, has_room) {
            Some(Limit::SendBuffer) if !may_wait => return (Limit::SenderApplication, false),
            Some(limit) => return (limit, true),
            None if may_wait && self.snapshots.is_buffer_limited(slices[at].from) => return (Limit::SendBuffer, true),
            None => {}
        }
        match drains >= 8.0 && odd * 10.0 < drains {
            true => (Limit::SenderHost, false),
            false => (Limit::SenderApplication, false),
        }
    }

    /// A sender that never drains, with room in both windows.
    fn stream(&self, slices: &[Slice], at: usize) -> Limit {
        let [acks, odd, gaps, bursts] = self.around(slices, at, &self.rooms);
        if acks == 0.0 || odd * 4.0 > acks {
            return Limit::SenderApplication;
        }
        if self.facts.is_rate_based {
            return Limit::Bandwidth;
        }
        if slices[at].queue {
            // A full send buffer alone lets no queue build up.
            return Limit::SenderHost;
        }
        // Behind a full send buffer flights go as bursts, one each round trip; pacing and queues spread them.
        if bursts * 2.0 > gaps { Limit::SendBuffer } else { Limit::SenderHost }
    }

    /// A window that is filled: whose fault.
    fn window(&self, slices: &[Slice], at: usize) -> Limit {
        let [acked, moved, low, _] = self.around(slices, at, &self.windows);
        let [filled, closed, ..] = self.around(slices, at, &self.window_times);
        match closed > filled / 8.0 || moved * 2.0 < acked || low * 2.0 > acked {
            true => Limit::ReceiverApplication,
            false => Limit::ReceiveWindow,
        }
    }

    /// What was counted around a slice.
    fn around(&self, slices: &[Slice], at: usize, sums: &[[f64; 4]]) -> [f64; 4] {
        let near = (u64::from(self.facts.base_us) * 10_000).max(AROUND_NS);
        let (from, to) = (slices[at].from.saturating_sub(near), slices[at].to + near);
        let first = slices.partition_point(|slice| slice.to <= from);
        let end = slices.partition_point(|slice| slice.from < to);
        std::array::from_fn(|count| sums[end][count] - sums[first][count])
    }
}

/// The sums of counts before each slice, and of all.
fn sums(slices: &[Slice], counts: impl Fn(&Slice) -> [f32; 4]) -> Vec<[f64; 4]> {
    let mut sum = [0.0; 4];
    let mut sums = vec![sum];
    for slice in slices {
        let counts = counts(slice);
        (0..4).for_each(|at| sum[at] += f64::from(counts[at]));
        sums.push(sum);
    }
    sums
}

/// Whether the sender wants more than it gets, most of the time: its losses say something of the path's rate.
fn is_pressing(slices: &[Slice]) -> bool {
    let time = |wanted: fn(Class) -> bool| -> u64 {
        slices.iter().filter(|slice| wanted(slice.class)).map(|slice| slice.to - slice.from).sum()
    };
    let pressed = time(|class| matches!(class, Class::Cwnd | Class::Growing | Class::Repair));
    let at_ease = time(|class| {
        matches!(
            class,
            Class::Room | Class::Stream | Class::Written | Class::Turn | Class::Exchange | Class::Hole | Class::Idle
        )
    });
    pressed >= at_ease
}
