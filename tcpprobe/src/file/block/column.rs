//! One column of numbers of 32 bits: a symbol of a byte for each, and below some symbols raw bits.
//!
//! Small values are symbols themselves, and so are those that a sample shows to be frequent; of any other only the
//! magnitude is a symbol, and the rest, which no compressor could shorten, is kept as it is. Symbols that repeat in
//! patterns are deflated, for deflate finds them again; those that are merely unequally frequent get a prefix code,
//! which is several times quicker both ways.

use flate2::{Compress, Compression, Decompress, FlushDecompress, Status};

use super::bits::{BitReader, BitWriter, Cursor, PEEK_BITS, put_varint};
use super::deflate::{DEFLATE_MIN, DEFLATED, deflate, put_deflated};
use super::huffman::{self, Lengths};

/// Compression of symbols in patterns; see DECISIONS.md for the levels measured.
const DEFLATE_LEVEL: u32 = 2;
/// Symbols of the values below this are the values.
const SMALL: u32 = 16;
/// Symbols of the listed values: the direct ones end before it.
const LISTED: usize = 128;
/// Most values listed.
const LISTED_MAX: usize = 128;
/// Values looked at to find the frequent ones.
const SAMPLE_MAX: usize = 1024;
/// Neighbours of which the sample is made, for a plain stride could fall in step with a pattern.
const SAMPLE_RUN: usize = 16;
/// Slots of the table that counts or finds values: twice the sample, so that it never fills up.
const SLOTS: usize = 2 * SAMPLE_MAX;
/// Values below this have their symbol in a table.
const QUICK: usize = 4096;
/// Bits that a listed value costs beside its own: its codeword's length and the varint's lead.
const LISTING_BITS: u32 = 12;
/// Symbols looked at to tell whether they come in patterns.
const PATTERN_SAMPLE: usize = 2048;
/// What a match costs in deflate, about: codewords of a length and of a distance, and the distance's raw bits.
const MATCH_BITS: u64 = 16;
/// Columns of as many values are cut into [`STREAMS`] streams of codewords, which a processor decodes side by side.
const STREAMS_MIN: usize = 512;
const STREAMS: usize = 4;

