//! A segment that is being written, or was when the daemon was interrupted: it ends with a whole frame.

use std::io;
use std::sync::Arc;

use super::names::segment_name;
use super::scan::{Scan, scan};
use super::segment::SegmentInfo;
use crate::disk::{DiskFile, Folder};

/// Files in the way of a segment: it gets another number then.
const OBSTACLES_MAX: u32 = 100;

/// A segment that is being written. It always ends with a whole frame, or is cut back to one.
#[derive(Debug)]
pub struct SegmentWriter {
    file: Arc<DiskFile>,
    number: u32,
    /// What it holds.
    pub info: SegmentInfo,
}

impl SegmentWriter {
    /// Makes a new segment; there must be none of that number.
    fn create(folder: &Folder, number: u32) -> io::Result<Self> {
        let file = Arc::new(folder.create(&segment_name(number))?);
        Ok(SegmentWriter { file, number, info: SegmentInfo::default() })
    }

    /// Makes a segment of this number or, where something is in the way, a later one. What an attempt left behind that
    /// failed is not: nothing is in it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create_free(folder: &Folder, number: u32) -> io::Result<Self> {
        for number in number..number.saturating_add(OBSTACLES_MAX) {
            let name = segment_name(number);
            if folder.file(&name).and_then(scan).is_ok_and(|found| found.is_empty()) {
                folder.remove(&name)?;
            }
            match Self::create(folder, number) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "other files have the names of the next segments"))
    }

    /// Appends whole frames, or nothing.
    ///
    /// # Errors
    /// Those of the file system; what was written in part is cut off again.
    pub fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        match self.file.write_all_at(frames, self.info.bytes) {
            Ok(()) => {
                self.info.bytes += frames.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A tail that cannot be cut now is overwritten by the next append, or cut by the next scan.
                let _ = self.file.cut(self.info.bytes);
                Err(error)
            }
        }
    }

    /// The file, for somebody else to sync.
    #[must_use]
    pub fn file(&self) -> Arc<DiskFile> {
        Arc::clone(&self.file)
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

/// Leaves of an interrupted segment what is whole, durably; removes one in which nothing is. Gives whether it is still
/// there.
///
/// # Errors
/// Those of the file system.
pub fn close_interrupted(folder: &Folder, number: u32, found: &Scan) -> io::Result<bool> {
    let name = segment_name(number);
    if found.is_empty() {
        folder.remove(&name)?;
        return Ok(false);
    }
    let file = folder.reopen(&name)?;
    if found.torn > 0 {
        file.cut(found.info.bytes)?;
    }
    file.sync()?;
    Ok(true)
}
