//! Addresses and byte strings as the kernel's `%p` extensions print them (`lib/vsprintf.c`, `ip_addr_string()`).

use super::spec::put_decimal;
use crate::kernel::names::{AF_INET, AF_INET6};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// `%pI4`, or with `padded` `%pi4`: `010.000.000.001`.
pub(super) fn ipv4(out: &mut Vec<u8>, bytes: [u8; 4], padded: bool) {
    for (index, byte) in bytes.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        if padded {
            out.extend_from_slice(&[b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]);
        } else {
            put_decimal(out, u64::from(byte));
        }
    }
}

/// `%pI6`: all digits; with `packed` `%pi6`: without colons.
pub(super) fn ipv6(out: &mut Vec<u8>, bytes: [u8; 16], packed: bool) {
    for (index, pair) in bytes.chunks_exact(2).enumerate() {
        if index > 0 && !packed {
            out.push(b':');
        }
        hex(out, pair, None);
    }
}

/// `%pI6c`: the longest run of zeros left out, mapped and ISATAP addresses with their last 32 bits as IPv4.
pub(super) fn ipv6_compressed(out: &mut Vec<u8>, bytes: [u8; 16]) {
    let words: [u16; 8] = std::array::from_fn(|i| u16::from_be_bytes([bytes[2 * i], bytes[2 * i + 1]]));
    let mapped = words[..5] == [0; 5] && words[5] == 0xffff;
    let isatap = words[4] | 0x0200 == 0x0200 && words[5] == 0x5efe;
    let with_ipv4 = mapped || isatap;
    let words = if with_ipv4 { &words[..6] } else { &words[..] };
    let zeros = longest_zeros(words);
    let mut colon = false;
    let mut index = 0;
    while index < words.len() {
        if index == zeros.start && !zeros.is_empty() {
            if colon || index == 0 {
                out.push(b':');
            }
            out.push(b':');
            colon = false;
            index = zeros.end;
            continue;
        }
        if colon {
            out.push(b':');
        }
        put_hex(out, u64::from(words[index]));
        colon = true;
        index += 1;
    }
    if with_ipv4 {
        if colon {
            out.push(b':');
        }
        ipv4(out, [bytes[12], bytes[13], bytes[14], bytes[15]], false);
    }
}

/// The first of the longest runs of two and more zeros.
fn longest_zeros(words: &[u16]) -> std::ops::Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    for (index, word) in words.iter().enumerate() {
        if *word != 0 {
            start = index + 1;
        } else if index + 1 - start > longest.len() {
            longest = start..index + 1;
        }
    }
    if longest.len() > 1 { longest } else { 0..0 }
}

/// What `%pIS` is to show of a socket address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SocketParts {
    pub(super) port: bool,
    pub(super) flow: bool,
    pub(super) scope: bool,
    pub(super) compressed: bool,
    /// `%piS` instead of `%pIS`.
    pub(super) raw: bool,
}

/// `%pIS..`: a `struct sockaddr_in` or `sockaddr_in6`; `None` where it is cut short.
pub(super) fn socket(out: &mut Vec<u8>, bytes: &[u8], parts: SocketParts) -> Option<()> {
    let family = u16::from_le_bytes(*bytes.first_chunk()?);
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let word = |at: usize| Some(*bytes.get(at..)?.first_chunk::<4>()?);
    match family {
        AF_INET => ipv4(out, word(4)?, parts.raw),
        AF_INET6 => {
            let address = *bytes.get(8..)?.first_chunk::<16>()?;
            let bracket = parts.port || parts.flow || parts.scope;
            if bracket {
                out.push(b'[');
            }
            if parts.compressed {
                ipv6_compressed(out, address)
            } else {
                ipv6(out, address, parts.raw)
            }
            if bracket {
                out.push(b']');
            }
        }
        _ => {
            out.extend_from_slice(b"(einval)");
            return Some(());
        }
    }
    if parts.port {
        out.push(b':');
        put_decimal(out, u64::from(port));
    }
    if family == AF_INET6 && parts.flow {
        out.push(b'/');
        put_decimal(out, u64::from(u32::from_be_bytes(word(4)?) & 0x0fff_ffff));
    }
    if family == AF_INET6 && parts.scope {
        out.push(b'%');
        put_decimal(out, u64::from(u32::from_le_bytes(word(24)?)));
    }
    Some(())
}

