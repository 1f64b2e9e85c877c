//! UTF-16 as UTF-8: what PowerShell makes of text that it redirects.

use super::rewritten::Rewrite;

/// How two bytes make a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

/// Whether a beginning is UTF-16: by its mark, or since every other byte is 0 and the others are none.
pub fn order(head: &[u8]) -> Option<Order> {
    match head {
        [0xff, 0xfe, ..] => return Some(Order::Little),
        [0xfe, 0xff, ..] => return Some(Order::Big),
        _ => {}
    }
    let pairs: Vec<&[u8]> = head.chunks_exact(2).take(256).collect();
    let all = |zero: usize| pairs.len() >= 4 && pairs.iter().all(|pair| pair[zero] == 0 && pair[1 - zero] != 0);
    if all(1) { Some(Order::Little) } else { all(0).then_some(Order::Big) }
}

/// Makes UTF-8 of it.
pub struct Utf16(pub Order);

impl Rewrite for Utf16 {
    fn rewrite(&mut self, bytes: &[u8], is_end: bool, text: &mut Vec<u8>) -> usize {
        let unit = |pair: &[u8]| match self.0 {
            Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = bytes.chunks_exact(2).map(unit).collect();
        // The other half of a pair may come with the next bytes.
        if !is_end && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        let taken = 2 * units.len();
        let characters = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        text.extend_from_slice(characters.collect::<String>().as_bytes());
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::super::rewritten::Rewritten;
    use super::*;

    #[test]
    fn characters_of_any_length_by_the_byte() {
        struct Bytes<'a>(&'a [u8]);
        impl Read for Bytes<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = 1.min(buffer.len());
                self.0.read(&mut buffer[..count])
            }
        }
        let text = "iperf3 é 日 😀\r\n".repeat(3);
        for (order, bytes) in [
            (Order::Little, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
            (Order::Big, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ] {
            let mut found = String::new();
            Rewritten::new(Bytes(&bytes), Utf16(order)).read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
            assert_eq!(super::order(&bytes[..12]), Some(order));
        }
        assert_eq!(order(b"\xff\xfea\0"), Some(Order::Little));
        assert_eq!(order(b"    iperf3-195"), None);
        assert_eq!(order(&[0; 64]), None);
    }
}
