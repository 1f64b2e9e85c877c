//! The values of a connection over time.

use super::connection::Connection;
use super::observer::{Observation, Observer, Probe};
use super::series::{Bin, Marks, Series, UNSET};
use super::totals::advance;
use crate::event::SSTHRESH_INFINITE;

/// What [`Curves`] know over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Congestion window, in packets.
    SndCwnd,
    /// Slow-start threshold, in packets; `None` while it is [`SSTHRESH_INFINITE`].
    Ssthresh,
    /// Smoothed RTT, in microseconds.
    Srtt,
    /// `snd_nxt - snd_una`, in bytes.
    InFlight,
    /// The peer's receive window, in bytes.
    SndWnd,
    /// Own receive window, in bytes.
    RcvWnd,
}

impl Metric {
    const COUNT: usize = 6;
}

/// The fields that curves are made of.
pub(super) const CURVES_FIELDS: [&str; 9] =
    ["data_len", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd", "err"];

/// What moved in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Time of the first event in it, nanoseconds in the trace's clock.
    pub first_time: u64,
    /// Time of the last event in it.
    pub last_time: u64,
    /// What the peer acknowledged, bytes: how far `snd_una` advanced. An event says it as it was before its own ACK, so what it
    /// adds counts where the event before it was.
    pub acked: u64,
    /// What was received, bytes: the sum of `data_len`.
    pub received: u64,
}

/// Places of amounts.
const ACKED: usize = 0;
const RECEIVED: usize = 1;

/// A connection's values over time.
#[derive(Debug, Clone)]
pub struct Curves {
    values: Series<{ Metric::COUNT }, 2>,
    /// The furthest `snd_una`, once there was one.
    una: Option<u32>,
    /// tcp_retransmit_skb events that sent something.
    pub retransmissions: Marks,
}

impl Curves {
    /// Curves of at most so many bins.
    #[must_use]
    pub fn new(bins_max: usize) -> Self {
        Curves { values: Series::new(bins_max), una: None, retransmissions: Marks::new(bins_max) }
    }

    /// The bins of `metric`, in order of time; see [`Series::bins`].
    #[must_use]
    pub fn bins(&self, metric: Metric) -> impl ExactSizeIterator<Item = Bin> + Clone {
        self.values.bins(metric as usize)
    }

    /// Smallest and largest value of `metric`; see [`Series::range`].
    #[must_use]
    pub fn range(&self, metric: Metric) -> Option<(u32, u32)> {
        self.values.range(metric as usize)
    }

    /// The value of `metric` at `time`; see [`Series::at`].
    #[must_use]
    pub fn at(&self, metric: Metric, time: u64) -> Option<u32> {
        self.values.at(metric as usize, time)
    }

    /// What moved in each bin, in order of time.
    #[must_use]
    pub fn moved(&self) -> impl ExactSizeIterator<Item = Moved> + Clone {
        self.values.amounts().map(|((first_time, last_time), amounts)| Moved {
            first_time,
            last_time,
            acked: amounts[ACKED],
            received: amounts[RECEIVED],
        })
    }

    /// Takes in an event at `time`.
    #[inline]
    pub fn push(&mut self, time: u64, seen: &Observation) {
        match seen {
            Observation::Probe(probe) if !self.probe_to_newest(time, probe) => {
                self.values.push_anywhere(time, values(probe));
                self.values.add_to_newest(RECEIVED, probe.data_len.into());
            }
            Observation::Retransmission { error: 0, .. } => self.retransmissions.push(time),
            _ => {}
        }
    }

    /// Takes in an event where that opens no bin, as by far the most do; says whether it was taken.
    #[inline(always)]
    pub(super) fn push_to_newest(&mut self, time: u64, seen: &Observation) -> bool {
        match seen {
            Observation::Probe(probe) => self.probe_to_newest(time, probe),
            _ => false,
        }
    }

    /// What it says of before counts in any case, once.
    #[inline(always)]
    fn probe_to_newest(&mut self, time: u64, probe: &Probe) -> bool {
        let acked = advance(self.una.get_or_insert(probe.snd_una), probe.snd_una);
        self.values.add_to_newest(ACKED, acked);
        let is_taken = self.values.push_to_newest(time, &values(probe));
        if is_taken {
            self.values.add_to_newest(RECEIVED, probe.data_len.into());
        }
        is_taken
    }

    /// Bins that there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.values.capacity() + self.retransmissions.capacity()
    }
}

/// The values of each [`Metric`].
#[inline(always)]
fn values(probe: &Probe) -> [u32; Metric::COUNT] {
    [
        probe.snd_cwnd,
        if probe.ssthresh == SSTHRESH_INFINITE { UNSET } else { probe.ssthresh },
        probe.srtt,
        probe.snd_nxt.wrapping_sub(probe.snd_una),
        probe.snd_wnd,
        probe.rcv_wnd,
    ]
}

/// Gives the curves of each connection that leaves to a function.
#[derive(Debug, Clone)]
pub struct CollectCurves<F> {
    bins_max: usize,
    left: F,
}

impl<F: FnMut(&Connection, Curves)> CollectCurves<F> {
    /// `left` gets the curves of each connection, of at most `bins_max` bins, when it leaves.
    pub fn new(bins_max: usize, left: F) -> Self {
        CollectCurves { bins_max, left }
    }
}

impl<F: FnMut(&Connection, Curves)> Observer for CollectCurves<F> {
    type State = Curves;

    fn fields() -> Vec<&'static str> {
        CURVES_FIELDS.to_vec()
    }

    fn open(&mut self, _: &Connection) -> Curves {
        Curves::new(self.bins_max)
    }

    #[inline]
    fn event(&mut self, state: &mut Curves, time: u64, seen: &Observation) {
        state.push(time, seen);
    }

    fn close(&mut self, connection: &Connection, state: Curves) {
        (self.left)(connection, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(snd_una: u32, data_len: u16) -> Observation {
        let (snd_nxt, snd_cwnd, ssthresh) = (snd_una.wrapping_add(10_000), 10, SSTHRESH_INFINITE);
        Observation::Probe(Probe { data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd: 9, srtt: 9, rcv_wnd: 9 })
    }

    /// An ACK is seen in the event after it; all that moved is somewhere, across the wrap of sequence numbers and however few
    /// bins there are.
    #[test]
    fn what_moved_is_where_the_ack_was() {
        let start = u32::MAX - 2500;
        let seen = [(1000, 0, 0), (5000, 1000, 7), (9_000_000, 3000, 0), (9_000_001, 2000, 5), (9_000_002, 6000, 0)];
        for bins in [100, 2] {
            let mut curves = Curves::new(bins);
            for (time, una, data_len) in seen {
                curves.push(time, &probe(start.wrapping_add(una), data_len));
            }
            let moved: Vec<Moved> = curves.moved().collect();
            let sums =
                (moved.iter().map(|one| one.acked).sum::<u64>(), moved.iter().map(|one| one.received).sum::<u64>());
            assert_eq!(sums, (6000, 12), "{bins} bins");
            let early: u64 = moved.iter().filter(|one| one.first_time < 9_000_000).map(|one| one.acked).sum();
            // The 2000 that the third event shows were acknowledged by the second.
            assert_eq!(early, 3000, "{bins} bins");
        }
    }
}
