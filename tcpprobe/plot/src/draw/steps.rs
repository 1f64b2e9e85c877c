//! Step lines: a value holds until the next event. Samples become at most a few points for each pixel of width.

use super::canvas::Point;
use crate::model::Sample;

/// A line that would be shorter than this is made as long, so that a single event can be seen.
const LENGTH_MIN: f32 = 6.0;

/// The lines through `samples`; wherever the value was not set, a line ends.
///
/// Within a column of pixels a line goes through the column's first, largest, smallest and last value.
pub fn steps(samples: &[Sample], x: impl Fn(u64) -> f32, y: impl Fn(f64) -> f32) -> Vec<Vec<Point>> {
    let mut lines = Lines { y, done: Vec::new(), line: Vec::new(), column: None };
    let mut end = None;
    for sample in samples {
        let at = x(sample.first_ns);
        if sample.first.is_none() {
            lines.finish(at);
        }
        if let Some(column) = Column::of(at, sample) {
            lines.add(column);
        }
        if sample.last.is_none() {
            lines.finish(x(sample.last_ns));
        }
        end = Some(x(sample.last_ns));
    }
    if let Some(end) = end {
        lines.finish(end);
    }
    lines.done
}

/// The values in one column of pixels.
struct Column {
    x: f32,
    first: f64,
    min: f64,
    max: f64,
    last: f64,
}

impl Column {
    fn of(x: f32, sample: &Sample) -> Option<Self> {
        let (min, max) = sample.range?;
        Some(Column { x, first: sample.first.unwrap_or(min), min, max, last: sample.last.unwrap_or(max) })
    }
}

struct Lines<Y> {
    y: Y,
    done: Vec<Vec<Point>>,
    line: Vec<Point>,
    column: Option<Column>,
}

impl<Y: Fn(f64) -> f32> Lines<Y> {
    fn add(&mut self, next: Column) {
        match &mut self.column {
            Some(open) if open.x.floor() == next.x.floor() => {
                open.min = open.min.min(next.min);
                open.max = open.max.max(next.max);
                open.last = next.last;
            }
            _ => {
                self.draw_column();
                self.column = Some(next);
            }
        }
    }

    fn draw_column(&mut self) {
        let Some(Column { x, first, min, max, last }) = self.column.take() else { return };
        self.hold(x);
        for value in [first, max, min, last] {
            let y = (self.y)(value);
            self.go(Point { x, y });
        }
    }

    /// Goes on to `x` at the level of before.
    fn hold(&mut self, x: f32) {
        if let Some(&Point { y, .. }) = self.line.last() {
            self.go(Point { x, y });
        }
    }

    fn go(&mut self, point: Point) {
        match self.line[..] {
            [.., last] if last == point => {}
            [.., a, b] if a.y == b.y && b.y == point.y => {
                let end = self.line.len() - 1;
                self.line[end] = point;
            }
            _ => self.line.push(point),
        }
    }

    /// Holds the last value to `x` and ends the line there.
    fn finish(&mut self, x: f32) {
        self.draw_column();
        let Some(first) = self.line.first() else { return };
        let end = x.max(first.x + LENGTH_MIN);
        self.hold(end);
        self.done.push(std::mem::take(&mut self.line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points: &[(u64, Option<u32>)], expected: &[&[(f32, f32)]]) {
        let sample = |&(time, value): &(u64, Option<u32>)| {
            let value = value.map(f64::from);
            let range = value.map(|value| (value, value));
            Sample { first_ns: time, last_ns: time, first: value, last: value, range }
        };
        let samples: Vec<Sample> = points.iter().map(sample).collect();
        let found = steps(&samples, |time| time as f32 / 10.0, |value| value as f32);
        let found: Vec<Vec<(f32, f32)>> = found.iter().map(|line| line.iter().map(|p| (p.x, p.y)).collect()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_value_holds_until_the_next() {
        check(
            &[(0, Some(5)), (100, Some(7)), (200, Some(7)), (300, Some(7))],
            &[&[(0.0, 5.0), (10.0, 5.0), (10.0, 7.0), (30.0, 7.0)]],
        );
    }

    #[test]
    fn a_column_of_pixels_shows_its_extremes() {
        let points = [(0, Some(5)), (100, Some(7)), (101, Some(90)), (102, Some(1)), (103, Some(8)), (200, Some(8))];
        check(&points, &[&[(0.0, 5.0), (10.0, 5.0), (10.0, 7.0), (10.0, 90.0), (10.0, 1.0), (10.0, 8.0), (20.0, 8.0)]]);
    }

    #[test]
    fn a_line_ends_where_the_value_is_not_set() {
        let points = [(0, None), (100, Some(7)), (200, None), (300, None), (400, Some(2)), (500, Some(2))];
        check(&points, &[&[(10.0, 7.0), (20.0, 7.0)], &[(40.0, 2.0), (50.0, 2.0)]]);
    }

    #[test]
    fn one_event_can_be_seen() {
        check(&[(100, Some(7))], &[&[(10.0, 7.0), (16.0, 7.0)]]);
        check(&[], &[]);
        check(&[(100, None)], &[]);
    }
}
