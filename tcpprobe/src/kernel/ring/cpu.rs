//! One CPU's sub-buffers, as they follow one another in what was saved.

use std::io::{self, ErrorKind, Read};

use super::BadPage;
use crate::kernel::format::PageLayout;
use crate::kernel::page::{Lost, Page, PageError};

/// The smallest sub-buffer: a memory page of 4 KiB.
const SIZE_MIN: usize = 4 << 10;
/// The largest: 128 memory pages (`buffer_subbuf_size_write()`, `kernel/trace/trace.c`) of at most 64 KiB.
const SIZE_MAX: usize = 8 << 20;

/// A record: its time, and where its bytes begin and end in the sub-buffer.
type Place = (u64, usize, usize);

/// Reads the sub-buffers of one CPU, one at a time.
///
/// How large they are is told by `events/header_page`, but that may be of another buffer than the pages (each instance
/// has a size of its own). So it is only where to begin: a page that claims more makes the size grow, and one behind
/// which the next one comes too early makes it shrink.
#[derive(Debug)]
pub(super) struct CpuReader<R> {
    pub number: u32,
    input: R,
    layout: PageLayout,
    /// Bytes of a sub-buffer, as far as is known by now.
    size: usize,
    /// The present sub-buffer, and what was read beyond it.
    bytes: Vec<u8>,
    /// Bytes of the present sub-buffer.
    length: usize,
    /// Where it begins in the input.
    offset: u64,
    ended: bool,
    /// Why the input ended before it was complete.
    broken: Option<&'static str>,
    records: Vec<Place>,
    next: usize,
}

/// What a sub-buffer says beside its records.
#[derive(Debug)]
pub(super) struct Opened {
    pub lost: Lost,
    pub bad: Option<BadPage>,
}

impl<R: Read> CpuReader<R> {
    pub fn new(number: u32, input: R, layout: PageLayout) -> Self {
        let is_told = layout.size.is_power_of_two() && (SIZE_MIN..=SIZE_MAX).contains(&layout.size);
        CpuReader {
            number,
            input,
            layout,
            size: if is_told { layout.size } else { SIZE_MIN },
            bytes: Vec::new(),
            length: 0,
            offset: 0,
            ended: false,
            broken: None,
            records: Vec::new(),
            next: 0,
        }
    }

    /// The present record's time; `None` behind the last one of the sub-buffer.
    pub fn time(&self) -> Option<u64> {
        self.records.get(self.next).map(|record| record.0)
    }

    /// The present record's bytes.
    pub fn record(&self) -> &[u8] {
        self.records.get(self.next).map_or(&[], |&(_, start, end)| &self.bytes[start..end])
    }

    /// Goes on to the next record of the sub-buffer.
    pub fn advance(&mut self) {
        self.next += 1;
    }

    /// Goes on to the next sub-buffer in which anything was recorded; `None` at the end.
    pub fn next_page(&mut self) -> io::Result<Option<Opened>> {
        loop {
            self.bytes.drain(..self.length);
            self.offset += self.length as u64;
            (self.length, self.next) = (0, 0);
            self.records.clear();
            self.fill(self.size)?;
            if self.bytes.is_empty() {
                let bad = self.broken.take().map(|reason| self.bad(0, reason));
                return Ok(bad.map(|bad| Opened { lost: Lost::None, bad: Some(bad) }));
            }
            self.measure()?;
            self.length = self.size.min(self.bytes.len());
            if !is_blank(&self.bytes[..self.length], self.layout) {
                return Ok(Some(self.open()));
            }
        }
    }

