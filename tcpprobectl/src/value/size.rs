//! Sizes in bytes: `500M`, `2GiB`, `1.5 GB`.
//!
//! `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` count in 1024, `KB`, `MB`, `GB`, `TB` in 1000, as in coreutils.

use thiserror::Error;

pub use tcpprobe_plot::units::bytes as human;

/// A text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// No number at the beginning.
    #[error("a size is a number and a unit, as 500M or 2GiB")]
    Number,
    /// An unknown unit.
    #[error("unknown unit `{0}`: K, M, G, T (1024) or KB, MB, GB, TB (1000)")]
    Unit(String),
    /// More than 64 bits hold.
    #[error("too large")]
    Range,
}

/// Bytes from a size; a number without a unit is bytes.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    scaled(text, 1)
}

/// Whole KB (1024 bytes) from a number of KB or a size with a unit, rounded up, as `--buffer` takes it.
pub fn parse_kb(text: &str) -> Result<u64, SizeError> {
    scaled(text, 1024).map(|bytes| bytes.div_ceil(1024))
}

fn scaled(text: &str, bare: u64) -> Result<u64, SizeError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(SizeError::Number);
    }
    let unit = unit_bytes(unit.trim(), bare)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit).ok_or(SizeError::Range);
    }
    let number: f64 = number.parse().map_err(|_| SizeError::Number)?;
    #[expect(clippy::cast_precision_loss, reason = "units are powers of two or ten far below 2^53")]
    let bytes = (number * unit as f64).round();
    if bytes >= 9e18 {
        return Err(SizeError::Range);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and checked above")]
    Ok(bytes as u64)
}

fn unit_bytes(unit: &str, bare: u64) -> Result<u64, SizeError> {
    let upper = unit.to_ascii_uppercase();
    let (power, base) = match upper.as_str() {
        "" => return Ok(bare),
        "B" => return Ok(1),
        _ => (upper.as_bytes()[0], if upper.ends_with('B') && !upper.ends_with("IB") { 1000_u64 } else { 1024 }),
    };
    let exponent = match power {
        b'K' => 1,
        b'M' => 2,
        b'G' => 3,
        b'T' => 4,
        _ => return Err(SizeError::Unit(unit.to_owned())),
    };
    if !matches!(&upper[1..], "" | "B" | "IB") {
        return Err(SizeError::Unit(unit.to_owned()));
    }
    Ok(base.pow(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("1k", 1024),
            ("500M", 500 << 20),
            ("2GiB", 2 << 30),
            ("2 gib", 2 << 30),
            ("2GB", 2_000_000_000),
            ("1.5K", 1536),
            ("1T", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_buffer_counts_in_kb() {
        for (text, kb) in [("2000000", 2_000_000), ("64M", 65536), ("1", 1), ("1000B", 1), ("1025B", 2)] {
            assert_eq!(parse_kb(text), Ok(kb), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in ["", "M", "-1", "1.2.3G", "x", "."] {
            assert_eq!(parse(text), Err(SizeError::Number), "{text}");
        }
        for text in ["1X", "1MM", "1bytes", "5 Mbit"] {
            assert!(matches!(parse(text), Err(SizeError::Unit(_))), "{text}");
        }
        for text in ["99999999T", "18446744073709551615K", "99999999.5T"] {
            assert_eq!(parse(text), Err(SizeError::Range), "{text}");
        }
    }

    #[test]
    fn for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (99_960, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (2_048_000_000, "2.05 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_an_error(text in "[-0-9. KMGTBikmgtb]{0,12}|.{0,12}") {
            let _ = (parse(&text), parse_kb(&text));
        }

        #[test]
        fn whole_bytes_and_units_are_exact(count in 0u64..1 << 24) {
            prop_assert_eq!(parse(&count.to_string()), Ok(count));
            prop_assert_eq!(parse(&format!("{count}GiB")), Ok(count << 30));
        }
    }
}
