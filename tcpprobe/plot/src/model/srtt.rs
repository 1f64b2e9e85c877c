//! The panel of smoothed RTTs.

use super::from_flows::{Connection, Metric};
use super::panel::{Content, Curve, Curves, Panel, Scale, Shape};
use super::range::{needs_log, range};

/// The kernel counts microseconds.
const MS_PER_US: f64 = 1e-3;

pub fn panel(connections: &[Connection]) -> Panel {
    let (min, max) = range(connections, &[Metric::Srtt]).unwrap_or_default();
    let scale = match max - min {
        _ if needs_log(connections, Metric::Srtt, max) => Scale::Log,
        span if min > max / 2 && span > max / 32 => Scale::Near,
        _ => Scale::FromZero,
    };
    let set = connections.iter().filter(|one| one.range(Metric::Srtt).is_some());
    let curve =
        |one: &Connection| Curve { row: one.row, shape: Shape::Steps, samples: one.samples(Metric::Srtt, MS_PER_US) };
    let curves = Curves {
        scale,
        range: (f64::from(min) * MS_PER_US, f64::from(max) * MS_PER_US),
        curves: set.map(curve).collect(),
        marks: Vec::new(),
    };
    Panel {
        name: "Smoothed RTT",
        unit: Some("milliseconds"),
        remarks: Vec::new(),
        if_empty: "no tcp_probe events",
        content: Content::Curves(curves),
    }
}
