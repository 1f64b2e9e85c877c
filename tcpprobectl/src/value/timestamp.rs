//! Timestamps on the wall clock, in nanoseconds since 1970: `5m ago`, RFC 3339, epoch seconds, `10:30` today.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use thiserror::Error;

use super::duration::{self, DurationError};

/// Later epoch seconds than this (the year 2286) were meant as milliseconds or nanoseconds.
const EPOCH_S_MAX: f64 = 9_999_999_999.0;

/// A text that is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// `… ago` of something that is no duration.
    #[error("{0}")]
    Ago(#[from] DurationError),
    /// A number that is no plausible second.
    #[error("epoch times are in seconds since 1970, with or without a fraction")]
    Epoch,
    /// Outside of what the clock or the calendar has.
    #[error("no such time")]
    Range,
    /// None of the forms.
    #[error("a time is `5m ago`, `now`, `10:30`, `2026-01-31 10:30`, RFC 3339, or seconds since 1970")]
    Form,
}

/// Now, in nanoseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    ns(Timestamp::now()).unwrap_or(i64::MAX)
}

/// Nanoseconds since 1970; dates and times of day are local.
pub fn parse(text: &str) -> Result<i64, TimestampError> {
    parse_at(text, &Zoned::now())
}

fn parse_at(text: &str, now: &Zoned) -> Result<i64, TimestampError> {
    let text = text.trim();
    if text == "now" {
        return ns(now.timestamp());
    }
    if let Some(ago) = text.strip_suffix("ago") {
        let back = i64::try_from(duration::parse(ago)?.as_nanos()).map_err(|_| TimestampError::Range)?;
        return ns(now.timestamp())?.checked_sub(back).filter(|&ns| ns >= 0).ok_or(TimestampError::Range);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return epoch(text);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return ns(timestamp);
    }
    let local = |civil: DateTime| {
        let zoned = civil.to_zoned(now.time_zone().clone()).map_err(|_| TimestampError::Range)?;
        ns(zoned.timestamp())
    };
    if !text.contains('-') {
        let time: Time = text.parse().map_err(|_| TimestampError::Form)?;
        return local(now.date().to_datetime(time));
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return local(civil);
    }
    let date: Date = text.parse().map_err(|_| TimestampError::Form)?;
    local(date.at(0, 0, 0, 0))
}

fn epoch(text: &str) -> Result<i64, TimestampError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: f64 = text.parse().map_err(|_| TimestampError::Form)?;
    if seconds > EPOCH_S_MAX {
        return Err(TimestampError::Epoch);
    }
    // Nine digits, by text: a double would lose the last ones.
    let nanos: i64 = format!("{fraction:0<9.9}").parse().map_err(|_| TimestampError::Form)?;
    let whole: i64 = whole.parse().map_err(|_| TimestampError::Form)?;
    whole.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(nanos)).ok_or(TimestampError::Range)
}

fn ns(timestamp: Timestamp) -> Result<i64, TimestampError> {
    i64::try_from(timestamp.as_nanosecond()).map_err(|_| TimestampError::Range)
}

/// RFC 3339 in UTC, with all digits of the nanosecond: for programs.
#[must_use]
pub fn rfc3339(ns: i64) -> String {
    Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |time| format!("{time:.9}"))
}

/// Local date and time to the second, with the name of the zone: for people.
#[must_use]
pub fn human(ns: i64) -> String {
    Timestamp::from_nanosecond(i128::from(ns)).map_or_else(
        |_| "?".to_owned(),
        |time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
    )
}

/// Local time of day to the microsecond: for people who watch.
#[must_use]
pub fn time_of_day(ns: i64) -> String {
    Timestamp::from_nanosecond(i128::from(ns))
        .map_or_else(|_| "?".to_owned(), |time| time.to_zoned(TimeZone::system()).strftime("%H:%M:%S.%6f").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_NS: i64 = 3_600_000_000_000;
    /// 2026-01-31 12:00:00 UTC.
    const NOON_NS: i64 = 1_769_860_800_000_000_000;

    fn at_noon_in_berlin() -> Zoned {
        Timestamp::from_nanosecond(i128::from(NOON_NS)).unwrap().to_zoned(TimeZone::get("Europe/Berlin").unwrap())
    }

    #[test]
    fn timestamps() {
        for (text, ns) in [
            ("now", NOON_NS),
            ("1h ago", NOON_NS - HOUR_NS),
            ("2h30m ago", NOON_NS - HOUR_NS * 5 / 2),
            ("0 ago", NOON_NS),
            ("2026-01-31T12:00:00Z", NOON_NS),
            ("2026-01-31T13:00:00.000000001+01:00", NOON_NS + 1),
            ("1769860800", NOON_NS),
            ("1769860800.25", NOON_NS + 250_000_000),
            ("1769860800.000000001", NOON_NS + 1),
            ("13:00", NOON_NS),
            ("14:00:00", NOON_NS + HOUR_NS),
            ("2026-01-31 13:00", NOON_NS),
            ("2026-01-31T13:00:00", NOON_NS),
            ("2026-01-31", NOON_NS - 13 * HOUR_NS),
        ] {
            assert_eq!(parse_at(text, &at_noon_in_berlin()), Ok(ns), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp() {
        let check = |text, error| assert_eq!(parse_at(text, &at_noon_in_berlin()), Err(error), "{text}");
        check("", TimestampError::Form);
        check("soon", TimestampError::Form);
        check("25:00", TimestampError::Form);
        check("2026-02-30", TimestampError::Form);
        check("1.2.3", TimestampError::Form);
        check("1769860800000", TimestampError::Epoch);
        check("5 ago", TimestampError::Ago(DurationError::NoUnit("5".to_owned())));
        check("99999w ago", TimestampError::Range);
    }

    #[test]
    fn for_programs() {
        assert_eq!(rfc3339(NOON_NS + 1), "2026-01-31T12:00:00.000000001Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
    }

    proptest! {
        #[test]
        fn any_text_is_a_timestamp_or_an_error(text in "[-0-9:.TZ ago]{0,24}|.{0,24}") {
            let _ = parse_at(&text, &at_noon_in_berlin());
        }

        #[test]
        fn what_programs_are_told_can_be_typed(ns in 0i64..4_000_000_000_000_000_000) {
            prop_assert_eq!(parse_at(&rfc3339(ns), &at_noon_in_berlin()), Ok(ns));
            let seconds = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
            prop_assert_eq!(parse_at(&seconds, &at_noon_in_berlin()), Ok(ns));
        }
    }
}
