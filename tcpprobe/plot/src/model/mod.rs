//! What is drawn: words, values and times. Pure data, without a pixel, a colour's shade or a font.
//!
//! In the order that data flows: `from_flows` (connections and what a plot asks of them), `range` (their values
//! together), a file for each panel, `table`, and [`Plot`], which holds it all. A new panel is a file beside `cwnd`,
//! and its line in `PANELS`.

mod cwnd;
mod from_flows;
mod gap;
mod panel;
mod range;
mod retransmissions;
mod srtt;
mod table;
mod time;

pub use from_flows::{Choice, Options, PlotInput, TOP_MAX, choose};
pub use gap::{Gap, Lost};
pub use panel::{Bar, Content, Curve, Curves, Lane, Mark, Panel, Sample, Scale, Shape};
pub use table::{Row, Table};
pub use time::{Time, TimeUnit};

use crate::error::PlotError;
use crate::units::counted;
use from_flows::{Connection, Counts};

/// The panels, from above.
const PANELS: [fn(&[Connection]) -> Panel; 3] = [cwnd::panel, srtt::panel, retransmissions::panel];

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
        let connections = from_flows::connections(input.flows, &choice)?;
        let counts = Counts::of(input.flows);
        let ranges = connections.iter().map(Connection::time_range);
        let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).ok_or(PlotError::NoEvents)?;
        let time = Time::new(range, options.raw_time, input.utc_offset_ns);
        Ok(Plot {
            title: input.title.to_owned(),
            facts: facts(input, &time, &counts),
            gaps: gaps_within(input.gaps, range),
            time,
            panels: PANELS.iter().map(|panel| panel(&connections)).collect(),
            table: table::table(&connections),
            notes: table::notes(&counts, &choice, input.gaps),
        })
    }
}

fn facts(input: &PlotInput, time: &Time, counts: &Counts) -> Vec<String> {
    let facts = [
        input.host.map(str::to_owned),
        input.kernel.map(|kernel| format!("Linux {kernel}")),
        time.first_utc(),
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
