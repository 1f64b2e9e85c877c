//! Inflating beside the reading, so that a gzipped text takes as long as the slower of the two and not their sum.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Bytes of text handed over at once.
const CHUNK_BYTES: usize = 128 << 10;
/// Chunks that may wait; bounds the memory.
const CHUNKS_WAITING: usize = 4;

/// Reads what a thread of its own reads from another reader. Dropping it ends the thread.
pub(super) struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
}

impl ReadAhead {
    /// Starts reading from `input`.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(super) fn new(mut input: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, chunks) = sync_channel(CHUNKS_WAITING);
        thread::Builder::new().name("inflate".to_owned()).spawn(move || {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                let result = input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
                let ended = chunk.is_empty();
                // An error comes after what was read before it.
                if (!ended && sender.send(Ok(chunk)).is_err()) || result.is_ok() && ended {
                    return;
                }
                if let Err(error) = result {
                    // Nobody may be listening any more, and that is all right.
                    let _ = sender.send(Err(error));
                    return;
                }
            }
        })?;
        Ok(ReadAhead { chunks, chunk: Vec::new(), at: 0 })
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            // The thread has gone: nothing more follows.
            let Ok(chunk) = self.chunks.recv() else { return Ok(0) };
            self.chunk = chunk?;
            self.at = 0;
        }
        let rest = &self.chunk[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_order_then_the_error() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let bytes: Vec<u8> = (0..10 * CHUNK_BYTES + 7).map(|i| (i % 251) as u8).collect();
        let mut found = Vec::new();
        ReadAhead::new(io::Cursor::new(bytes.clone())).unwrap().read_to_end(&mut found).unwrap();
        assert!(found == bytes);
        found.clear();
        let mut reader = ReadAhead::new(io::Cursor::new(bytes.clone()).chain(Fails)).unwrap();
        assert_eq!(reader.read_to_end(&mut found).unwrap_err().to_string(), "gone");
        assert!(found == bytes);
    }

    #[test]
    fn a_reader_that_is_dropped_ends_the_thread() {
        struct Endless(#[expect(dead_code, reason = "it is there to be dropped")] std::sync::mpsc::Sender<()>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'\n');
                Ok(buffer.len())
            }
        }
        let (sender, dropped) = std::sync::mpsc::channel();
        let mut reader = ReadAhead::new(Endless(sender)).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        drop(reader);
        assert!(dropped.recv().is_err(), "the thread has dropped its input");
    }
}
