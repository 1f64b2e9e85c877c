//! Several traces in one picture: aligned at their first events, over the same axes, with a table of what differs.

use std::cmp::Reverse;

use super::from_flows::{self, Connection, Limit, Options, PlotInput, Summary, TOP_MAX, choose};
use super::gap::{self, Gap, Lost};
use super::limits::words;
use super::panel::{Content, Ink, Panel};
use super::table::{Row, Table};
use super::time::Time;
use super::{Plot, Scene, gaps_within, panels};
use crate::error::PlotError;
use crate::units::{bit_rate, counted, duration, grouped, millis, percent};

/// What the numbers of [`differences`] are.
pub const COMPARED: &str = "in brackets: against the first; duration and rate are the mean of a connection";
/// Limits with columns of their own.
const LIMITS: usize = 4;
/// Those of a smaller share in every trace have none.
const SHARE_MIN: f64 = 0.01;

impl Plot {
    /// Several traces, each with the [`Options::top`] connections of its own (fewer where there are many traces), in one colour.
    /// [`PlotInput::diagnoses`] are of all of its connections.
    ///
    /// # Errors
    /// Those of [`Plot::new`], for the first trace that has any.
    pub fn compare(inputs: &[PlotInput], options: &Options) -> Result<Self, PlotError> {
        let each = Options { top: options.top.min(TOP_MAX / inputs.len().max(1)).max(1), ..options.clone() };
        let mut connections = Vec::new();
        let mut gaps = Vec::new();
        for (source, input) in inputs.iter().enumerate() {
            let chosen = from_flows::connections(input, &choose(input.flows, &each)?)?;
            let first = chosen.iter().map(|one| one.time_range().0).min().unwrap_or(0);
            connections.extend(chosen.into_iter().map(|one| one.moved(source, source, first)));
            gaps.push(moved_gaps(input.gaps, first));
        }
        let span = connections.iter().map(|one| one.time_range().1).max().unwrap_or(0);
        let disjoint: Vec<Vec<Gap>> = gaps.iter().map(|gaps| gap::disjoint(gaps.iter().copied())).collect();
        let scene = Scene { connections: &connections, gaps: &disjoint, range: (0, span) };
        let mut panels = panels(&scene, options);
        if options.stack {
            panels = panels.into_iter().flat_map(|panel| stacked(&panel, inputs)).collect();
        }
        Ok(Plot {
            title: inputs.iter().map(|input| input.title).collect::<Vec<_>>().join("  ·  "),
            facts: facts(inputs, &connections),
            time: Time::aligned(span),
            gaps: gaps_within(&gaps.concat(), (0, span)),
            backdrop: Vec::new(),
            panels,
            table: table(inputs),
            notes: notes(inputs, &connections),
        })
    }
}

fn moved_gaps(gaps: &[Gap], first: u64) -> Vec<Gap> {
    let inside = gaps.iter().filter(|gap| gap.end_ns >= first);
    let moved = inside.map(|gap| Gap {
        start_ns: gap.start_ns.saturating_sub(first),
        end_ns: gap.end_ns - first,
        lost: gap.lost,
    });
    moved.collect()
}

/// The panel once for each trace, over the same axis.
fn stacked(panel: &Panel, inputs: &[PlotInput]) -> Vec<Panel> {
    let of = |(source, input): (usize, &PlotInput)| {
        let is_its = |ink: Ink| ink == Ink::Row(source);
        let mut one = Panel { of: Some(input.title.to_owned()), ..panel.clone() };
        match &mut one.content {
            Content::Curves(curves) => {
                curves.curves.retain(|curve| is_its(curve.ink));
                curves.marks.retain(|mark| mark.row == source);
            }
            Content::Lanes(lanes) => lanes.retain(|lane| is_its(lane.ink)),
        }
        one
    };
    match panel.content {
        Content::Curves(_) => inputs.iter().enumerate().map(of).collect(),
        // A lane is one of one trace anyway.
        Content::Lanes(_) => vec![panel.clone()],
    }
}

fn facts(inputs: &[PlotInput], connections: &[Connection]) -> Vec<String> {
    let same = |value: fn(&PlotInput) -> Option<String>| {
        let first = value(inputs.first()?)?;
        inputs.iter().all(|input| value(input).as_ref() == Some(&first)).then_some(first)
    };
    let facts = [
        same(|input| input.host.map(str::to_owned)),
        same(|input| input.kernel.map(|kernel| format!("Linux {kernel}"))),
        Some(counted(inputs.iter().map(|input| input.flows.events()).sum(), "event", "events")),
        Some(format!("{} drawn", counted(connections.len() as u64, "connection", "connections"))),
    ];
    facts.into_iter().flatten().collect()
}

