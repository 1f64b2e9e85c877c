//! What a plot takes from the library's flows. Nothing else in this crate knows them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddr;

pub use tcpprobe::diagnose::Summary;
pub use tcpprobe::diagnose::{Cause, Limit};
use tcpprobe::diagnose::{Diagnosis, End, Moment};
pub use tcpprobe::flow::Metric;
use tcpprobe::flow::{Collector, Curves, Flow, Moved};

use super::PanelKind;
use super::gap::Gap;
use super::panel::{Bar, Sample, Span};
use crate::error::PlotError;

/// The port of SSH, left out unless asked for: it is usually the connection that the person at work sits on.
pub const SSH_PORT: u16 = 22;
/// Most connections in one picture: as many colours as one can tell apart.
pub const TOP_MAX: usize = 16;

/// Which connections come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rank {
    /// Those with the most traffic, what was acknowledged counted twice; of two ends, the sender's first.
    #[default]
    Bytes,
    /// Those that retransmitted most.
    Retransmissions,
    /// Those with the largest mean of smoothed RTT.
    Srtt,
    /// Those that lasted longest.
    Duration,
    /// Those with the most bytes a second.
    Rate,
}

/// What is drawn of a trace.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many connections to draw, the first of `by`; at most [`TOP_MAX`].
    pub top: usize,
    /// Which connections come first.
    pub by: Rank,
    /// Whether to draw connections on port 22 too.
    pub ssh: bool,
    /// Whether to draw both ends of a connection whose two sockets are in the trace, and not only the one that sends more.
    pub both_ends: bool,
    /// Whether the time axis shows the trace's own clock, and not seconds from the first event.
    pub raw_time: bool,
    /// The panels to draw, from above, also where they are empty; `None` for all that have something to show.
    pub panels: Option<Vec<PanelKind>>,
    /// Of a comparison: whether each trace has panels of its own.
    pub stack: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (by, panels) = (Rank::default(), None);
        Options { top: 8, by, ssh: false, both_ends: false, raw_time: false, panels, stack: false }
    }
}

/// A trace, as a plot needs it.
#[derive(Debug, Clone, Copy)]
pub struct PlotInput<'a> {
    /// The connections, with curves for those that [`choose`] names.
    pub flows: &'a Collector,
    /// What was found of connections: of those drawn, where their limits and causes are to be told; of all, in a comparison.
    pub diagnoses: &'a [Diagnosis],
    /// The name of the job or file.
    pub title: &'a str,
    /// The release of the kernel that recorded it.
    pub kernel: Option<&'a str>,
    /// The machine that recorded it.
    pub host: Option<&'a str>,
    /// UTC (nanoseconds since 1970) minus the trace's clock, where it is known.
    pub utc_offset_ns: Option<i64>,
    /// Where events were lost.
    pub gaps: &'a [Gap],
}

/// Which connections are drawn, and which are not.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Ids of those drawn, the one with the most traffic first.
    pub shown: Vec<u64>,
    /// Connections that had too little traffic to be drawn.
    pub more: usize,
    /// Their part of the bytes of all connections but those left out, 0 to 1.
    pub more_share: f64,
    /// Connections left out because they are on port 22.
    pub ssh: usize,
    /// Ends left out because the other end of the connection is shown.
    pub ends: usize,
}

/// Chooses the connections to draw.
///
/// # Errors
/// When there are none, or none but SSH.
pub fn choose(flows: &Collector, options: &Options) -> Result<Choice, PlotError> {
    let all = flows.all();
    let mut wanted: Vec<Flow<'_>> = all.iter().filter(|flow| options.ssh || !is_ssh(flow)).copied().collect();
    let ssh = all.len() - wanted.len();
    let total: u64 = wanted.iter().map(|flow| flow.totals.traffic()).sum();
    let total = total + flows.untracked().traffic();
    let before = wanted.len();
    if !options.both_ends {
        drop_other_ends(&mut wanted);
    }
    let ends = before - wanted.len();
    let rank = |flow: &Flow<'_>| match options.by {
        Rank::Bytes => flow.totals.traffic() + flow.totals.bytes_acked,
        Rank::Retransmissions => flow.totals.retransmissions,
        Rank::Srtt => flow.totals.srtt_mean(),
        Rank::Duration => flow.totals.last_time - flow.totals.first_time,
        Rank::Rate => rate(flow),
    };
    // Of equal ones, those with more traffic, more events, and the one that was first.
    let order = |flow: &Flow<'_>| {
        let traffic = flow.totals.traffic() + flow.totals.bytes_acked;
        (Reverse((rank(flow), traffic, flow.totals.events)), flow.connection.id)
    };
    wanted.sort_unstable_by_key(order);
    let more = wanted.len();
    wanted.truncate(options.top.clamp(1, TOP_MAX));
    if wanted.is_empty() {
        return Err(if ssh > 0 { PlotError::OnlySsh(ssh) } else { PlotError::NoEvents });
    }
    let drawn: u64 = wanted.iter().map(|flow| flow.totals.traffic()).sum();
    let more_share = if total == 0 { 0.0 } else { (total - drawn) as f64 / total as f64 };
    let shown: Vec<u64> = wanted.iter().map(|flow| flow.connection.id).collect();
    Ok(Choice { more: more - shown.len(), shown, more_share, ssh, ends })
}

