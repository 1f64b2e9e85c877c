//! One column of numbers: symbols of a byte, deflated, and the bits below them, raw.
//!
//! Small and repeated values become one symbol each, for deflate to find their patterns; of a large value that
//! never comes again only the magnitude is a symbol, and the rest, which no compressor could shorten, bypasses it.
//! Two alphabets exist, and a sample of the column decides:
//!
//! - *direct*: 0..=15 are themselves; above, four symbols for each power of two, the bits below them raw;
//! - *dictionary*: the column's frequent values are listed, their places are the symbols; behind them 65 more
//!   symbols stand for other values by their number of bits, the bits below the top one raw.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::bits::{BitReader, BitWriter, Cursor, put_varint};

/// Compression of the symbols; see ARCHITECTURE.md for the levels measured.
const DEFLATE_LEVEL: u32 = 2;
/// Most values in a dictionary: the escapes need 65 of the 256 symbols.
const DICTIONARY_MAX: usize = 190;
/// Values looked at to choose an alphabet.
const SAMPLE_MAX: usize = 1024;
/// Neighbours of which the sample is made.
const SAMPLE_RUN: usize = 16;
/// Values looked at together, in case that all are 0.
const ZEROS: usize = 8;
/// Slots of the table that counts or finds values, a power of two well above what it holds.
const SLOTS: usize = 2048;
/// Symbol streams shorter than this are not worth a deflate.
const DEFLATE_MIN: usize = 24;

const KIND_ZERO: u8 = 0;
const KIND_DIRECT: u8 = 1;
const KIND_DICTIONARY: u8 = 2;
/// Added to the kind: the symbols are deflated.
const DEFLATED: u8 = 0x80;

