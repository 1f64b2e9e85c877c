//! Frames: kind, length, checksum, payload.

use std::io::{self, Read};

/// Every frame begins with these bytes, so that a reader finds the next one behind a damaged one.
pub const MAGIC: [u8; 4] = *b"TCPP";
/// Bytes of a frame before its payload.
pub const FRAME_HEAD_BYTES: usize = 16;
/// Longest payload; a longer length is damage. Blocks have a tenth of it.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Most bytes read in vain of what begins as a frame and is none: so many for each byte of the input, and some at once. Damage
/// comes to two for each; a file could be made of heads that claim all that follows, and reading it would never end.
const VAIN_BYTES_MAX: u64 = 16;
const VAIN_BYTES_AHEAD: u64 = 16 * PAYLOAD_BYTES_MAX as u64;
/// Bytes asked of the input at a time.
const READ_BYTES: usize = 128 << 10;

/// What a frame holds. Readers skip kinds they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Where the trace is from: [`super::Header`]. Begins every file.
    Header,
    /// The formats of the events: [`crate::file::block::Schema`].
    Schema,
    /// A moment in the trace's clock and in wall-clock time.
    Anchor,
    /// Events: [`crate::file::block::Block`].
    Block,
    /// What was stored, filtered, lost and dropped.
    Ledger,
    /// Something of a later version.
    Unknown(u8),
}

impl Kind {
    /// The byte in the frame.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Kind::Header => 1,
            Kind::Schema => 2,
            Kind::Anchor => 3,
            Kind::Block => 4,
            Kind::Ledger => 5,
            Kind::Unknown(code) => code,
        }
    }

    fn of(code: u8) -> Self {
        match code {
            1 => Kind::Header,
            2 => Kind::Schema,
            3 => Kind::Anchor,
            4 => Kind::Block,
            5 => Kind::Ledger,
            code => Kind::Unknown(code),
        }
    }
}

/// Appends a frame to `out`; `payload` writes what it holds.
pub fn put_frame(kind: Kind, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(MAGIC);
    out.extend([kind.code(), 0, 0, 0]);
    out.extend([0; 8]);
    payload(out);
    let length = (out.len() - start - FRAME_HEAD_BYTES) as u32;
    out[start + 8..start + 12].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&out[start..]);
    out[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
}

/// CRC32C of everything in a frame but the magic and the checksum itself.
fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[4..12]), &frame[FRAME_HEAD_BYTES..])
}

/// One whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Where it begins in the input.
    pub offset: u64,
    /// The frame as it is stored.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame's content.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[FRAME_HEAD_BYTES..]
    }
}

/// What the head of a frame tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// What it holds.
    pub kind: Kind,
    /// Bytes behind the head.
    pub payload_bytes: usize,
}

/// Reads the head of a frame, of which `bytes` is the beginning; `None` where no frame begins. Whether its checksum is
/// right, only the whole frame tells.
#[must_use]
pub fn frame_head(bytes: &[u8]) -> Option<FrameHead> {
    let head = bytes.first_chunk::<FRAME_HEAD_BYTES>().filter(|head| head.starts_with(&MAGIC))?;
    let payload_bytes = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
    (payload_bytes <= PAYLOAD_BYTES_MAX).then_some(FrameHead { kind: Kind::of(head[4]), payload_bytes })
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where they begin in the input.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// What is wrong with them.
    pub reason: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "byte {}: {} ({} bytes skipped)", self.offset, self.reason, self.bytes)
    }
}

/// What [`Frames`] finds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// A frame whose checksum is right.
    Frame(Frame<'a>),
    /// Something else, up to the next frame or the end.
    Damage(Damage),
}

/// Finds the frames of an input, and what is damaged between them. Holds one frame in memory.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where the next frame begins in `buffer`.
    at: usize,
    /// Where `buffer` begins in the input.
    offset: u64,
    /// Bytes of what were no frames though they began as such.
    vain: u64,
    ended: bool,
}

