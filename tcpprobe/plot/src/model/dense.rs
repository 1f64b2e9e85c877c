//! Values that are too many to be told apart: from the least to the greatest of a stretch of time, and its middle.

use super::Scene;
use super::from_flows::Connection;
use super::panel::{Curve, Ink, Key, Sample, Shape};

/// Stretches of time of which the spread is shown.
const STRETCHES: u64 = 400;
/// So many samples in each, on average, are dense.
const DENSE: u64 = 4;

/// What stands for the values of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Middle {
    /// The usual one.
    Median,
    /// Of values that jump between extremes.
    Mean,
}

impl Middle {
    pub fn word(self) -> &'static str {
        match self {
            Middle::Median => "median",
            Middle::Mean => "mean",
        }
    }

    /// That of `values`, in any order.
    fn of(self, values: &mut [f64]) -> Option<f64> {
        if let Middle::Mean = self {
            let sum: f64 = values.iter().sum();
            return (!values.is_empty()).then(|| sum / values.len() as f64);
        }
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// Adds the curve of a connection's samples to `lines`, or where they are dense their spread to `bands` and their middle to `lines`.
pub fn add(
    scene: &Scene,
    one: &Connection,
    samples: Vec<Sample>,
    middle: Middle,
    bands: &mut Vec<Curve>,
    lines: &mut Vec<Curve>,
) {
    let ink = Ink::Row(one.row);
    let width = ((scene.range.1 - scene.range.0) / STRETCHES).max(1);
    let stretches = (one.duration() / width).max(1);
    if samples.len() as u64 <= DENSE * stretches {
        return lines.push(Curve { ink, shape: Shape::Steps, samples });
    }
    let (band, line) = spread(&samples, width, middle);
    bands.push(Curve { ink, shape: Shape::Band, samples: band });
    lines.push(Curve { ink, shape: Shape::Steps, samples: line });
}

/// What explains bands, where there are any.
pub fn keys(bands: &[Curve], middle: Middle) -> Vec<Key> {
    let ink = match bands {
        [] => return Vec::new(),
        [one] => one.ink,
        _ => Ink::Any,
    };
    vec![Key::line(ink, Shape::Steps, middle.word()), Key::line(ink, Shape::Band, "least to greatest")]
}

/// For each stretch of time with any: from least to greatest; and the middle of what its samples end with.
fn spread(samples: &[Sample], width: u64, middle: Middle) -> (Vec<Sample>, Vec<Sample>) {
    let first = samples.first().map_or(0, |sample| sample.first_ns);
    let stretches = samples.chunk_by(|a, b| (a.first_ns - first) / width == (b.first_ns - first) / width);
    let spread = stretches.filter_map(|stretch| {
        let (start, end) = (stretch.first()?, stretch.last()?);
        let ranges = stretch.iter().filter_map(|sample| sample.range);
        let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let mut values: Vec<f64> = stretch.iter().filter_map(|sample| sample.last).collect();
        let value = middle.of(&mut values).unwrap_or(range.1);
        let (first_ns, last_ns) = (start.first_ns, end.last_ns);
        let all = Sample { first_ns, last_ns, first: start.first, last: end.last, range: Some(range) };
        let line = Sample { first_ns, last_ns, first: Some(value), last: Some(value), range: Some((value, value)) };
        Some((all, line))
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
        let (band, median) = spread(&samples, 4, Middle::Median);
        assert_eq!(band.iter().map(|one| one.range).collect::<Vec<_>>(), [Some((20.0, 90.0)), Some((40.0, 41.0))]);
        assert_eq!(median.iter().map(|one| one.last).collect::<Vec<_>>(), [Some(22.0), Some(41.0)]);
        let means = spread(&samples, 4, Middle::Mean).1;
        assert_eq!(means.iter().map(|one| one.last).collect::<Vec<_>>(), [Some(38.25), Some(40.5)]);
        assert_eq!((band[0].first_ns, band[0].last_ns, band[1].first_ns), (100, 103, 104));
    }
}
