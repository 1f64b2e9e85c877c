//! Ring-buffer pages, as `per_cpu/cpuN/trace_pipe_raw` gives them, and the records in them.
//!
//! Source: `kernel/trace/ring_buffer.c` and `include/linux/ring_buffer.h`. A page (a *sub-buffer*, 4 KiB to
//! 1 MiB) begins with the time of its first record and a commit word; records follow, each with a delta to
//! the time before it. Nothing in a page is trusted: a length that leads outside ends the walk with an error.
//!
//! ```
//! use tcpprobe::kernel::{format::PageLayout, page::Page};
//! // One record of four bytes, 5 ns after the time of the page.
//! let mut bytes = vec![0; 4096];
//! bytes[..8].copy_from_slice(&1000_u64.to_le_bytes());
//! bytes[8..16].copy_from_slice(&8_u64.to_le_bytes());
//! bytes[16..24].copy_from_slice(&[1 | 5 << 5, 0, 0, 0, 7, 0, 0, 0]);
//! let page = Page::parse(PageLayout::default(), &bytes)?;
//! assert_eq!(page.records().collect::<Vec<_>>(), [(1005, &[7, 0, 0, 0][..])]);
//! # Ok::<(), tcpprobe::kernel::page::PageError>(())
//! ```

use crate::kernel::format::PageLayout;

/// Events were lost before this page (`RB_MISSED_EVENTS`).
const MISSED_EVENTS: u32 = 1 << 31;
/// The number of lost events stands behind the data (`RB_MISSED_STORED`).
const MISSED_STORED: u32 = 1 << 30;
/// Top bits of a time that an absolute time stamp (59 bits) does not carry (`TS_MSB`).
const TS_MSB: u64 = 0xf8 << 56;

const TYPE_LEN_DATA_MAX: u32 = 28;
const TYPE_PADDING: u32 = 29;
const TYPE_TIME_EXTEND: u32 = 30;

/// A page that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ring-buffer page, byte {offset}: {reason}")]
pub struct PageError {
    /// Offset from the start of the page.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// What the kernel says was overwritten before a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Nothing.
    None,
    /// This many events.
    Events(u64),
    /// Something; there was no room for the number.
    Unknown,
}

/// One sub-buffer, its header read.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Time of the first record, nanoseconds in the trace's clock.
    pub time: u64,
    /// Loss before the first record.
    pub lost: Lost,
    data: &'a [u8],
    data_offset: usize,
}

impl<'a> Page<'a> {
    /// Reads the header of the page in `bytes`, which may be longer than what is committed.
    ///
    /// # Errors
    /// When the header is cut short, claims more data than there are bytes, or is of a big-endian kernel.
    #[inline]
    pub fn parse(layout: PageLayout, bytes: &'a [u8]) -> Result<Self, PageError> {
        match Page::parse_part(layout, bytes)? {
            (page, true) => Ok(page),
            (_, false) => Err(PageError { offset: layout.commit, reason: "claims more data than the page has" }),
        }
    }

    /// The same of a page whose end may be missing: as much of it as there is, and whether that is all.
    ///
    /// # Errors
    /// When the header is cut short or is of a big-endian kernel.
    #[inline]
    #[doc(hidden)]
    pub fn parse_part(layout: PageLayout, bytes: &'a [u8]) -> Result<(Self, bool), PageError> {
        let short = PageError { offset: 0, reason: "shorter than its header" };
        let time = u64_at(bytes, 0).ok_or(short)?;
        // Only the low half is the kernel's; the upper may be a sign extension.
        let commit = u32_at(bytes, layout.commit).ok_or(short)?;
        if commit == 0 && bytes.get(layout.commit + 4..layout.data).is_some_and(|upper| upper.iter().any(|&b| b != 0)) {
            return Err(PageError {
                offset: layout.commit,
                reason: "written by a big-endian kernel, which is not supported",
            });
        }
        let end = layout.data + (commit & !(MISSED_EVENTS | MISSED_STORED)) as usize;
        let data = bytes.get(layout.data..end.min(bytes.len())).ok_or(short)?;
        let lost = match (commit & MISSED_EVENTS != 0, commit & MISSED_STORED != 0) {
            (false, _) => Lost::None,
            (true, true) => u64_at(bytes, end).map_or(Lost::Unknown, Lost::Events),
            (true, false) => Lost::Unknown,
        };
        Ok((Page { time, lost, data, data_offset: layout.data }, end <= bytes.len()))
    }

