//! The panel of throughput: what was acknowledged (or received, where that is more) over time.

use super::Scene;
use super::from_flows::{Connection, Metric};
use super::gap::Gap;
use super::panel::{Content, Curve, Curves, Ink, Panel, Sample, Scale, Shape};
use crate::units::duration;

/// Means over the whole time, of a connection without a long RTT.
const MEANS: u64 = 200;

pub fn panel(scene: &Scene) -> Panel {
    let width = mean_width(scene);
    let curve = |one: &Connection| {
        let moved = one.bytes_over_time().collect::<Vec<_>>();
        let samples = rates(&moved, round_trip(one), one.time_range(), width, &scene.gaps[one.source]);
        (one.row, samples)
    };
    let curves: Vec<(usize, Vec<Sample>)> =
        scene.connections.iter().map(curve).filter(|(_, samples)| !samples.is_empty()).collect();
    let greatest =
        |samples: &[Sample]| samples.iter().filter_map(|one| one.range).map(|range| range.1).fold(0.0, f64::max);
    let max = curves.iter().map(|(_, samples)| greatest(samples)).fold(0.0, f64::max);
    let (unit, factor) = match max {
        _ if max < 1e6 => ("kbit/s", 1e-3),
        _ if max < 1e9 => ("Mbit/s", 1e-6),
        _ => ("Gbit/s", 1e-9),
    };
    let scaled = |(row, samples): (usize, Vec<Sample>)| Curve {
        ink: Ink::Row(row),
        shape: Shape::Steps,
        samples: samples.into_iter().map(|sample| sample.times(factor)).collect(),
    };
    // What is next to nothing is not to be seen, and needs no words.
    let most = scene.connections.iter().map(|one| one.bytes_acked().max(one.bytes_received())).max().unwrap_or(0);
    let is_all = scene
        .connections
        .iter()
        .all(|one| one.bytes_acked() >= one.bytes_received() || one.bytes_received() < most / 100);
    let what = if is_all { "acknowledged data" } else { "data acknowledged, or received where that is more" };
    Panel {
        name: "Throughput",
        of: None,
        unit: Some(unit),
        keys: Vec::new(),
        remarks: vec![format!("{what}, means of {}", duration(width))],
        if_empty: "no data moved",
        content: Content::Curves(Curves {
            scale: Scale::FromZero,
            range: (0.0, max * factor),
            curves: curves.into_iter().map(scaled).collect(),
            marks: Vec::new(),
        }),
    }
}

/// The least RTT, nanoseconds.
fn round_trip(one: &Connection) -> u64 {
    one.range(Metric::Srtt).map_or(0, |(min, _)| u64::from(min) * 1000)
}

/// How long a mean is: a two-hundredth of the time, but a round trip, within which ACKs come in bursts.
fn mean_width(scene: &Scene) -> u64 {
    let (first, last) = scene.range;
    let span = last - first;
    let longest = scene.connections.iter().map(round_trip).max().unwrap_or(0);
    let least = (span / MEANS).max(longest.min(span / 20)).max(1);
    // 1, 2 or 5 times a power of ten.
    let power = 10_u64.pow(least.ilog10());
    [1, 2, 5].into_iter().map(|factor| factor * power).find(|width| *width >= least).unwrap_or(power.saturating_mul(10))
}

/// Bits a second, a mean for each `width` of time from the first on, of what `moved` from time to time.
///
/// What is acknowledged at a time went over the path in the round trip before; what moved while events were lost is known from
/// the first event after them, and went over it in that time. `gaps` do not overlap.
fn rates(
    moved: &[(u64, u64, u64)],
    round_trip: u64,
    (first, last): (u64, u64),
    width: u64,
    gaps: &[Gap],
) -> Vec<Sample> {
    let count = ((last - first) / width + 1) as usize;
    let mut bytes = vec![0.0; count];
    for (at, &(from, to, amount)) in moved.iter().enumerate() {
        let next = moved.get(at + 1).map_or(to, |next| next.0);
        let gap = gaps.get(gaps.partition_point(|gap| gap.end_ns <= to));
        let to = if gap.is_some_and(|gap| gap.start_ns < next) { next.max(to) } else { to };
        let from = from.saturating_sub(round_trip).max(first);
        spread(&mut bytes, (from - first, to.max(from) - first), amount as f64, width);
    }
    if bytes.iter().all(|bytes| *bytes == 0.0) {
        return Vec::new();
    }
    // The last is not a whole one, and of its data some was not acknowledged yet: it counts with the one before.
    let whole = (count - 1).max(1);
    let rate = |at: usize| {
        let start = first + at as u64 * width;
        let (bytes, end) = if at + 1 == whole { (bytes[at..].iter().sum(), last) } else { (bytes[at], start + width) };
        Sample::of(start, bytes * 8.0 * 1e9 / (end - start).max(1) as f64)
    };
    let mut samples: Vec<Sample> = (0..whole).map(rate).collect();
    if let Some(end) = samples.last().copied() {
        samples.push(Sample { first_ns: last, last_ns: last, ..end });
    }
    samples
}

/// Spreads an amount evenly over the means that it is in.
fn spread(means: &mut [f64], (from, to): (u64, u64), amount: f64, width: u64) {
    let (first, last) = ((from / width) as usize, ((to / width) as usize).min(means.len() - 1));
    if first >= last {
        means[last] += amount;
        return;
    }
    let length = (to - from) as f64;
    for (at, mean) in means.iter_mut().enumerate().take(last + 1).skip(first) {
        let (start, end) = (at as u64 * width, (at as u64 + 1) * width);
        *mean += amount * (end.min(to).saturating_sub(start.max(from))) as f64 / length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn megabits(moved: &[(u64, u64, u64)], round_trip: u64, range: (u64, u64), gaps: &[Gap]) -> Vec<f64> {
        let samples = rates(moved, round_trip, range, 1_000_000_000, gaps);
        samples.iter().map(|sample| (sample.first.unwrap_or(-1.0) / 1e4).round() / 100.0).collect()
    }

    #[test]
    fn a_rate_is_the_mean_of_what_moved() {
        let second = 1_000_000_000;
        // 1 MB in the first second, nothing in the next, 0.5 MB over the boundary of the last two.
        let moved = [
            (5 * second, 5 * second + 10, 500_000),
            (5 * second + second / 2, 5 * second + second / 2, 500_000),
            (7 * second + second / 2, 8 * second + second / 2, 500_000),
        ];
        let range = (5 * second, 9 * second - 1);
        assert_eq!(megabits(&moved, 0, range, &[]), [8.0, 0.0, 2.0, 2.0]);
        // Over a gap, what it is told after it moved within it.
        let gap = Gap { start_ns: 5 * second + second / 2, end_ns: 7 * second + second / 2, lost: None };
        assert_eq!(megabits(&moved, 0, range, &[gap]), [5.0, 2.0, 2.5, 2.5]);
        // And what comes at once at the end of a round trip, in that.
        let bursts = [(2 * second, 2 * second, 500_000), (4 * second, 4 * second, 500_000)];
        assert_eq!(megabits(&bursts, 2 * second, (0, 4 * second), &[]), [2.0, 2.0, 2.0, 2.0, 2.0]);
        assert!(megabits(&[(5, 5, 0)], 0, (5, 5), &[]).is_empty());
    }
}
