//! The records of a `perf.data`, one behind the other.

use super::super::part::Part;

/// Numbers of records: the kernel's (`enum perf_event_type`), and from 64 on perf's own (`tools/lib/perf/include/perf/event.h`).
pub const LOST: u32 = 2;
pub const COMM: u32 = 3;
pub const FORK: u32 = 7;
pub const SAMPLE: u32 = 9;
pub const LOST_SAMPLES: u32 = 13;
pub const HEADER_ATTR: u32 = 64;
pub const HEADER_TRACING_DATA: u32 = 66;
const AUXTRACE: u32 = 71;
pub const HEADER_FEATURE: u32 = 80;
pub const COMPRESSED: u32 = 81;
pub const COMPRESSED2: u32 = 83;
/// The mark of [`LOST_SAMPLES`] that a filter left out.
pub const BY_FILTER: u16 = 1 << 15;
/// Bytes of a record's head.
const HEAD_BYTES: usize = 8;

/// A record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it begins.
    pub at: usize,
    pub kind: u32,
    pub misc: u16,
    pub body: &'a [u8],
    /// What follows a record of perf's that says how long that is.
    pub behind: &'a [u8],
}

/// Why there is no further record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All were read.
    Whole,
    /// The last one is not all there.
    Cut,
    /// What stands here is none.
    Bad,
}

/// Reads them.
pub struct Records<'a> {
    bytes: &'a [u8],
    pub at: usize,
    pub end: End,
}

impl<'a> Records<'a> {
    pub fn new(data: &'a Part) -> Self {
        Records { bytes: data.as_slice(), at: 0, end: End::Whole }
    }

    fn stop(&mut self, end: End) -> Option<Record<'a>> {
        self.end = end;
        None
    }
}

/// The record at this place.
pub fn record(bytes: &[u8], at: usize) -> Result<Record<'_>, End> {
    let rest = bytes.get(at..).unwrap_or_default();
    let head: &[u8; HEAD_BYTES] = match rest.first_chunk() {
        Some(head) => head,
        None if rest.is_empty() => return Err(End::Whole),
        None => return Err(End::Cut),
    };
    let size = usize::from(u16::from_le_bytes([head[6], head[7]]));
    if size < HEAD_BYTES {
        return Err(End::Bad);
    }
    let kind = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let misc = u16::from_le_bytes([head[4], head[5]]);
    let body = rest.get(HEAD_BYTES..size).ok_or(End::Cut)?;
    let behind = match kind {
        HEADER_TRACING_DATA => body.first_chunk().map_or(0, |size| u64::from(u32::from_le_bytes(*size))),
        AUXTRACE => body.first_chunk().map_or(0, |size| u64::from_le_bytes(*size)),
        _ => 0,
    };
    let behind = usize::try_from(behind).ok().and_then(|length| rest[size..].get(..length)).ok_or(End::Cut)?;
    Ok(Record { at, kind, misc, body, behind })
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        match record(self.bytes, self.at) {
            Ok(record) => {
                let behind = match record.kind {
                    // Filled up to whole words.
                    HEADER_TRACING_DATA => record.behind.len().next_multiple_of(8),
                    _ => record.behind.len(),
                };
                self.at += HEAD_BYTES + record.body.len() + behind;
                Some(record)
            }
            Err(end) => self.stop(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<(u32, usize, usize)>, End) {
        let part = Part::whole(bytes.to_vec());
        let mut records = Records::new(&part);
        let all = records.by_ref().map(|record| (record.kind, record.body.len(), record.behind.len())).collect();
        (all, records.end)
    }

    #[test]
    fn each_says_how_long_it_is() {
        let record = |kind: u32, body: &[u8]| {
            [&kind.to_le_bytes()[..], &[0, 0], &(8 + body.len() as u16).to_le_bytes(), body].concat()
        };
        let tracing = [record(HEADER_TRACING_DATA, &[5, 0, 0, 0, 0, 0, 0, 0]), vec![7; 8]].concat();
        let aux = [record(AUXTRACE, &[3, 0, 0, 0, 0, 0, 0, 0]), vec![7; 3]].concat();
        let all = [record(SAMPLE, &[1; 16]), tracing, aux, record(LOST, &[])].concat();
        let expected = vec![(SAMPLE, 16, 0), (HEADER_TRACING_DATA, 8, 5), (AUXTRACE, 8, 3), (LOST, 0, 0)];
        assert_eq!(read(&all), (expected.clone(), End::Whole));
        assert_eq!(read(&all[..all.len() - 1]), (expected[..3].to_vec(), End::Cut));
        let huge = record(AUXTRACE, &[0xff; 8]);
        assert_eq!(read(&huge), (vec![], End::Cut));
        assert_eq!(read(&[0; 16]), (vec![], End::Bad));
    }
}
