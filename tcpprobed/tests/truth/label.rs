//! What held the sender back in each 10 ms, from the programs' logs, the socket's TCP_INFO and the network: never from the trace.

use tcpprobe::diagnose::Limit;

use super::experiment::{End, Observed, Sample, doing};
use super::path::Happening;
use super::program::{Doing, is_slow};
use super::scenario::{Scenario, Why};

/// Nanoseconds of a slot.
pub const SLOT: u64 = 10_000_000;

/// A bottleneck that is busy for this share of a round trip is what limits the rate; one that is idle for half of it is not; between, who is to say.
const FULL_PERCENT: usize = 90;
const HALF_FULL_PERCENT: usize = 50;

/// The congestion control's state after a time-out.
const LOSS: u8 = 4;

/// What is right in a slot: the truth first; none, and it is not judged.
pub type Slot = Vec<Limit>;

/// What happened on the path from the sender.
struct Path {
    /// Losses that were not the queue's, and those of a queue: when, from and to which byte.
    drops: Vec<(u64, u64, &'static str)>,
    first_mark: u64,
    queue: Vec<(u64, u64)>,
}

impl Path {
    fn new(observed: &Observed, watch: usize) -> Self {
        let (mut drops, mut first_mark, mut queue) = (Vec::new(), u64::MAX, Vec::new());
        for (time, happening) in &observed.path[watch] {
            match happening {
                Happening::Drop(why, at, length) if *length > 0 => {
                    drops.push((*time, u64::from(*at) + *length as u64, *why))
                }
                Happening::Drop(..) => {}
                Happening::Queue(ns) => queue.push((*time, *ns)),
                Happening::Mark => first_mark = first_mark.min(*time),
                Happening::Late(_) => {}
            }
        }
        Path { drops, first_mark, queue }
    }

    /// The share of the time, in percent, in which the bottleneck had something to send.
    fn busy_percent(&self, from: u64, to: u64) -> usize {
        let first = self.queue.partition_point(|(time, _)| *time < from);
        let near = self.queue[first..].iter().take_while(|(time, _)| *time <= to);
        let (busy, all) = near.fold((0, 0), |(busy, all), (_, ns)| (busy + usize::from(*ns > 0), all + 1));
        busy * 100 / all.max(1)
    }
}

/// The slots from `from`, of the sender.
pub fn slots(scenario: &Scenario, observed: &Observed, from: u64, to: u64) -> Vec<Slot> {
    let sender = &observed.ends[scenario.watch];
    let judge = Judge {
        scenario,
        sender,
        path: Path::new(observed, scenario.watch),
        stalls: stalls(&sender.samples),
        rtt: sender.samples.iter().map(Sample::min_rtt_us).min().map_or(1_000_000, |us| u64::from(us) * 1000),
    };
    (0..(to - from) / SLOT).map(|slot| judge.slot(from + slot * SLOT + SLOT / 2)).collect()
}

/// From the last progress before each time-out to the next progress.
fn stalls(samples: &[Sample]) -> Vec<(u64, u64)> {
    let (mut stalls, mut progress) = (Vec::new(), samples.first().map_or(0, |first| first.time));
    let mut open = false;
    for pair in samples.windows(2) {
        // Before 6.7 the kernel does not count them there; it enters Loss by each.
        open |= pair[1].total_rto() > pair[0].total_rto() || pair[0].ca_state() != LOSS && pair[1].ca_state() == LOSS;
        if pair[1].bytes_acked() > pair[0].bytes_acked() {
            if std::mem::take(&mut open) {
                stalls.push((progress, pair[1].time));
            }
            progress = pair[1].time;
        }
    }
    if open {
        stalls.push((progress, u64::MAX));
    }
    stalls
}

struct Judge<'a> {
    scenario: &'a Scenario,
    sender: &'a End,
    path: Path,
    stalls: Vec<(u64, u64)>,
    rtt: u64,
}