/// A column that is not what the encoder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column: {0}")]
pub struct ColumnError(pub &'static str);

/// Interleaves the signs: 0, -1, 1, -2, … become 0, 1, 2, 3, …
#[inline]
#[must_use]
pub fn zigzag(delta: i64) -> u64 {
    ((delta << 1) ^ (delta >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[inline]
fn bit_length(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Symbol and number of raw bits of a value in the direct alphabet.
#[inline]
fn direct(value: u64) -> (u8, u32) {
    if value < 16 {
        return (value as u8, 0);
    }
    let top = bit_length(value) - 1;
    let quarter = (value >> (top - 2)) as u32 & 3;
    ((16 + (top - 4) * 4 + quarter) as u8, top - 2)
}

#[inline]
fn low_bits(value: u64, count: u32) -> u64 {
    value & ((1u64 << count) - 1)
}

#[inline]
fn slot_of(value: u64) -> usize {
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as usize
}

/// A small open-addressing table from value to a number.
#[derive(Debug)]
struct Table {
    slots: Vec<(u64, u32)>,
}

impl Table {
    fn new() -> Self {
        Table { slots: vec![(0, 0); SLOTS] }
    }

    /// The number of `value`, 0 where it has none.
    #[inline]
    fn get(&mut self, value: u64) -> &mut u32 {
        let mut at = slot_of(value);
        loop {
            let slot = &self.slots[at % SLOTS];
            if slot.1 == 0 || slot.0 == value {
                break;
            }
            at += 1;
        }
        let slot = &mut self.slots[at % SLOTS];
        slot.0 = value;
        &mut slot.1
    }

    fn clear(&mut self) {
        self.slots.fill((0, 0));
    }
}

/// Encodes columns; keeps its memory between them.
#[derive(Debug)]
pub struct ColumnEncoder {
    deflate: Compress,
    table: Table,
    symbols: Vec<u8>,
    bits: BitWriter,
    deflated: Vec<u8>,
}

impl Default for ColumnEncoder {
    fn default() -> Self {
        ColumnEncoder {
            deflate: Compress::new(Compression::new(DEFLATE_LEVEL), false),
            table: Table::new(),
            symbols: Vec::new(),
            bits: BitWriter::default(),
            deflated: Vec::new(),
        }
    }
}

impl ColumnEncoder {
    /// Appends the column of `values` to `out`. The number of values is not written.
    pub fn encode(&mut self, values: &[u64], out: &mut Vec<u8>) {
        if values.iter().all(|&value| value == 0) {
            out.push(KIND_ZERO);
            return;
        }
        let dictionary = self.choose_dictionary(values);
        self.symbols.clear();
        self.symbols.reserve(values.len());
        let kind = if dictionary.is_empty() {
            self.encode_direct(values);
            KIND_DIRECT
        } else {
            self.encode_with(&dictionary, values);
            KIND_DICTIONARY
        };
        let (flag, symbols) = deflate(&mut self.deflate, &self.symbols, &mut self.deflated);
        out.push(kind | flag);
        if kind == KIND_DICTIONARY {
            put_varint(out, dictionary.len() as u64);
            dictionary.iter().for_each(|&value| put_varint(out, value));
        }
        put_varint(out, symbols.len() as u64);
        out.extend_from_slice(symbols);
        self.bits.finish(out);
    }

    /// Appends `bytes` in the form of [`deflate_bytes`].
    pub fn encode_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        put_deflated(&mut self.deflate, bytes, &mut self.deflated, out);
    }

    fn encode_direct(&mut self, values: &[u64]) {
        for chunk in values.chunks(ZEROS) {
            if self.put_zeros(chunk, Some(0)) {
                continue;
            }
            for &value in chunk {
                let (symbol, count) = direct(value);
                self.symbols.push(symbol);
                if count > 0 {
                    self.bits.put(low_bits(value, count), count);
                }
            }
        }
    }

    fn encode_with(&mut self, dictionary: &[u64], values: &[u64]) {
        self.table.clear();
        for (place, &value) in dictionary.iter().enumerate() {
            *self.table.get(value) = place as u32 + 1;
        }
        let escape = dictionary.len() as u32;
        let zero = self.table.get(0).checked_sub(1).map(|place| place as u8);
        let (mut last, mut last_place) = (dictionary[0], 1);
        for chunk in values.chunks(ZEROS) {
            if self.put_zeros(chunk, zero) {
                continue;
            }
            for &value in chunk {
                let place = if value == last { last_place } else { *self.table.get(value) };
                if place > 0 {
                    (last, last_place) = (value, place);
                    self.symbols.push((place - 1) as u8);
                } else {
                    let length = bit_length(value);
                    self.symbols.push((escape + length) as u8);
                    if length > 1 {
                        self.bits.put(low_bits(value, length - 1), length - 1);
                    }
                }
            }
        }
    }

    /// Most values are 0: where a whole chunk is, its symbols are appended at once.
    #[inline]
    fn put_zeros(&mut self, chunk: &[u64], symbol: Option<u8>) -> bool {
        let Some(symbol) = symbol else { return false };
        if chunk.len() < ZEROS || chunk.iter().fold(0, |any, value| any | value) != 0 {
            return false;
        }
        self.symbols.extend([symbol; ZEROS]);
        true
    }

    /// The frequent values, most frequent first, where listing them is estimated to save something; else nothing.
    fn choose_dictionary(&mut self, values: &[u64]) -> Vec<u64> {
        let stride = values.len().div_ceil(SAMPLE_MAX);
        self.table.clear();
        let mut sampled = 0u32;
        let mut direct_counts = [0u32; 256];
        let mut direct_bits = 0u64;
        // Runs of neighbours, for a plain stride could fall in step with a pattern.
        for &value in values.chunks(stride * SAMPLE_RUN).flat_map(|chunk| chunk.iter().take(SAMPLE_RUN)) {
            *self.table.get(value) += 1;
            let (symbol, count) = direct(value);
            direct_counts[usize::from(symbol)] += 1;
            direct_bits += u64::from(count);
            sampled += 1;
        }
        if direct_bits == 0 && stride == 1 {
            return Vec::new();
        }
        let mut frequent: Vec<(u64, u32)> = self.table.slots.iter().copied().filter(|slot| slot.1 > 1).collect();
        frequent.sort_unstable_by_key(|&(value, count)| (std::cmp::Reverse(count), value));
        frequent.truncate(DICTIONARY_MAX);

        let mut counts = [0u32; 256];
        let mut raw_bits = 0u64;
        let mut listed = 0u64;
        for (place, &(value, count)) in frequent.iter().enumerate() {
            counts[place] = count;
            listed += u64::from(bit_length(value).div_ceil(7).max(1)) * 8;
        }
        let covered: u32 = frequent.iter().map(|f| f.1).sum();
        self.table.slots.iter().filter(|slot| slot.1 == 1).for_each(|&(value, _)| {
            counts[DICTIONARY_MAX + bit_length(value) as usize] += 1;
            raw_bits += u64::from(bit_length(value).saturating_sub(1));
        });
        // What `truncate` cut off counts as escapes of average length; it is never much.
        let rest = u64::from(sampled - covered) - u64::from(counts[DICTIONARY_MAX..].iter().sum::<u32>());
        raw_bits += rest * 32;
        let with = (entropy_bits(&counts, sampled) + raw_bits as f64) * stride as f64 + listed as f64;
        let without = (entropy_bits(&direct_counts, sampled) + direct_bits as f64) * stride as f64;
        if with < without { frequent.into_iter().map(|f| f.0).collect() } else { Vec::new() }
    }
}

/// Shannon's bound for symbols of these counts, in bits.
fn entropy_bits(counts: &[u32; 256], total: u32) -> f64 {
    let total_log = f64::from(total.max(1)).log2();
    counts.iter().filter(|&&c| c > 0).map(|&c| f64::from(c) * (total_log - f64::from(c).log2())).sum()
}

/// The deflated form of `input` with [`DEFLATED`], or `input` itself with 0 where that is not longer.
fn deflate<'a>(state: &mut Compress, input: &'a [u8], output: &'a mut Vec<u8>) -> (u8, &'a [u8]) {
    if input.len() < DEFLATE_MIN {
        return (0, input);
    }
    state.reset();
    output.clear();
    output.reserve(input.len());
    match state.compress_vec(input, output, FlushCompress::Finish) {
        Ok(Status::StreamEnd) if output.len() < input.len() => (DEFLATED, output),
        _ => (0, input),
    }
}

/// Decodes columns; keeps its memory between them.
#[derive(Debug)]
pub struct ColumnDecoder {
    inflate: Decompress,
    symbols: Vec<u8>,
}

impl Default for ColumnDecoder {
    fn default() -> Self {
        ColumnDecoder { inflate: Decompress::new(false), symbols: Vec::new() }
    }
}

impl ColumnDecoder {
    /// Whether all values of the column in `bytes` are 0.
    #[must_use]
    pub fn is_zero(bytes: &[u8]) -> bool {
        bytes == [KIND_ZERO]
    }

    /// Replaces `values` by the `count` values of the column in `bytes`.
    ///
    /// # Errors
    /// When the bytes are not what [`ColumnEncoder::encode`] wrote for that many values.
    pub fn decode(&mut self, bytes: &[u8], count: usize, values: &mut Vec<u64>) -> Result<(), ColumnError> {
        values.clear();
        let mut cursor = Cursor(bytes);
        let kind = cursor.take(1).ok_or(ColumnError("empty"))?[0];
        if kind == KIND_ZERO {
            values.resize(count, 0);
            return Ok(());
        }
        let dictionary = match kind & !DEFLATED {
            KIND_DIRECT => None,
            KIND_DICTIONARY => Some(read_dictionary(&mut cursor).ok_or(ColumnError("bad dictionary"))?),
            _ => return Err(ColumnError("unknown encoding")),
        };
        let stored = cursor.bytes().ok_or(ColumnError("symbols cut short"))?;
        let symbols = if kind & DEFLATED != 0 { self.inflate(stored, count)? } else { stored };
        if symbols.len() != count {
            return Err(ColumnError("another number of symbols than events"));
        }
        values.reserve(count);
        let mut bits = BitReader::new(cursor.0);
        match dictionary {
            None => values.extend(symbols.iter().map(|&symbol| {
                if symbol < 16 {
                    return u64::from(symbol);
                }
                let place = u32::from(symbol) - 16;
                let count = place / 4 + 2;
                u64::from(4 | place & 3) << count | bits.get(count)
            })),
            Some((table, escape)) => {
                for &symbol in symbols {
                    let symbol = usize::from(symbol);
                    values.push(if symbol < escape {
                        table[symbol]
                    } else {
                        match symbol - escape {
                            0 => 0,
                            length @ 1..=64 => 1 << (length - 1) | bits.get(length as u32 - 1),
                            _ => return Err(ColumnError("a symbol outside of the alphabet")),
                        }
                    });
                }
            }
        }
        if bits.overran() { Err(ColumnError("raw bits cut short")) } else { Ok(()) }
    }

    fn inflate(&mut self, stored: &[u8], count: usize) -> Result<&[u8], ColumnError> {
        self.inflate.reset(false);
        self.symbols.clear();
        // One more than expected, so that a longer stream is noticed and not merely cut.
        self.symbols.reserve_exact(count + 1);
        match self.inflate.decompress_vec(stored, &mut self.symbols, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => Ok(&self.symbols),
            _ => Err(ColumnError("symbols that do not inflate")),
        }
    }
}

/// Appends `bytes`, deflated where that is shorter: how they are stored, their length, the stored length, the bytes.
pub fn deflate_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_deflated(&mut Compress::new(Compression::new(6), false), bytes, &mut Vec::new(), out);
}

fn put_deflated(state: &mut Compress, bytes: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    let (flag, stored) = deflate(state, bytes, scratch);
    out.push(flag);
    put_varint(out, bytes.len() as u64);
    put_varint(out, stored.len() as u64);
    out.extend_from_slice(stored);
}

/// Reads what [`deflate_bytes`] wrote; `None` where it is damaged or longer than `max`.
pub fn inflate_bytes(cursor: &mut Cursor<'_>, max: usize) -> Option<Vec<u8>> {
    let flag = cursor.take(1)?[0];
    let length = cursor.count(max)?;
    let stored = cursor.bytes()?;
    if flag != DEFLATED {
        return (flag == 0 && stored.len() == length).then(|| stored.to_vec());
    }
    let mut bytes = Vec::with_capacity(length + 1);
    match Decompress::new(false).decompress_vec(stored, &mut bytes, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if bytes.len() == length => Some(bytes),
        _ => None,
    }
}

fn read_dictionary(cursor: &mut Cursor<'_>) -> Option<([u64; 256], usize)> {
    let length = cursor.count(DICTIONARY_MAX)?;
    let mut table = [0; 256];
    for value in &mut table[..length] {
        *value = cursor.varint()?;
    }
    Some((table, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[u64]) -> usize {
        let mut out = Vec::new();
        ColumnEncoder::default().encode(values, &mut out);
        let mut back = Vec::new();
        ColumnDecoder::default().decode(&out, values.len(), &mut back).unwrap();
        assert_eq!(back, values);
        out.len()
    }

    proptest! {
        #[test]
        fn any_column_comes_back(
            values in prop::collection::vec(
                prop_oneof![4 => Just(0u64), 3 => 0u64..40, 2 => Just(65_483u64), 1 => any::<u64>()], 0..3000)
        ) {
            round_trip(&values);
        }

        #[test]
        fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0usize..300) {
            let mut values = Vec::new();
            if ColumnDecoder::default().decode(&bytes, count, &mut values).is_ok() {
                prop_assert_eq!(values.len(), count);
            }
        }

        #[test]
        fn zigzag_is_a_bijection(delta: i64) {
            prop_assert_eq!(unzigzag(zigzag(delta)), delta);
        }
    }

    #[test]
    fn every_magnitude() {
        let values: Vec<u64> = (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) - 1, (1u64 << bit) | 1]).collect();
        round_trip(&values);
        round_trip(&[u64::MAX]);
        round_trip(&[]);
    }

    #[test]
    fn sizes() {
        assert_eq!(round_trip(&[0; 10_000]), 1, "nothing changes: nothing stored");
        let two: Vec<u64> = (0..10_000).map(|i| if i % 2 == 0 { 0 } else { 131_072_001 }).collect();
        assert!(round_trip(&two) < 100, "a pattern of large values goes into the dictionary");
        let noise: Vec<u64> = (0..10_000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).collect();
        assert!(round_trip(&noise) < 10_000 * 18 / 8, "noise costs its bits and no more");
    }
}
