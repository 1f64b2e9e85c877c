//! Reads one CPU's sub-buffers as they are: `per_cpu/cpuN/trace_pipe_raw`.

use std::path::PathBuf;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Instance, TracefsError, file};

/// What a read found. Only `Page` is progress; none of the others is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A sub-buffer, so many bytes long; events in it are gone from the buffer.
    Page(usize),
    /// Nothing there now.
    Empty,
    /// The CPU is offline and its buffer is empty of what could be read; it may come back.
    Offline,
    /// The kernel could not just now (interrupted, busy, out of memory): try later.
    Again,
}

/// The consuming reader of one CPU's buffer. Reads never wait; poll its descriptor to wait.
///
/// While it is open, the instance cannot be removed. The descriptor must never be duplicated, not even by a fork:
/// any close of a duplicate makes every later read of an empty buffer return 0 (`tracing_buffers_flush()`), which
/// is read as [`ReadOutcome::Empty`] here, and poll wakes at once for ever. So a capturing process starts no others.
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

    /// Takes the oldest sub-buffer, whole or as far as it is written.
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
