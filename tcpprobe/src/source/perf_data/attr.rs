//! What was asked of perf, by which its records are laid out.
//!
//! Source: `include/uapi/linux/perf_event.h`: `struct perf_event_attr`, and the comments at `enum perf_event_type`.

use std::collections::HashMap;

use crate::file::block::Cursor;

/// `PERF_TYPE_TRACEPOINT`
const TRACEPOINT: u32 = 2;
/// The bits of `sample_type` that say what is in a record up to its raw data.
const IP: u64 = 1 << 0;
const TID: u64 = 1 << 1;
const TIME: u64 = 1 << 2;
const ADDR: u64 = 1 << 3;
const READ: u64 = 1 << 4;
const CALLCHAIN: u64 = 1 << 5;
const ID: u64 = 1 << 6;
const CPU: u64 = 1 << 7;
const PERIOD: u64 = 1 << 8;
const STREAM_ID: u64 = 1 << 9;
const RAW: u64 = 1 << 10;
const IDENTIFIER: u64 = 1 << 16;
/// Bits of `read_format`.
const READ_TIMES: [u64; 2] = [1 << 0, 1 << 1];
const READ_ID: u64 = 1 << 2;
const READ_GROUP: u64 = 1 << 3;
const READ_LOST: u64 = 1 << 4;
/// Bits among the flags behind `read_format`.
const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCKID: u64 = 1 << 25;
/// The least that an attribute of any kernel has (`PERF_ATTR_SIZE_VER0`).
const BYTES_MIN: usize = 64;

/// What was asked about one kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    event_type: u32,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    clock: i32,
}

/// All that was asked.
#[derive(Debug, Default)]
pub struct Attrs {
    attrs: Vec<Attr>,
    by_id: HashMap<u64, usize>,
}

/// An event, as a record has it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    pub time: Option<u64>,
    pub cpu: u32,
    /// The thread that was interrupted.
    pub tid: i32,
    /// The event as it is in a ring buffer, from `common_type` on; `None` of what is no tracepoint.
    pub raw: Option<&'a [u8]>,
}

/// What stands at the end of records that are no samples.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    pub time: Option<u64>,
    pub cpu: Option<u32>,
}

impl Attr {
    /// Reads one; `None` where it is shorter than any.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < BYTES_MIN {
            return None;
        }
        let mut cursor = Cursor(bytes);
        let event_type = cursor.u32()?;
        let (_size, _config, _period) = (cursor.u32()?, cursor.u64()?, cursor.u64()?);
        let (sample_type, read_format, flags) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        // Newer than the rest.
        let clock = bytes.get(92..).and_then(|rest| rest.first_chunk()).map_or(0, |clock| i32::from_le_bytes(*clock));
        Some(Attr { event_type, sample_type, read_format, flags, clock })
    }

    /// What an attribute at the front of these bytes says its size is; 0 stands for the first that there was.
    pub fn size(bytes: &[u8]) -> Option<usize> {
        let mut cursor = Cursor(bytes);
        let (_event_type, size) = (cursor.u32()?, cursor.u32()?);
        Some(if size == 0 { BYTES_MIN } else { size as usize })
    }

    fn has(&self, bit: u64) -> bool {
        self.sample_type & bit != 0
    }

    /// Reads the body of a sample; `None` where it is cut.
    fn sample<'a>(&self, body: &'a [u8]) -> Option<Sample<'a>> {
        let mut cursor = Cursor(body);
        let mut sample = Sample::default();
        let skip = |cursor: &mut Cursor<'a>, bit| if self.has(bit) { cursor.u64().map(Some) } else { Some(None) };
        skip(&mut cursor, IDENTIFIER)?;
        skip(&mut cursor, IP)?;
        if self.has(TID) {
            let (_pid, tid) = (cursor.u32()?, cursor.u32()?);
            sample.tid = tid.cast_signed();
        }
        sample.time = skip(&mut cursor, TIME)?;
        skip(&mut cursor, ADDR)?;
        skip(&mut cursor, ID)?;
        skip(&mut cursor, STREAM_ID)?;
        if self.has(CPU) {
            let (cpu, _reserved) = (cursor.u32()?, cursor.u32()?);
            sample.cpu = cpu;
        }
        skip(&mut cursor, PERIOD)?;
        if self.has(READ) {
            self.skip_counts(&mut cursor)?;
        }
        if self.has(CALLCHAIN) {
            skip_words(&mut cursor, 1)?;
        }
        if self.has(RAW) {
            let size = cursor.u32()?;
            sample.raw = Some(cursor.take(size as usize)?);
        }
        Some(sample)
    }

    /// Passes over `struct read_format`.
    fn skip_counts(&self, cursor: &mut Cursor<'_>) -> Option<()> {
        let is_set = |bit: u64| self.read_format & bit != 0;
        let times = READ_TIMES.iter().filter(|bit| is_set(**bit)).count();
        let each = 1 + usize::from(is_set(READ_ID)) + usize::from(is_set(READ_LOST));
        if !is_set(READ_GROUP) {
            return cursor.take(8 * (each + times)).map(drop);
        }
        let count = usize::try_from(cursor.u64()?).ok()?;
        cursor.take(8 * times)?;
        cursor.take(count.checked_mul(8 * each)?).map(drop)
    }

    /// Reads what stands at the end of the body of another record.
    fn trailer(&self, body: &[u8]) -> Option<Trailer> {
        if self.flags & SAMPLE_ID_ALL == 0 {
            return Some(Trailer::default());
        }
        let words = [TID, TIME, ID, STREAM_ID, CPU, IDENTIFIER].into_iter().filter(|bit| self.has(*bit)).count();
        let mut cursor = Cursor(body.get(body.len().checked_sub(8 * words)?..)?);
        let mut trailer = Trailer::default();
        for bit in [TID, TIME, ID, STREAM_ID, CPU].into_iter().filter(|bit| self.has(*bit)) {
            let word = cursor.u64()?;
            match bit {
                TIME => trailer.time = Some(word),
                // The upper half is reserved.
                CPU => trailer.cpu = Some(word as u32),
                _ => {}
            }
        }
        Some(trailer)
    }
}

