//! The value of a field.

use super::format::{Field, Kind};

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A kernel pointer, or the opaque id that stands for it in a stored trace.
    Pointer(u64),
    /// Text, up to its first NUL.
    Text(&'a [u8]),
    /// An array of anything else.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads `field` from `record`; `None` where the record is too short.
    #[must_use]
    pub fn of(field: &Field, record: &'a [u8]) -> Option<Self> {
        Some(match field.kind {
            Kind::Pointer => Value::Pointer(field.unsigned(record)?),
            Kind::Integer if field.signed => Value::Signed(field.integer(record)?),
            Kind::Integer => Value::Unsigned(field.unsigned(record)?),
            _ if field.is_string() => {
                let bytes = field.bytes(record)?;
                Value::Text(&bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())])
            }
            _ => Value::Bytes(field.bytes(record)?),
        })
    }
}
