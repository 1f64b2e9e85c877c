//! What a field of text is in a record: its C type, how it is printed again, and how a word becomes bytes.

use std::net::IpAddr;

use crate::event::address::{self, AF_INET, AF_INET6};
use crate::event::table::{FieldType, KnownField, field_of_text};
use crate::kernel::names;
use crate::kernel::text::Scan;

/// What a field of text is in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A field of the table.
    Known(&'static KnownField),
    /// A decimal number.
    Decimal,
    /// A decimal number above the largest signed one.
    Unsigned,
    /// `0x…`.
    Hex,
    /// Sixteen hexadecimal digits, as `%p` prints a pointer.
    Pointer,
    /// Anything else.
    Text,
}

impl Shape {
    /// The shape that the value of a field of no table has by its looks.
    pub fn of_value(value: &str) -> Self {
        let digits = value.strip_prefix('-').unwrap_or(value);
        let is_decimal = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" && digits == value || !digits.starts_with('0'));
        if is_decimal && value.parse::<i64>().is_ok() {
            return Shape::Decimal;
        }
        if is_decimal && value.parse::<u64>().is_ok() {
            return Shape::Unsigned;
        }
        if let Some(digits) = value.strip_prefix("0x")
            && whole(digits, Scan::hex).is_some()
            && (digits == "0" || !digits.starts_with('0'))
        {
            return Shape::Hex;
        }
        // Sixteen decimal digits are no pointer.
        let is_pointer = value.len() == 16 && whole(value, Scan::hex).is_some() && !is_decimal;
        if is_pointer { Shape::Pointer } else { Shape::Text }
    }

    /// The shape of a field of this name with this value in an event that no table has.
    pub fn guess(name: &str, value: &str) -> Self {
        Self::by_looks(field_of_text(name), value)
    }

    /// The same, where it is known what the table calls by that name.
    pub fn by_looks(known: Option<&'static KnownField>, value: &str) -> Self {
        known.map(Shape::Known).filter(|shape| shape.is_printed_as(value)).unwrap_or_else(|| Shape::of_value(value))
    }

    /// Whether `value` is what this shape prints of the number that it reads of it.
    fn is_printed_as(self, value: &str) -> bool {
        let Shape::Known(field) = self else { return false };
        let has_name = |value: &str| value.starts_with(|c: char| c.is_ascii_uppercase());
        let mut bytes = [0; 28];
        match field.field_type {
            FieldType::Decimal(_) | FieldType::Signed | FieldType::Port => {
                Shape::of_value(value) == Shape::Decimal && self.put(value, &mut bytes).is_some()
            }
            FieldType::Hex => Shape::of_value(value) == Shape::Hex && self.put(value, &mut bytes).is_some(),
            FieldType::Pointer => value.len() == 16 && self.put(value, &mut bytes).is_some(),
            FieldType::Cookie => !value.starts_with('0') && self.put(value, &mut bytes).is_some(),
            FieldType::Family | FieldType::Protocol | FieldType::State | FieldType::ResetReason => {
                has_name(value) && self.put(value, &mut bytes).is_some()
            }
            FieldType::Sockaddr | FieldType::Ipv4 | FieldType::Ipv6 => self.put(value, &mut bytes).is_some(),
        }
    }

    /// A byte that tells it from others of the same field.
    pub fn code(self) -> u8 {
        match self {
            Shape::Known(_) => 1,
            Shape::Decimal => 2,
            Shape::Unsigned => 3,
            Shape::Hex => 4,
            Shape::Pointer => 5,
            Shape::Text => 6,
        }
    }

    /// Its C type, the brackets behind its name, its size and whether it is signed.
    pub fn declaration(self) -> (&'static str, &'static str, u32, bool) {
        match self {
            Shape::Known(field) => match field.field_type {
                FieldType::Family | FieldType::Protocol | FieldType::Port | FieldType::Decimal(2) => {
                    ("__u16", "", 2, false)
                }
                FieldType::Decimal(1) => ("__u8", "", 1, false),
                FieldType::Decimal(_) | FieldType::Hex => ("__u32", "", 4, false),
                FieldType::Signed | FieldType::State => ("int", "", 4, true),
                FieldType::ResetReason => ("enum sk_rst_reason", "", 4, false),
                FieldType::Sockaddr => ("__u8", "[28]", 28, false),
                FieldType::Ipv4 => ("__u8", "[4]", 4, false),
                FieldType::Ipv6 => ("__u8", "[16]", 16, false),
                FieldType::Cookie => ("__u64", "", 8, false),
                FieldType::Pointer => ("const void *", "", 8, false),
            },
            Shape::Decimal => ("long long", "", 8, true),
            Shape::Unsigned | Shape::Hex => ("unsigned long long", "", 8, false),
            Shape::Pointer => ("const void *", "", 8, false),
            Shape::Text => ("__data_loc char[]", "", 4, false),
        }
    }