const KIND_CONSTANT: u8 = 0;
const KIND_PLAIN: u8 = 1;
const KIND_DEFLATED: u8 = 2;
const KIND_PREFIX: u8 = 3;
/// A column that is not what the encoder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column: {0}")]
pub struct ColumnError(pub &'static str);

/// Interleaves the signs: 0, -1, 1, -2, … become 0, 1, 2, 3, …
#[inline]
#[must_use]
pub fn zigzag(delta: u32) -> u32 {
    let delta = delta.cast_signed();
    ((delta << 1) ^ (delta >> 31)).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
#[must_use]
pub fn unzigzag(value: u32) -> u32 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

/// Symbol of a value that is not listed, and number of its raw bits: above [`SMALL`], four symbols for each power of
/// two.
#[inline]
fn direct(value: u32) -> (u8, u32) {
    if value < SMALL {
        return (value as u8, 0);
    }
    let top = 31 - value.leading_zeros();
    let quarter = (value >> (top - 2)) & 3;
    ((SMALL + (top - 4) * 4 + quarter) as u8, top - 2)
}

/// The values that a symbol stands for: the lowest, and the number of raw bits that are added to it.
#[derive(Debug, Clone, Copy, Default)]
struct Meaning {
    base: u32,
    extra: u8,
}

impl Meaning {
    /// The value with the raw bits that `bits` begins with.
    #[inline]
    fn value(self, bits: u64) -> u32 {
        self.base | bits as u32 & ((1 << self.extra) - 1)
    }
}

/// What the symbols of a column with these listed values mean; those behind them mean 0.
fn meanings(listed: &[u32]) -> [Meaning; huffman::SYMBOLS] {
    std::array::from_fn(|symbol| match symbol as u32 {
        small if small < SMALL => Meaning { base: small, extra: 0 },
        large if (large as usize) < LISTED => {
            let place = large - SMALL;
            let extra = place / 4 + 2;
            Meaning { base: (4 + place % 4) << extra, extra: extra as u8 }
        }
        _ => Meaning { base: listed.get(symbol - LISTED).copied().unwrap_or(0), extra: 0 },
    })
}

/// A small open-addressing table from value to a number above 0, cleared by what is in it.
#[derive(Debug)]
struct Table {
    slots: Vec<(u32, u32)>,
    used: Vec<u16>,
}

impl Table {
    fn new() -> Self {
        Table { slots: vec![(0, 0); SLOTS], used: Vec::new() }
    }

    #[inline]
    fn place(&self, value: u32) -> usize {
        let mut at = (value.wrapping_mul(0x9e37_79b1) >> 21) as usize;
        loop {
            let slot = self.slots[at % SLOTS];
            if slot.1 == 0 || slot.0 == value {
                return at % SLOTS;
            }
            at += 1;
        }
    }

    /// The number of `value`, 0 where it has none.
    #[inline]
    fn get(&self, value: u32) -> u32 {
        self.slots[self.place(value)].1
    }

    /// Adds to the number of `value`.
    #[inline]
    fn add(&mut self, value: u32, number: u32) {
        let at = self.place(value);
        if self.slots[at].1 == 0 {
            self.used.push(at as u16);
        }
        self.slots[at] = (value, self.slots[at].1 + number);
    }

    fn clear(&mut self) {
        for at in self.used.drain(..) {
            self.slots[usize::from(at)] = (0, 0);
        }
    }
}

/// Encodes columns; keeps its memory between them.
#[derive(Debug)]
pub struct ColumnEncoder {
    deflate: Compress,
    table: Table,
    listed: Vec<u32>,
    /// Symbols of values that are not listed, but for the column at work.
    quick: Vec<u8>,
    symbols: Vec<u8>,
    bits: BitWriter,
    deflated: Vec<u8>,
    column: Vec<u8>,
    /// Where four symbols that follow each other were last seen.
    seen: Vec<u16>,
}

impl Default for ColumnEncoder {
    fn default() -> Self {
        ColumnEncoder {
            deflate: Compress::new(Compression::new(DEFLATE_LEVEL), false),
            table: Table::new(),
            listed: Vec::new(),
            quick: (0..QUICK as u32).map(|value| direct(value).0).collect(),
            symbols: Vec::new(),
            bits: BitWriter::default(),
            deflated: Vec::new(),
            column: Vec::new(),
            seen: Vec::new(),
        }
    }
}

impl ColumnEncoder {
    /// Appends the column of `values` to `out`, its length before it; of no values, nothing. Their number is not
    /// written.
    pub fn encode(&mut self, values: &[u32], out: &mut Vec<u8>) {
        let Some(&first) = values.first() else { return };
        self.column.clear();
        if values.iter().all(|&value| value == first) {
            self.column.push(KIND_CONSTANT);
            put_varint(&mut self.column, u64::from(first));
        } else {
            self.encode_symbols(values);
        }
        put_varint(out, self.column.len() as u64);
        out.extend_from_slice(&self.column);
    }

    /// Appends `bytes` in the form of [`super::deflate::deflate_bytes`].
    pub fn encode_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        put_deflated(&mut self.deflate, bytes, &mut self.deflated, out);
    }

    fn encode_symbols(&mut self, values: &[u32]) {
        self.list_frequent(values);
        let counts = self.symbolize(values);
        let lengths = huffman::lengths(&counts);
        let bits: u64 = counts.iter().zip(&lengths).map(|(&count, &length)| u64::from(count) * u64::from(length)).sum();
        let mut header = Vec::new();
        huffman::put_lengths(&lengths, &mut header);
        let prefix_bytes = header.len() + bits as usize / 8;
        let deflated = self.in_patterns(&lengths);
        if deflated
            && let (DEFLATED, symbols) = deflate(&mut self.deflate, &self.symbols, &mut self.deflated)
            && symbols.len() < prefix_bytes
        {
            begin(&mut self.column, KIND_DEFLATED, &self.listed);
            put_varint(&mut self.column, symbols.len() as u64);
            self.column.extend_from_slice(symbols);
            self.put_raw_bits(values);
        } else if prefix_bytes < values.len() {
            begin(&mut self.column, KIND_PREFIX, &self.listed);
            self.column.extend_from_slice(&header);
            self.put_codewords(values, &lengths);
        } else {
            begin(&mut self.column, KIND_PLAIN, &self.listed);
            self.column.extend_from_slice(&self.symbols);
            self.put_raw_bits(values);
        }
    }

    /// Lists, in ascending order, the values whose raw bits cost more than being listed.
    fn list_frequent(&mut self, values: &[u32]) {
        self.table.clear();
        self.listed.clear();
        let stride = values.len().div_ceil(SAMPLE_MAX);
        for &value in values.chunks(stride * SAMPLE_RUN).flat_map(|chunk| chunk.iter().take(SAMPLE_RUN)) {
            if value >= SMALL {
                self.table.add(value, 1);
            }
        }
        // Of a sample, what was seen once or twice tells nothing.
        let seen_min = if stride == 1 { 2 } else { 3 };
        let slots = self.table.used.iter().map(|&at| self.table.slots[usize::from(at)]);
        let mut frequent: Vec<(u64, u32)> = slots
            .filter(|&(_, seen)| seen >= seen_min)
            .filter_map(|(value, seen)| {
                let saved = u64::from(seen) * stride as u64 * u64::from(direct(value).1);
                let cost = u64::from(LISTING_BITS + 32 - value.leading_zeros());
                (saved > cost).then_some((saved, value))
            })
            .collect();
        if frequent.len() > LISTED_MAX {
            frequent.sort_unstable_by_key(|&(saved, value)| (std::cmp::Reverse(saved), value));
            frequent.truncate(LISTED_MAX);
        }
        self.listed.extend(frequent.into_iter().map(|(_, value)| value));
        self.listed.sort_unstable();
        self.table.clear();
        for (place, &value) in self.listed.iter().enumerate() {
            self.table.add(value, (LISTED + place) as u32);
        }
    }

    /// Fills `symbols` and counts them.
    fn symbolize(&mut self, values: &[u32]) -> [u32; huffman::SYMBOLS] {
        let mut counts = [0u32; huffman::SYMBOLS];
        self.symbols.clear();
        for (place, &value) in self.listed.iter().enumerate().filter(|(_, value)| (**value as usize) < QUICK) {
            self.quick[value as usize] = (LISTED + place) as u8;
        }
        let far_ones = self.listed.last().is_some_and(|&value| value as usize >= QUICK);
        let (quick, table) = (&self.quick, &self.table);
        self.symbols.extend(values.iter().map(|&value| {
            let symbol = match quick.get(value as usize) {
                Some(&symbol) => symbol,
                None => match if far_ones { table.get(value) as u8 } else { 0 } {
                    0 => direct(value).0,
                    listed => listed,
                },
            };
            counts[usize::from(symbol)] += 1;
            symbol
        }));
        for &value in self.listed.iter().filter(|value| (**value as usize) < QUICK) {
            self.quick[value as usize] = direct(value).0;
        }
        counts
    }

    /// Whether deflate would make much less of the symbols than a prefix code of these lengths: a part of them is cut
    /// into literals and matches as deflate would, and both are priced.
    fn in_patterns(&mut self, lengths: &Lengths) -> bool {
        if self.symbols.len() < DEFLATE_MIN {
            return false;
        }
        let middle = (self.symbols.len().saturating_sub(PATTERN_SAMPLE)) / 2;
        let sample = &self.symbols[middle..self.symbols.len().min(middle + PATTERN_SAMPLE)];
        self.seen.clear();
        self.seen.resize(1024, u16::MAX);
        let price = |symbols: &[u8]| symbols.iter().map(|&s| u64::from(lengths[usize::from(s)])).sum::<u64>();
        let (mut at, mut bits) = (0, 0);
        while let Some(four) = sample.get(at..at + 4).and_then(|four| four.first_chunk::<4>()) {
            let slot = &mut self.seen[(u32::from_le_bytes(*four).wrapping_mul(0x9e37_79b1) >> 22) as usize];
            let before = usize::from(std::mem::replace(slot, at as u16));
            let same = |from: usize| sample[at..].iter().zip(&sample[from..]).take(258).take_while(|(a, b)| a == b);
            let length = if before < at { same(before).count() } else { 0 };
            let own = price(&sample[at..at + length.max(1)]);
            let matched = length >= 4 && own > MATCH_BITS;
            bits += if matched { MATCH_BITS } else { own };
            at += length.max(1);
        }
        // A prefix code is several times quicker: deflate must save a good part.
        bits * 10 < price(sample) * 7
    }

    /// Appends the codewords of all values, each followed by its raw bits.
    fn put_codewords(&mut self, values: &[u32], lengths: &Lengths) {
        let codes = huffman::codes(lengths);
        let meanings = meanings(&self.listed);
        let words: [Word; huffman::SYMBOLS] =
            std::array::from_fn(|s| Word { code: codes[s], length: lengths[s], extra: meanings[s].extra });
        let widest = words.iter().filter(|word| word.length > 0).map(|word| word.length + word.extra).max();
        let part = values.len().div_ceil(if values.len() < STREAMS_MIN { 1 } else { STREAMS });
        let mut sizes = [0; STREAMS];
        self.deflated.clear();
        for ((values, symbols), size) in values.chunks(part).zip(self.symbols.chunks(part)).zip(&mut sizes) {
            self.bits.reserve(values.len());
            match widest.unwrap_or(0) {
                0..=14 => put_words::<4>(&mut self.bits, values, symbols, &words),
                15..=28 => put_words::<2>(&mut self.bits, values, symbols, &words),
                _ => put_words::<1>(&mut self.bits, values, symbols, &words),
            }
            *size = self.bits.finish(&mut self.deflated);
        }
        if part < values.len() {
            sizes[..STREAMS - 1].iter().for_each(|&size| put_varint(&mut self.column, size as u64));
        }
        self.column.extend_from_slice(&self.deflated);
    }

    /// Appends the raw bits of all values.
    fn put_raw_bits(&mut self, values: &[u32]) {
        let meanings = meanings(&self.listed);
        self.bits.reserve(values.len());
        for (&value, &symbol) in values.iter().zip(&self.symbols) {
            let extra = meanings[usize::from(symbol)].extra;
            self.bits.put(u64::from(value) & ((1 << extra) - 1), u32::from(extra));
        }
        self.bits.finish(&mut self.column);
    }
}

/// What is written of a symbol.
#[derive(Debug, Clone, Copy)]
struct Word {
    code: u16,
    length: u8,
    /// Raw bits behind it.
    extra: u8,
}

/// Appends codewords and raw bits, `AT_ONCE` values together, which must not come to more than 56 bits.
fn put_words<const AT_ONCE: usize>(
    bits: &mut BitWriter,
    values: &[u32],
    symbols: &[u8],
    words: &[Word; huffman::SYMBOLS],
) {
    let pack = |values: &[u32], symbols: &[u8]| {
        let (mut packed, mut count) = (0, 0);
        for (&value, &symbol) in values.iter().zip(symbols) {
            let word = words[usize::from(symbol)];
            let raw = u64::from(value) & ((1 << word.extra) - 1);
            packed |= (u64::from(word.code) | raw << word.length) << count;
            count += u32::from(word.length + word.extra);
        }
        (packed, count)
    };
    let (groups, rest) = values.as_chunks::<AT_ONCE>();
    let (symbol_groups, symbol_rest) = symbols.as_chunks::<AT_ONCE>();
    for (values, symbols) in groups.iter().zip(symbol_groups) {
        let (packed, count) = pack(values, symbols);
        bits.put(packed, count);
    }
    for (value, symbol) in rest.iter().zip(symbol_rest) {
        let (packed, count) = pack(&[*value], &[*symbol]);
        bits.put(packed, count);
    }
}

/// Appends a column's kind and its listed values, each as the difference to the one before.
fn begin(column: &mut Vec<u8>, kind: u8, listed: &[u32]) {
    column.push(kind);
    put_varint(column, listed.len() as u64);
    let mut last = 0;
    for &value in listed {
        put_varint(column, u64::from(value - last));
        last = value;
    }
}

/// How a codeword begins that the next bits may be.
#[derive(Debug, Clone, Copy, Default)]
struct Codeword {
    base: u32,
    length: u8,
    extra: u8,
}

/// Decodes columns; keeps its memory between them.
#[derive(Debug)]
pub struct ColumnDecoder {
    inflate: Decompress,
    symbols: Vec<u8>,
    codewords: Vec<Codeword>,
}

impl Default for ColumnDecoder {
    fn default() -> Self {
        ColumnDecoder { inflate: Decompress::new(false), symbols: Vec::new(), codewords: Vec::new() }
    }
}

impl ColumnDecoder {
    /// Replaces `values` by the `count` values of the next column.
    ///
    /// # Errors
    /// When the bytes are not what [`ColumnEncoder::encode`] wrote for that many values.
    pub fn decode(&mut self, cursor: &mut Cursor<'_>, count: usize, values: &mut Vec<u32>) -> Result<(), ColumnError> {
        values.clear();
        if count == 0 {
            return Ok(());
        }
        let mut cursor = Cursor(Self::skip(cursor)?);
        let kind = cursor.take(1).ok_or(ColumnError("empty"))?[0];
        if kind == KIND_CONSTANT {
            let value = cursor.varint().and_then(|value| u32::try_from(value).ok());
            values.resize(count, value.ok_or(ColumnError("constant cut short"))?);
            return Ok(());
        }
        let listed = read_listed(&mut cursor).ok_or(ColumnError("bad list of values"))?;
        let meanings = meanings(&listed);
        match kind {
            KIND_PREFIX => self.decode_codewords(&meanings, cursor, count, values),
            KIND_PLAIN => {
                let symbols = cursor.take(count).ok_or(ColumnError("symbols cut short"))?;
                add_raw_bits(symbols, &meanings, cursor.0, values)
            }
            KIND_DEFLATED => {
                let stored = cursor.bytes().ok_or(ColumnError("symbols cut short"))?;
                let symbols = self.inflate(stored, count)?;
                add_raw_bits(symbols, &meanings, cursor.0, values)
            }
            _ => Err(ColumnError("unknown encoding")),
        }
    }

    /// Moves over the next column, of at least one value; gives its bytes.
    ///
    /// # Errors
    /// When it is cut short.
    pub fn skip<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], ColumnError> {
        cursor.bytes().ok_or(ColumnError("cut short"))
    }

    fn decode_codewords(
        &mut self,
        meanings: &[Meaning; huffman::SYMBOLS],
        mut cursor: Cursor<'_>,
        count: usize,
        values: &mut Vec<u32>,
    ) -> Result<(), ColumnError> {
        let lengths = huffman::read_lengths(&mut cursor).ok_or(ColumnError("bad prefix code"))?;
        let bits = self.fill_codewords(&lengths, meanings);
        let codewords = &self.codewords[..1 << bits];
        let mask = (1u64 << bits) - 1;
        let next = |stream: &mut BitReader<'_>| {
            let word = stream.peek();
            let Codeword { base, length, extra } = codewords[(word & mask) as usize];
            stream.skip(u32::from(length + extra));
            base | (word >> length) as u32 & ((1 << extra) - 1)
        };
        if count < STREAMS_MIN {
            let mut stream = BitReader::new(cursor.0);
            values.extend((0..count).map(|_| next(&mut stream)));
            return check_overrun(&[stream]);
        }
        let mut sizes = [0; STREAMS - 1];
        for size in &mut sizes {
            *size = cursor.count(cursor.0.len()).ok_or(ColumnError("streams cut short"))?;
        }
        let mut streams = [BitReader::new(&[]); STREAMS];
        for (stream, size) in streams.iter_mut().zip(sizes) {
            *stream = BitReader::new(cursor.take(size).ok_or(ColumnError("streams cut short"))?);
        }
        streams[STREAMS - 1] = BitReader::new(cursor.0);
        values.resize(count, 0);
        let part = count.div_ceil(STREAMS);
        let [mut a, mut b, mut c, mut d] = streams;
        let (first, rest) = values.split_at_mut(part);
        let (second, rest) = rest.split_at_mut(part);
        let (third, fourth) = rest.split_at_mut(part);
        let common = fourth.len();
        for (((w, x), y), z) in first.iter_mut().zip(&mut *second).zip(&mut *third).zip(fourth) {
            *w = next(&mut a);
            *x = next(&mut b);
            *y = next(&mut c);
            *z = next(&mut d);
        }
        first[common..].iter_mut().for_each(|value| *value = next(&mut a));
        second[common..].iter_mut().for_each(|value| *value = next(&mut b));
        third[common..].iter_mut().for_each(|value| *value = next(&mut c));
        check_overrun(&[a, b, c, d])
    }

    /// Fills the table of codewords by the bits that they begin with; says how many bits those are.
    fn fill_codewords(&mut self, lengths: &Lengths, meanings: &[Meaning; huffman::SYMBOLS]) -> u32 {
        let bits = lengths.iter().copied().max().map_or(1, |longest| u32::from(longest).max(1));
        if self.codewords.len() < 1 << bits {
            self.codewords.resize(1 << bits, Codeword::default());
        }
        // A complete code fills its part of the table; one of a single symbol only half of it.
        self.codewords[..2].fill(Codeword::default());
        let codes = huffman::codes(lengths);
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let Meaning { base, extra } = meanings[symbol];
            let codeword = Codeword { base, length, extra };
            for place in self.codewords[usize::from(codes[symbol])..1 << bits].iter_mut().step_by(1 << length) {
                *place = codeword;
            }
        }
        bits
    }

    fn inflate(&mut self, stored: &[u8], count: usize) -> Result<&[u8], ColumnError> {
        self.inflate.reset(false);
        self.symbols.clear();
        // One more than expected, so that a longer stream is noticed and not merely cut.
        self.symbols.reserve_exact(count + 1);
        match self.inflate.decompress_vec(stored, &mut self.symbols, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) if self.symbols.len() == count => Ok(&self.symbols),
            Ok(Status::StreamEnd) => Err(ColumnError("another number of symbols than values")),
            _ => Err(ColumnError("symbols that do not inflate")),
        }
    }
}

