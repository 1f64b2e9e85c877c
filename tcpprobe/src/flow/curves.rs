//! The values of a connection over time.

use super::connection::Connection;
use super::observer::{Observation, Observer, Probe};
use super::series::{Bin, Marks, Series, UNSET};
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
pub(super) const CURVES_FIELDS: [&str; 8] =
    ["snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd", "err"];

/// A connection's values over time.
#[derive(Debug, Clone)]
pub struct Curves {
    values: Series<{ Metric::COUNT }>,
    /// tcp_retransmit_skb events that sent something.
    pub retransmissions: Marks,
}

impl Curves {
    /// Curves of at most so many bins.
    #[must_use]
    pub fn new(bins_max: usize) -> Self {
        Curves { values: Series::new(bins_max), retransmissions: Marks::new(bins_max) }
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

    /// Takes in an event at `time`.
    #[inline]
    pub fn push(&mut self, time: u64, seen: &Observation) {
        match seen {
            Observation::Probe(probe) => {
                let values = values(probe);
                if !self.values.push_to_newest(time, &values) {
                    self.values.push_anywhere(time, values);
                }
            }
            Observation::Retransmission { error: 0, .. } => self.retransmissions.push(time),
            _ => {}
        }
    }

    /// Takes in an event where that opens no bin, as by far the most do; says whether it was taken.
    #[inline(always)]
    pub(super) fn push_to_newest(&mut self, time: u64, seen: &Observation) -> bool {
        match seen {
            Observation::Probe(probe) => self.values.push_to_newest(time, &values(probe)),
            _ => false,
        }
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
