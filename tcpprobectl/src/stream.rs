//! A job's trace as it comes from the daemon, as bytes to read.

use std::io::{self, Read};
use std::time::Duration;

use tcpprobe_proto::v1::{ReadReply, ReadRequest};

use crate::client::{Client, Next, Stream};

/// How soon a signal is noticed, and how long output may stay unseen.
const PATIENCE: Duration = Duration::from_millis(100);

/// What to do between two pieces of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Read on.
    Go,
    /// Take what came until now for all.
    End,
}

/// Where the stream is when it asks for a [`Turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Nothing is there to be read at the moment.
    pub waiting: bool,
    /// Bytes that came.
    pub received_bytes: u64,
    /// Bytes that were stored when the stream began; 0 while that is not known.
    pub total_bytes: u64,
}

/// Reads a run from the daemon. Errors carry a [`crate::exit::Failure`].
pub struct JobStream<'a> {
    stream: Stream<'a, ReadReply>,
    piece: ReadReply,
    at: usize,
    received_bytes: u64,
    total_bytes: u64,
    turn: Box<dyn FnMut(Place) -> io::Result<Turn> + 'a>,
}

impl<'a> JobStream<'a> {
    /// Asks for a trace; `turn` is called before each piece, and some times a second while there is none.
    pub fn open(
        client: &'a Client,
        request: ReadRequest,
        turn: impl FnMut(Place) -> io::Result<Turn> + 'a,
    ) -> anyhow::Result<Self> {
        let stream = client.read(request)?;
        let (piece, turn) = (ReadReply::default(), Box::new(turn));
        Ok(JobStream { stream, piece, at: 0, received_bytes: 0, total_bytes: 0, turn })
    }

    fn next_piece(&mut self) -> io::Result<bool> {
        let mut waiting = false;
        loop {
            let place = Place { waiting, received_bytes: self.received_bytes, total_bytes: self.total_bytes };
            if (self.turn)(place)? == Turn::End {
                return Ok(false);
            }
            match self.stream.next(PATIENCE)? {
                Next::Message(piece) => {
                    if self.received_bytes == 0 {
                        self.total_bytes = piece.total_bytes;
                    }
                    self.received_bytes += piece.frames.len() as u64;
                    (self.piece, self.at) = (piece, 0);
                    return Ok(true);
                }
                Next::Waiting => waiting = true,
                Next::End => return Ok(false),
            }
        }
    }
}

impl Read for JobStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.frames.len() {
            if !self.next_piece()? {
                return Ok(0);
            }
        }
        let rest = &self.piece.frames[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