/// Whether it is a connection of SSH.
#[must_use]
pub fn is_ssh(flow: &Flow<'_>) -> bool {
    [flow.connection.local, flow.connection.peer].iter().any(|end| end.port() == SSH_PORT)
}

/// Bytes a second, in the direction of more.
fn rate(flow: &Flow<'_>) -> u64 {
    let totals = flow.totals;
    let bytes = u128::from(totals.bytes_acked.max(totals.bytes_received));
    let nanos = u128::from((totals.last_time - totals.first_time).max(1));
    u64::try_from(bytes * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// Of two ends of a connection, the one that sends less goes: what it shows is seen from the other side.
fn drop_other_ends(flows: &mut Vec<Flow<'_>>) {
    let mut waiting: HashMap<(SocketAddr, SocketAddr), Vec<usize>> = HashMap::new();
    let mut gone = vec![false; flows.len()];
    for (at, flow) in flows.iter().enumerate() {
        let (local, peer) = (flow.connection.local, flow.connection.peer);
        let overlaps = |other: &usize| {
            let (a, b) = (flow.totals, flows[*other].totals);
            a.first_time <= b.last_time && b.first_time <= a.last_time
        };
        let others = waiting.get_mut(&(peer, local));
        let place = others.as_ref().and_then(|others| others.iter().position(overlaps));
        match (others, place) {
            (Some(others), Some(place)) => {
                let other = others.swap_remove(place);
                let is_sender = flow.totals.bytes_acked > flows[other].totals.bytes_acked;
                gone[if is_sender { other } else { at }] = true;
            }
            _ => waiting.entry((local, peer)).or_default().push(at),
        }
    }
    let mut gone = gone.into_iter();
    flows.retain(|_| !gone.next().unwrap_or(false));
}

/// Counts over the whole trace, drawn or not.
pub struct Counts {
    pub events: u64,
    pub connections: u64,
    /// Events of connections beyond those that were kept.
    pub events_beyond: u64,
}

impl Counts {
    pub fn of(flows: &Collector) -> Self {
        Counts {
            events: flows.events(),
            connections: flows.all().len() as u64,
            events_beyond: flows.untracked().events,
        }
    }
}

/// A connection that is drawn.
#[derive(Clone, Copy)]
pub struct Connection<'a> {
    /// Its row in the table, and so its colour; in a comparison that of its trace.
    pub row: usize,
    /// Of a comparison, which trace it is of.
    pub source: usize,
    /// What is taken from its times, so that all traces of a comparison begin together.
    shift: u64,
    flow: Flow<'a>,
    curves: &'a Curves,
    diagnosis: Option<&'a Diagnosis>,
}

/// The connections that `choice` shows, in its order.
///
/// # Errors
/// When the curves of one were not collected.
pub fn connections<'a>(input: &PlotInput<'a>, choice: &Choice) -> Result<Vec<Connection<'a>>, PlotError> {
    let connection = |(row, &id): (usize, &u64)| {
        let flow = input.flows.get(id).ok_or(PlotError::NoCurves(id))?;
        let curves = flow.curves.ok_or(PlotError::NoCurves(id))?;
        let diagnosis = input.diagnoses.iter().find(|found| is_of(found, &flow));
        Ok(Connection { row, source: 0, shift: 0, flow, curves, diagnosis })
    };
    choice.shown.iter().enumerate().map(connection).collect()
}

/// Whether it was found of this connection.
fn is_of(found: &Diagnosis, flow: &Flow<'_>) -> bool {
    let (a, b) = (&found.connection, flow.connection);
    let same_or_unknown = a.cookie == 0 || b.cookie == 0 || a.cookie == b.cookie;
    let overlaps = found.from() <= flow.totals.last_time && flow.totals.first_time <= found.to();
    (a.local, a.peer) == (b.local, b.peer) && same_or_unknown && overlaps
}

impl<'a> Connection<'a> {
    /// The same, of the trace `source` of a comparison, with this from all of its times.
    pub fn moved(self, row: usize, source: usize, shift: u64) -> Self {
        Connection { row, source, shift, ..self }
    }

    /// `local → peer`
    pub fn name(&self) -> String {
        format!("{} → {}", self.flow.connection.local, self.flow.connection.peer)
    }

    fn time(&self, time: u64) -> u64 {
        time.saturating_sub(self.shift)
    }

    /// Times of its first and its last event.
    pub fn time_range(&self) -> (u64, u64) {
        (self.time(self.flow.totals.first_time), self.time(self.flow.totals.last_time))
    }

