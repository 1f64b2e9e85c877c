//! Numbers and addresses in text, read without copying.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads from the front of a text; what does not fit gives `None`, and the position is then of no use.
///
/// Everything is inlined, always: a whole line is then read with the position in registers, in half the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a>(pub(crate) &'a [u8]);

impl<'a> Scan<'a> {
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes `tag` if the text begins with it.
    #[inline(always)]
    pub(crate) fn accept(&mut self, tag: &[u8]) -> bool {
        match self.0.strip_prefix(tag) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    pub(crate) fn expect(&mut self, tag: &[u8]) -> Option<()> {
        self.accept(tag).then_some(())
    }

    #[inline(always)]
    pub(crate) fn skip_blanks(&mut self) {
        while let Some(chunk) = self.0.first_chunk::<8>() {
            let count = ((u64::from_le_bytes(*chunk) ^ each(b' ')).trailing_zeros() / 8) as usize;
            self.0 = &self.0[count..];
            if count < 8 {
                return;
            }
        }
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Takes bytes up to `end`, which is taken too.
    #[inline(always)]
    pub(crate) fn until(&mut self, end: u8) -> Option<&'a [u8]> {
        let at = self.0.iter().position(|b| *b == end)?;
        let (taken, rest) = (&self.0[..at], &self.0[at + 1..]);
        self.0 = rest;
        Some(taken)
    }

    /// One to nineteen decimal digits.
    #[inline(always)]
    pub(crate) fn decimal(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut digits = 0;
        if let Some(chunk) = self.0.first_chunk::<8>() {
            (value, digits) = decimal_front(u64::from_le_bytes(*chunk));
            self.0 = &self.0[digits..];
            if digits < 8 {
                return (digits > 0).then_some(value);
            }
        }
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            digits += 1;
            self.0 = rest;
        }
        (1..=19).contains(&digits).then_some(value)
    }

    #[inline(always)]
    pub(crate) fn decimal_u32(&mut self) -> Option<u32> {
        self.decimal().and_then(|value| u32::try_from(value).ok())
    }

    #[inline(always)]
    pub(crate) fn decimal_u16(&mut self) -> Option<u16> {
        self.decimal().and_then(|value| u16::try_from(value).ok())
    }

    /// One to sixteen hexadecimal digits.
    #[inline(always)]
    pub(crate) fn hex(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut digits = 0;
        while let Some(chunk) = self.0.first_chunk::<8>() {
            let (front, count) = hex_front(u64::from_le_bytes(*chunk));
            value = (value << (4 * count)) | front;
            digits += count;
            self.0 = &self.0[count..];
            if count < 8 || digits > 16 {
                return (1..=16).contains(&digits).then_some(value);
            }
        }
        while let Some(digit) = self.peek().and_then(hex_digit) {
            value = value << 4 | digit;
            digits += 1;
            self.0 = &self.0[1..];
        }
        (1..=16).contains(&digits).then_some(value)
    }

    /// One to eight hexadecimal digits.
    #[inline(always)]
    pub(crate) fn hex_u32(&mut self) -> Option<u32> {
        let Some(chunk) = self.0.first_chunk::<8>() else {
            return self.hex().and_then(|value| u32::try_from(value).ok());
        };
        let (value, count) = hex_front(u64::from_le_bytes(*chunk));
        self.0 = &self.0[count..];
        if count > 0 { u32::try_from(value).ok() } else { None }
    }

    /// Sixteen hexadecimal digits, as `%p` prints them.
    #[inline(always)]
    pub(crate) fn pointer(&mut self) -> Option<u64> {
        let (chunk, rest) = self.0.split_first_chunk::<16>()?;
        let bytes = u128::from_le_bytes(*chunk);
        let (high, low) = (hex_front(bytes as u64), hex_front((bytes >> 64) as u64));
        self.0 = rest;
        (high.1 == 8 && low.1 == 8).then_some(high.0 << 32 | low.0)
    }

    /// `10.0.0.1`
    #[inline(always)]
    pub(crate) fn ipv4(&mut self) -> Option<Ipv4Addr> {
        let mut octets = [0; 4];
        for (index, octet) in octets.iter_mut().enumerate() {
            *octet = self.octet()?;
            if index < 3 {
                self.expect(b".")?;
            }
        }
        Some(Ipv4Addr::from(octets))
    }

