//! What a plot takes from the library's flows. Nothing else in this crate knows them.

pub use tcpprobe::flow::Metric;
use tcpprobe::flow::{Collector, Curves, Flow};

use super::gap::Gap;
use super::panel::{Bar, Sample};
use crate::error::PlotError;

/// The port of SSH, left out unless asked for: it is usually the connection that the person at work sits on.
pub const SSH_PORT: u16 = 22;
/// Most connections in one picture: as many colours as one can tell apart.
pub const TOP_MAX: usize = 16;

/// What is drawn of a trace.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many connections to draw, those with the most traffic; at most [`TOP_MAX`].
    pub top: usize,
    /// Whether to draw connections on port 22 too.
    pub ssh: bool,
    /// Whether the time axis shows the trace's own clock, and not seconds from the first event.
    pub raw_time: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { top: 8, ssh: false, raw_time: false }
    }
}

/// A trace, as a plot needs it.
#[derive(Debug, Clone, Copy)]
pub struct PlotInput<'a> {
    /// The connections, with curves for those that [`choose`] names.
    pub flows: &'a Collector,
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
}

/// Chooses the connections to draw.
///
/// # Errors
/// When there are none, or none but SSH.
pub fn choose(flows: &Collector, options: &Options) -> Result<Choice, PlotError> {
    let is_ssh =
        |flow: &Flow<'_>| [flow.connection.local, flow.connection.peer].iter().any(|end| end.port() == SSH_PORT);
    let wanted = |flow: &Flow<'_>| options.ssh || !is_ssh(flow);
    let shown = flows.top_of(options.top.clamp(1, TOP_MAX), wanted);
    let ssh = flows.all().iter().filter(|flow| !wanted(flow)).count();
    if shown.is_empty() {
        return Err(if ssh > 0 { PlotError::OnlySsh(ssh) } else { PlotError::NoEvents });
    }
    let all: u64 = flows.all().iter().filter(|flow| wanted(flow)).map(|flow| flow.totals.traffic()).sum();
    let all = all + flows.untracked().traffic();
    let drawn: u64 = shown.iter().filter_map(|&id| flows.get(id)).map(|flow| flow.totals.traffic()).sum();
    let more = flows.all().len() - ssh - shown.len();
    let more_share = if all == 0 { 0.0 } else { (all - drawn) as f64 / all as f64 };
    Ok(Choice { shown, more, more_share, ssh })
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
pub struct Connection<'a> {
    /// Its row in the table.
    pub row: usize,
    flow: Flow<'a>,
    curves: &'a Curves,
}

/// The connections that `choice` shows, in its order.
///
/// # Errors
/// When the curves of one were not collected.
pub fn connections<'a>(flows: &'a Collector, choice: &Choice) -> Result<Vec<Connection<'a>>, PlotError> {
    let connection = |(row, &id): (usize, &u64)| {
        let flow = flows.get(id).ok_or(PlotError::NoCurves(id))?;
        let curves = flow.curves.ok_or(PlotError::NoCurves(id))?;
        Ok(Connection { row, flow, curves })
    };
    choice.shown.iter().enumerate().map(connection).collect()
}

impl Connection<'_> {
    /// `local → peer`
    pub fn name(&self) -> String {
        format!("{} → {}", self.flow.connection.local, self.flow.connection.peer)
    }

    /// Times of its first and its last event.
    pub fn time_range(&self) -> (u64, u64) {
        (self.flow.totals.first_time, self.flow.totals.last_time)
    }

    pub fn bytes_acked(&self) -> u64 {
        self.flow.totals.bytes_acked
    }

    pub fn bytes_received(&self) -> u64 {
        self.flow.totals.bytes_received
    }

    pub fn retransmissions(&self) -> u64 {
        self.flow.totals.retransmissions
    }

    /// Its retransmissions, as many as were kept apart.
    pub fn retransmission_bars(&self) -> Vec<Bar> {
        let bins = self.curves.retransmissions.bins();
        bins.iter().map(|mark| Bar { time_ns: mark.first_time, count: mark.count }).collect()
    }

    /// Smallest and largest value of `metric`, `None` where it never was set.
    pub fn range(&self, metric: Metric) -> Option<(u32, u32)> {
        self.curves.range(metric)
    }

    /// The value that `metric` had at a time.
    pub fn value_at(&self, metric: Metric, time_ns: u64) -> Option<u32> {
        self.curves.at(metric, time_ns)
    }

    /// The values of `metric` from time to time, by which to tell what is usual.
    pub fn last_values(&self, metric: Metric) -> impl Iterator<Item = u32> {
        self.curves.bins(metric).filter_map(|bin| bin.last)
    }

    /// The values of `metric` over time, each multiplied by `factor`.
    pub fn samples(&self, metric: Metric, factor: f64) -> Vec<Sample> {
        let scaled = |value: u32| f64::from(value) * factor;
        let samples = self.curves.bins(metric).map(|bin| Sample {
            first_ns: bin.first_time,
            last_ns: bin.last_time,
            first: bin.first.map(scaled),
            last: bin.last.map(scaled),
            range: bin.range.map(|(min, max)| (scaled(min), scaled(max))),
        });
        samples.collect()
    }
}
