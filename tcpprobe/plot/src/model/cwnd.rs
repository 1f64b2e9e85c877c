//! The panel of congestion windows: with ssthresh, and retransmissions where the window was when they happened.

use super::Scene;
use super::from_flows::{Cause, Connection, Metric};
use super::limits::sort_of_cause;
use super::panel::{Content, Curve, Curves, Ink, Key, Mark, Panel, Scale, Shape};
use super::range::{needs_log, range};

pub fn panel(scene: &Scene) -> Panel {
    let connections = scene.connections;
    let (min, max) = range(connections, &[Metric::SndCwnd, Metric::Ssthresh]).unwrap_or_default();
    let scale = if needs_log(connections, Metric::SndCwnd, max) { Scale::Log } else { Scale::FromZero };
    let mut keys = Vec::new();
    if range(connections, &[Metric::Ssthresh]).is_some() {
        let ink = if let [one] = connections { Ink::Row(one.row) } else { Ink::Any };
        keys.push(Key::line(ink, Shape::DashedSteps, "ssthresh, where it is set"));
    }
    let mut remarks = Vec::new();
    if connections.iter().any(|one| one.retransmissions() > 0) {
        let is_told = matches!(connections, [one] if one.causes().next().is_some());
        remarks
            .push(if is_told { "▼ retransmission, in the colour of its cause" } else { "▼ retransmission" }.to_owned());
    }
    let curves = [(Metric::Ssthresh, Shape::DashedSteps), (Metric::SndCwnd, Shape::Steps)];
    let curves = curves.into_iter().flat_map(|(metric, shape)| {
        let set = connections.iter().filter(move |one| one.range(metric).is_some());
        set.map(move |one| Curve { ink: Ink::Row(one.row), shape, samples: one.samples(metric, 1.0) })
    });
    let curves = Curves { scale, range: (min.into(), max.into()), curves: curves.collect(), marks: marks(connections) };
    Panel {
        name: "Congestion window",
        of: None,
        unit: Some("packets"),
        keys,
        remarks,
        if_empty: "no tcp_probe events",
        content: Content::Curves(curves),
    }
}

fn marks(connections: &[Connection]) -> Vec<Mark> {
    let packets = |one: &Connection, time_ns| one.value_at(Metric::SndCwnd, time_ns).map(f64::from);
    if let [one] = connections
        && one.causes().next().is_some()
    {
        let mark = |(cause, time_ns): (Cause, u64)| {
            Some(Mark { row: one.row, ink: Ink::Sort(sort_of_cause(cause)), time_ns, value: packets(one, time_ns)? })
        };
        return one.causes().map(|(cause, bar)| (cause, bar.time_ns)).filter_map(mark).collect();
    }
    let of = |one: &Connection| {
        let mark =
            |time_ns| Some(Mark { row: one.row, ink: Ink::Row(one.row), time_ns, value: packets(one, time_ns)? });
        one.retransmission_bars().into_iter().filter_map(|bar| mark(bar.time_ns)).collect::<Vec<_>>()
    };
    let mut marks: Vec<Mark> = connections.iter().flat_map(of).collect();
    // In a comparison, connections share rows.
    marks.sort_by_key(|mark| (mark.row, mark.time_ns));
    marks
}
