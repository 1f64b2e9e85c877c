//! The panel of smoothed RTTs: with the least, and where there are many values their spread.

use super::dense::Middle;
use super::from_flows::Metric;
use super::panel::{Content, Curve, Curves, Ink, Key, Panel, Sample, Scale, Shape};
use super::range::{needs_log, range};
use super::{Scene, dense};
use crate::units::millis;

/// The kernel counts microseconds.
const MS_PER_US: f64 = 1e-3;
pub fn panel(scene: &Scene) -> Panel {
    let connections = scene.connections;
    let (min, max) = range(connections, &[Metric::Srtt]).unwrap_or_default();
    let scale = match max - min {
        _ if needs_log(connections, Metric::Srtt, max) => Scale::Log,
        span if min > max / 2 && span > max / 32 => Scale::Near,
        _ => Scale::FromZero,
    };
    let (mut bands, mut lines) = (Vec::new(), Vec::new());
    for one in connections.iter().filter(|one| one.range(Metric::Srtt).is_some()) {
        dense::add(scene, one, one.samples(Metric::Srtt, MS_PER_US), Middle::Median, &mut bands, &mut lines);
    }
    let mut keys = Vec::new();
    if let ([one], [line]) = (connections, &lines[..]) {
        let ink = Ink::Row(one.row);
        keys.extend(dense::keys(&bands, Middle::Median));
        let least = line.samples.iter().map(|sample| (sample.first_ns, sample.last_ns));
        if let Some((first_ns, last_ns)) = least.reduce(|a, b| (a.0, b.1)) {
            keys.push(Key::line(ink, Shape::DashedSteps, format!("least: {} ms", millis(min))));
            let sample = Sample::of(first_ns, f64::from(min) * MS_PER_US);
            lines.push(Curve { ink, shape: Shape::DashedSteps, samples: vec![Sample { last_ns, ..sample }] });
        }
    } else {
        keys.extend(dense::keys(&bands, Middle::Median));
    }
    bands.append(&mut lines);
    let curves = Curves {
        scale,
        range: (f64::from(min) * MS_PER_US, f64::from(max) * MS_PER_US),
        curves: bands,
        marks: Vec::new(),
    };
    Panel {
        name: "Smoothed RTT",
        of: None,
        unit: Some("milliseconds"),
        keys,
        remarks: Vec::new(),
        if_empty: "no tcp_probe events",
        content: Content::Curves(curves),
    }
}
