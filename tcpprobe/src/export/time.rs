//! Times of day as text.

use std::fmt::Write as _;

/// Nanoseconds since 1970 as RFC 3339 in UTC, with nine digits behind the point.
///
/// ```
/// assert_eq!(tcpprobe::export::rfc3339(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123456789Z");
/// ```
#[must_use]
pub fn rfc3339(wall_ns: i64) -> String {
    let mut text = String::with_capacity(30);
    put_rfc3339(wall_ns, &mut text);
    text
}

/// Appends the same. Any `i64` of nanoseconds lies between the years 1677 and 2262.
pub fn put_rfc3339(wall_ns: i64, out: &mut String) {
    let time = jiff::Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    // Writing to a String cannot fail.
    let _ = write!(out, "{time:.9}");
}
