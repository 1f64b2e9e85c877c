//! Sizes in the configuration: a number of bytes, or text with a unit as on the command line.
//!
//! `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` count in 1024, `KB`, `MB`, `GB`, `TB` in 1000.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Bytes, of either form.
///
/// # Errors
/// Where it is no size, the message says what one is.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Size)
}

struct Size;

impl Visitor<'_> for Size {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes as a number, or a size as \"500M\" or \"2GiB\"")
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(bytes), &self))
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<u64, E> {
        Ok(bytes)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_uppercase();
    let (letter, base) = match unit.as_bytes() {
        [] | [b'B'] => return number.parse().ok(),
        [letter] | [letter, b'I', b'B'] => (*letter, 1024_u64),
        [letter, b'B'] => (*letter, 1000),
        _ => return None,
    };
    let power = b"KMGT".iter().position(|&known| known == letter)? as u32 + 1;
    number.parse::<u64>().ok()?.checked_mul(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes() {
        for (text, bytes) in [("7", Some(7)), ("5G", Some(5 << 30)), ("2 GiB", Some(2 << 30)), ("1kb", Some(1000))] {
            assert_eq!(parse(text), bytes, "{text}");
        }
        for text in ["", "G", "5X", "5GG", "-1", "1.5", "99999999999T"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