impl Judge<'_> {
    fn slot(&self, at: u64) -> Slot {
        use Limit::*;
        if at < self.sender.established {
            return if self.scenario.watch == 0 { vec![Connecting] } else { vec![] };
        }
        let samples = &self.sender.samples;
        let next = samples.partition_point(|sample| sample.time < at);
        let (Some(last), Some(_)) = (next.checked_sub(1).map(|before| samples[before]), samples.get(next)) else {
            return vec![];
        };
        let near = if samples[next].time - at < at - last.time { samples[next] } else { last };
        let why = self.scenario.why;
        if self.stalls.iter().any(|(from, to)| (*from..*to).contains(&at)) {
            let mut right = vec![Timeout];
            right.extend(match why {
                Why::Loss => Some(PacketLoss),
                Why::Policer => Some(Policer),
                _ => None,
            });
            return right;
        }
        let doing = doing(&self.sender.log, at);
        if self.window_limited(next, at) {
            let is_slow = is_slow(self.scenario.scripts[1 - self.scenario.watch]);
            return vec![if is_slow { ReceiverApplication } else { ReceiveWindow }];
        }
        let (mss, is_open) = (near.mss().max(1), near.ca_state() == 0);
        let is_unsent = near.unsent() > if why == Why::Nagle { 0 } else { mss };
        let has_room = near.unacked() < near.cwnd();
        if doing == Some(Doing::Writing)
            && !is_unsent
            && u64::from(near.queued()) * 3 >= u64::from(near.send_buffer()) * 2
            && has_room
            && is_open
        {
            return vec![SendBuffer];
        }
        if doing == Some(Doing::Waiting) && !is_unsent {
            return vec![];
        }
        if near.unacked() == 0 && !is_unsent {
            return match doing {
                Some(Doing::Reading) => vec![Idle],
                Some(Doing::Sleeping) => vec![SenderApplication, Idle],
                _ => vec![],
            };
        }
        if !is_unsent {
            return self.nothing_unsent(near, doing, at);
        }
        self.unsent(near, next, at)
    }

    /// Whether the kernel's clock of the peer's window ran for at least half of the 30 ms around.
    fn window_limited(&self, next: usize, at: u64) -> bool {
        let samples = &self.sender.samples;
        let from = samples.partition_point(|sample| sample.time + 15_000_000 < at).saturating_sub(1);
        let to = (next..samples.len()).find(|&k| samples[k].time >= at + 15_000_000).unwrap_or(samples.len() - 1);
        let (a, b) = (samples[from], samples[to]);
        (b.window_limited_us() - a.window_limited_us()) * 2000 >= (b.time - a.time).max(1)
    }

    fn nothing_unsent(&self, near: Sample, doing: Option<Doing>, at: u64) -> Slot {
        use Limit::*;
        // A dropped segment that is overdue, and not acknowledged yet.
        let overdue = self
            .path
            .drops
            .iter()
            .any(|(time, end, _)| at > time + self.rtt && *end > near.bytes_acked() + 1 && *time < at);
        if overdue {
            return match doing {
                Some(Doing::Sleeping) => vec![SenderApplication, PacketLoss],
                _ => vec![PacketLoss],
            };
        }
        // The last flight of what filled the congestion window.
        let samples = &self.sender.samples;
        let first = samples.partition_point(|sample| sample.time + self.rtt + SLOT < at);
        let had_unsent =
            samples[first..].iter().take_while(|sample| sample.time < at).any(|sample| sample.unsent() > sample.mss());
        let drains = had_unsent && !matches!(self.scenario.why, Why::Nagle);
        match doing {
            Some(Doing::Reading) if drains => vec![WindowGrowth, RoundTrips, SenderApplication, Bandwidth],
            Some(Doing::Sleeping) if drains => vec![SenderApplication, WindowGrowth, RoundTrips, Bandwidth],
            Some(Doing::Reading) => vec![RoundTrips],
            Some(Doing::Sleeping) => vec![SenderApplication],
            _ => vec![],
        }
    }

    /// Unsent bytes: the path, by what the scenario knows of it.
    fn unsent(&self, near: Sample, next: usize, at: u64) -> Slot {
        use Limit::*;
        // To the sender a mark is a loss (RFC 3168, 6.1.2).
        let first_loss = self.path.drops.first().map_or(u64::MAX, |drop| drop.0).min(self.path.first_mark);
        let was_lost = first_loss < at;
        let (is_open, is_below) = (near.ca_state() <= 1, near.cwnd() < near.ssthresh());
        let had_timeout = self.sender.samples[..next].last().is_some_and(|sample| sample.total_rto() > 0);
        match self.scenario.why {
            Why::Nagle => vec![SmallWrites],
            Why::Host => vec![SenderHost],
            Why::OwnDevice => vec![SenderHost, Bandwidth],
            Why::Rate if is_open && at < self.sender.established + 10 * self.rtt => vec![Bandwidth, WindowGrowth],
            Why::Rate => vec![Bandwidth],
            Why::Queue => {
                // A round trip, in which a flight that is too small leaves it idle.
                let around = (self.rtt / 2).max(2 * SLOT);
                let busy = self.path.busy_percent(at.saturating_sub(around), at + around);
                if busy >= FULL_PERCENT {
                    vec![Bandwidth]
                } else if busy >= HALF_FULL_PERCENT {
                    vec![Bandwidth, WindowGrowth]
                } else if had_timeout && is_open {
                    vec![WindowGrowth, Timeout, Bandwidth]
                } else if !was_lost || is_open && is_below {
                    vec![WindowGrowth]
                } else if !is_open {
                    vec![Bandwidth]
                } else {
                    vec![WindowGrowth, Bandwidth]
                }
            }
            Why::Loss if !was_lost => vec![WindowGrowth],
            Why::Loss if is_open && is_below => vec![WindowGrowth, PacketLoss, Timeout],
            Why::Loss => vec![PacketLoss],
            Why::Policer if !was_lost => vec![WindowGrowth],
            Why::Policer => vec![Policer],
            Why::Nothing if was_lost || near.total_retrans() > 0 => vec![WindowGrowth, PacketLoss],
            Why::Nothing => vec![WindowGrowth],
            Why::Unknown => vec![],
        }
    }
}
