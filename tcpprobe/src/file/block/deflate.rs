//! Bytes, deflated where that is shorter.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::bits::{Cursor, put_varint};

/// Fewer bytes are not worth a deflate.
pub const DEFLATE_MIN: usize = 24;
/// Deflated bytes are marked by it; those that are not, by 0.
pub const DEFLATED: u8 = 0x80;
/// Most bytes that a deflated one can stand for: no code is shorter than two bits, and none is of more than 258 bytes (RFC 1951).
const INFLATED_MAX: usize = 4 * 258;

/// The deflated form of `input` with [`DEFLATED`], or `input` itself with 0 where that is not longer.
pub fn deflate<'a>(state: &mut Compress, input: &'a [u8], output: &'a mut Vec<u8>) -> (u8, &'a [u8]) {
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

/// Appends `bytes`, deflated where that is shorter: how they are stored, their length, the stored length, the bytes.
pub fn deflate_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_deflated(&mut Compress::new(Compression::new(6), false), bytes, &mut Vec::new(), out);
}

/// The same with a compressor and a buffer that are used again.
pub fn put_deflated(state: &mut Compress, bytes: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
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
    if length > stored.len().saturating_mul(INFLATED_MAX) {
        return None;
    }
    let mut bytes = Vec::with_capacity(length + 1);
    match Decompress::new(false).decompress_vec(stored, &mut bytes, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if bytes.len() == length => Some(bytes),
        _ => None,
    }
}

/// Moves over what [`deflate_bytes`] wrote; `None` where it is cut short.
pub fn skip_bytes(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.take(1)?;
    cursor.varint()?;
    cursor.bytes().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_nothing_deflated_has_is_refused() {
        let plain = vec![7; 100_000];
        let mut out = Vec::new();
        deflate_bytes(&plain, &mut out);
        assert!(out.len() < 200);
        assert_eq!(inflate_bytes(&mut Cursor(&out), plain.len()), Some(plain));
        let mut bomb = vec![DEFLATED];
        put_varint(&mut bomb, 200 << 20);
        crate::file::block::put_bytes(&mut bomb, &[3, 0]);
        assert_eq!(inflate_bytes(&mut Cursor(&bomb), 256 << 20), None);
    }
}