/// What stands at a place of the buffer.
enum Found {
    Frame(usize),
    Bad(&'static str),
    Short,
}

impl<R: Read> Frames<R> {
    /// Reads from the start of a trace, or from any place in one.
    pub fn new(input: R) -> Self {
        Frames { input, buffer: Vec::new(), at: 0, offset: 0, vain: 0, ended: false }
    }

    /// Bytes of the input that were given as frames or damage.
    pub fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// The input, for one that has more after it had ended: then [`Frames::resume`] reads on.
    pub fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads on after the end.
    pub fn resume(&mut self) {
        self.ended = false;
    }

    /// The next frame or damage; `None` at the end of the input.
    ///
    /// # Errors
    /// Those of the input.
    pub fn next_frame(&mut self) -> io::Result<Option<Scanned<'_>>> {
        let start = self.at;
        let mut at = start;
        let mut reason = "";
        loop {
            match self.look(at) {
                Found::Frame(length) if at == start => {
                    self.at = at + length;
                    let bytes = &self.buffer[at..at + length];
                    let frame = Frame { kind: Kind::of(bytes[4]), offset: self.offset + at as u64, bytes };
                    return Ok(Some(Scanned::Frame(frame)));
                }
                Found::Frame(_) => return Ok(Some(self.damage(start, at, reason))),
                Found::Short if !self.ended => {
                    let moved = self.fill(start)?;
                    // `fill` may have moved the buffer's content to its front.
                    if moved > 0 {
                        return self.next_frame();
                    }
                }
                Found::Short if at >= self.buffer.len() => {
                    return Ok((at > start).then(|| self.damage(start, at, reason)));
                }
                found => {
                    if at == start {
                        reason = if let Found::Bad(reason) = found { reason } else { "cut short" };
                    }
                    at = self.next_magic(at + 1);
                    if at - start > 2 * PAYLOAD_BYTES_MAX {
                        return Ok(Some(self.damage(start, at, reason)));
                    }
                }
            }
        }
    }