/// `%*ph`, `%pM` and their like: two digits a byte, with `separator` between.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8], separator: Option<u8>) {
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(separator) = separator.filter(|_| index > 0) {
            out.push(separator);
        }
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Hexadecimal without leading zeros.
pub(super) fn put_hex(out: &mut Vec<u8>, value: u64) {
    let count = (67 - (value | 1).leading_zeros() as usize) / 4;
    let mut digits = [0; 16];
    for (place, digit) in digits[..count].iter_mut().rev().enumerate() {
        *digit = DIGITS[(value >> (4 * place)) as usize & 15];
    }
    out.extend_from_slice(&digits[..count]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn text(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn compressed_ipv6() {
        let check = |address: &str, expected: &str| {
            let bytes = address.parse::<Ipv6Addr>().unwrap().octets();
            assert_eq!(text(|out| ipv6_compressed(out, bytes)), expected);
        };
        check("::", "::");
        check("::1", "::1");
        check("1::", "1::");
        check("fd99::2", "fd99::2");
        check("fd99:0:0:1::2", "fd99:0:0:1::2");
        check("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0");
        check("1:0:0:2:0:0:3:4", "1::2:0:0:3:4");
        check("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7");
        check("::ffff:10.0.0.1", "::ffff:10.0.0.1");
        check("::ffff:0.0.0.0", "::ffff:0.0.0.0");
        check("fe80::5efe:192.0.2.1", "fe80::5efe:192.0.2.1");
        check("fe80::200:5efe:192.0.2.1", "fe80::200:5efe:192.0.2.1");
        // Not mapped, so not dotted, though other printers do so.
        check("::10.0.0.1", "::a00:1");
    }

    #[test]
    fn plain_addresses() {
        assert_eq!(text(|out| ipv4(out, [10, 0, 200, 1], false)), "10.0.200.1");
        assert_eq!(text(|out| ipv4(out, [10, 0, 200, 1], true)), "010.000.200.001");
        let bytes = "fd99::2".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(text(|out| ipv6(out, bytes, false)), "fd99:0000:0000:0000:0000:0000:0000:0002");
        assert_eq!(text(|out| ipv6(out, bytes, true)), "fd990000000000000000000000000002");
    }

    #[test]
    fn socket_addresses() {
        let mut v6 = vec![10, 0, 0x14, 0x51, 0, 0, 0, 7];
        v6.extend("fd99::2".parse::<Ipv6Addr>().unwrap().octets());
        v6.extend([3, 0, 0, 0]);
        let v4 = [2, 0, 0x14, 0x51, 10, 99, 0, 2];
        let check = |bytes: &[u8], letters: &str, expected: &str| {
            let has = |letter| letters.contains(letter);
            let (port, flow, scope, compressed) = (has('p'), has('f'), has('s'), has('c'));
            let parts = SocketParts { port, flow, scope, compressed, raw: false };
            assert_eq!(text(|out| socket(out, bytes, parts).unwrap()), expected);
        };
        check(&v6, "pc", "[fd99::2]:5201");
        check(&v6, "c", "fd99::2");
        check(&v6, "pfsc", "[fd99::2]:5201/7%3");
        check(&v4, "pfsc", "10.99.0.2:5201");
        check(&v4, "c", "10.99.0.2");
        check(&[0; 28], "pc", "(einval)");
        assert_eq!(socket(&mut Vec::new(), &v6[..20], SocketParts::default()), None);
    }
}