    /// Bytes that the page beginning with `header` claims to have: the header, its data, and the number of lost events
    /// behind them. `None` where the header is cut short.
    #[must_use]
    #[doc(hidden)]
    pub fn claimed(layout: PageLayout, header: &[u8]) -> Option<usize> {
        let commit = u32_at(header, layout.commit)?;
        let number = if commit & MISSED_STORED == 0 { 0 } else { size_of::<u64>() };
        Some(layout.data + (commit & !(MISSED_EVENTS | MISSED_STORED)) as usize + number)
    }

    /// Bytes of records in it.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data.len()
    }

    /// The records, oldest first.
    #[must_use]
    #[inline]
    pub fn records(&self) -> Records<'a> {
        Records { data: self.data, at: 0, time: self.time, data_offset: self.data_offset, error: None }
    }
}

/// Walks the records of a page: `(time, record)`, the record from `common_type` on.
///
/// The walk ends at the first contradiction; [`Records::error`] then says which.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    data: &'a [u8],
    at: usize,
    time: u64,
    data_offset: usize,
    error: Option<PageError>,
}

impl<'a> Records<'a> {
    /// What ended the walk before the page's end, if anything did.
    #[must_use]
    pub fn error(&self) -> Option<PageError> {
        self.error
    }

    #[cold]
    fn fail(&mut self, reason: &'static str) -> Option<(u64, &'a [u8])> {
        self.error = Some(PageError { offset: self.data_offset + self.at, reason });
        self.at = self.data.len();
        None
    }

    /// Everything that is not a plain data record; `Some(length to skip)`.
    #[cold]
    fn special(&mut self, type_len: u32, delta: u64) -> Result<usize, &'static str> {
        let word = u32_at(self.data, self.at + 4);
        if type_len == TYPE_PADDING {
            if delta == 0 {
                // The rest of the page is unused.
                return Ok(self.data.len() - self.at);
            }
            // A discarded record. Its delta does not count: rb_update_read_stamp() leaves it out too.
            let length = word.ok_or("a discarded record without a length")?;
            return Ok(4 + (length as usize).max(4));
        }
        let extension = u64::from(word.ok_or("a time extension cut short")?) << 27 | delta;
        if type_len == TYPE_TIME_EXTEND {
            self.time = self.time.wrapping_add(extension);
        } else {
            self.time = absolute_time(extension, self.time);
        }
        Ok(8)
    }
}

