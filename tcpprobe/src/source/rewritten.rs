//! An input that is given otherwise than it comes, a piece at a time.

use std::io::{self, Read};

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How it is given.
pub trait Rewrite {
    /// Appends to `text` what `bytes` are, and says how many of them it took: those that are left come again, with more behind them.
    fn rewrite(&mut self, bytes: &[u8], is_end: bool, text: &mut Vec<u8>) -> usize;
}

/// Gives what a [`Rewrite`] makes of an input.
pub struct Rewritten<R, W> {
    input: R,
    rewrite: W,
    /// What came and was not taken yet.
    rest: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    has_ended: bool,
}

impl<R: Read, W: Rewrite> Rewritten<R, W> {
    pub fn new(input: R, rewrite: W) -> Self {
        Rewritten { input, rewrite, rest: Vec::new(), text: Vec::new(), given: 0, has_ended: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.given = 0;
        let start = self.rest.len();
        self.rest.resize(start + CHUNK_BYTES, 0);
        let read = self.input.read(&mut self.rest[start..]);
        self.rest.truncate(start + read.as_ref().map_or(0, |count| *count));
        self.has_ended = read? == 0;
        let taken = self.rewrite.rewrite(&self.rest, self.has_ended, &mut self.text);
        self.rest.drain(..taken);
        Ok(())
    }
}

impl<R: Read, W: Rewrite> Read for Rewritten<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !buffer.is_empty() && !self.has_ended {
            self.fill()?;
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
