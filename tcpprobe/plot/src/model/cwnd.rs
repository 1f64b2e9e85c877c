//! The panel of congestion windows: with ssthresh, and retransmissions where the window was when they happened.

use super::from_flows::{Connection, Metric};
use super::panel::{Content, Curve, Curves, Mark, Panel, Scale, Shape};
use super::range::{needs_log, range};

pub fn panel(connections: &[Connection]) -> Panel {
    let (min, max) = range(connections, &[Metric::SndCwnd, Metric::Ssthresh]).unwrap_or_default();
    let scale = if needs_log(connections, Metric::SndCwnd, max) { Scale::Log } else { Scale::FromZero };
    let mut remarks = Vec::new();
    if range(connections, &[Metric::Ssthresh]).is_some() {
        remarks.push("dashed: ssthresh, where it is set");
    }
    if connections.iter().any(|one| one.retransmissions() > 0) {
        remarks.push("▼ retransmission");
    }
    let curves = [(Metric::Ssthresh, Shape::DashedSteps), (Metric::SndCwnd, Shape::Steps)];
    let curves = curves.into_iter().flat_map(|(metric, shape)| {
        let set = connections.iter().filter(move |one| one.range(metric).is_some());
        set.map(move |one| Curve { row: one.row, shape, samples: one.samples(metric, 1.0) })
    });
    let curves = Curves { scale, range: (min.into(), max.into()), curves: curves.collect(), marks: marks(connections) };
    Panel {
        name: "Congestion window",
        unit: Some("packets"),
        remarks,
        if_empty: "no tcp_probe events",
        content: Content::Curves(curves),
    }
}

fn marks(connections: &[Connection]) -> Vec<Mark> {
    let of = |one: &Connection| {
        let packets = |time_ns| one.value_at(Metric::SndCwnd, time_ns).map(f64::from);
        let marks = one.retransmission_bars().into_iter().map(|bar| bar.time_ns);
        marks.filter_map(|time_ns| Some(Mark { row: one.row, time_ns, value: packets(time_ns)? })).collect::<Vec<_>>()
    };
    connections.iter().flat_map(of).collect()
}
