//! Numbers and addresses in text, read without copying.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads from the front of a text; what does not fit gives `None`, and the position is then of no use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a>(pub(super) &'a [u8]);

impl<'a> Scan<'a> {
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes `tag` if the text begins with it.
    #[inline]
    pub(super) fn accept(&mut self, tag: &[u8]) -> bool {
        match self.0.strip_prefix(tag) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, tag: &[u8]) -> Option<()> {
        self.accept(tag).then_some(())
    }

    #[inline]
    pub(super) fn skip_blanks(&mut self) {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Takes bytes up to `end`, which is taken too.
    #[inline]
    pub(super) fn until(&mut self, end: u8) -> Option<&'a [u8]> {
        let at = self.0.iter().position(|b| *b == end)?;
        let (taken, rest) = (&self.0[..at], &self.0[at + 1..]);
        self.0 = rest;
        Some(taken)
    }

    /// One to nineteen decimal digits.
    #[inline]
    pub(super) fn decimal(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut digits = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            digits += 1;
            self.0 = rest;
        }
        (1..=19).contains(&digits).then_some(value)
    }

    #[inline]
    pub(super) fn decimal_u32(&mut self) -> Option<u32> {
        self.decimal().and_then(|value| u32::try_from(value).ok())
    }

    #[inline]
    pub(super) fn decimal_u16(&mut self) -> Option<u16> {
        self.decimal().and_then(|value| u16::try_from(value).ok())
    }

    /// One to sixteen hexadecimal digits.
    #[inline]
    pub(super) fn hex(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut digits = 0;
        while let [byte, rest @ ..] = self.0 {
            let digit = HEX[usize::from(*byte)];
            if digit > 15 {
                break;
            }
            value = value << 4 | u64::from(digit);
            digits += 1;
            self.0 = rest;
        }
        (1..=16).contains(&digits).then_some(value)
    }

    #[inline]
    pub(super) fn hex_u32(&mut self) -> Option<u32> {
        self.hex().and_then(|value| u32::try_from(value).ok())
    }

    /// `10.0.0.1`
    #[inline]
    pub(super) fn ipv4(&mut self) -> Option<Ipv4Addr> {
        let mut octets = [0; 4];
        for (index, octet) in octets.iter_mut().enumerate() {
            if index > 0 {
                self.expect(b".")?;
            }
            *octet = u8::try_from(self.decimal()?).ok()?;
        }
        Some(Ipv4Addr::from(octets))
    }

    /// `fd99::2`, `::ffff:10.0.0.1`, up to a byte that cannot be part of it.
    pub(super) fn ipv6(&mut self) -> Option<Ipv6Addr> {
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
            } else if self.peek().is_none_or(|b| HEX[usize::from(b)] > 15) {
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
    #[inline]
    pub(super) fn ip(&mut self) -> Option<IpAddr> {
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
    #[inline]
    pub(super) fn socket(&mut self) -> Option<SocketAddr> {
        let ip = if self.accept(b"[") {
            let ip = self.ipv6()?.to_canonical();
            self.expect(b"]")?;
            ip
        } else {
            IpAddr::V4(self.ipv4()?)
        };
        self.expect(b":")?;
        Some(SocketAddr::new(ip, self.decimal_u16()?))
    }
}

/// The value of a hexadecimal digit; 255 for any other byte.
static HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

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
        assert_eq!(Scan(b"FfZ").hex(), Some(255));
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
