//! The time that all panels share.

use jiff::Timestamp;

use crate::units::duration;

/// The time that all panels share, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// The first event, nanoseconds in the trace's clock.
    pub first_ns: u64,
    /// The last event.
    pub last_ns: u64,
    /// Whether times are written as the trace's clock has them, and not from the first event.
    pub raw: bool,
    /// What the numbers along it count.
    pub unit: TimeUnit,
    /// UTC (nanoseconds since 1970) minus the trace's clock, where it is known.
    pub utc_offset_ns: Option<i64>,
    /// Whether it is the time since the first event of each of several traces.
    pub is_aligned: bool,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeUnit {
    /// Its name, in the plural.
    pub name: &'static str,
    /// Its length.
    pub ns: u64,
}

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_NS: u64 = 3600 * SECOND_NS;
const DAY_NS: u64 = 24 * HOUR_NS;

impl Time {
    /// From `first_ns` to `last_ns`, counted from the first or, if `raw`, as the trace's clock does.
    #[must_use]
    pub fn new((first_ns, last_ns): (u64, u64), raw: bool, utc_offset_ns: Option<i64>) -> Self {
        let (ns, name) = match last_ns.saturating_sub(first_ns) {
            _ if raw => (SECOND_NS, "seconds"),
            0 => (1_000_000, "milliseconds"),
            span if span < 1_000 => (1, "nanoseconds"),
            span if span < 1_000_000 => (1_000, "microseconds"),
            span if span < SECOND_NS => (1_000_000, "milliseconds"),
            span if span < 3 * HOUR_NS => (SECOND_NS, "seconds"),
            span if span < 4 * DAY_NS => (HOUR_NS, "hours"),
            _ => (DAY_NS, "days"),
        };
        Time { first_ns, last_ns, raw, unit: TimeUnit { name, ns }, utc_offset_ns, is_aligned: false }
    }

    /// From the first event of each of several traces, the longest of which takes `span_ns`.
    #[must_use]
    pub fn aligned(span_ns: u64) -> Self {
        Time { is_aligned: true, ..Time::new((0, span_ns), false, None) }
    }

    /// The time that is written as 0.
    #[must_use]
    pub fn zero_ns(&self) -> u64 {
        if self.raw { 0 } else { self.first_ns }
    }

    /// How long it is: `12.3 s`.
    #[must_use]
    pub fn span(&self) -> String {
        duration(self.last_ns.saturating_sub(self.first_ns))
    }

    /// The first event in UTC: RFC 3339, to the microsecond.
    #[must_use]
    pub fn first_utc(&self) -> Option<String> {
        let nanos = i128::from(self.first_ns) + i128::from(self.utc_offset_ns?);
        Some(format!("{:.6}", Timestamp::from_nanosecond(nanos - nanos.rem_euclid(1000)).ok()?))
    }

    /// The same in words: `2026-01-31 12:00:00.000000 UTC`.
    #[must_use]
    pub fn first_utc_words(&self) -> Option<String> {
        let utc = self.first_utc()?;
        Some(format!("{} UTC", utc.strip_suffix('Z').unwrap_or(&utc).replacen('T', " ", 1)))
    }

    /// What the numbers along it mean: `seconds since 2026-01-31T12:00:00.000000Z`.
    #[must_use]
    pub fn caption(&self) -> String {
        let unit = self.unit.name;
        match self.first_utc() {
            _ if self.raw => format!("time in the trace's clock, {unit}"),
            _ if self.is_aligned => format!("{unit} since the first event of each"),
            Some(utc) => format!("{unit} since {utc}"),
            None => format!("{unit} since {:.6} s in the trace's clock", self.first_ns as f64 / 1e9),
        }
    }
}
