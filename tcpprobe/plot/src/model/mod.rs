//! What is drawn: words, values and times. Pure data, without a pixel, a colour's shade or a font.
//!
//! In the order that data flows: `from_flows` (connections and what a plot asks of them), `range` and `dense` (their values
//! together), a file for each panel, `table`, and [`Plot`], which holds it all. A new panel is a file beside `cwnd`,
//! and its line in `PANELS`.

mod comparison;
mod cwnd;
mod dense;
mod flight;
mod from_flows;
mod gap;
mod limits;
mod panel;
mod range;
mod retransmissions;
mod srtt;
mod table;
mod throughput;
mod time;

pub use comparison::{COMPARED, differences};
pub use from_flows::{Choice, Options, PlotInput, Rank, TOP_MAX, choose, is_ssh, summary};
pub use gap::{Gap, Lost};
pub use limits::{sort as sort_of_limit, sort_of_cause};
pub use panel::{Bar, Content, Curve, Curves, Ink, Key, Lane, Mark, Panel, Sample, Scale, Shape, Sort, Span};
pub use table::{Row, Table};
pub use time::{Time, TimeUnit};

use crate::error::PlotError;
use crate::units::counted;
use from_flows::{Connection, Counts};

/// The panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelKind {
    /// What was acknowledged, over time.
    Throughput,
    /// Congestion window, with ssthresh.
    Cwnd,
    /// What is in flight, against what is allowed.
    Flight,
    /// Smoothed RTT.
    Srtt,
    /// Retransmissions, by cause or connection.
    Retransmissions,
    /// What held each connection back.
    Limits,
}

/// How a panel is made.
type Make = fn(&Scene) -> Panel;

/// The panels, from above.
const PANELS: [(PanelKind, Make); 6] = [
    (PanelKind::Throughput, throughput::panel),
    (PanelKind::Cwnd, cwnd::panel),
    (PanelKind::Flight, flight::panel),
    (PanelKind::Srtt, srtt::panel),
    (PanelKind::Retransmissions, retransmissions::panel),
    (PanelKind::Limits, limits::panel),
];

/// What panels are made of.
struct Scene<'a> {
    connections: &'a [Connection<'a>],
    /// By trace; none overlaps another.
    gaps: &'a [Vec<Gap>],
    /// The time that all panels share.
    range: (u64, u64),
}

/// Everything about a picture but how it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What the picture is of.
    pub title: String,
    /// About the trace, each a few words: host, kernel, time, how many events and connections.
    pub facts: Vec<String>,
    /// What all panels share.
    pub time: Time,
    /// Where events were lost within that time, by their starts; they may overlap.
    pub gaps: Vec<Gap>,
    /// Of a single connection: what held it back, to be seen behind the curves.
    pub backdrop: Vec<Span>,
    /// From above.
    pub panels: Vec<Panel>,
    /// The connections drawn.
    pub table: Table,
    /// What is not drawn, and what was lost; a sentence each.
    pub notes: Vec<String>,
}

impl Plot {
    /// The plot of a trace.
    ///
    /// # Errors
    /// Those of [`choose`]; and when a chosen connection has no curves.
    pub fn new(input: &PlotInput, options: &Options) -> Result<Self, PlotError> {
        let choice = choose(input.flows, options)?;
        let connections = from_flows::connections(input, &choice)?;
        let counts = Counts::of(input.flows);
        let ranges = connections.iter().map(Connection::time_range);
        let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).ok_or(PlotError::NoEvents)?;
        let time = Time::new(range, options.raw_time, input.utc_offset_ns);
        let scene = Scene { connections: &connections, gaps: &[gap::disjoint(input.gaps.iter().copied())], range };
        Ok(Plot {
            title: input.title.to_owned(),
            facts: facts(input, &time, &counts),
            gaps: gaps_within(input.gaps, range),
            backdrop: if let [one] = &connections[..] { limits::backdrop(one) } else { Vec::new() },
            time,
            panels: panels(&scene, options),
            table: table::table(&connections),
            notes: table::notes(&counts, &choice, input.gaps),
        })
    }
}

/// Those asked for, or those that show something.
fn panels(scene: &Scene, options: &Options) -> Vec<Panel> {
    match &options.panels {
        None => PANELS.iter().map(|(_, make)| make(scene)).filter(|panel| !panel.is_empty()).collect(),
        Some(kinds) => {
            let make = |kind: &PanelKind| PANELS.iter().find(|(other, _)| other == kind);
            kinds.iter().filter_map(make).map(|(_, make)| make(scene)).collect()
        }
    }
}

fn facts(input: &PlotInput, time: &Time, counts: &Counts) -> Vec<String> {
    let facts = [
        input.host.map(str::to_owned),
        input.kernel.map(|kernel| format!("Linux {kernel}")),
        time.first_utc_words(),
        Some(time.span()),
        Some(counted(counts.events, "event", "events")),
        Some(counted(counts.connections, "connection", "connections")),
    ];
    facts.into_iter().flatten().collect()
}

fn gaps_within(gaps: &[Gap], (first, last): (u64, u64)) -> Vec<Gap> {
    let mut inside: Vec<Gap> = gaps.iter().filter(|gap| gap.end_ns >= first && gap.start_ns <= last).copied().collect();
    inside.sort_by_key(|gap| gap.start_ns);
    inside
}
