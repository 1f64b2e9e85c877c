//! Connections and their series: what the events of a trace say about each socket.
//!
//! [`Flows`] takes events in about the order of their time and keeps, for every connection, [`Totals`] and (for those
//! asked for) [`Curves`]: each value over time, reduced while it grows, so that memory stays flat for any input.
//!
//! ```
//! use tcpprobe::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpProbe};
//! use tcpprobe::flow::{Flows, Metric};
//!
//! let mut event = TcpProbe {
//!     family: AF_INET, src: "10.0.0.1:43210".parse()?, dest: "10.0.0.2:80".parse()?, mark: 0, data_len: 0,
//!     snd_nxt: 1000, snd_una: 1000, snd_cwnd: 10, ssthresh: SSTHRESH_INFINITE, snd_wnd: 65_536, srtt: 180,
//!     rcv_wnd: 65_536, sock_cookie: 7, skbaddr: 0, skaddr: 0,
//! };
//! let mut flows = Flows::default();
//! for step in 0..100_u64 {
//!     flows.push(step * 1_000_000, &Event::TcpProbe(event));
//!     event.snd_una += 1448;
//!     event.snd_nxt = event.snd_una + 14_480;
//!     event.snd_cwnd += 1;
//! }
//! let top = flows.top(8);
//! let flow = flows.get(top[0]).ok_or("no connection")?;
//! assert_eq!(flow.totals.bytes_acked, 99 * 1448);
//! let curves = flow.curves.as_ref().ok_or("no curves")?;
//! assert_eq!(curves.range(Metric::SndCwnd), Some((10, 109)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One pass or two
//! [`Flows::default`] collects the curves of every connection while they fit into [`Limits::bins_total`], and then
//! lets go of those of the connections with the least traffic. Where [`Flows::lacks_curves`] of the connections that
//! one wants, push the same events in the same order into a second `Flows` with [`Collect::Only`] those: ids are the
//! same in both.

mod connection;
mod series;

pub use connection::Connection;
pub use series::{Bin, Mark, Marks, Series};

use connection::Index;

use crate::event::{Event, SSTHRESH_INFINITE, Socket, TcpProbe};

/// The fields that [`Flows`] look at, beside those that tell what an event is about; a
/// [`Projection`](crate::file::block::Projection) to them is enough.
pub const FIELDS: &[&str] = &["data_len", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd"];

/// How often the size of all curves is looked at, in events.
const CHECK_EVERY: u64 = 1 << 16;

/// How much a [`Flows`] may keep.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections; events of any more are only counted, in [`Flows::beyond`].
    pub connections: usize,
    /// Bins of one connection's curves.
    pub bins: usize,
    /// Bins (112 bytes each) of all curves under [`Collect::All`]. Exceeded by what 65,536 events bring, at most.
    pub bins_total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 1 << 16, bins: 4096, bins_total: 1 << 18 }
    }
}

/// Whose curves to collect.
#[derive(Debug, Clone, Default)]
pub enum Collect {
    /// Everybody's, as long as they fit into [`Limits::bins_total`].
    #[default]
    All,
    /// Nobody's: totals only.
    Nothing,
    /// Those of the connections with these ids.
    Only(Vec<u32>),
}

/// Sums over the events of one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events, of both kinds.
    pub events: u64,
    /// tcp_retransmit_skb events; one may stand for several segments.
    pub retransmissions: u64,
    /// Payload received: the sum of `data_len`.
    pub bytes_received: u64,
    /// What the peer acknowledged: how far `snd_una` advanced since the first event.
    pub bytes_acked: u64,
    /// What was sent for the first time: how far `snd_nxt` advanced since the first event.
    pub bytes_sent: u64,
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

    /// By what connections are ranked; see [`Flows::top`].
    fn rank(&self) -> (u64, u64) {
        (self.traffic() + self.bytes_acked, self.events)
    }

    fn count(&mut self, time: u64) {
        if self.events == 0 {
            (self.first_time, self.last_time) = (time, time);
        }
        self.events += 1;
        self.first_time = self.first_time.min(time);
        self.last_time = self.last_time.max(time);
    }
}

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

