//! The format string of a `print fmt`: text and conversions, as the kernel's `vsnprintf()` understands them.
//!
//! It differs from the C library's: `%#x` writes `0x` before a zero too, `0` pads even beside a precision,
//! and letters after `%p` say what the pointer leads to.

use super::Unsupported;
use super::address::{self, SocketParts};
use super::expr::{Expr, Shape};
use super::number::{IntType, Number};

/// Largest width and precision; the kernel's own lines end at a page.
const WIDTH_MAX: u64 = 4096;
/// Most bytes that `%*ph` prints.
const HEX_BYTES_MAX: usize = 64;
/// What stands for a value that the record is too short for, as for a bad pointer in the kernel.
const MISSING: &[u8] = b"(efault)";

/// A part of the output.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Conversion(Spec, Conversion, Expr),
}

/// Flags, width and precision.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    special: bool,
    zero: bool,
    width: Option<Size>,
    precision: Option<Size>,
}

/// A width or precision: in the string, or (`*`) an argument.
#[derive(Debug, Clone)]
enum Size {
    Fixed(usize),
    Argument(Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    /// The type that the argument is taken as, the base, and whether digits are upper case.
    Number(IntType, u64, bool),
    Char,
    Text,
    /// `%p`, 16 digits.
    Pointer,
    /// `%pS` and the like: the name of a function, which is not known here.
    Symbol,
    /// `%pI4`, `%pi4`; whether the bytes are in reverse order.
    Ipv4(bool, bool),
    /// `%pI6`, `%pi6`.
    Ipv6(bool),
    Ipv6Compressed,
    Socket(SocketParts),
    /// `%pM`, `%*ph`: the separator; six bytes, or as many as the width says.
    Mac(Option<u8>),
    HexBytes(Option<u8>),
}

/// Splits `text`, taking a value from `arguments` for each conversion.
pub(super) fn compile(text: &[u8], arguments: Vec<Expr>) -> Result<Vec<Piece>, Unsupported> {
    let mut compiler = Compiler { text, at: 0, arguments: arguments.into_iter() };
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    while let Some(byte) = compiler.take() {
        if byte != b'%' {
            literal.push(byte);
        } else if compiler.peek() == Some(b'%') {
            compiler.at += 1;
            literal.push(b'%');
        } else {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(compiler.conversion()?);
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Whether a function's address is printed.
pub(super) fn symbols(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| matches!(piece, Piece::Conversion(_, Conversion::Symbol, _)))
}

struct Compiler<'a> {
    text: &'a [u8],
    at: usize,
    arguments: std::vec::IntoIter<Expr>,
}

impl Compiler<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn argument(&mut self) -> Result<Expr, Unsupported> {
        self.arguments.next().ok_or_else(|| Unsupported::new("fewer arguments than conversions".to_owned()))
    }

    fn conversion(&mut self) -> Result<Piece, Unsupported> {
        let mut spec = Spec::default();
        loop {
            match self.peek() {
                Some(b'-') => spec.left = true,
                Some(b'+') => spec.plus = true,
                Some(b' ') => spec.space = true,
                Some(b'#') => spec.special = true,
                Some(b'0') => spec.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        spec.width = self.size()?;
        if self.accept(b'.') {
            // Kernels differ in what a bare dot means.
            let precision = self.size()?.ok_or_else(|| Unsupported::new("a precision that is missing".to_owned()))?;
            spec.precision = Some(precision);
        }
        let conversion = self.letter()?;
        if conversion == Conversion::Pointer && spec.special {
            return Err(Unsupported::new("the conversion %#p".to_owned()));
        }
        let argument = self.argument()?;
        if !conversion.takes(argument.shape()) {
            return Err(Unsupported::new("a conversion for another kind of value".to_owned()));
        }
        // A char array is text for %s.
        let argument = match argument {
            Expr::Bytes(field) if conversion == Conversion::Text => Expr::Str(field),
            other => other,
        };
        Ok(Piece::Conversion(spec, conversion, argument))
    }

    fn size(&mut self) -> Result<Option<Size>, Unsupported> {
        if self.accept(b'*') {
            let argument = self.argument()?;
            return match argument.shape() {
                Shape::Number => Ok(Some(Size::Argument(Box::new(argument)))),
                _ => Err(Unsupported::new("a width that is no number".to_owned())),
            };
        }
        let mut size = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let value = size.unwrap_or(0) * 10 + u64::from(digit - b'0');
            if value > WIDTH_MAX {
                return Err(Unsupported::new("a width of more than 4096".to_owned()));
            }
            size = Some(value);
            self.at += 1;
        }
        Ok(size.map(|size| Size::Fixed(usize::try_from(size).unwrap_or(0))))
    }

    fn letter(&mut self) -> Result<Conversion, Unsupported> {
        let mut size = 4;
        loop {
            match self.peek() {
                Some(b'h') => size = if size == 2 { 1 } else { 2 },
                Some(b'l' | b'L' | b'q' | b'z' | b't' | b'j') => size = 8,
                _ => break,
            }
            self.at += 1;
        }
        let number = |signed, base| Conversion::Number(IntType { size, signed }, base, false);
        match self.take() {
            Some(b'd' | b'i') => Ok(number(true, 10)),
            Some(b'u') => Ok(number(false, 10)),
            Some(b'x') => Ok(number(false, 16)),
            Some(b'X') => Ok(Conversion::Number(IntType { size, signed: false }, 16, true)),
            Some(b'o') => Ok(number(false, 8)),
            Some(b'c') => Ok(Conversion::Char),
            Some(b's') => Ok(Conversion::Text),
            Some(b'p') => self.pointer(),
            Some(other) => Err(Unsupported::new(format!("the conversion %{}", char::from(other)))),
            None => Err(Unsupported::new("a % at the end".to_owned())),
        }
    }

    /// The kernel takes every letter and digit behind `%p` as part of it.
    fn pointer(&mut self) -> Result<Conversion, Unsupported> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        self.at += length;
        let letters = &rest[..length];
        Ok(match letters {
            [] | [b'x' | b'K', ..] => Conversion::Pointer,
            [b's' | b'S' | b'f' | b'F' | b'B', ..] => Conversion::Symbol,
            [i @ (b'I' | b'i'), b'4', order @ ..] => {
                Conversion::Ipv4(*i == b'i', matches!(order.first(), Some(b'h' | b'l')))
            }
            [b'I', b'6', b'c', ..] => Conversion::Ipv6Compressed,
            [i @ (b'I' | b'i'), b'6', ..] => Conversion::Ipv6(*i == b'i'),
            [i @ (b'I' | b'i'), b'S', parts @ ..] => Conversion::Socket(SocketParts {
                port: parts.contains(&b'p'),
                flow: parts.contains(&b'f'),
                scope: parts.contains(&b's'),
                compressed: *i == b'I' && parts.contains(&b'c'),
                raw: *i == b'i',
            }),
            [b'M'] => Conversion::Mac(Some(b':')),
            [b'M', b'F'] => Conversion::Mac(Some(b'-')),
            [b'm'] => Conversion::Mac(None),
            [b'h', separator @ ..] => Conversion::HexBytes(match separator.first() {
                Some(b'C') => Some(b':'),
                Some(b'D') => Some(b'-'),
                Some(b'N') => None,
                _ => Some(b' '),
            }),
            _ => return Err(Unsupported::new(format!("the conversion %p{}", String::from_utf8_lossy(letters)))),
        })
    }
}

impl Conversion {
    fn takes(self, shape: Shape) -> bool {
        match self {
            Conversion::Number(..) | Conversion::Char | Conversion::Symbol => shape == Shape::Number,
            Conversion::Pointer => shape == Shape::Number,
            Conversion::Text => shape != Shape::Number,
            _ => shape == Shape::Bytes,
        }
    }
}

impl Piece {
    pub(super) fn print(&self, record: &[u8], out: &mut Vec<u8>) {
        match self {
            Piece::Literal(text) => out.extend_from_slice(text),
            Piece::Conversion(spec, conversion, argument) => {
                let start = out.len();
                if spec.print(*conversion, argument, record, out).is_none() {
                    out.truncate(start);
                    out.extend_from_slice(MISSING);
                }
            }
        }
    }
}

impl Spec {
    fn print(&self, conversion: Conversion, argument: &Expr, record: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        match conversion {
            Conversion::Number(kind, base, upper) => {
                let number = Number::new(argument.number(record)?.bits, kind);
                if base == 10 && self.width.is_none() && self.precision.is_none() && !self.plus && !self.space {
                    if kind.signed && number.signed() < 0 {
                        out.push(b'-');
                        put_decimal(out, number.signed().unsigned_abs());
                    } else {
                        put_decimal(out, number.bits);
                    }
                    return Some(());
                }
                if base == 16 && !upper && self.width.is_none() && self.precision.is_none() {
                    if self.special {
                        out.extend_from_slice(b"0x");
                    }
                    address::put_hex(out, number.bits);
                    return Some(());
                }
                return self.number(number, base, upper, record, out);
            }
            Conversion::Pointer => {
                let value = Number::new(argument.number(record)?.bits, IntType::U64);
                if self.width.is_some() {
                    return self.number(value, 16, false, record, out);
                }
                address::hex(out, &value.bits.to_be_bytes(), None);
                return Some(());
            }
            Conversion::Char => out.push(argument.number(record)?.bits.to_le_bytes()[0]),
            Conversion::Text => {
                let text = argument.text(record)?;
                let most = self.precision(record)?.unwrap_or(usize::MAX);
                out.extend_from_slice(&text[..text.len().min(most)]);
            }
            Conversion::Symbol => {
                out.extend_from_slice(b"0x");
                address::put_hex(out, argument.number(record)?.bits);
            }
            Conversion::HexBytes(separator) => {
                let count = self.width(record)?.map_or(1, |(width, _)| width.min(HEX_BYTES_MAX));
                address::hex(out, argument.bytes(record)?.get(..count)?, separator);
                // The width was the length.
                return Some(());
            }
            Conversion::Mac(separator) => address::hex(out, argument.bytes(record)?.get(..6)?, separator),
            Conversion::Ipv4(padded, reverse) => {
                let mut bytes = *argument.bytes(record)?.first_chunk()?;
                if reverse {
                    bytes.reverse();
                }
                address::ipv4(out, bytes, padded);
            }
            Conversion::Ipv6(packed) => address::ipv6(out, *argument.bytes(record)?.first_chunk()?, packed),
            Conversion::Ipv6Compressed => address::ipv6_compressed(out, *argument.bytes(record)?.first_chunk()?),
            Conversion::Socket(parts) => address::socket(out, argument.bytes(record)?, parts)?,
        }
        if let Some((width, left)) = self.width(record)? {
            pad(out, start, width, left);
        }
        Some(())
    }