    /// One to three digits, up to 255.
    #[inline(always)]
    fn octet(&mut self) -> Option<u8> {
        let Some(chunk) = self.0.first_chunk::<4>() else {
            return self.decimal().and_then(|value| u8::try_from(value).ok());
        };
        let digits = u32::from_le_bytes(*chunk) ^ 0x3030_3030;
        let others = (((digits & 0x7f7f_7f7f) + 0x7676_7676) | digits) & 0x8080_8080;
        let count = others.trailing_zeros() / 8;
        if !matches!(count, 1..=3) {
            return None;
        }
        self.0 = &self.0[count as usize..];
        // The digits at the top: hundreds, tens and ones in its second, third and last byte.
        let [_, hundreds, tens, ones] = (digits << (32 - 8 * count)).to_le_bytes();
        u8::try_from(u32::from(hundreds) * 100 + u32::from(tens) * 10 + u32::from(ones)).ok()
    }

    /// `fd99::2`, `::ffff:10.0.0.1`, up to a byte that cannot be part of it.
    pub(crate) fn ipv6(&mut self) -> Option<Ipv6Addr> {
        let mut words = [0u16; 8];
        let mut count = 0;
        // Where `::` stood.
        let mut gap = None;
        if self.accept(b"::") {
            gap = Some(0);
        }
        while count < 8 {
            let before = *self;
            let Some(word) = self.hex() else {
                *self = before;
                break;
            };
            if self.peek() == Some(b'.') {
                if count > 6 {
                    return None;
                }
                *self = before;
                let [a, b, c, d] = self.ipv4()?.octets();
                words[count] = u16::from_be_bytes([a, b]);
                words[count + 1] = u16::from_be_bytes([c, d]);
                count += 2;
                break;
            }
            words[count] = u16::try_from(word).ok()?;
            count += 1;
            if gap.is_none() && self.accept(b"::") {
                gap = Some(count);
            } else if count == 8 || !self.accept(b":") {
                break;
            } else if self.peek().and_then(hex_digit).is_none() {
                return None;
            }
        }
        match gap {
            // What was read after the gap belongs at the end.
            Some(gap) if count < 8 => words[gap..].rotate_right(8 - count),
            None if count == 8 => {}
            _ => return None,
        }
        Some(Ipv6Addr::from(words))
    }

    /// An address without a port; v4-mapped is IPv4.
    #[inline(always)]
    pub(crate) fn ip(&mut self) -> Option<IpAddr> {
        let before = *self;
        match self.ipv4() {
            Some(address) => Some(IpAddr::V4(address)),
            None => {
                *self = before;
                self.ipv6().map(|address| address.to_canonical())
            }
        }
    }

    /// `10.0.0.1:80` or `[fd99::2]:80`; v4-mapped is IPv4.
    #[inline(always)]
    pub(crate) fn socket(&mut self) -> Option<SocketAddr> {
        let ip = if self.accept(b"[") {
            // A dual-stack socket's IPv4 address, so frequent that it has its own way.
            let mut mapped = *self;
            let ip = match mapped.expect(b"::ffff:").and_then(|()| mapped.ipv4()) {
                Some(ip) if mapped.peek() == Some(b']') => {
                    *self = mapped;
                    IpAddr::V4(ip)
                }
                _ => self.ipv6()?.to_canonical(),
            };
            self.expect(b"]")?;
            ip
        } else {
            IpAddr::V4(self.ipv4()?)
        };
        self.expect(b":")?;
        Some(SocketAddr::new(ip, self.decimal_u16()?))
    }
}

/// A byte in each of a word's eight.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The value of the decimal digits that eight bytes (the first of them lowest) begin with, and how many they are.
#[inline(always)]
fn decimal_front(bytes: u64) -> (u64, usize) {
    // Each byte less '0' is at most 9 for a digit; adding 0x76 shows in the top bit what is more.
    let digits = bytes ^ each(b'0');
    let others = (((digits & each(0x7f)) + each(0x76)) | digits) & each(0x80);
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // The digits at the top of the word, zeros before them; then pairs, fours and eights are joined.
    let digits = digits << (64 - 8 * count);
    let pairs = (digits & each(0x0f)).wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff, count)
}

/// The same of lower-case hexadecimal digits.
#[inline(always)]
fn hex_front(bytes: u64) -> (u64, usize) {
    // Digits have bit 6 clear, letters set: their low four bits and 9 for a letter are the value, if the byte is
    // what that value is written as.
    let letters = (bytes & each(0x40)) >> 6;
    let values = (bytes & each(0x0f)) + letters * 9;
    let above_nine = ((values + each(0x76)) & each(0x80)) >> 7;
    let written = values + each(b'0') + above_nine * u64::from(b'a' - b'0' - 10);
    let others = (written ^ bytes) | (values & each(0xf0));
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    let values = (values << (64 - 8 * count)).swap_bytes();
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    ((fours | fours >> 16) & 0xffff_ffff, count)
}