    /// Reads on until `length` bytes are there, or the input ends.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let missing = length.saturating_sub(self.bytes.len());
        if missing == 0 || self.ended {
            return Ok(());
        }
        match self.input.by_ref().take(missing as u64).read_to_end(&mut self.bytes) {
            Ok(read) => self.ended = read < missing,
            Err(error) => {
                // What was inflated before the place where a compressed file is damaged still counts.
                self.broken = Some(match error.kind() {
                    ErrorKind::UnexpectedEof => "the compressed file is cut short",
                    ErrorKind::InvalidData | ErrorKind::InvalidInput => "the compressed file is damaged",
                    _ => return Err(error),
                });
                self.ended = true;
            }
        }
        Ok(())
    }

    /// Corrects the size by what stands at the present place.
    fn measure(&mut self) -> io::Result<()> {
        let claimed = Page::claimed(self.layout, &self.bytes).unwrap_or(0);
        if claimed <= self.size {
            self.size = self.smaller(claimed).unwrap_or(self.size);
            return Ok(());
        }
        let larger = claimed.next_power_of_two();
        if larger <= SIZE_MAX && self.offset.is_multiple_of(larger as u64) {
            self.fill(larger)?;
            if makes_sense(&self.bytes[..larger.min(self.bytes.len())], self.layout, 0) {
                self.size = larger;
            }
        }
        Ok(())
    }

    /// The size that sub-buffers have if another page begins within the bytes taken for the present one, behind
    /// what that one claims. All that is there otherwise is zeros.
    fn smaller(&self, claimed: usize) -> Option<usize> {
        let all = &self.bytes[..self.size.min(self.bytes.len())];
        let behind = claimed.max(1).next_multiple_of(SIZE_MIN);
        let place = (behind..all.len()).step_by(SIZE_MIN).find(|&place| !is_blank(&all[place..], self.layout))?;
        let time = Page::parse(self.layout, all).map_or(0, |page| page.time);
        makes_sense(&all[place..], self.layout, time).then(|| 1 << place.ilog2())
    }

    /// Finds the records of the present sub-buffer.
    fn open(&mut self) -> Opened {
        match walk(&self.bytes[..self.length], self.layout, &mut self.records) {
            Ok((lost, End::Whole)) => Opened { lost, bad: None },
            Ok((lost, End::Cut)) => {
                Opened { lost, bad: Some(self.bad(self.length, "the page is shorter than it claims")) }
            }
            Ok((lost, End::Bad(error))) => Opened { lost, bad: Some(self.bad(error.offset, error.reason)) },
            Err(error) => Opened { lost: Lost::None, bad: Some(self.bad(error.offset, error.reason)) },
        }
    }

    /// Something that is wrong in the present sub-buffer.
    fn bad(&self, offset: usize, reason: &'static str) -> BadPage {
        BadPage { cpu: self.number, offset: self.offset + offset as u64, reason }
    }
}

/// Whether the page at the beginning of `bytes` was never written to.
fn is_blank(bytes: &[u8], layout: PageLayout) -> bool {
    bytes[..layout.data.min(bytes.len())].iter().all(|&byte| byte == 0)
}

/// Whether `bytes` begin with a page that has records, none older than `time`, and makes sense as far as it is there.
fn makes_sense(bytes: &[u8], layout: PageLayout, time: u64) -> bool {
    let mut records = Vec::new();
    let end = walk(bytes, layout, &mut records);
    matches!(end, Ok((_, End::Whole | End::Cut))) && records.first().is_some_and(|record| record.0 >= time)
}

/// How the records of a page end.
enum End {
    /// Where the page does.
    Whole,
    /// Where the bytes do, before the page.
    Cut,
    /// Where they make no sense.
    Bad(PageError),
}

/// Appends the places of a page's records; says what was lost before it.
fn walk(bytes: &[u8], layout: PageLayout, places: &mut Vec<Place>) -> Result<(Lost, End), PageError> {
    if Page::claimed(layout, bytes).is_some_and(|claimed| claimed > SIZE_MAX) {
        return Err(PageError { offset: layout.commit, reason: "claims more data than any page has" });
    }
    let (page, is_whole) = Page::parse_part(layout, bytes)?;
    let start = bytes.as_ptr().addr();
    let mut records = page.records();
    places.extend(records.by_ref().map(|(time, record)| {
        let begin = record.as_ptr().addr() - start;
        (time, begin, begin + record.len())
    }));
    let end = match records.error() {
        // The last record there is reaches beyond the bytes; hardly one is longer than a memory page.
        Some(error) if is_whole || error.offset + SIZE_MIN < bytes.len() => End::Bad(error),
        _ if is_whole => End::Whole,
        _ => End::Cut,
    };
    Ok((page.lost, end))
}
