//! Reads one CPU's sub-buffers as they are: `per_cpu/cpuN/trace_pipe_raw`.

use std::path::PathBuf;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Instance, TracefsError, file};

/// What a read found. Only `Page` is progress; none of the others is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A sub-buffer of so many bytes: always its full size, zeros behind the data and the count of lost events.
    Page(usize),
    /// Nothing there now.
    Empty,
    /// The CPU has been offline ever since the instance was made, so there is no buffer for it; it gets one when it
    /// comes online, and this reader then reads it. A CPU that goes offline later keeps its buffer, and what is in it.
    Offline,
    /// The kernel could not just now (interrupted, busy, out of memory): try later.
    Again,
}

/// The consuming reader of one CPU's buffer. Reads never wait; poll its descriptor to wait.
///
/// While it is open, the instance can neither be removed nor get another sub-buffer size. After any close of a
/// duplicate of its descriptor, a fork's too, reads of an empty buffer return 0 (since 6.12,
/// `tracing_buffers_flush()`): that is [`ReadOutcome::Empty`] like EAGAIN, never an end. Polling goes on working.
///
/// Poll wakes when the buffer is as full as `buffer_percent` says, so few events wake nobody, and before 6.9 even
/// many may not: use a timer beside it.
#[derive(Debug)]
pub struct CpuReader {
    fd: OwnedFd,
    path: PathBuf,
    subbuf_bytes: usize,
}

impl CpuReader {
    /// Opens the buffer of one CPU.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(instance: &Instance, cpu: u32) -> Result<Self, TracefsError> {
        let path = instance.dir().join(format!("per_cpu/cpu{cpu}/trace_pipe_raw"));
        let fd = file::open(&path, OFlags::RDONLY | OFlags::NONBLOCK, "open")?;
        Ok(CpuReader { fd, path, subbuf_bytes: instance.subbuf_bytes()? })
    }

    /// Bytes of a sub-buffer when the reader was opened.
    #[must_use]
    pub fn subbuf_bytes(&self) -> usize {
        self.subbuf_bytes
    }

    /// Takes the oldest sub-buffer. One that is still being written is taken as far as it is, and its next events
    /// come as a sub-buffer of their own.
    ///
    /// # Errors
    /// When `buffer` is smaller than a sub-buffer (its rest would come without a header), or the read fails in
    /// a way that will not pass.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> Result<ReadOutcome, TracefsError> {
        if buffer.len() < self.subbuf_bytes {
            return Err(TracefsError::io(&self.path, "read into less than a sub-buffer", Errno::INVAL));
        }
        match rustix::io::read(&self.fd, buffer) {
            Ok(0) | Err(Errno::AGAIN) => Ok(ReadOutcome::Empty),
            Ok(length) => Ok(ReadOutcome::Page(length)),
            Err(Errno::NODEV) => Ok(ReadOutcome::Offline),
            Err(Errno::INTR | Errno::BUSY | Errno::NOMEM) => Ok(ReadOutcome::Again),
            Err(errno) => Err(TracefsError::io(&self.path, "read", errno)),
        }
    }
}

impl AsFd for CpuReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
