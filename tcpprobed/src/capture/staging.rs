//! Staging: pages as they were read, in a file in /run that outlives the process.
//!
//! A page that was read is gone from the kernel, and it is in no block yet. So it is read straight into a shared
//! mapping of a file on tmpfs: whatever kills the process, the bytes stay, and the next process makes a block of
//! them. Entries are numbered; a block says up to which number it covers, and what is below that number is old.
//!
//! An entry is `number`, `cpu`, `length` and the page. Before a read the entry is given its number, a length of
//! "one sub-buffer", and the page's header is zeroed: an entry is either filled by the kernel, or has no data. Behind
//! the last entry there is a zero, so that nothing in an older page is taken for the next one's number.

#![expect(unsafe_code, reason = "maps a file; the only place that does")]

use std::fs::File;
use std::io;
use std::sync::atomic::{Ordering, compiler_fence};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Bytes of a job's staging area: a block's worth of pages, the largest sub-buffer several times.
pub const STAGING_BYTES: usize = 8 << 20;
/// Bytes of an entry before its page: number, CPU, length.
const HEAD_BYTES: usize = 16;
/// Bytes of a page's header that are zeroed: its time and commit word.
const PAGE_HEAD_BYTES: usize = 16;

/// The staging area of one job.
#[derive(Debug)]
pub struct Staging {
    file: File,
    map: *mut u8,
    size: usize,
    /// Where the next entry goes.
    end: usize,
    /// Its number.
    next: u64,
    /// Number of the first entry in the area.
    first: u64,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread.
unsafe impl Send for Staging {}

impl Staging {
    /// Opens the area in a file, of `size` bytes; entries will be numbered from `next`.
    ///
    /// # Errors
    /// When there is no room for it, or it cannot be mapped.
    pub fn open(file: File, size: usize, next: u64) -> io::Result<Self> {
        take_room(&file, size)?;
        // And mapped now: a process that is killed in a page fault may get half of what it reads.
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: a new mapping, at an address of the kernel's choice, of a file that is as long.
        let map = unsafe { mmap(std::ptr::null_mut(), size, protection, flags, &file, 0)? };
        Ok(Staging { file, map: map.cast(), size, end: 0, next, first: next })
    }

    /// Whether the file is as long as it was made. Only root can cut it short, and what is touched behind its end is a
    /// SIGBUS.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        rustix::fs::fstat(&self.file)
            .is_ok_and(|stat| usize::try_from(stat.st_size).is_ok_and(|size| size >= self.size))
    }

    /// Takes the room again of a file that was cut short. What was in it is gone: the area must be clear.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn make_whole(&self) -> io::Result<()> {
        take_room(&self.file, self.size)
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `size` bytes long, lives as long as `self`, and is reached only through it. The file
        // is the daemon's own, in a directory that nobody else may enter.
        unsafe { std::slice::from_raw_parts_mut(self.map, self.size) }
    }

    /// Numbers of the entries in the area.
    #[must_use]
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.next
    }

    /// Whether another page of `subbuf` bytes fits.
    #[must_use]
    pub fn has_room(&self, subbuf: usize) -> bool {
        self.end + HEAD_BYTES + subbuf <= self.size
    }

    /// Where the kernel may write the next page, which [`Staging::commit`] then keeps. There must be room.
    pub fn slot(&mut self, cpu: u32, subbuf: usize) -> &mut [u8] {
        let (end, number) = (self.end, self.next);
        self.end_at(end + HEAD_BYTES + subbuf);
        let entry = &mut self.bytes()[end..end + HEAD_BYTES + subbuf];
        entry[HEAD_BYTES..HEAD_BYTES + PAGE_HEAD_BYTES].fill(0);
        entry[8..12].copy_from_slice(&cpu.to_le_bytes());
        entry[12..16].copy_from_slice(&(subbuf as u32).to_le_bytes());
        // The process may end between any two instructions: the number comes last.
        compiler_fence(Ordering::SeqCst);
        entry[..8].copy_from_slice(&number.to_le_bytes());
        compiler_fence(Ordering::SeqCst);
        &mut entry[HEAD_BYTES..]
    }

    /// Has nothing follow an entry that ends there.
    fn end_at(&mut self, end: usize) {
        if let Some(number) = self.bytes().get_mut(end..end + 8) {
            number.fill(0);
        }
        compiler_fence(Ordering::SeqCst);
    }

    /// Keeps the first `length` bytes of the page in the slot, and gives them.
    pub fn commit(&mut self, length: usize) -> &[u8] {
        let start = self.end;
        let length = length.next_multiple_of(8).min(self.size - start - HEAD_BYTES);
        self.end_at(start + HEAD_BYTES + length);
        self.bytes()[start + 12..start + 16].copy_from_slice(&(length as u32).to_le_bytes());
        self.end += HEAD_BYTES + length;
        self.next += 1;
        &self.bytes()[start + HEAD_BYTES..start + HEAD_BYTES + length]
    }

    /// Empties the area: everything in it is in a block that is written.
    pub fn clear(&mut self) {
        self.end = 0;
        self.first = self.next;
    }

    /// Gives the entries that an earlier process left, in order, from `from` on: number and CPU of each, and its page.
    /// The area then continues behind them.
    pub fn resume(&mut self, from: u64, mut page: impl FnMut(u32, &[u8])) -> u64 {
        let (mut at, mut resumed) = (0, 0);
        let mut expected = None;
        let size = self.size;
        while at + HEAD_BYTES <= size {
            let head = &self.bytes()[at..at + HEAD_BYTES];
            let number = head.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            let cpu = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
            let length = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
            let is_next = expected.map_or(number >= from, |expected| number == expected);
            if !is_next || length < PAGE_HEAD_BYTES || at + HEAD_BYTES + length > size {
                break;
            }
            page(cpu, &self.bytes()[at + HEAD_BYTES..at + HEAD_BYTES + length]);
            self.first = if expected.is_none() { number } else { self.first };
            expected = Some(number + 1);
            at += HEAD_BYTES + length;
            resumed += 1;
        }
        if let Some(next) = expected {
            (self.end, self.next) = (at, next);
        } else {
            (self.end, self.first, self.next) = (0, from, from);
        }
        resumed
    }
}

