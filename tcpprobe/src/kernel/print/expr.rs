//! Expressions of a `print fmt`, and their values for a record.

use std::borrow::Cow;

use super::number::{Binary, IntType, Number};
use crate::kernel::format::{Field, Kind};

/// What an expression is about; decides which conversions may print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    Text,
    Bytes,
}

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Constant(Number),
    Text(Vec<u8>),
    /// `REC->field`, an integer or a pointer.
    Integer(Field),
    /// `REC->array`, `__get_dynamic_array(field)`, `&REC->field`: an address in the record.
    Bytes(Field),
    /// `__get_str(field)`, or a char array where text is wanted: up to its first NUL.
    Str(Field),
    /// `__get_dynamic_array_len(field)`.
    Length(Field),
    /// `array[index]`: an element of this type.
    Element(Field, IntType, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Complement(Box<Expr>),
    Cast(IntType, Box<Expr>),
    Bool(Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `__print_symbolic(value, { 1, "ONE" }, ..)`.
    Symbolic(Box<Expr>, Vec<(u64, Vec<u8>)>),
    /// `__print_flags(value, delimiter, { 1, "ONE" }, ..)`.
    Flags(Box<Expr>, Vec<u8>, Vec<(u64, Vec<u8>)>),
    /// `__print_hex(array, length)`; whether blanks separate the bytes.
    Hex(Box<Expr>, Box<Expr>, bool),
    /// `__print_array(array, count, element size)`.
    Array(Box<Expr>, Box<Expr>, Box<Expr>),
}

impl Expr {
    pub(super) fn shape(&self) -> Shape {
        match self {
            Expr::Text(_) | Expr::Str(_) | Expr::Symbolic(..) | Expr::Flags(..) | Expr::Hex(..) | Expr::Array(..) => {
                Shape::Text
            }
            Expr::Bytes(_) => Shape::Bytes,
            Expr::Choice(_, yes, _) => yes.shape(),
            _ => Shape::Number,
        }
    }

    /// The value of an expression that no record is needed for.
    pub(super) fn constant(&self) -> Option<u64> {
        self.number(&[]).map(|number| number.bits)
    }

    /// The value of a number; `None` where the record is too short, as in what follows.
    pub(super) fn number(&self, record: &[u8]) -> Option<Number> {
        Some(match self {
            Expr::Constant(number) => *number,
            Expr::Integer(field) => integer(field, record)?,
            Expr::Length(field) => Number::new(field.bytes(record)?.len() as u64, IntType::INT),
            Expr::Element(field, kind, index) => element(field.bytes(record)?, *kind, index.number(record)?)?,
            Expr::Not(operand) => Number::int(!operand.number(record)?.is_true()),
            Expr::Negate(operand) => operand.number(record)?.negate(),
            Expr::Complement(operand) => operand.number(record)?.complement(),
            Expr::Cast(kind, operand) => Number::new(operand.number(record)?.bits, *kind),
            Expr::Bool(operand) => Number::int(operand.number(record)?.is_true()),
            Expr::Binary(op, left, right) => {
                let left = left.number(record)?;
                match op {
                    Binary::LogicalAnd if !left.is_true() => Number::int(false),
                    Binary::LogicalOr if left.is_true() => Number::int(true),
                    _ => left.apply(*op, right.number(record)?),
                }
            }
            Expr::Choice(question, yes, no) => choose(question, yes, no, record)?.number(record)?,
            _ => return None,
        })
    }

    /// The value of a text.
    pub(super) fn text<'a>(&'a self, record: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        Some(match self {
            Expr::Text(text) => Cow::Borrowed(text),
            Expr::Str(field) => {
                let bytes = field.bytes(record)?;
                Cow::Borrowed(&bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())])
            }
            Expr::Symbolic(value, table) => symbolic(value.number(record)?.bits, table),
            Expr::Flags(value, delimiter, table) => flags(value.number(record)?.bits, delimiter, table).into(),
            Expr::Hex(array, length, spaced) => {
                let bytes = front(array.bytes(record)?, length.number(record)?, 1)?;
                let mut text = Vec::with_capacity(3 * bytes.len());
                super::address::hex(&mut text, bytes, spaced.then_some(b' '));
                text.into()
            }
            Expr::Array(array, count, size) => {
                let size = size.number(record)?.bits;
                print_array(front(array.bytes(record)?, count.number(record)?, size)?, size)?.into()
            }
            Expr::Choice(question, yes, no) => choose(question, yes, no, record)?.text(record)?,
            _ => return None,
        })
    }

    /// The bytes at an address in the record.
    pub(super) fn bytes<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Expr::Bytes(field) => field.bytes(record),
            Expr::Choice(question, yes, no) => choose(question, yes, no, record)?.bytes(record),
            _ => None,
        }
    }
}

