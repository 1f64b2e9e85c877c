//! What a sample of two seconds says about a job: events a second, disk a day.

use serde::Serialize;
use tcpprobe_proto::v1::{EventPlan, EventSample, Sample};

use crate::value::{count, size};

const DAY_S: f64 = 86_400.0;

/// The sums of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sums {
    seconds: f64,
    stored: u64,
    bytes: u64,
    lost: u64,
}

impl Sums {
    fn of(sample: &Sample) -> Self {
        Sums {
            seconds: (sample.duration_ns as f64 / 1e9).max(1e-3),
            stored: sample.events.iter().map(|event| event.stored).sum(),
            bytes: sample.stored_bytes,
            lost: sample.lost,
        }
    }

    /// Those that came too fast are taken for what the others are.
    fn per_s(self) -> f64 {
        (self.stored + self.lost) as f64 / self.seconds
    }

    fn bytes_per_event(self) -> f64 {
        self.bytes as f64 / (self.stored.max(1)) as f64
    }

    fn bytes_per_day(self) -> f64 {
        self.per_s() * self.bytes_per_event() * DAY_S
    }
}

/// `1,234 events/s, and 56 events/s that the daemon filters`.
pub fn event(sample: &Sample, event: &EventSample) -> String {
    let rate = |events: u64| rate(events as f64 / Sums::of(sample).seconds);
    match event.filtered {
        0 => format!("{} events/s", rate(event.stored)),
        filtered => format!("{} events/s, and {} events/s that the daemon filters", rate(event.stored), rate(filtered)),
    }
}

/// The line of the whole.
pub fn estimate(sample: &Sample) -> String {
    let sums = Sums::of(sample);
    let head = format!("sample of {:.1} s", sums.seconds);
    if sums.stored == 0 {
        return format!("{head}: no such events; try again while there is traffic\n");
    }
    let lost = match sums.lost {
        0 => String::new(),
        lost => format!(" ({} came too fast for the sample)", count::human(lost)),
    };
    let (rate, each) = (rate(sums.per_s()), sums.bytes_per_event());
    let day = size::human(sums.bytes_per_day() as u64);
    format!("{head}: {rate} events/s{lost} of {each:.1} bytes: {day} a day at this rate\n")
}

/// Few with a digit behind the point.
fn rate(per_s: f64) -> String {
    if per_s > 0.0 && per_s < 10.0 { format!("{per_s:.1}") } else { count::human(per_s.round() as u64) }
}

/// What `start --dry-run --sample --json` prints of it.
#[derive(Debug, Serialize)]
pub struct SampleJson {
    seconds: f64,
    events_per_s: f64,
    bytes_per_event: f64,
    bytes_per_day: u64,
    lost: u64,
    events: Vec<EventJson>,
}

#[derive(Debug, Serialize)]
struct EventJson {
    event: String,
    stored: u64,
    filtered: u64,
}

impl SampleJson {
    /// With the names of the plan's events.
    pub fn new(sample: &Sample, plan: &[EventPlan]) -> Self {
        let sums = Sums::of(sample);
        let events = plan.iter().zip(&sample.events).map(|(plan, event)| EventJson {
            event: plan.event.clone(),
            stored: event.stored,
            filtered: event.filtered,
        });
        SampleJson {
            seconds: sums.seconds,
            events_per_s: sums.per_s(),
            bytes_per_event: sums.bytes_per_event(),
            bytes_per_day: sums.bytes_per_day() as u64,
            lost: sums.lost,
            events: events.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(events: &[(u64, u64)], stored_bytes: u64, lost: u64) -> Sample {
        let events = events.iter().map(|&(stored, filtered)| EventSample { stored, filtered }).collect();
        Sample { duration_ns: 2_000_000_000, events, stored_bytes, lost }
    }

    #[test]
    fn estimates() {
        let check = |sample: Sample, line: &str| assert_eq!(estimate(&sample), line.to_owned() + "\n");
        check(
            sample(&[(20_000, 5), (4, 0)], 80_016, 0),
            "sample of 2.0 s: 10,002 events/s of 4.0 bytes: 3.46 GB a day at this rate",
        );
        check(
            sample(&[(1000, 0)], 4000, 1000),
            "sample of 2.0 s: 1,000 events/s (1,000 came too fast for the sample) of 4.0 bytes: 346 MB a day at this rate",
        );
        check(sample(&[(3, 0)], 300, 0), "sample of 2.0 s: 1.5 events/s of 100.0 bytes: 13.0 MB a day at this rate");
        check(sample(&[(0, 9)], 0, 0), "sample of 2.0 s: no such events; try again while there is traffic");
        let of = sample(&[(20_000, 5)], 1, 0);
        assert_eq!(event(&of, &of.events[0]), "10,000 events/s, and 2.5 events/s that the daemon filters");
    }
}
