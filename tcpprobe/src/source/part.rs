//! A part of a file that was read into memory.

use std::io::{self, Read};
use std::sync::Arc;

/// Bytes of a file; clones share the file.
#[derive(Debug, Clone, Default)]
pub struct Part {
    file: Arc<Vec<u8>>,
    at: usize,
    end: usize,
}

impl Part {
    /// All of it.
    pub fn whole(file: Vec<u8>) -> Self {
        Part { at: 0, end: file.len(), file: Arc::new(file) }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.file[self.at..self.end]
    }

    /// So many bytes from `offset` on, or as many of them as there are.
    pub fn of(&self, offset: u64, size: u64) -> Part {
        let clip = |length: u64| usize::try_from(length).unwrap_or(usize::MAX);
        let at = self.at.saturating_add(clip(offset)).min(self.end);
        Part { file: Arc::clone(&self.file), at, end: at.saturating_add(clip(size)).min(self.end) }
    }

    /// Everything from `offset` on.
    pub fn from(&self, offset: u64) -> Part {
        self.of(offset, u64::MAX)
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.as_slice().read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_within_the_file() {
        let part = Part::whole((0..10).collect());
        assert_eq!(part.of(2, 3).as_slice(), [2, 3, 4]);
        assert_eq!(part.of(2, 5).of(1, 100).as_slice(), [3, 4, 5, 6]);
        assert_eq!(part.of(8, u64::MAX).as_slice(), [8, 9]);
        assert!(part.of(u64::MAX, u64::MAX).as_slice().is_empty());
        let mut read = Vec::new();
        part.from(7).read_to_end(&mut read).unwrap();
        assert_eq!(read, [7, 8, 9]);
    }
}