/// Completes the 59 bits of an absolute time stamp from the running time (`rb_fix_abs_ts()`).
fn absolute_time(stamp: u64, running: u64) -> u64 {
    if running & TS_MSB == 0 {
        return stamp;
    }
    let time = stamp | (running & TS_MSB);
    if time < running { time.wrapping_add(1 << 59) } else { time }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.at >= self.data.len() {
                return None;
            }
            let Some(head) = u32_at(self.data, self.at) else {
                return self.fail("a record header cut short");
            };
            let (type_len, delta) = (head & 31, u64::from(head >> 5));
            let (start, length) = if type_len == 0 {
                match u32_at(self.data, self.at + 4) {
                    Some(length) if length >= 4 => (self.at + 8, length as usize - 4),
                    _ => return self.fail("a long record without its length"),
                }
            } else if type_len <= TYPE_LEN_DATA_MAX {
                (self.at + 4, 4 * type_len as usize)
            } else {
                match self.special(type_len, delta) {
                    Ok(skip) => {
                        self.at += skip;
                        continue;
                    }
                    Err(reason) => return self.fail(reason),
                }
            };
            let Some(record) = self.data.get(start..start + length) else {
                return self.fail("a record longer than the page");
            };
            self.time = self.time.wrapping_add(delta);
            self.at = (start + length).next_multiple_of(4);
            return Some((self.time, record));
        }
    }
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline]
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with these words as data and this commit word.
    fn page(time: u64, commit: u64, words: &[u32]) -> Vec<u8> {
        let mut bytes = time.to_le_bytes().to_vec();
        bytes.extend(commit.to_le_bytes());
        bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        bytes.resize(4096, 0);
        bytes
    }

    fn walk(bytes: &[u8]) -> (Vec<(u64, Vec<u8>)>, Option<PageError>) {
        let page = Page::parse(PageLayout::default(), bytes).unwrap();
        let mut records = page.records();
        let list = records.by_ref().map(|(t, r)| (t, r.to_vec())).collect();
        (list, records.error())
    }

    fn head(type_len: u32, delta: u32) -> u32 {
        type_len | delta << 5
    }

    #[test]
    fn all_record_kinds() {
        let words = [
            head(1, 5),
            0x11, // short record
            head(30, 3),
            2, // time extend: 2 << 27 | 3
            head(0, 7),
            12,
            0x22,
            0x33, // long record of 8 bytes
            head(29, 9),
            8,
            0xdead, // discarded, its delta does not count
            head(31, 1),
            1 << 10, // absolute time
            head(1, 0),
            0x44,
            head(29, 0),
            0xffff_ffff, // nothing more
        ];
        let (list, error) = walk(&page(1000, 4 * words.len() as u64, &words));
        assert_eq!(error, None);
        let long = [0x22u32.to_le_bytes(), 0x33u32.to_le_bytes()].concat();
        assert_eq!(
            list,
            vec![
                (1005, 0x11u32.to_le_bytes().to_vec()),
                (1005 + (2 << 27) + 3 + 7, long),
                ((1 << 37) + 1, 0x44u32.to_le_bytes().to_vec()),
            ]
        );
    }

    #[test]
    fn absolute_times_keep_the_top_bits() {
        assert_eq!(absolute_time(5, 3), 5);
        let running = (1 << 59) + 100;
        assert_eq!(absolute_time(200, running), (1 << 59) + 200);
        assert_eq!(absolute_time(5, running), (2 << 59) + 5, "the 59 bits wrapped");
    }

    #[test]
    fn loss_flags_in_the_low_half_only() {
        let bytes = page(0, 0xffff_ffff_c000_0004, &[head(29, 0), 42, 0]);
        let p = Page::parse(PageLayout::default(), &bytes).unwrap();
        assert_eq!((p.lost, p.data_len()), (Lost::Events(42), 4));
        let bytes = page(0, 0xffff_ffff_8000_0004, &[0]);
        assert_eq!(Page::parse(PageLayout::default(), &bytes).unwrap().lost, Lost::Unknown);
    }

    #[test]
    fn contradictions_end_the_walk() {
        assert_eq!(walk(&page(0, 8, &[0, 0])).1.unwrap().reason, "a long record without its length");
        assert_eq!(walk(&page(0, 8, &[head(28, 0), 0])).1.unwrap().reason, "a record longer than the page");
        assert_eq!(walk(&page(0, 8, &[head(0, 1), u32::MAX])).1.unwrap().reason, "a record longer than the page");
        let bytes = page(0, 5000, &[]);
        assert_eq!(Page::parse(PageLayout::default(), &bytes).unwrap_err().offset, 8);
        assert!(Page::parse(PageLayout::default(), &bytes[..10]).is_err());
        let big_endian = [&7u64.to_be_bytes()[..], &100u64.to_be_bytes(), &[0; 4080]].concat();
        let reason = Page::parse(PageLayout::default(), &big_endian).unwrap_err().reason;
        assert!(reason.contains("big-endian"), "{reason}");
    }

    #[test]
    fn of_a_page_that_is_cut_what_is_there_is_given() {
        let whole = page(1000, 0xc000_000c, &[head(1, 5), 0x11, head(1, 5), 42, 0]);
        let parse = |length: usize| {
            let (page, is_whole) = Page::parse_part(PageLayout::default(), &whole[..length]).unwrap();
            (page.records().count(), page.lost, is_whole)
        };
        assert_eq!(parse(4096), (1, Lost::Events(42), true));
        assert_eq!(parse(36), (1, Lost::Events(42), true));
        assert_eq!(parse(28), (1, Lost::Unknown, true));
        assert_eq!(parse(27), (1, Lost::Unknown, false));
        assert_eq!(parse(16), (0, Lost::Unknown, false));
        assert!(Page::parse_part(PageLayout::default(), &whole[..15]).is_err());
        assert_eq!(Page::claimed(PageLayout::default(), &whole), Some(16 + 12 + 8));
    }
}