    /// How `print fmt` prints the field `name`: the conversion, and its argument.
    pub fn print(self, name: &str) -> (&'static str, String) {
        let plain = |conversion| (conversion, format!("REC->{name}"));
        let known = match self {
            Shape::Known(field) => field.field_type,
            Shape::Decimal => return plain("%lld"),
            Shape::Unsigned => return plain("%llu"),
            Shape::Hex => return plain("%#llx"),
            Shape::Pointer => return plain("%p"),
            Shape::Text => return ("%s", format!("__get_str({name})")),
        };
        match known {
            FieldType::Family => {
                ("%s", symbolic(name, names::FAMILIES.map(|(number, name)| (number.into(), name)), ""))
            }
            FieldType::Protocol => {
                ("%s", symbolic(name, names::PROTOCOLS.map(|(number, name)| (number.into(), name)), "IPPROTO_"))
            }
            FieldType::State => {
                ("%s", format!("REC->{name} ? {} : \"UNKNOWN\"", symbolic(name, (1..).zip(names::STATES), "TCP_")))
            }
            FieldType::ResetReason => ("%s", symbolic(name, (0..).zip(names::RESET_REASONS), "")),
            FieldType::Sockaddr => plain("%pISpc"),
            FieldType::Port => plain("%hu"),
            FieldType::Ipv4 => plain("%pI4"),
            FieldType::Ipv6 => plain("%pI6c"),
            FieldType::Decimal(_) => plain("%u"),
            FieldType::Signed => plain("%d"),
            FieldType::Hex => plain("%#x"),
            FieldType::Cookie => plain("%llx"),
            FieldType::Pointer => plain("%p"),
        }
    }

    /// Writes the value that `word` stands for into the front of `bytes`, which has room for its size; `None` where it is
    /// none. Text is not written here.
    pub fn put(self, word: &str, bytes: &mut [u8]) -> Option<()> {
        let field = match self {
            Shape::Known(field) => field,
            Shape::Decimal => return put(bytes, &word.parse::<i64>().ok()?.to_le_bytes()),
            Shape::Unsigned => return put(bytes, &word.parse::<u64>().ok()?.to_le_bytes()),
            Shape::Hex => return put(bytes, &whole(word.strip_prefix("0x")?, Scan::hex)?.to_le_bytes()),
            Shape::Pointer => return put(bytes, &whole(word, Scan::hex)?.to_le_bytes()),
            Shape::Text => return None,
        };
        match field.field_type {
            FieldType::Family => put(bytes, &family(word)?.to_le_bytes()),
            FieldType::Protocol => {
                let name = word.strip_prefix("IPPROTO_").unwrap_or(word);
                let known = names::PROTOCOLS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
                put(bytes, &known.or_else(|| number(word))?.to_le_bytes())
            }
            FieldType::State => put(bytes, &u32::from(state(word)?).to_le_bytes()),
            FieldType::ResetReason => {
                let known = names::RESET_REASONS.iter().zip(0u32..).find(|(known, _)| **known == word);
                put(bytes, &known.map(|(_, number)| number).or_else(|| number(word))?.to_le_bytes())
            }
            FieldType::Port | FieldType::Decimal(2) => put(bytes, &number::<u16>(word)?.to_le_bytes()),
            FieldType::Decimal(1) => put(bytes, &number::<u8>(word)?.to_le_bytes()),
            FieldType::Decimal(_) | FieldType::Hex => put(bytes, &number::<u32>(word)?.to_le_bytes()),
            FieldType::Signed => put(bytes, &word.parse::<i32>().ok()?.to_le_bytes()),
            // A kernel that has no secret yet to hash pointers with, and one that has none to print.
            FieldType::Pointer if ["(____ptrval____)", "(ptrval)", "(null)"].contains(&word) => put(bytes, &[0; 8]),
            FieldType::Cookie | FieldType::Pointer => {
                let digits = word.strip_prefix("0x").unwrap_or(word);
                put(bytes, &whole(digits, Scan::hex)?.to_le_bytes())
            }
            FieldType::Sockaddr => {
                let family = if word.starts_with('[') { AF_INET6 } else { AF_INET };
                put(bytes, &address::sockaddr(whole(word, Scan::socket)?, family))
            }
            FieldType::Ipv4 => match whole(word, Scan::ip)? {
                IpAddr::V4(ip) => put(bytes, &ip.octets()),
                IpAddr::V6(_) => None,
            },
            FieldType::Ipv6 => put(bytes, &address::mapped(whole(word, Scan::ip)?).octets()),
        }
    }

