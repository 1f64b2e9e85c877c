//! Axes: values to pixels, and where the ticks are.

use crate::model::{Scale, Time};
use crate::units;

/// The smallest of 1, 2 and 5 times a power of ten that makes at most `count` steps of `span`.
fn tidy_step(span: f64, count: usize) -> f64 {
    let least = span / count.max(1) as f64;
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A vertical axis of values that are not negative.
#[derive(Debug, Clone, Copy)]
pub struct ValueAxis {
    low: f64,
    high: f64,
    scale: Scale,
    bottom: f32,
    top: f32,
}

impl ValueAxis {
    /// An axis that holds everything from `min` to `max`.
    pub fn new(scale: Scale, (min, max): (f64, f64), bottom: f32, top: f32) -> Self {
        let (low, high) = match scale {
            Scale::FromZero => (0.0, if max > 0.0 { max * 1.06 } else { 1.0 }),
            Scale::Near => {
                let margin = (0.08 * (max - min)).max(0.02 * max).max(1e-6);
                ((min - margin).max(0.0), max + margin)
            }
            Scale::Log => (min.max(max * 1e-9) / 1.3, max * 1.3),
        };
        ValueAxis { low, high, scale, bottom, top }
    }

    /// The pixel of `value`; values outside are put on the edge.
    pub fn at(&self, value: f64) -> f32 {
        let place = match self.scale {
            Scale::Log => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            _ => (value - self.low) / (self.high - self.low),
        };
        self.bottom + (self.top - self.bottom) * place.clamp(0.0, 1.0) as f32
    }

    /// Values and labels of the ticks, at least `distance` pixels apart.
    pub fn ticks(&self, distance: f32) -> Vec<(f64, String)> {
        let count = ((self.bottom - self.top) / distance).max(1.0) as usize;
        if self.scale == Scale::Log {
            return self.log_ticks(count);
        }
        let step = tidy_step(self.high - self.low, count);
        let first = (self.low / step - 1e-9).ceil() as u64;
        let values = (first..).map(|n| n as f64 * step).take_while(|value| *value <= self.high);
        values.map(|value| (value, units::tick(value, step))).collect()
    }

    /// Powers of ten, with 2 and 5 between them where there is room.
    fn log_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let decades = (self.high / self.low).log10();
        let factors: &[f64] = match count as f64 / decades {
            room if room >= 3.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let every = (decades / count as f64).ceil().max(1.0) as usize;
        let powers = (self.low.log10().floor() as i32..=self.high.log10().ceil() as i32).step_by(every);
        powers
            .flat_map(|power| factors.iter().map(move |factor| (factor * 10f64.powi(power), 10f64.powi(power))))
            .filter(|(value, _)| (self.low..=self.high).contains(value))
            .map(|(value, power)| (value, units::tick(value, power)))
            .collect()
    }
}

/// The horizontal axis.
#[derive(Debug, Clone, Copy)]
pub struct TimeAxis {
    /// The time at `left`, nanoseconds in the trace's clock; below 0 where there is a margin.
    start: i128,
    end: i128,
    /// The time that is labelled 0.
    zero: i128,
    /// Nanoseconds in one of what the labels count.
    unit_ns: i128,
    left: f32,
    right: f32,
}

impl TimeAxis {
    /// All of `time`, with a small margin.
    pub fn new(time: &Time, left: f32, right: f32) -> Self {
        let span = time.last_ns.saturating_sub(time.first_ns);
        let margin = i128::from(if span == 0 { 550_000 } else { (span / 100).max(1) });
        let (start, end) = (i128::from(time.first_ns) - margin, i128::from(time.last_ns) + margin);
        TimeAxis { start, end, zero: time.zero_ns().into(), unit_ns: time.unit.ns.into(), left, right }
    }

    /// The pixel of a time; times outside are put on the edge.
    pub fn at(&self, time: u64) -> f32 {
        self.pixel(i128::from(time).clamp(self.start, self.end))
    }

    fn pixel(&self, time: i128) -> f32 {
        let place = (time - self.start) as f64 / (self.end - self.start) as f64;
        (f64::from(self.left) + f64::from(self.right - self.left) * place) as f32
    }

    /// Nanoseconds in a pixel.
    pub fn ns_per_pixel(&self) -> f64 {
        (self.end - self.start) as f64 / f64::from(self.right - self.left)
    }

    /// Pixels and labels of the ticks; `width` tells how wide a label is.
    pub fn ticks(&self, width: impl Fn(&str) -> f32) -> Vec<(f32, String)> {
        // The labels' width depends on the step, which depends on the labels' width.
        let mut count = 16;
        loop {
            let ticks = self.ticks_of(count);
            let room = (self.right - self.left) / ticks.len().max(1) as f32;
            if count <= 2 || ticks.iter().all(|(_, label)| width(label) + 24.0 < room) {
                return ticks;
            }
            count -= 1;
        }
    }

    fn ticks_of(&self, count: usize) -> Vec<(f32, String)> {
        let step = tidy_step((self.end - self.start) as f64 / self.unit_ns as f64, count);
        // Steps are whole nanoseconds, so that no tick is off by a rounding.
        let step_ns = ((step * self.unit_ns as f64).round() as i128).max(1);
        let first = -(self.zero - self.start).div_euclid(step_ns);
        let times = (first..).map(|n| n * step_ns).take_while(|offset| self.zero + offset <= self.end);
        let label =
            |offset: i128| units::tick(offset as f64 / self.unit_ns as f64, step_ns as f64 / self.unit_ns as f64);
        times.map(|offset| (self.pixel(self.zero + offset), label(offset))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(range: (u64, u64), raw: bool) -> Vec<String> {
        let axis = TimeAxis::new(&Time::new(range, raw, None), 0.0, 1000.0);
        axis.ticks(|label| 8.0 * label.chars().count() as f32).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn steps_are_1_2_or_5() {
        assert_eq!(
            [1.0, 9.0, 11.0, 20.0, 21.0, 0.03].map(|span| tidy_step(span, 10)),
            [0.1, 1.0, 2.0, 2.0, 5.0, 0.005]
        );
    }

    #[test]
    fn time_ticks() {
        assert_eq!(
            labels((7_000_000_123, 7_000_005_123), false).join(" "),
            "0.0 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0"
        );
        let raw = labels((1_830_433_505_000, 1_830_433_510_000), true);
        assert_eq!(raw.join(" "), "1,830.433505 1,830.433506 1,830.433507 1,830.433508 1,830.433509 1,830.433510");
        assert_eq!(labels((0, 30 * 86_400_000_000_000), false).join(" "), "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30");
        assert_eq!(labels((55, 55), false).join(" "), "−0.5 −0.4 −0.3 −0.2 −0.1 0.0 0.1 0.2 0.3 0.4 0.5");
        assert!(!labels((0, u64::MAX), true).is_empty());
    }

    #[test]
    fn value_ticks() {
        let labels = |scale, range, height| {
            let axis = ValueAxis::new(scale, range, height, 0.0);
            axis.ticks(40.0).into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(Scale::FromZero, (1.0, 43.0), 300.0), "0 10 20 30 40");
        assert_eq!(labels(Scale::FromZero, (0.0, 0.0), 300.0), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(Scale::Near, (20.2, 25.7), 300.0), "20 21 22 23 24 25 26");
        assert_eq!(labels(Scale::Log, (1.0, 50_000.0), 300.0), "1 10 100 1,000 10,000");
        assert_eq!(labels(Scale::Log, (0.03, 200.0), 300.0), "0.1 1 10 100");
        assert_eq!(labels(Scale::Log, (1.0, 90.0), 400.0), "1 2 5 10 20 50 100");
    }

    #[test]
    fn values_stay_inside() {
        let scales = [Scale::FromZero, Scale::Near, Scale::Log];
        let ranges = [(0.0, 0.0), (5.0, 5.0), (1.0, 10.0), (1.0, 50_000.0), (0.0, 4e9), (1e-3, 1e-3)];
        for (scale, range) in scales.into_iter().flat_map(|scale| ranges.map(|range| (scale, range))) {
            let axis = ValueAxis::new(scale, range, 500.0, 100.0);
            for value in [0.0, range.0, range.1, 1e12] {
                let pixel = axis.at(value);
                assert!(range.1 == 0.0 && scale == Scale::Log || (100.0..=500.0).contains(&pixel), "{axis:?} {value}");
            }
        }
    }
}
