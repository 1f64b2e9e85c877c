//! Durations: `90s`, `5m`, `2h30m`, `1d`.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::{Span, SpanRelativeTo};
use thiserror::Error;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// A number without a unit.
    #[error("{0} what? write {0}s, {0}m, {0}h or {0}d")]
    NoUnit(String),
    /// An unknown unit.
    #[error("unknown unit `{0}`: ms, s, m, h, d or w")]
    Unit(String),
    /// No number where one is due.
    #[error("a duration is numbers and units, as 90s, 5m or 2h30m")]
    Number,
    /// More than jiff's spans hold: some 19,998 years.
    #[error("too long")]
    Range,
}

/// A duration from numbers and units that follow each other, largest first or not: jiff wants them in order, so it gets
/// them one by one.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    loop {
        let (number, after) = split_after(rest, |c| c.is_ascii_digit());
        let (unit, after) = split_after(after.trim_start(), char::is_alphabetic);
        if number.is_empty() {
            return Err(DurationError::Number);
        }
        total = total.checked_add(one(number, unit)?).ok_or(DurationError::Range)?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// The first characters of `text` that are `wanted`, and what follows.
fn split_after(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

fn one(number: &str, unit: &str) -> Result<Duration, DurationError> {
    if unit.is_empty() {
        return Err(DurationError::NoUnit(number.to_owned()));
    }
    let length = |number: &str| -> Result<Duration, jiff::Error> {
        let span: Span = SpanParser::new().parse_span(format!("{number}{unit}"))?;
        // Months and years have no length of their own.
        Ok(span.to_duration(SpanRelativeTo::days_are_24_hours())?.unsigned_abs())
    };
    length(number)
        .map_err(|_| if length("1").is_ok() { DurationError::Range } else { DurationError::Unit(unit.to_owned()) })
}

/// Whole seconds, rounded up, as the daemon takes it; 0 is refused, for there it means "no limit".
pub fn parse_s(text: &str) -> Result<u64, DurationError> {
    let duration = parse(text)?;
    if duration.is_zero() {
        return Err(DurationError::Number);
    }
    Ok(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

/// `seconds` in its two largest units: `59s`, `2h30m`, `3d`.
#[must_use]
pub fn human_s(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|&(size, _)| seconds >= size) else { return "0s".to_owned() };
    let mut rest = seconds;
    let mut text = String::new();
    for (size, name) in units.iter().skip(first).take(2) {
        if rest / size > 0 {
            text.push_str(&format!("{}{name}", rest / size));
        }
        rest %= size;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("90s", 90_000),
            ("5m", 300_000),
            ("2h30m", 9_000_000),
            ("1d", 86_400_000),
            ("1w 2 days", 9 * 86_400_000),
            ("250ms", 250),
            ("5 min", 300_000),
            ("30m2h", 9_000_000),
            ("5m 5m", 600_000),
            ("1hrs", 3_600_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        assert_eq!(parse("90"), Err(DurationError::NoUnit("90".to_owned())));
        assert_eq!(parse("2h30"), Err(DurationError::NoUnit("30".to_owned())));
        for unit in ["x", "mo", "years", "ago"] {
            assert_eq!(parse(&format!("5{unit}")), Err(DurationError::Unit(unit.to_owned())));
        }
        for text in ["", "s", "-5m", "1.5h", "5m,"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("99999999999999999999s"), Err(DurationError::Range));
        assert_eq!(parse("18446744073709551615w"), Err(DurationError::Range));
        assert_eq!(parse("99999999999999999999x"), Err(DurationError::Unit("x".to_owned())));
    }

    #[test]
    fn whole_seconds_round_up_and_are_never_zero() {
        assert_eq!(parse_s("1500ms"), Ok(2));
        assert_eq!(parse_s("2m"), Ok(120));
        assert_eq!(parse_s("0"), Err(DurationError::Number));
    }

    #[test]
    fn for_people() {
        for (s, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (9000, "2h30m"), (86_400 * 3, "3d"), (86_400 + 3600 + 60, "1d1h")]
        {
            assert_eq!(human_s(s), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_an_error(text in "[-0-9. smhdw]{0,12}|.{0,12}") {
            let _ = (parse(&text), parse_s(&text));
        }

        #[test]
        fn what_is_shown_can_be_typed(seconds in 1u64..1_000_000_000) {
            let typed = parse_s(&human_s(seconds)).unwrap();
            // Two units are shown; what is cut off is less than the smaller of them.
            prop_assert!(typed <= seconds && seconds - typed < 3600, "{typed} of {seconds}");
        }
    }
}