/// A connection's values over time.
#[derive(Debug, Clone)]
pub struct Curves {
    values: Series<{ Metric::COUNT }>,
    /// tcp_retransmit_skb events.
    pub retransmissions: Marks,
}

impl Curves {
    fn new(bins_max: usize) -> Self {
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

    #[inline]
    fn push(&mut self, time: u64, event: &TcpProbe) {
        let values = [
            event.snd_cwnd,
            if event.ssthresh == SSTHRESH_INFINITE { u32::MAX } else { event.ssthresh },
            event.srtt,
            event.snd_nxt.wrapping_sub(event.snd_una),
            event.snd_wnd,
            event.rcv_wnd,
        ];
        self.values.push(time, values.map(Some));
    }

    fn capacity(&self) -> usize {
        self.values.capacity() + self.retransmissions.capacity()
    }
}

/// Everything kept about one connection.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Whose it is.
    pub connection: Connection,
    /// Sums over its events.
    pub totals: Totals,
    /// Its values over time, where they were collected.
    pub curves: Option<Box<Curves>>,
    /// The furthest `snd_una` and `snd_nxt`, once there was a tcp_probe.
    furthest: Option<(u32, u32)>,
}

impl Flow {
    fn push(&mut self, time: u64, event: &Event) {
        self.totals.count(time);
        match event {
            Event::TcpProbe(probe) => self.push_probe(time, probe),
            Event::TcpRetransmitSkb(_) => {
                self.totals.retransmissions += 1;
                if let Some(curves) = &mut self.curves {
                    curves.retransmissions.push(time);
                }
            }
            _ => {}
        }
    }

    fn push_probe(&mut self, time: u64, probe: &TcpProbe) {
        let totals = &mut self.totals;
        totals.bytes_received += u64::from(probe.data_len);
        let (una, nxt) = self.furthest.get_or_insert((probe.snd_una, probe.snd_nxt));
        totals.bytes_acked += advance(una, probe.snd_una);
        totals.bytes_sent += advance(nxt, probe.snd_nxt);
        if let Some(curves) = &mut self.curves {
            curves.push(time, probe);
        }
    }
}

/// Moves `furthest` on to `number` and says by how much: 0 where `number` lies behind it (RFC 9293, 3.4: modulo 2^32).
fn advance(furthest: &mut u32, number: u32) -> u64 {
    let step = number.wrapping_sub(*furthest);
    if step.cast_signed() <= 0 {
        return 0;
    }
    *furthest = number;
    u64::from(step)
}

/// Connections with their totals and curves, from events. See the [module](self).
#[derive(Debug, Clone)]
pub struct Flows {
    flows: Vec<Flow>,
    index: Index,
    collect: Collect,
    limits: Limits,
    /// Only events and times are kept here.
    total: Totals,
    beyond: Totals,
}

impl Default for Flows {
    fn default() -> Self {
        Flows::new(Collect::All, Limits::default())
    }
}

impl Flows {
    /// Nothing yet; `collect` says whose curves to keep.
    #[must_use]
    pub fn new(mut collect: Collect, limits: Limits) -> Self {
        if let Collect::Only(ids) = &mut collect {
            ids.sort_unstable();
        }
        let (total, beyond) = (Totals::default(), Totals::default());
        Flows { flows: Vec::new(), index: Index::default(), collect, limits, total, beyond }
    }

    /// Takes in an event: `time` in nanoseconds of the trace's clock, in about rising order.
    pub fn push(&mut self, time: u64, event: &Event) {
        self.total.count(time);
        match self.find_or_add(event) {
            Some(at) => self.flows[at].push(time, event),
            None => self.push_beyond(time, event),
        }
        if self.total.events.is_multiple_of(CHECK_EVERY) && matches!(self.collect, Collect::All) {
            self.shed_curves();
        }
    }

    /// The connections, in the order in which they were first seen: at the place of their id.
    #[must_use]
    pub fn all(&self) -> &[Flow] {
        &self.flows
    }