fn hex_digit(byte: u8) -> Option<u64> {
    match byte {
        b'0'..=b'9' => Some(u64::from(byte - b'0')),
        b'a'..=b'f' => Some(u64::from(byte - b'a' + 10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        let decimal = |text: &str| {
            let mut scan = Scan(text.as_bytes());
            (scan.decimal(), scan.0.len())
        };
        assert_eq!(decimal("0120 "), (Some(120), 1));
        assert_eq!(decimal("9999999999999999999"), (Some(9_999_999_999_999_999_999), 0));
        assert_eq!(decimal("10000000000000000000").0, None);
        assert_eq!(decimal("").0, None);
        assert_eq!(decimal("-1").0, None);
        for text in ["ff", "ff       ", "000000ff", "00000000000000ff", "00000000000000ff "] {
            assert_eq!(Scan(text.as_bytes()).hex(), Some(255), "{text}");
        }
        assert_eq!(Scan(b"o0000000").hex(), None);
        assert_eq!(Scan(b"FF").hex(), None, "the kernel's are lower case");
        assert_eq!(Scan(b"ffff8880000000421").pointer(), Some(0xffff_8880_0000_0042));
        assert_eq!(Scan(b"ffff888000000g42").pointer(), None);
        assert_eq!(Scan(b"ffff8880").pointer(), None);
        assert_eq!(Scan(b"111111111111111111111111").hex(), None);
        assert_eq!(Scan(b"11111111111111111").hex(), None);
        assert_eq!(Scan(b"4294967296").decimal_u32(), None);
        assert_eq!(Scan(b"65536").decimal_u16(), None);
    }

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Option<&str>| {
            let mut scan = Scan(text.as_bytes());
            let found = scan.socket().filter(|_| scan.0.is_empty());
            assert_eq!(found, expected.map(|e| e.parse().unwrap()), "{text}");
        };
        check("10.99.0.1:5201", Some("10.99.0.1:5201"));
        check("[fd99::2]:80", Some("[fd99::2]:80"));
        check("[::ffff:10.0.0.1]:80", Some("10.0.0.1:80"));
        check("[::]:0", Some("[::]:0"));
        for broken in ["10.99.0.1", "10.99.0:1", "10.99.0.256:1", "10.99.0.1:65536", "[fd99::2]", "[fd99::2:80", "[]:1"]
        {
            check(broken, None);
        }
    }

    proptest! {
        #[test]
        fn numbers_of_any_length(value in any::<u64>(), shift in 0u32..64, zeros in 0usize..3, after in "[ .:g/o]{0,9}") {
            let value = value >> shift;
            for (text, radix) in [(value.to_string(), 10), (format!("{value:x}"), 16)] {
                let most = if radix == 10 { 19 } else { 16 };
                let text = format!("{}{text}", "0".repeat(zeros));
                let whole = format!("{text}{after}");
                let mut scan = Scan(whole.as_bytes());
                let found = if radix == 10 { scan.decimal() } else { scan.hex() };
                prop_assert_eq!(found, (text.len() <= most).then_some(value), "{}", whole);
                if found.is_some() {
                    prop_assert_eq!(scan.0, after.as_bytes());
                }
            }
        }

        #[test]
        fn no_byte_is_taken_for_a_digit(bytes in prop::array::uniform8(any::<u8>())) {
            let count = |is: fn(&u8) -> bool| bytes.iter().take_while(|b| is(b)).count();
            let word = u64::from_le_bytes(bytes);
            prop_assert_eq!(decimal_front(word).1, count(u8::is_ascii_digit));
            prop_assert_eq!(hex_front(word).1, count(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        }

        #[test]
        fn any_address_is_read_as_the_standard_library_reads_it(words in prop::array::uniform8(prop_oneof![Just(0u16), any::<u16>()])) {
            let address = Ipv6Addr::from(words);
            prop_assert_eq!(Scan(address.to_string().as_bytes()).ipv6(), Some(address));
        }

        #[test]
        fn and_any_text_too(text in "[0-9a-f:.]{0,24}") {
            let mut scan = Scan(text.as_bytes());
            let found = scan.ipv6().filter(|_| scan.0.is_empty());
            // Leading zeros are no octal here, and not refused.
            if let Ok(expected) = text.parse::<Ipv6Addr>() {
                prop_assert_eq!(found, Some(expected));
            } else if let Some(found) = found {
                let long = |word: &str| word.len() > 3 && word.starts_with('0');
                prop_assert!(text.split([':', '.']).any(long) || text.contains('.'), "{text} is not {found}");
            }
        }
    }
}
