//! Bytes and bits: varints, length-prefixed strings, and runs of bits.

/// Appends `value` as LEB128: seven bits a byte, least significant first, the top bit set on all but the last.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the length as a varint, then the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the `put_` functions wrote. Every read says `None` at the end of the input.
#[derive(Debug, Clone)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    /// A varint; `None` also for one that does not fit 64 bits.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that counts something of which there are at most `max`.
    pub fn count(&mut self, max: usize) -> Option<usize> {
        usize::try_from(self.varint()?).ok().filter(|&count| count <= max)
    }

    /// A length and that many bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count(self.0.len())?;
        self.take(length)
    }

    /// A little-endian word.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    /// A little-endian double word.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.take(8)?.first_chunk()?))
    }
}

/// Packs values of up to 56 bits (a word less what the last byte may hold already), least significant first; keeps its memory.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    at: usize,
    pending: u64,
    filled: u32,
}

impl BitWriter {
    /// Makes room for `count` more values of any number of bits.
    pub fn reserve(&mut self, count: usize) {
        let wanted = self.at + count * 8 + 8;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
    }

    /// Appends the low `count` (at most 56) bits of `value`, for which room was made; the bits above must
    /// be 0.
    #[inline]
    pub fn put(&mut self, value: u64, count: u32) {
        self.pending |= value << self.filled;
        self.filled += count;
        if let Some(word) = self.bytes.get_mut(self.at..self.at + 8) {
            word.copy_from_slice(&self.pending.to_le_bytes());
        }
        self.at += (self.filled / 8) as usize;
        self.pending >>= self.filled & !7;
        self.filled &= 7;
    }

    /// Appends the bytes so far to `out`, the last one filled up with zeros, and says how many they are; the writer is
    /// empty afterwards.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> usize {
        let length = self.at + usize::from(self.filled > 0);
        out.extend_from_slice(&self.bytes[..length]);
        (self.at, self.pending, self.filled) = (0, 0, 0);
        length
    }
}

/// Bits that [`BitReader::peek`] gives at least.
pub const PEEK_BITS: u32 = 56;

/// Reads what [`BitWriter`] wrote. Past the end it gives zeros and remembers that it did.
#[derive(Debug, Clone, Copy)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Reads from the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// The next 56 bits and some more, lowest first, without moving on.
    #[inline]
    pub fn peek(&self) -> u64 {
        let byte = self.at / 8;
        let word = match self.bytes.get(byte..byte + 8).and_then(|b| b.first_chunk()) {
            Some(word) => u64::from_le_bytes(*word),
            None => self.tail(byte),
        };
        word >> (self.at % 8)
    }

    /// Moves on by `count` bits.
    #[inline]
    pub fn skip(&mut self, count: u32) {
        self.at += count as usize;
    }

    /// The next `count` (at most 56) bits.
    #[inline]
    pub fn get(&mut self, count: u32) -> u64 {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count);
        value
    }

    #[cold]
    fn tail(&self, from: usize) -> u64 {
        let mut word = [0; 8];
        let rest = self.bytes.get(from..).unwrap_or(&[]);
        let length = rest.len().min(8);
        word[..length].copy_from_slice(&rest[..length]);
        u64::from_le_bytes(word)
    }

    /// Whether more was read than there was.
    pub fn overran(&self) -> bool {
        self.at > self.bytes.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_back(list in prop::collection::vec((any::<u64>(), 0u32..=56), 0..200)) {
            let masked: Vec<_> = list.iter().map(|&(v, n)| (v & ((1 << n) - 1), n)).collect();
            let mut writer = BitWriter::default();
            writer.reserve(masked.len());
            masked.iter().for_each(|&(v, n)| writer.put(v, n));
            let mut bytes = Vec::new();
            writer.finish(&mut bytes);
            let mut reader = BitReader::new(&bytes);
            for (v, n) in masked {
                prop_assert_eq!(reader.get(n), v);
            }
            prop_assert!(!reader.overran());
            reader.get(8);
            prop_assert!(reader.overran());
        }

        #[test]
        fn varints_come_back(value: u64, rest: [u8; 3]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            out.extend(rest);
            let mut cursor = Cursor(&out);
            prop_assert_eq!(cursor.varint(), Some(value));
            prop_assert_eq!(cursor.0, &rest[..]);
        }
    }

    #[test]
    fn varints_that_do_not_fit() {
        assert_eq!(Cursor(&[0xff; 11]).varint(), None);
        assert_eq!(Cursor(&[0x80]).varint(), None);
        assert_eq!(Cursor(&[9, 1]).bytes(), None, "a length beyond the end");
    }
}