/// Room on the tmpfs is taken at once: a page fault without room would be a SIGBUS in the middle of a read.
fn take_room(file: &File, size: usize) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size as u64)?)
}

impl Drop for Staging {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `open` and nothing refers to it any more.
        let _ = unsafe { munmap(self.map.cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(file: &File, size: usize, next: u64) -> Staging {
        Staging::open(file.try_clone().unwrap(), size, next).unwrap()
    }

    fn put(staging: &mut Staging, cpu: u32, bytes: &[u8]) {
        staging.slot(cpu, 64)[..bytes.len()].copy_from_slice(bytes);
        staging.commit(bytes.len());
    }

    fn resumed(file: &File, from: u64) -> Vec<(u32, u8)> {
        let mut list = Vec::new();
        open(file, 4096, 0).resume(from, |cpu, page| list.push((cpu, page[0])));
        list
    }

    #[test]
    fn what_is_in_no_block_comes_back() {
        let file = tempfile::tempfile().unwrap();
        let mut staging = open(&file, 4096, 10);
        put(&mut staging, 0, &[1; 24]);
        put(&mut staging, 1, &[2; 64]);
        assert_eq!(staging.numbers(), 10..12);
        drop(staging);
        assert_eq!(resumed(&file, 10), [(0, 1), (1, 2)]);
        assert_eq!(resumed(&file, 12), [], "all of it is in blocks");
    }

    #[test]
    fn a_read_that_was_interrupted_has_no_data() {
        let file = tempfile::tempfile().unwrap();
        let mut staging = open(&file, 4096, 0);
        put(&mut staging, 0, &[7; 64]);
        staging.clear();
        put(&mut staging, 0, &[8; 24]);
        staging.slot(3, 64);
        drop(staging);
        assert_eq!(resumed(&file, 1), [(0, 8), (3, 0)], "the old page behind the new one is not seen again");
    }

    /// What an older page holds where the next entry would be.
    #[test]
    fn nothing_behind_the_last_entry_looks_like_one() {
        let file = tempfile::tempfile().unwrap();
        let mut staging = open(&file, 4096, 0);
        let mut page = [9; 64];
        // Number 2, CPU 0, 24 bytes; at the end of an entry with 24.
        page[24..40].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0]);
        put(&mut staging, 0, &page);
        staging.clear();
        put(&mut staging, 0, &[8; 24]);
        drop(staging);
        assert_eq!(resumed(&file, 1), [(0, 8)]);
    }

    #[test]
    fn room_is_known() {
        let mut staging = open(&tempfile::tempfile().unwrap(), 200, 0);
        put(&mut staging, 0, &[1; 64]);
        put(&mut staging, 0, &[1; 64]);
        assert!(!staging.has_room(64));
        staging.clear();
        assert!(staging.has_room(64));
    }

    #[test]
    fn an_area_that_was_cut_short_is_used_again() {
        let file = tempfile::tempfile().unwrap();
        let mut staging = open(&file, 4096, 0);
        put(&mut staging, 0, &[1; 24]);
        file.set_len(0).unwrap();
        assert!(!staging.is_whole());
        staging.clear();
        staging.make_whole().unwrap();
        assert!(staging.is_whole());
        put(&mut staging, 0, &[2; 24]);
        drop(staging);
        assert_eq!(resumed(&file, 1), [(0, 2)]);
    }
}
