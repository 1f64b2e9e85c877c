//! How parts of a `trace.dat` are compressed.

use std::io::Read;

use flate2::read::ZlibDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::super::part::Part;
use crate::file::block::Cursor;

/// Most memory for what a piece refers back to; trace-cmd's are of ten pages, or the formats of all events.
const WINDOW_BYTES_MAX: u64 = 16 << 20;
/// Most that is made of pieces: so much, and so much for each of their bytes (deflate makes no more of one).
const BYTES_AHEAD: usize = 1 << 20;
const BYTES_EACH: usize = 1032;

/// The algorithm that a file names in its head.
#[derive(Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Zlib,
    Zstd,
    /// One that is not read.
    Other(String),
}

impl Compression {
    /// That of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "none" => Compression::None,
            "zlib" => Compression::Zlib,
            "zstd" => Compression::Zstd,
            other => Compression::Other(other.chars().take(32).collect()),
        }
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Compression::None => "none".to_owned(),
            Compression::Zlib => "zlib".to_owned(),
            Compression::Zstd => "zstd".to_owned(),
            Compression::Other(name) => name.clone(),
        }
    }

    /// Whether what it packed can be read.
    pub fn is_read(&self) -> bool {
        !matches!(self, Compression::Other(_))
    }

    /// Appends what was packed, of which there should be `size` bytes. They are made one by one, and none is made room for ahead.
    ///
    /// # Errors
    /// In words, what is wrong with it; what came before is there.
    pub fn unpack(&self, packed: &[u8], size: u32, out: &mut Vec<u8>) -> Result<(), String> {
        let before = out.len();
        let most = BYTES_AHEAD + BYTES_EACH * packed.len();
        let wanted = u64::from(size).min(most as u64);
        let damaged = |error: String| format!("a compressed piece is damaged ({error})");
        let unpacked = match self {
            Compression::None => packed.take(wanted).read_to_end(out),
            Compression::Zlib => ZlibDecoder::new(packed).take(wanted).read_to_end(out),
            Compression::Zstd => {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(WINDOW_BYTES_MAX);
                let decoder = StreamingDecoder::new_with_decoder(packed, decoder);
                decoder.map_err(|error| damaged(error.to_string()))?.take(wanted).read_to_end(out)
            }
            Compression::Other(name) => return Err(format!("is compressed by {name}")),
        };
        unpacked.map_err(|error| damaged(error.to_string()))?;
        match out.len() - before {
            length if length == size as usize => Ok(()),
            length if length == most => Err("a compressed piece is larger than a trace can be".to_owned()),
            _ => Err("a compressed piece is shorter than it claims".to_owned()),
        }
    }

    /// Unpacks what is in pieces, each with its length before it, behind their number; and what is wrong with it, in words.
    pub fn chunks(&self, part: &Part) -> (Vec<u8>, Option<String>) {
        let mut cursor = Cursor(part.as_slice());
        let mut out = Vec::new();
        let cut = || Some("the compressed pages are cut".to_owned());
        let Some(count) = cursor.u32() else { return (out, cut()) };
        for _ in 0..count {
            let Some((packed, size)) = cursor.u32().zip(cursor.u32()) else { return (out, cut()) };
            let Some(packed) = cursor.take(packed as usize) else { return (out, cut()) };
            if let Err(damage) = self.unpack(packed, size, &mut out) {
                return (out, Some(damage));
            }
            if out.len() > BYTES_AHEAD + BYTES_EACH * part.as_slice().len() {
                return (out, Some("the compressed pages are more than a trace can be".to_owned()));
            }
        }
        (out, None)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::ZlibEncoder;

    use super::*;

    fn packed(bytes: &[u8], claimed: u32) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        [&(packed.len() as u32).to_le_bytes()[..], &claimed.to_le_bytes(), &packed].concat()
    }

    #[test]
    fn pieces_come_up_to_what_is_damaged() {
        let zlib = Compression::named("zlib");
        let count = |count: u32| count.to_le_bytes().to_vec();
        let two = [count(2), packed(&[1; 5000], 5000), packed(&[2; 100], 100)].concat();
        assert_eq!(zlib.chunks(&Part::whole(two.clone())), ([[1; 5000].to_vec(), [2; 100].to_vec()].concat(), None));
        let (bytes, damage) = zlib.chunks(&Part::whole(two[..two.len() - 3].to_vec()));
        assert_eq!((bytes.len(), damage.as_deref()), (5000, Some("the compressed pages are cut")));
        let (bytes, damage) = zlib.chunks(&Part::whole([count(1), packed(&[1; 50], u32::MAX)].concat()));
        assert_eq!((bytes.len(), damage.as_deref()), (50, Some("a compressed piece is shorter than it claims")));
        let broken = [count(1), vec![4, 0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4]].concat();
        assert!(zlib.chunks(&Part::whole(broken)).1.is_some_and(|words| words.contains("damaged")));
        assert!(!Compression::named("lzma").is_read());
    }

    #[test]
    fn little_never_becomes_much() {
        // A frame of one block that repeats a byte 128 KiB times, in 13 bytes; of 10,000 of them a gigabyte would be made.
        let frame: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, 3, 0, 0x10, 7];
        let mut out = Vec::new();
        let zstd = Compression::named("zstd");
        zstd.unpack(frame, 128 << 10, &mut out).unwrap();
        assert_eq!((out.len(), out[0]), (128 << 10, 7));
        let piece = [&(frame.len() as u32).to_le_bytes()[..], &(128u32 << 10).to_le_bytes(), frame].concat();
        let many = Part::whole([&10_000_u32.to_le_bytes()[..], &piece.repeat(100)].concat());
        let (bytes, damage) = zstd.chunks(&many);
        assert!(bytes.len() < 4 << 20, "{}", bytes.len());
        assert_eq!(damage.as_deref(), Some("the compressed pages are more than a trace can be"));
        assert!(zstd.unpack(&frame[..4], 9, &mut out).unwrap_err().contains("damaged"));
    }
}
