//! The value of a field.
//!
//! ```
//! use tcpprobe::kernel::{format::Format, value::Value};
//! let text = "name: demo\nID: 7\nformat:\n\tfield:int err;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n";
//! let format = Format::parse("tcp", text)?;
//! let record = [7, 0, 0, 0, 1, 0, 0, 0, 0x8f, 0xff, 0xff, 0xff];
//! assert_eq!(format.field("err").and_then(|field| Value::of(field, &record)), Some(Value::Signed(-113)));
//! # Ok::<(), tcpprobe::kernel::format::FormatError>(())
//! ```

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
