//! The panel of smoothed RTTs: with the least, and where there are many values their spread.

use super::Scene;
use super::from_flows::Metric;
use super::panel::{Content, Curve, Curves, Ink, Key, Panel, Sample, Scale, Shape};
use super::range::{needs_log, range};
use crate::units::millis;

/// The kernel counts microseconds.
const MS_PER_US: f64 = 1e-3;
/// Stretches of time of which the spread is shown.
const STRETCHES: u64 = 400;
/// So many samples in each, on average, are dense.
const DENSE: u64 = 4;

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
        let (ink, samples) = (Ink::Row(one.row), one.samples(Metric::Srtt, MS_PER_US));
        let width = ((scene.range.1 - scene.range.0) / STRETCHES).max(1);
        let stretches = (one.duration() / width).max(1);
        if samples.len() as u64 > DENSE * stretches {
            let (band, median) = spread(&samples, width);
            bands.push(Curve { ink, shape: Shape::Band, samples: band });
            lines.push(Curve { ink, shape: Shape::Steps, samples: median });
        } else {
            lines.push(Curve { ink, shape: Shape::Steps, samples });
        }
    }
    let mut keys = Vec::new();
    if let ([one], [line]) = (connections, &lines[..]) {
        let ink = Ink::Row(one.row);
        if !bands.is_empty() {
            keys.push(Key::line(ink, Shape::Steps, "median"));
            keys.push(Key::line(ink, Shape::Band, "least to greatest"));
        }
        let least = line.samples.iter().map(|sample| (sample.first_ns, sample.last_ns));
        if let Some((first_ns, last_ns)) = least.reduce(|a, b| (a.0, b.1)) {
            keys.push(Key::line(ink, Shape::DashedSteps, format!("least: {} ms", millis(min))));
            let sample = Sample::of(first_ns, f64::from(min) * MS_PER_US);
            lines.push(Curve { ink, shape: Shape::DashedSteps, samples: vec![Sample { last_ns, ..sample }] });
        }
    } else if !bands.is_empty() {
        keys.push(Key::line(Ink::Any, Shape::Steps, "median"));
        keys.push(Key::line(Ink::Any, Shape::Band, "least to greatest"));
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

/// For each stretch of time with any: from least to greatest; and the median of what its samples end with.
fn spread(samples: &[Sample], width: u64) -> (Vec<Sample>, Vec<Sample>) {
    let first = samples.first().map_or(0, |sample| sample.first_ns);
    let stretches = samples.chunk_by(|a, b| (a.first_ns - first) / width == (b.first_ns - first) / width);
    let spread = stretches.filter_map(|stretch| {
        let (start, end) = (stretch.first()?, stretch.last()?);
        let ranges = stretch.iter().filter_map(|sample| sample.range);
        let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let mut values: Vec<f64> = stretch.iter().filter_map(|sample| sample.last).collect();
        values.sort_by(f64::total_cmp);
        let median = values.get(values.len() / 2).copied().unwrap_or(range.1);
        let (first_ns, last_ns) = (start.first_ns, end.last_ns);
        let all = Sample { first_ns, last_ns, first: start.first, last: end.last, range: Some(range) };
        let middle =
            Sample { first_ns, last_ns, first: Some(median), last: Some(median), range: Some((median, median)) };
        Some((all, middle))
    });
    spread.unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_every_extreme_and_the_middle() {
        let values = [20.0, 22.0, 90.0, 21.0, 40.0, 41.0];
        let samples: Vec<Sample> = (100..).zip(values).map(|(time, value)| Sample::of(time, value)).collect();
        let (band, median) = spread(&samples, 4);
        assert_eq!(band.iter().map(|one| one.range).collect::<Vec<_>>(), [Some((20.0, 90.0)), Some((40.0, 41.0))]);
        assert_eq!(median.iter().map(|one| one.last).collect::<Vec<_>>(), [Some(22.0), Some(41.0)]);
        assert_eq!((band[0].first_ns, band[0].last_ns, band[1].first_ns), (100, 103, 104));
    }
}
