//! Sums over the events of each connection.

use super::connection::Connection;
use super::observer::{Observation, Observer, Probe};

/// Sums over the events of one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// tcp_probe and tcp_retransmit_skb events.
    pub events: u64,
    /// tcp_retransmit_skb events; one may stand for several segments. Those that sent nothing are in `not_sent`.
    pub retransmissions: u64,
    /// tcp_retransmit_skb events whose transmission failed, so that nothing was sent; the kernel says so from 6.17 on.
    pub not_sent: u64,
    /// Payload received: the sum of `data_len`.
    pub bytes_received: u64,
    /// What the peer acknowledged: how far `snd_una` advanced since the first event.
    pub bytes_acked: u64,
    /// What was sent for the first time: how far `snd_nxt` advanced since the first event.
    pub bytes_sent: u64,
    /// The sum of `srtt` at each tcp_probe, microseconds.
    pub srtt_sum: u64,
    /// Time of the earliest event, nanoseconds in the trace's clock.
    pub first_time: u64,
    /// Time of the latest event.
    pub last_time: u64,
}

impl Totals {
    /// Bytes in both directions.
    #[must_use]
    pub fn traffic(&self) -> u64 {
        self.bytes_received + self.bytes_acked
    }

    /// Smoothed RTT, on average over the tcp_probe events, microseconds; 0 where there is none.
    #[must_use]
    pub fn srtt_mean(&self) -> u64 {
        self.srtt_sum.checked_div(self.events - self.retransmissions - self.not_sent).unwrap_or(0)
    }

    /// By what connections are ranked: what was acknowledged counts twice as much as what was received.
    pub(super) fn rank(&self) -> (u64, u64) {
        (self.traffic() + self.bytes_acked, self.events)
    }

    #[inline(always)]
    fn count(&mut self, time: u64) {
        if self.events == 0 {
            (self.first_time, self.last_time) = (time, time);
        }
        self.events += 1;
        self.first_time = self.first_time.min(time);
        self.last_time = self.last_time.max(time);
    }

    /// Takes in the events of `other`.
    pub fn add(&mut self, other: &Totals) {
        if self.events == 0 {
            (self.first_time, self.last_time) = (other.first_time, other.last_time);
        } else if other.events > 0 {
            self.first_time = self.first_time.min(other.first_time);
            self.last_time = self.last_time.max(other.last_time);
        }
        self.events += other.events;
        self.retransmissions += other.retransmissions;
        self.not_sent += other.not_sent;
        self.bytes_received += other.bytes_received;
        self.bytes_acked += other.bytes_acked;
        self.bytes_sent += other.bytes_sent;
        self.srtt_sum += other.srtt_sum;
    }
}

/// [`Totals`] while they grow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    /// Up to now.
    pub totals: Totals,
    /// The furthest `snd_una` and `snd_nxt`, once there was a tcp_probe.
    furthest: Option<(u32, u32)>,
}

impl Counted {
    /// Takes in an event at `time`.
    #[inline(always)]
    pub fn count(&mut self, time: u64, seen: &Observation) {
        match seen {
            Observation::Probe(probe) => self.probe(time, probe),
            Observation::Retransmission { error, .. } => {
                self.totals.count(time);
                match error {
                    0 => self.totals.retransmissions += 1,
                    _ => self.totals.not_sent += 1,
                }
            }
            _ => {}
        }
    }

    #[inline(always)]
    fn probe(&mut self, time: u64, probe: &Probe) {
        let totals = &mut self.totals;
        totals.count(time);
        totals.bytes_received += u64::from(probe.data_len);
        totals.srtt_sum += u64::from(probe.srtt);
        let (una, nxt) = self.furthest.get_or_insert((probe.snd_una, probe.snd_nxt));
        totals.bytes_acked += advance(una, probe.snd_una);
        totals.bytes_sent += advance(nxt, probe.snd_nxt);
    }
}

/// Moves `furthest` on to `number` and says by how much: 0 where `number` lies behind it (RFC 9293, 3.4: modulo 2^32).
#[inline]
pub(super) fn advance(furthest: &mut u32, number: u32) -> u64 {
    let step = number.wrapping_sub(*furthest);
    if step.cast_signed() <= 0 {
        return 0;
    }
    *furthest = number;
    u64::from(step)
}

/// Gives the totals of each connection that leaves to a function.
#[derive(Debug, Clone)]
pub struct CountTotals<F>(F);

impl<F: FnMut(&Connection, Totals)> CountTotals<F> {
    /// `left` gets the totals of each connection when it leaves.
    pub fn new(left: F) -> Self {
        CountTotals(left)
    }
}

impl<F: FnMut(&Connection, Totals)> Observer for CountTotals<F> {
    type State = Counted;

    fn fields() -> Vec<&'static str> {
        TOTALS_FIELDS.to_vec()
    }

    fn open(&mut self, _: &Connection) -> Counted {
        Counted::default()
    }

    #[inline]
    fn event(&mut self, state: &mut Counted, time: u64, seen: &Observation) {
        state.count(time, seen);
    }

    fn close(&mut self, connection: &Connection, state: Counted) {
        (self.0)(connection, state.totals);
    }
}

/// The fields that totals are made of.
pub(super) const TOTALS_FIELDS: [&str; 6] = ["data_len", "length", "snd_nxt", "snd_una", "srtt", "err"];