/// Passes over a number and as many times `each` words.
fn skip_words(cursor: &mut Cursor<'_>, each: usize) -> Option<()> {
    let count = usize::try_from(cursor.u64()?).ok()?;
    cursor.take(count.checked_mul(8 * each)?).map(drop)
}

impl Attrs {
    /// Adds one, with the ids of its events.
    pub fn add(&mut self, attr: Attr, ids: impl IntoIterator<Item = u64>) {
        // perf opens an event on each CPU, and all have the same attribute.
        let known = self.attrs.iter().position(|known| *known == attr).unwrap_or_else(|| {
            self.attrs.push(attr);
            self.attrs.len() - 1
        });
        self.by_id.extend(ids.into_iter().map(|id| (id, known)));
    }

    /// Whether tracepoints were asked for.
    pub fn has_tracepoints(&self) -> bool {
        self.attrs.iter().any(|attr| attr.event_type == TRACEPOINT)
    }

    /// The number of the clock that was asked for (`clockid_t`).
    pub fn clock(&self) -> Option<i32> {
        self.attrs.iter().find(|attr| attr.flags & USE_CLOCKID != 0).map(|attr| attr.clock)
    }

    /// Reads the body of a sample.
    pub fn sample<'a>(&self, body: &'a [u8]) -> Option<Sample<'a>> {
        self.of(body.first_chunk().map(|id| u64::from_le_bytes(*id)))?.sample(body)
    }

    /// Reads the end of the body of another record.
    pub fn trailer(&self, body: &[u8]) -> Option<Trailer> {
        self.of(body.last_chunk().map(|id| u64::from_le_bytes(*id)))?.trailer(body)
    }

    /// The attribute of a record whose id would stand here. Where records are laid out in different ways, all have their ids in the same
    /// place (`PERF_SAMPLE_IDENTIFIER`).
    fn of(&self, id: Option<u64>) -> Option<&Attr> {
        let first = self.attrs.first()?;
        if !first.has(IDENTIFIER) {
            return Some(first);
        }
        // 0 is that of records that perf made itself.
        let known = id.and_then(|id| self.by_id.get(&id)).and_then(|index| self.attrs.get(*index));
        Some(known.unwrap_or(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(sample_type: u64, read_format: u64) -> Attr {
        Attr { event_type: TRACEPOINT, sample_type, read_format, flags: SAMPLE_ID_ALL, clock: 0 }
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_sample_with_everything_before_its_raw_data() {
        let all = IDENTIFIER | IP | TID | TIME | ADDR | ID | STREAM_ID | CPU | PERIOD | READ | CALLCHAIN | RAW;
        let group = attr(all, READ_GROUP | READ_ID | READ_TIMES[0]);
        let mut body = words(&[9, 1, 7 << 32 | 6, 1000, 2, 9, 4, 3, 5]);
        body.extend(words(&[2, 50, 1, 2, 3, 4]));
        body.extend(words(&[2, 60, 70]));
        body.extend([4, 0, 0, 0, 1, 2, 3, 4]);
        let expected = Sample { time: Some(1000), cpu: 3, tid: 7, raw: Some(&[1, 2, 3, 4]) };
        assert_eq!(group.sample(&body), Some(expected));
        for length in 0..body.len() {
            assert_eq!(group.sample(&body[..length]), None);
        }
        let claimed = attr(READ | RAW, READ_GROUP);
        assert_eq!(claimed.sample(&words(&[u64::MAX, 1, 1])), None);
    }

    #[test]
    fn the_end_of_other_records() {
        let attr = attr(TID | TIME | CPU | IDENTIFIER, 0);
        let body = words(&[77, 5, 7, 1000, 0xffff_ffff_0000_0002, 9]);
        assert_eq!(attr.trailer(&body), Some(Trailer { time: Some(1000), cpu: Some(2) }));
        assert_eq!(attr.trailer(&body[..24]), None);
        assert_eq!(Attr { flags: 0, ..attr }.trailer(&[]), Some(Trailer::default()));
    }

    #[test]
    fn records_of_different_layouts_are_told_by_their_ids() {
        let mut attrs = Attrs::default();
        attrs.add(attr(IDENTIFIER | TIME, 0), [1]);
        attrs.add(attr(IDENTIFIER | CPU, 0), [2, 3]);
        assert_eq!(attrs.sample(&words(&[1, 50])).unwrap().time, Some(50));
        assert_eq!(attrs.sample(&words(&[3, 50])).unwrap().cpu, 50);
        assert_eq!(attrs.sample(&[]), None);
        assert_eq!(Attrs::default().sample(&words(&[1, 2])), None);
    }
}