    fn damage(&mut self, start: usize, end: usize, reason: &str) -> Scanned<'static> {
        self.at = end;
        Scanned::Damage(Damage {
            offset: self.offset + start as u64,
            bytes: (end - start) as u64,
            reason: reason.to_owned(),
        })
    }

    fn look(&mut self, at: usize) -> Found {
        let rest = self.buffer.get(at..).unwrap_or(&[]);
        let Some(head) = rest.first_chunk::<FRAME_HEAD_BYTES>() else {
            let known = rest.len().min(4);
            return if known > 0 && rest[..known] != MAGIC[..known] { Found::Bad("not a frame") } else { Found::Short };
        };
        if head[..4] != MAGIC {
            return Found::Bad("not a frame");
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(8) as usize;
        if length > PAYLOAD_BYTES_MAX {
            return Found::Bad("a frame longer than frames are");
        }
        match rest.get(..FRAME_HEAD_BYTES + length) {
            None => Found::Short,
            Some(_) if self.vain > VAIN_BYTES_AHEAD + VAIN_BYTES_MAX * (self.offset + at as u64) => {
                Found::Bad("too many frames in one another")
            }
            Some(frame) if checksum(frame) == word(12) => Found::Frame(frame.len()),
            Some(frame) => {
                self.vain += frame.len() as u64;
                Found::Bad("a frame whose checksum is wrong")
            }
        }
    }

    /// The next place at or behind `from` where a frame may begin, or the end of the buffer.
    fn next_magic(&self, from: usize) -> usize {
        let rest = self.buffer.get(from..).unwrap_or(&[]);
        match memchr::memmem::find(rest, &MAGIC) {
            Some(found) => from + found,
            // The magic may begin in the last bytes.
            None => (self.buffer.len().saturating_sub(3)).max(from).min(self.buffer.len()),
        }
    }

    /// Reads more; everything before `keep` may go. Gives by how much the buffer's content moved.
    fn fill(&mut self, keep: usize) -> io::Result<usize> {
        let moved = keep;
        self.buffer.drain(..moved);
        self.offset += moved as u64;
        self.at -= moved;
        let before = self.buffer.len();
        self.buffer.resize(before + READ_BYTES, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        payloads.iter().for_each(|p| put_frame(Kind::Block, &mut out, |out| out.extend(p)));
        out
    }

    /// All frames' payloads and all damage.
    fn scan(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Damage>) {
        let mut frames = Frames::new(bytes);
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        while let Some(found) = frames.next_frame().unwrap() {
            match found {
                Scanned::Frame(frame) => good.push(frame.payload().to_vec()),
                Scanned::Damage(damage) => bad.push(damage),
            }
        }
        (good, bad)
    }

    fn payloads() -> Vec<Vec<u8>> {
        (0..40u32).map(|i| (0..i * 997).map(|j| (i * 31 + j * 7) as u8).collect()).collect()
    }

    #[test]
    fn heads_lead_from_frame_to_frame() {
        let bytes = file(&payloads());
        let (mut at, mut lengths) = (0, Vec::new());
        while at < bytes.len() {
            let head = frame_head(&bytes[at..]).unwrap();
            assert_eq!(head.kind, Kind::Block);
            lengths.push(head.payload_bytes);
            at += FRAME_HEAD_BYTES + head.payload_bytes;
        }
        assert_eq!(lengths, payloads().iter().map(Vec::len).collect::<Vec<_>>());
        assert_eq!((frame_head(&bytes[1..]), frame_head(&bytes[..15])), (None, None));
        let mut long = bytes[..16].to_vec();
        long[11] = 2;
        assert_eq!(frame_head(&long), None, "longer than frames are");
    }

    #[test]
    fn frames_come_back() {
        assert_eq!(scan(&file(&payloads())), (payloads(), vec![]));
        assert_eq!(scan(&[]), (vec![], vec![]));
    }

    #[test]
    fn frames_in_one_another_cost_what_their_bytes_do() {
        let mut bytes = Vec::new();
        let size = 2 << 20;
        while bytes.len() < size {
            let rest = (size - bytes.len() - FRAME_HEAD_BYTES) as u32;
            bytes.extend(MAGIC);
            bytes.extend([4, 0, 0, 0]);
            bytes.extend(rest.to_le_bytes());
            bytes.extend([0; 4]);
        }
        bytes.extend(file(&payloads()));
        let mut frames = Frames::new(bytes.as_slice());
        let mut good = 0;
        while let Some(found) = frames.next_frame().unwrap() {
            good += usize::from(matches!(found, Scanned::Frame(_)));
        }
        assert!(frames.vain <= VAIN_BYTES_AHEAD + VAIN_BYTES_MAX * bytes.len() as u64 + PAYLOAD_BYTES_MAX as u64);
        assert!(frames.vain > VAIN_BYTES_AHEAD);
        assert_eq!(good, payloads().len(), "those behind are found");
    }

    #[test]
    fn every_torn_tail_is_cut_and_reported() {
        let list = vec![vec![1; 30], vec![2; 50]];
        let bytes = file(&list);
        for end in 0..bytes.len() {
            let (good, bad) = scan(&bytes[..end]);
            let whole = if end < 46 { 0 } else { 1 };
            assert_eq!(good, list[..whole], "cut at {end}");
            let rest = end - whole * 46;
            assert_eq!(bad.iter().map(|d| d.bytes).sum::<u64>(), rest as u64, "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_costs_one_frame(place in any::<prop::sample::Index>(), bit in 0u8..8) {
            let list = payloads();
            let mut bytes = file(&list);
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let (good, bad) = scan(&bytes);
            prop_assert_eq!(good.len(), list.len() - 1);
            prop_assert_eq!(bad.len(), 1);
            prop_assert!(bad[0].offset as usize <= at && at < (bad[0].offset + bad[0].bytes) as usize);
        }

        #[test]
        fn rubbish_is_one_damage(bytes in prop::collection::vec(any::<u8>(), 1..5000)) {
            let (good, bad) = scan(&bytes);
            prop_assert!(good.is_empty());
            prop_assert_eq!(bad.iter().map(|d| d.bytes).sum::<u64>(), bytes.len() as u64);
        }
    }
}
