//! An input, in parts and by the piece.

use std::io::{self, Read};

/// What is before the first NUL, and what is behind it: a text, and bytes for a record.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|&byte| byte == 0) {
        Some(nul) => (&input[..nul], &input[nul + 1..]),
        None => (input, &[]),
    }
}

/// Gives its bytes in a few reads, between which it is interrupted.
pub struct Trickle<'a> {
    rest: &'a [u8],
    piece: usize,
    interrupted: bool,
}

impl<'a> Trickle<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Trickle { rest: bytes, piece: bytes.len() / 5 + 1, interrupted: false }
    }
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.piece.min(buffer.len());
        self.rest.read(&mut buffer[..length.min(self.rest.len())])
    }
}
