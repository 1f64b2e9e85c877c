//! What is seen of one connection at a glance, and how it came to that.

use std::collections::VecDeque;

use super::cause::Causes;
use super::track::Track;
use super::tracker::Kept;
use crate::event::EventKind;
use crate::event::sockets::PROTOCOL_TCP;
use crate::flow::{Connection, Observation, Probe, Told};
use crate::kernel::names::state::CLOSE;

/// Stretches that are remembered of each connection.
pub(super) const HISTORY_MAX: usize = 60;
/// What was in flight at an event is in flight no more so long after it, unless a timer is to end that.
const FLIGHT_NS: u64 = 3_000_000_000;

/// A connection over one stretch of time, from tick to tick.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stretch {
    /// Payload that was acknowledged, bytes a second.
    pub acked: f32,
    /// Payload that was received, bytes a second.
    pub received: f32,
    /// Retransmissions.
    pub retransmissions: u32,
    /// At its end: sent and not acknowledged, bytes.
    pub in_flight: u32,
    /// At its end: congestion window, packets.
    pub cwnd: u32,
    /// At its end: smoothed RTT, microseconds.
    pub srtt_us: u32,
}

/// A connection as it is now.
#[derive(Debug, Clone)]
pub struct Glance<'a> {
    /// Which.
    pub connection: &'a Connection,
    /// Whose it is, and its congestion control.
    pub told: &'a Told,
    /// The last stretch.
    pub now: Stretch,
    /// The last tcp_probe.
    pub probe: Option<&'a Probe>,
    /// Its retransmissions since it was first seen.
    pub causes: &'a Causes,
    /// Nanoseconds since its last event; of a closed one since its end.
    pub quiet_ns: u64,
    /// Whether it is open.
    pub is_open: bool,
    seen: &'a Seen,
}

impl Glance<'_> {
    /// The last stretches, the oldest first: 60 at most.
    pub fn history(&self) -> impl ExactSizeIterator<Item = Stretch> + '_ {
        self.seen.history.iter().copied()
    }

    /// Payload a second in both directions, bytes.
    #[must_use]
    pub fn rate(&self) -> f32 {
        self.now.acked + self.now.received
    }
}

/// What is kept of a connection for a glance.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Time of the last event.
    pub last: u64,
    /// Whether its socket was closed.
    pub is_ended: bool,
    /// What was acknowledged, received and retransmitted up to the last tick.
    before: [u64; 3],
    history: VecDeque<Stretch>,
}

impl Seen {
    #[inline]
    pub fn event(&mut self, time: u64, seen: &Observation) {
        self.last = self.last.max(time);
        if !matches!(seen, Observation::Probe(_)) {
            self.is_ended |= match seen {
                Observation::State { protocol, new, .. } => *protocol == PROTOCOL_TCP && *new == CLOSE,
                _ => seen.kind() == EventKind::TcpDestroySock,
            };
        }
    }

    /// Ends a stretch of so many nanoseconds, at `now`.
    pub fn tick(&mut self, track: &Track, now: u64, length_ns: u64) {
        let sums = [track.facts.bytes_acked, track.facts.bytes_received, track.retransmissions.causes.total()];
        let [acked, received, retransmissions] = std::array::from_fn(|at| sums[at].saturating_sub(self.before[at]));
        self.before = sums;
        let rate = |bytes: u64| (bytes as f64 * 1e9 / length_ns.max(1) as f64) as f32;
        let probe = track.last_probe();
        let is_moving = !self.is_ended && (now.saturating_sub(self.last) <= FLIGHT_NS || track.is_stalled());
        let in_flight = probe.filter(|_| is_moving).map_or(0, |probe| probe.snd_nxt.wrapping_sub(probe.snd_una));
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(Stretch {
            acked: rate(acked),
            received: rate(received),
            retransmissions: retransmissions.try_into().unwrap_or(u32::MAX),
            in_flight,
            cwnd: probe.map_or(0, |probe| probe.snd_cwnd),
            srtt_us: probe.map_or(0, |probe| probe.srtt),
        });
    }

    pub fn glance<'a>(&'a self, connection: &'a Connection, kept: &'a Kept, is_open: bool, now: u64) -> Glance<'a> {
        Glance {
            connection,
            told: &kept.told,
            now: self.history.back().copied().unwrap_or_default(),
            probe: kept.track.last_probe(),
            causes: &kept.track.retransmissions.causes,
            quiet_ns: now.saturating_sub(self.last),
            is_open: is_open && !self.is_ended,
            seen: self,
        }
    }
}
