//! A job's trace as it comes from the daemon, as bytes to read.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use tcpprobe_proto::v1::{ReadReply, ReadRequest};

use crate::connection::{Client, Next, Stream};
use crate::error::Error;

/// How soon a signal is noticed, and how long output may stay unseen.
const PATIENCE: Duration = Duration::from_millis(50);

/// How far a stream has come, at a moment between two pieces of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Nothing is there to be read at the moment.
    pub is_waiting: bool,
    /// Bytes that came.
    pub received_bytes: u64,
    /// Bytes that were stored when the stream began; 0 while that is not known.
    pub total_bytes: u64,
}

/// Reads a run from the daemon, as bytes of a `.tcpp` trace. Errors carry an [`Error`].
pub struct JobStream<'a> {
    stream: Stream<'a, ReadReply>,
    piece: ReadReply,
    at: usize,
    received_bytes: u64,
    total_bytes: u64,
    report: Box<dyn FnMut(Progress) -> io::Result<ControlFlow<()>> + 'a>,
}

impl<'a> JobStream<'a> {
    /// Asks for a trace; `report` is called before each piece, and some times a second while there is none.
    ///
    /// With [`ControlFlow::Break`] it takes what came until then for all.
    pub fn open(
        client: &'a Client,
        request: ReadRequest,
        report: impl FnMut(Progress) -> io::Result<ControlFlow<()>> + 'a,
    ) -> Result<Self, Error> {
        let stream = client.read(request)?;
        let (piece, report) = (ReadReply::default(), Box::new(report));
        Ok(JobStream { stream, piece, at: 0, received_bytes: 0, total_bytes: 0, report })
    }

    fn next_piece(&mut self) -> io::Result<bool> {
        let mut is_waiting = false;
        loop {
            let progress = Progress { is_waiting, received_bytes: self.received_bytes, total_bytes: self.total_bytes };
            if (self.report)(progress)?.is_break() {
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
                Next::Waiting => is_waiting = true,
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
