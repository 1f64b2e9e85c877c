//! Small numbers as runs of one, and packed where there are none: the RLE and bit-packing hybrid.
//!
//! Source: Parquet's Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".

use arrow_buffer::BooleanBuffer;

use crate::delta::{pack, put};

/// Numbers are packed by so many; a run is not shorter.
const GROUP: usize = 8;

/// Writes numbers of so many bits each.
pub fn encode(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < numbers.len() {
        let number = numbers[at];
        let run = numbers[at..].iter().take_while(|&&other| other == number).count();
        if run < GROUP {
            // On to the next group: only the last may be short, and is filled up.
            at = (at + GROUP).min(numbers.len());
            continue;
        }
        put_packed(&numbers[packed_from..at], width, out);
        put(out, (run as u64) << 1);
        out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
        at += run;
        packed_from = at;
    }
    put_packed(&numbers[packed_from..], width, out);
}

fn put_packed(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    put_header(numbers.len(), out);
    for group in numbers.chunks(GROUP) {
        let mut wide = [0; GROUP];
        wide.iter_mut().zip(group).for_each(|(slot, &number)| *slot = number.into());
        pack(&wide, width, GROUP, out);
    }
}

fn put_header(count: usize, out: &mut Vec<u8>) {
    put(out, (count.div_ceil(GROUP) as u64) << 1 | 1);
}

/// Writes which of the rows have a value, with the length before it: the levels of a page.
pub fn levels(valid: &BooleanBuffer, nulls: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if nulls == 0 || nulls == valid.len() {
        put(out, (valid.len() as u64) << 1);
        out.push(u8::from(nulls == 0));
    } else {
        put_header(valid.len(), out);
        let bytes = valid.sliced();
        out.extend_from_slice(&bytes.as_slice()[..valid.len().div_ceil(8)]);
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
