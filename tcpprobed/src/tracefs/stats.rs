//! The kernel's counts of one CPU's buffer: `per_cpu/cpuN/stats`.

use std::path::PathBuf;

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

pub use tcpprobe::kernel::ring::CpuStats;

use super::{Instance, TracefsError, file};

/// Room for the file, which has 8 lines; a kernel that adds some may fill it.
const FILE_BYTES_MAX: usize = 4096;

/// An open `stats` file. While it is open, the instance cannot be removed.
#[derive(Debug)]
pub struct StatsFile {
    fd: OwnedFd,
    path: PathBuf,
}

impl StatsFile {
    /// Opens the file of one CPU.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(instance: &Instance, cpu: u32) -> Result<Self, TracefsError> {
        let path = instance.dir().join(format!("per_cpu/cpu{cpu}/stats"));
        Ok(StatsFile { fd: file::open(&path, OFlags::RDONLY, "open")?, path })
    }

    /// The counts now, in about 2.5 µs. The kernel makes the text anew for each read at its beginning.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(&self) -> Result<CpuStats, TracefsError> {
        let mut buffer = [0; FILE_BYTES_MAX];
        let length = loop {
            match rustix::io::pread(&self.fd, &mut buffer, 0) {
                Ok(length) => break length,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(TracefsError::io(&self.path, "read", errno)),
            }
        };
        let text =
            str::from_utf8(&buffer[..length]).map_err(|_| TracefsError::content(&self.path, 1, "not UTF-8", ""))?;
        CpuStats::parse(text).map_err(|(line, text, reason)| TracefsError::content(&self.path, line, reason, text))
    }
}
