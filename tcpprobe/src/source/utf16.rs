//! UTF-16 as UTF-8: what PowerShell makes of text that it redirects.

use std::io::{self, Read};

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;

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

/// Gives UTF-8 of the UTF-16 that `input` gives.
pub struct Utf16<R> {
    input: R,
    order: Order,
    /// Bytes that make no character yet.
    rest: Vec<u8>,
    text: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    pub fn new(input: R, order: Order) -> Self {
        Utf16 { input, order, rest: Vec::new(), text: Vec::new(), given: 0 }
    }

    /// Reads some more; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let start = self.rest.len();
        self.rest.resize(start + CHUNK_BYTES, 0);
        let read = self.input.read(&mut self.rest[start..]);
        self.rest.truncate(start + read.as_ref().map_or(0, |count| *count));
        let is_end = read? == 0;
        let unit = |pair: &[u8]| match self.order {
            Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = self.rest.chunks_exact(2).map(unit).collect();
        // The other half of a pair may come with the next bytes.
        if !is_end && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        self.rest.drain(..2 * units.len());
        let characters = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        let text: String = characters.collect();
        (self.text, self.given) = (text.into_bytes(), 0);
        Ok(!is_end)
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !buffer.is_empty() {
            if !self.fill()? && self.text.is_empty() {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
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
            Utf16::new(Bytes(&bytes), order).read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
            assert_eq!(super::order(&bytes[..12]), Some(order));
        }
        assert_eq!(order(b"\xff\xfea\0"), Some(Order::Little));
        assert_eq!(order(b"    iperf3-195"), None);
        assert_eq!(order(&[0; 64]), None);
    }
}