/// Appends the values of `symbols`, whose raw bits are in `bits`.
fn add_raw_bits(
    symbols: &[u8],
    meanings: &[Meaning; huffman::SYMBOLS],
    bits: &[u8],
    values: &mut Vec<u32>,
) -> Result<(), ColumnError> {
    let mut bits = BitReader::new(bits);
    let (groups, rest) = symbols.as_chunks::<4>();
    values.reserve(symbols.len());
    for group in groups {
        let meanings = group.map(|symbol| meanings[usize::from(symbol)]);
        let count = meanings.iter().map(|meaning| u32::from(meaning.extra)).sum::<u32>();
        // One look at the bits for all four, where they are in it.
        if count > PEEK_BITS {
            values.extend(meanings.map(|meaning| meaning.value(bits.get(u32::from(meaning.extra)))));
            continue;
        }
        let mut word = bits.peek();
        bits.skip(count);
        values.extend(meanings.map(|meaning| {
            let value = meaning.value(word);
            word >>= meaning.extra;
            value
        }));
    }
    values.extend(rest.iter().map(|&symbol| {
        let meaning = meanings[usize::from(symbol)];
        meaning.value(bits.get(u32::from(meaning.extra)))
    }));
    check_overrun(&[bits])
}

fn check_overrun(streams: &[BitReader<'_>]) -> Result<(), ColumnError> {
    match streams.iter().any(BitReader::overran) {
        true => Err(ColumnError("bits cut short")),
        false => Ok(()),
    }
}

fn read_listed(cursor: &mut Cursor<'_>) -> Option<Vec<u32>> {
    let count = cursor.count(LISTED_MAX)?;
    let mut last = 0u32;
    (0..count)
        .map(|_| {
            last = last.checked_add(u32::try_from(cursor.varint()?).ok()?)?;
            Some(last)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[u32]) -> usize {
        let mut out = Vec::new();
        ColumnEncoder::default().encode(values, &mut out);
        let mut back = Vec::new();
        let mut cursor = Cursor(&out);
        ColumnDecoder::default().decode(&mut cursor, values.len(), &mut back).unwrap();
        assert_eq!(back, values);
        assert!(cursor.0.is_empty());
        out.len()
    }

    proptest! {
        #[test]
        fn any_column_comes_back(
            values in prop::collection::vec(
                prop_oneof![4 => Just(0u32), 3 => 0u32..40, 2 => Just(65_483u32), 1 => any::<u32>()], 0..3000)
        ) {
            round_trip(&values);
        }

        #[test]
        fn rubbish_is_refused_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..5, count in 0usize..700
        ) {
            let mut column = Vec::new();
            put_varint(&mut column, bytes.len() as u64 + 1);
            column.push(kind);
            column.extend(bytes);
            let mut values = Vec::new();
            if ColumnDecoder::default().decode(&mut Cursor(&column), count, &mut values).is_ok() {
                prop_assert_eq!(values.len(), count);
            }
        }

        #[test]
        fn zigzag_is_a_bijection(delta: u32) {
            prop_assert_eq!(unzigzag(zigzag(delta)), delta);
        }
    }

    #[test]
    fn every_magnitude() {
        let values: Vec<u32> = (0..32).flat_map(|bit| [1u32 << bit, (1u32 << bit) - 1, (1u32 << bit) | 1]).collect();
        round_trip(&values);
        round_trip(&[u32::MAX]);
        round_trip(&[0, u32::MAX]);
        round_trip(&[]);
    }

    #[test]
    fn every_length_of_the_last_stream() {
        for count in STREAMS_MIN - 2..STREAMS_MIN + 10 {
            let values: Vec<u32> = (0..count as u32).map(|i| i.wrapping_mul(0x9e37_79b1) >> (i % 31)).collect();
            round_trip(&values);
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(round_trip(&[7; 10_000]), 3, "nothing changes: nothing stored");
        let two: Vec<u32> = (0..10_000).map(|i| if i % 2 == 0 { 0 } else { 131_072_001 }).collect();
        assert!(round_trip(&two) < 100, "a pattern of large values is deflated");
        let noise: Vec<u32> = (0..10_000u32).map(|i| i.wrapping_mul(0x9e37_79b1) >> 16).collect();
        assert!(round_trip(&noise) < 10_000 * 17 / 8, "noise costs its bits and no more");
        let rare: Vec<u32> = (0..10_000u32).map(|i| u32::from(i.wrapping_mul(0x9e37_79b1) >> 28 == 3)).collect();
        assert!(round_trip(&rare) < 10_000 / 8 + 20, "a bit a value for two of them");
    }
}