    /// The connection with this id.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Flow> {
        self.flows.get(id as usize)
    }

    /// Ids of the `count` connections with the most traffic, the largest first.
    ///
    /// What was acknowledged counts twice as much as what was received: only a sender's congestion window is at work,
    /// so of the two ends of a connection over loopback the sender comes first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<u32> {
        self.top_of(count, |_| true)
    }

    /// As [`Flows::top`], among the connections that `wanted` accepts.
    #[must_use]
    pub fn top_of(&self, count: usize, wanted: impl Fn(&Flow) -> bool) -> Vec<u32> {
        let mut ranked: Vec<&Flow> = self.flows.iter().filter(|flow| wanted(flow)).collect();
        ranked.sort_by_key(|flow| std::cmp::Reverse(flow.totals.rank()));
        ranked.iter().take(count).map(|flow| flow.connection.id).collect()
    }

    /// Whether any of these connections has no curves, so that a second pass is needed to have them.
    #[must_use]
    pub fn lacks_curves(&self, ids: &[u32]) -> bool {
        ids.iter().any(|&id| self.get(id).is_none_or(|flow| flow.curves.is_none()))
    }

    /// Events taken in, those of connections beyond the limit too.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.total.events
    }

    /// Times of the earliest and the latest event, `None` before the first.
    #[must_use]
    pub fn time_range(&self) -> Option<(u64, u64)> {
        (self.total.events > 0).then_some((self.total.first_time, self.total.last_time))
    }

    /// What belongs to connections beyond [`Limits::connections`] (`bytes_acked` and `bytes_sent` are not known: 0).
    #[must_use]
    pub fn beyond(&self) -> &Totals {
        &self.beyond
    }

    /// The place of the connection that `event` belongs to, `None` when there is no room for a new one.
    #[inline]
    fn find_or_add(&mut self, event: &Event) -> Option<usize> {
        let key = event.socket();
        let fits = |id: &u32| self.flows.get(*id as usize).is_some_and(|flow| flow.connection.fits(&key));
        let found = self.index.by_cookie(&key).filter(fits).or_else(|| {
            // Two sockets may have shared the address or the 4-tuple, one after the other: take the one seen last.
            let candidates = self.index.candidates(&key).into_iter().flatten().filter(fits);
            candidates.max_by_key(|&id| self.flows[id as usize].totals.last_time)
        });
        let Some(id) = found else { return self.add(&key) };
        let at = id as usize;
        self.index.learn(&mut self.flows[at].connection, &key);
        Some(at)
    }

    fn add(&mut self, key: &Socket) -> Option<usize> {
        let at = self.flows.len();
        let id = u32::try_from(at).ok().filter(|_| at < self.limits.connections)?;
        let wanted = match &self.collect {
            Collect::All => true,
            Collect::Nothing => false,
            Collect::Only(ids) => ids.binary_search(&id).is_ok(),
        };
        let connection = self.index.add(id, key);
        let curves = wanted.then(|| Box::new(Curves::new(self.limits.bins)));
        self.flows.push(Flow { connection, totals: Totals::default(), curves, furthest: None });
        Some(at)
    }

    fn push_beyond(&mut self, time: u64, event: &Event) {
        self.beyond.count(time);
        match event {
            Event::TcpProbe(probe) => self.beyond.bytes_received += u64::from(probe.data_len),
            Event::TcpRetransmitSkb(_) => self.beyond.retransmissions += 1,
            _ => {}
        }
    }

    /// Lets go of the curves with the least traffic behind them until half the room is free, when it is used up.
    fn shed_curves(&mut self) {
        let size = |flow: &Flow| flow.curves.as_ref().map_or(0, |curves| curves.capacity());
        let mut used: usize = self.flows.iter().map(size).sum();
        if used <= self.limits.bins_total {
            return;
        }
        let mut with_curves: Vec<&mut Flow> = self.flows.iter_mut().filter(|flow| flow.curves.is_some()).collect();
        with_curves.sort_by_key(|flow| flow.totals.rank());
        for flow in with_curves {
            if used <= self.limits.bins_total / 2 {
                return;
            }
            used -= size(flow);
            flow.curves = None;
        }
    }
}