    /// The width, and whether the text goes to the left of it; a negative argument says so too.
    fn width(&self, record: &[u8]) -> Option<Option<(usize, bool)>> {
        Some(match &self.width {
            None => None,
            Some(Size::Fixed(width)) => Some((*width, self.left)),
            Some(Size::Argument(argument)) => {
                let value = Number::new(argument.number(record)?.bits, IntType::INT).signed();
                let width = usize::try_from(value.unsigned_abs().min(WIDTH_MAX)).ok()?;
                Some((width, self.left || value < 0))
            }
        })
    }

    fn precision(&self, record: &[u8]) -> Option<Option<usize>> {
        Some(match &self.precision {
            None => None,
            Some(Size::Fixed(precision)) => Some(*precision),
            Some(Size::Argument(argument)) => {
                let value = Number::new(argument.number(record)?.bits, IntType::INT).signed();
                usize::try_from(value.clamp(0, WIDTH_MAX.cast_signed())).ok()
            }
        })
    }

    /// `number()` of `lib/vsprintf.c`: sign, prefix, zeros and digits in its order.
    fn number(&self, number: Number, base: u64, upper: bool, record: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let negative = number.kind.signed && number.signed() < 0;
        let mut value = if negative { number.signed().unsigned_abs() } else { number.bits };
        let sign = match () {
            () if negative => Some(b'-'),
            () if number.kind.signed && self.plus => Some(b'+'),
            () if number.kind.signed && self.space => Some(b' '),
            () => None,
        };
        let prefix: &[u8] = match base {
            16 if self.special => {
                if upper {
                    b"0X"
                } else {
                    b"0x"
                }
            }
            8 if self.special && value != 0 => b"0",
            _ => b"",
        };
        let mut digits = [0u8; 24];
        let mut first = digits.len();
        loop {
            let (digit, rest) = match base {
                16 => (value & 15, value >> 4),
                8 => (value & 7, value >> 3),
                _ => (value % 10, value / 10),
            };
            let digit = digit.to_le_bytes()[0];
            first -= 1;
            digits[first] = match digit {
                0..=9 => b'0' + digit,
                _ if upper => b'A' + digit - 10,
                _ => b'a' + digit - 10,
            };
            value = rest;
            if value == 0 {
                break;
            }
        }
        let digits = &digits[first..];
        let zeros = self.precision(record)?.unwrap_or(0).saturating_sub(digits.len());
        let (width, left) = self.width(record)?.unwrap_or((0, self.left));
        let body = usize::from(sign.is_some()) + prefix.len() + zeros + digits.len();
        let fill = width.saturating_sub(body);
        let fill_with = |out: &mut Vec<u8>, byte, here: bool| out.resize(out.len() + if here { fill } else { 0 }, byte);
        fill_with(out, b' ', !left && !self.zero);
        out.extend(sign);
        out.extend_from_slice(prefix);
        fill_with(out, b'0', !left && self.zero);
        out.resize(out.len() + zeros, b'0');
        out.extend_from_slice(digits);
        fill_with(out, b' ', left);
        Some(())
    }
}

/// Widens what stands from `start` on with blanks.
fn pad(out: &mut Vec<u8>, start: usize, width: usize, left: bool) {
    let length = out.len() - start;
    let fill = width.saturating_sub(length);
    out.resize(out.len() + fill, b' ');
    if !left {
        out[start..].rotate_right(fill);
    }
}

/// A number in decimal.
#[inline]
pub(crate) fn put_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10).to_le_bytes()[0];
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}
