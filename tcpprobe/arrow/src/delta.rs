//! Whole numbers as distances from one to the next, in as few bits as those need: `DELTA_BINARY_PACKED`.
//!
//! Source: Parquet's Encodings.md, "Delta Encoding".

/// Distances of a block, which has a least one of its own.
const BLOCK: usize = 128;
/// Distances of a part of it, which has a width of its own.
const PART: usize = 32;

/// Writes the numbers of a page; of `i32` where it is `NARROW`: their distances wrap at 32 bits.
pub fn encode<const NARROW: bool>(values: &[i64], out: &mut Vec<u8>) {
    let unused = if NARROW { 32 } else { 0 };
    let distance = |from: i64, to: i64| (to.wrapping_sub(from) << unused) >> unused;
    for number in [BLOCK, BLOCK / PART, values.len()] {
        put(out, number as u64);
    }
    put_signed(out, values.first().copied().unwrap_or(0));
    let after = values.get(1..).unwrap_or_default();
    if values.iter().all(|value| *value == values[0]) {
        // Blocks of a least distance of 0, and no bits.
        let blocks = after.len().div_ceil(BLOCK);
        out.resize(out.len() + blocks * (1 + BLOCK / PART), 0);
        return;
    }
    let mut distances = [0_u64; BLOCK];
    for (before, after) in values.chunks(BLOCK).zip(after.chunks(BLOCK)) {
        let mut least = i64::MAX;
        for (slot, (&from, &to)) in distances.iter_mut().zip(before.iter().zip(after)) {
            let distance = distance(from, to);
            least = least.min(distance);
            *slot = distance.cast_unsigned();
        }
        put_signed(out, least);
        let widths = out.len();
        out.extend_from_slice(&[0; BLOCK / PART]);
        for (at, part) in distances[..after.len()].chunks_mut(PART).enumerate() {
            let mut bits = 0;
            for slot in part.iter_mut() {
                *slot = slot.wrapping_sub(least.cast_unsigned()) & (u64::MAX >> unused);
                bits |= *slot;
            }
            let width = 64 - bits.leading_zeros();
            out[widths + at] = width as u8;
            pack(part, width, PART, out);
        }
    }
}

/// Writes numbers of so many bits each, the lowest first, as if there were `count` of them: those that are missing are 0.
pub fn pack(numbers: &[u64], width: u32, count: usize, out: &mut Vec<u8>) {
    let end = out.len() + count * width as usize / 8;
    let (mut word, mut used) = (0_u64, 0);
    if width > 0 {
        for &number in numbers {
            word |= number << used;
            used += width;
            if used >= 64 {
                out.extend_from_slice(&word.to_le_bytes());
                used -= 64;
                word = if used == 0 { 0 } else { number >> (width - used) };
            }
        }
        out.extend_from_slice(&word.to_le_bytes());
    }
    // What is beyond are zeros.
    out.resize(end, 0);
}

/// A number of seven bits a byte (ULEB128).
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The same of one with a sign (zigzag).
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}