    /// Why a word is no value of this field.
    pub fn complaint(self) -> &'static str {
        let Shape::Known(field) = self else { return "cannot be read" };
        match field.field_type {
            FieldType::Family => "is not a known family",
            FieldType::Sockaddr => "is not an address with a port",
            FieldType::Ipv4 | FieldType::Ipv6 => "is not an address",
            FieldType::Cookie | FieldType::Pointer => "is not a hexadecimal number",
            FieldType::Signed => "is not a number",
            _ => "is not a number of its size",
        }
    }

    /// Whether a value that is none of this field's is kept as text: newer kernels have names that the table has not.
    pub fn may_be_text(self) -> bool {
        let Shape::Known(field) = self else { return true };
        matches!(field.field_type, FieldType::State | FieldType::ResetReason | FieldType::Protocol)
    }
}

fn put(bytes: &mut [u8], value: &[u8]) -> Option<()> {
    bytes.get_mut(..value.len())?.copy_from_slice(value);
    Some(())
}

/// `__print_symbolic(REC->family, { 2, "AF_INET" }, …)`.
fn symbolic(name: &str, names: impl IntoIterator<Item = (u32, &'static str)>, prefix: &str) -> String {
    let pairs: Vec<String> =
        names.into_iter().map(|(number, name)| format!("{{ {number}, \"{prefix}{name}\" }}")).collect();
    format!("__print_symbolic(REC->{name}, {})", pairs.join(", "))
}

/// What `read` makes of `word`, if it takes all of it.
fn whole<'a, T>(word: &'a str, read: impl FnOnce(&mut Scan<'a>) -> Option<T>) -> Option<T> {
    let mut scan = Scan(word.as_bytes());
    read(&mut scan).filter(|_| scan.0.is_empty())
}

fn number<T: TryFrom<u64>>(word: &str) -> Option<T> {
    let value = match word.strip_prefix("0x") {
        Some(digits) => whole(digits, Scan::hex),
        None => whole(word, Scan::decimal),
    };
    value.and_then(|value| T::try_from(value).ok())
}

fn family(word: &str) -> Option<u16> {
    names::FAMILIES.iter().find(|(_, name)| *name == word).map(|(number, _)| *number).or_else(|| number(word))
}

/// The number of a state, by name or (of a state that the kernel has no name for) as it is.
fn state(word: &str) -> Option<u8> {
    if word == "UNKNOWN" {
        return Some(0);
    }
    let name = word.strip_prefix("TCP_").unwrap_or(word);
    names::STATES.iter().zip(1..).find(|(known, _)| **known == name).map(|(_, number)| number).or_else(|| number(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_their_looks() {
        for (value, shape) in [
            ("0", Shape::Decimal),
            ("-7", Shape::Decimal),
            ("-0", Shape::Text),
            ("007", Shape::Text),
            ("", Shape::Text),
            ("-", Shape::Text),
            ("9223372036854775807", Shape::Decimal),
            ("9223372036854775808", Shape::Unsigned),
            ("99999999999999999999", Shape::Text),
            ("0x1f", Shape::Hex),
            ("0x01", Shape::Text),
            ("0x", Shape::Text),
            ("0x0", Shape::Hex),
            ("00000000e2f6aacc", Shape::Pointer),
            ("1234567890123456", Shape::Decimal),
            ("0000000000000000", Shape::Pointer),
            ("TCP", Shape::Text),
        ] {
            assert_eq!(Shape::of_value(value), shape, "{value}");
        }
    }
}