fn choose<'a>(question: &Expr, yes: &'a Expr, no: &'a Expr, record: &[u8]) -> Option<&'a Expr> {
    Some(if question.number(record)?.is_true() { yes } else { no })
}

#[inline]
fn integer(field: &Field, record: &[u8]) -> Option<Number> {
    let signed = field.signed && field.kind == Kind::Integer;
    let kind = IntType { size: u8::try_from(field.size).ok()?, signed };
    Some(Number { bits: if signed { field.integer(record)?.cast_unsigned() } else { field.unsigned(record)? }, kind })
}

fn element(bytes: &[u8], kind: IntType, index: Number) -> Option<Number> {
    let size = usize::from(kind.size);
    let start = usize::try_from(index.signed()).ok()?.checked_mul(size)?;
    Some(Number::new(little_endian(bytes.get(start..start.checked_add(size)?)?), kind))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The first `count` elements; `None` where there are fewer. The kernel takes the count as an `int`.
fn front(bytes: &[u8], count: Number, size: u64) -> Option<&[u8]> {
    let length = u64::try_from(Number::new(count.bits, IntType::INT).signed()).ok()?.checked_mul(size)?;
    bytes.get(..usize::try_from(length).ok()?)
}

/// `trace_print_symbols_seq()` (kernel/trace/trace_output.c).
fn symbolic(value: u64, table: &[(u64, Vec<u8>)]) -> Cow<'_, [u8]> {
    match table.iter().find(|(key, _)| *key == value) {
        Some((_, name)) if !name.is_empty() => Cow::Borrowed(name),
        _ => Cow::Owned(format!("{value:#x}").into_bytes()),
    }
}

/// `trace_print_flags_seq()`: every mask that is wholly set, then what is left over.
fn flags(mut value: u64, delimiter: &[u8], table: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut first = true;
    let mut put = |word: &[u8]| {
        if !std::mem::take(&mut first) {
            text.extend_from_slice(delimiter);
        }
        text.extend_from_slice(word);
    };
    for (mask, name) in table {
        if value == 0 {
            break;
        }
        if value & mask == *mask {
            value &= !mask;
            put(name);
        }
    }
    if value != 0 {
        put(format!("{value:#x}").as_bytes());
    }
    text
}

/// `trace_print_array_seq()`; `None` for a size that no integer has.
fn print_array(bytes: &[u8], size: u64) -> Option<Vec<u8>> {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return None;
    }
    let mut text = vec![b'{'];
    for (index, element) in bytes.chunks_exact(usize::try_from(size).ok()?).enumerate() {
        let comma = if index > 0 { "," } else { "" };
        text.extend_from_slice(format!("{comma}{:#x}", little_endian(element)).as_bytes());
    }
    text.push(b'}');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(u64, &str)]) -> Vec<(u64, Vec<u8>)> {
        entries.iter().map(|(key, name)| (*key, name.as_bytes().to_vec())).collect()
    }

    #[test]
    fn symbols_and_flags_as_the_kernel_prints_them() {
        let names = table(&[(0, "ZERO"), (1, "ONE"), (6, "SIX"), (9, "")]);
        let check = |value, expected: &str| assert_eq!(symbolic(value, &names), expected.as_bytes(), "{value}");
        check(1, "ONE");
        check(3, "0x3");
        check(9, "0x9");
        check(u64::MAX, "0xffffffffffffffff");
        let check = |value, expected: &str| assert_eq!(flags(value, b"|", &names[1..]), expected.as_bytes(), "{value}");
        check(0, "");
        check(7, "ONE|SIX");
        check(0x26, "SIX|0x20");
        check(0x20, "0x20");
    }

    #[test]
    fn arrays() {
        assert_eq!(print_array(&[1, 0, 2, 1], 2).unwrap(), b"{0x1,0x102}");
        assert_eq!(print_array(&[], 8).unwrap(), b"{}");
        assert_eq!(print_array(&[1], 3), None);
        assert_eq!(front(&[1, 2], Number::new(3, IntType::INT), 1), None);
        assert_eq!(front(&[1, 2], Number::new(u64::MAX, IntType::INT), 1), None);
    }
}
