//! Bytes as text: deflated, in base64, in inert elements of the page.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Bytes of a chunk, before they are deflated, from which on the next one begins.
const CHUNK: usize = 256 << 10;

/// Deflated, without header or trailer (RFC 1951), in base64.
pub fn text(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Nothing can fail in memory.
    let deflated = encoder.write_all(bytes).and_then(|()| encoder.finish());
    BASE64_STANDARD.encode(deflated.unwrap_or_else(|_: io::Error| Vec::new()))
}

/// Where something is: in which chunk, from which byte of it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub chunk: usize,
    pub offset: usize,
}

/// Chunks of bytes.
#[derive(Debug, Default)]
pub struct Chunks {
    done: Vec<String>,
    open: Vec<u8>,
}

impl Chunks {
    /// Has `write` add something to a chunk, and says where that is.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        if self.open.len() >= CHUNK {
            self.close();
        }
        let place = Place { chunk: self.done.len(), offset: self.open.len() };
        write(&mut self.open);
        place
    }

    fn close(&mut self) {
        self.done.push(text(&self.open));
        self.open.clear();
    }

    /// All of them, as text.
    pub fn finish(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.close();
        }
        self.done
    }
}