/// A number, and behind it by how much it is another than that of the first trace.
fn against(first: f64, value: f64, text: String) -> String {
    let change = (value / first - 1.0) * 100.0;
    match change {
        _ if !change.is_finite() => text,
        change if change.abs() < 0.5 => format!("{text} (=)"),
        change if change > 900.0 => format!("{text} (× {:.0})", value / first),
        change if change > 0.0 => format!("{text} (+{change:.0} %)"),
        change => format!("{text} (\u{2212}{:.0} %)", -change),
    }
}

fn table(inputs: &[PlotInput]) -> Table {
    let sums: Vec<(&str, Summary)> =
        inputs.iter().map(|input| (input.title, from_flows::summary(input.diagnoses))).collect();
    differences(&sums)
}

/// What differs between traces, each with its name and the sums of its connections: a row each, and behind its numbers in brackets
/// by how much they are others than those of the first. Limits that have a share somewhere have a column, the four largest.
#[must_use]
pub fn differences(traces: &[(&str, Summary)]) -> Table {
    let sums: Vec<&Summary> = traces.iter().map(|(_, sums)| sums).collect();
    let mut limits: Vec<(Limit, f64)> = Limit::ALL
        .into_iter()
        .filter(|limit| *limit != Limit::Idle)
        .map(|limit| (limit, sums.iter().map(|sum| sum.share(limit)).fold(0.0, f64::max)))
        .filter(|(_, share)| *share >= SHARE_MIN)
        .collect();
    limits.sort_by(|a, b| b.1.total_cmp(&a.1));
    limits.truncate(LIMITS);
    limits.sort_by_key(|(limit, _)| Reverse((sums.first().map_or(0.0, |sum| sum.share(*limit)) * 1e6) as u64));
    let mut headings: Vec<String> =
        ["connections", "duration", "rate", "resent", "srtt p50, ms", "srtt p95, ms"].map(str::to_owned).to_vec();
    headings.extend(limits.iter().map(|(limit, _)| words(*limit)));
    let row = |(source, &(name, ref sum)): (usize, &(&str, Summary))| {
        let first = sums[0];
        let compared =
            |value: f64, base: f64, text: String| if source == 0 { text } else { against(base, value, text) };
        let srtt = |share: f64| {
            let of = |sum: &Summary| sum.rtts.quantile(share);
            let (value, base) = (of(sum), of(first).unwrap_or(0));
            value.map_or("–".to_owned(), |value| compared(value.into(), base.into(), millis(value)))
        };
        let rate = 8.0 * sum.rate();
        let mean = sum.duration / sum.connections.max(1);
        let mut cells = vec![
            grouped(sum.connections),
            duration(mean),
            compared(rate, 8.0 * first.rate(), bit_rate(rate)),
            compared(sum.retransmissions as f64, first.retransmissions as f64, grouped(sum.retransmissions)),
            srtt(0.5),
            srtt(0.95),
        ];
        cells.extend(limits.iter().map(|(limit, _)| percent(sum.share(*limit))));
        Row { color: source, name: name.to_owned(), cells }
    };
    Table { name_heading: "trace", headings, rows: traces.iter().enumerate().map(row).collect() }
}

fn notes(inputs: &[PlotInput], connections: &[Connection]) -> Vec<String> {
    let mut notes = vec![COMPARED.to_owned()];
    for (source, input) in inputs.iter().enumerate() {
        let drawn: Vec<&Connection> = connections.iter().filter(|one| one.source == source).collect();
        let what = match drawn[..] {
            [one] => one.name(),
            _ => counted(drawn.len() as u64, "connection", "connections"),
        };
        notes.push(format!("{}: {what} drawn", input.title));
        if !input.gaps.is_empty() {
            notes.push(format!("{}: {}", input.title, Lost::of(input.gaps)));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::against;

    #[test]
    fn differences_are_against_the_first() {
        let texts = [(100.0, 150.0), (100.0, 40.0), (100.0, 100.2), (0.0, 5.0), (1.0, 20.0)]
            .map(|(first, value)| against(first, value, "x".to_owned()));
        assert_eq!(texts, ["x (+50 %)", "x (−60 %)", "x (=)", "x", "x (× 20)"]);
    }
}