    pub fn duration(&self) -> u64 {
        self.flow.totals.last_time - self.flow.totals.first_time
    }

    pub fn bytes_acked(&self) -> u64 {
        self.flow.totals.bytes_acked
    }

    pub fn bytes_received(&self) -> u64 {
        self.flow.totals.bytes_received
    }

    /// Bytes a second, in the direction of more.
    pub fn rate(&self) -> u64 {
        rate(&self.flow)
    }

    /// Whose it is, `nginx[812]`; empty where that was not told.
    pub fn owner(&self) -> String {
        self.flow.told.owner.as_ref().map_or_else(String::new, |owner| {
            let comm = printable(&String::from_utf8_lossy(&owner.comm));
            format!("{}[{}]", if comm.is_empty() { "?" } else { &comm }, owner.pid)
        })
    }

    /// The name of its congestion control; empty where that was not told.
    pub fn congestion_control(&self) -> String {
        self.flow.told.congestion_control.as_deref().map_or_else(String::new, printable)
    }

    pub fn retransmissions(&self) -> u64 {
        self.flow.totals.retransmissions
    }

    /// Its retransmissions, as many as were kept apart.
    pub fn retransmission_bars(&self) -> Vec<Bar> {
        let bins = self.curves.retransmissions.bins();
        bins.iter().map(|mark| Bar { time_ns: self.time(mark.first_time), count: mark.count }).collect()
    }

    /// Its retransmissions by cause, where they were told: each with its time and how many.
    pub fn causes(&self) -> impl Iterator<Item = (Cause, Bar)> {
        let moments: &[Moment] = self.diagnosis.map_or(&[], |found| &found.moments);
        moments.iter().map(|one| (one.cause, Bar { time_ns: self.time(one.time), count: one.count }))
    }

    /// What held it back, by time, where that was told: each with its beginning and its end.
    pub fn limits(&self) -> impl Iterator<Item = (Limit, u64, u64)> {
        let intervals = self.diagnosis.map_or(&[][..], |found| &found.intervals);
        intervals.iter().map(|one| (one.limit, self.time(one.from), self.time(one.to)))
    }

    /// The limits' shares of its time, the largest first.
    pub fn limit_shares(&self) -> Vec<(Limit, f64)> {
        self.diagnosis.map(Diagnosis::shares).unwrap_or_default()
    }

    /// What held it back most, and its share; `None` where that was not told or none stands out.
    pub fn headline(&self) -> Option<(Limit, f64)> {
        let (limit, share) = self.diagnosis?.headline();
        limit.map(|limit| (limit, share))
    }

    /// Bytes in a full segment, where that was told.
    pub fn mss(&self) -> Option<u32> {
        self.diagnosis.map(|found| found.facts.mss).filter(|mss| *mss > 0)
    }

    /// Smallest and largest value of `metric`, `None` where it never was set.
    pub fn range(&self, metric: Metric) -> Option<(u32, u32)> {
        self.curves.range(metric)
    }

    /// The value that `metric` had at a time.
    pub fn value_at(&self, metric: Metric, time_ns: u64) -> Option<u32> {
        self.curves.at(metric, time_ns + self.shift)
    }

    /// The values of `metric` from time to time, by which to tell what is usual.
    pub fn last_values(&self, metric: Metric) -> impl Iterator<Item = u32> {
        self.curves.bins(metric).filter_map(|bin| bin.last)
    }

    /// The values of `metric` over time, each multiplied by `factor`.
    pub fn samples(&self, metric: Metric, factor: f64) -> Vec<Sample> {
        let scaled = |value: u32| f64::from(value) * factor;
        let samples = self.curves.bins(metric).map(|bin| Sample {
            first_ns: self.time(bin.first_time),
            last_ns: self.time(bin.last_time),
            first: bin.first.map(scaled),
            last: bin.last.map(scaled),
            range: bin.range.map(|(min, max)| (scaled(min), scaled(max))),
        });
        samples.collect()
    }

    /// What moved over time, in the direction of more: each with its first and last time, and bytes.
    pub fn bytes_over_time(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let is_sender = self.bytes_acked() >= self.bytes_received();
        let bytes = move |one: &Moved| if is_sender { one.acked } else { one.received };
        self.curves.moved().map(move |one| (self.time(one.first_time), self.time(one.last_time), bytes(&one)))
    }
}

/// Sums over the connections of a trace: of two ends the sender's.
#[must_use]
pub fn summary(diagnoses: &[Diagnosis]) -> Summary {
    let mut sums = Summary::default();
    diagnoses.iter().filter(|found| found.end != Some(End::Receiver)).for_each(|found| sums.add(found));
    sums
}

/// The longest stretches of time that some spans fill.
pub fn joined(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.to_ns == span.from_ns && last.ink == span.ink => last.to_ns = span.to_ns,
            _ => joined.push(span),
        }
    }
    joined
}

/// A name of the kernel's, which may hold anything.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
