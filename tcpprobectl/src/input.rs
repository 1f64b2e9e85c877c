//! A file or pipe that a command reads: a signal ends the wait for what may never come.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

use crate::interrupt::Interrupt;

/// How soon a signal is noticed.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Reads until a signal comes, and then fails.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// Whether a read may have to wait for somebody.
    may_wait: bool,
    interrupt: Interrupt,
}

/// Opens a file, a pipe or a device; a pipe nobody writes to yet does not hold it up.
pub fn open(path: &Path, interrupt: Interrupt) -> Result<Input, tcpprobe::Error> {
    let name = path.display().to_string();
    let read = |source: io::Error| tcpprobe::Error::Read { name: name.clone(), source };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map(File::from).map_err(|error| read(error.into()))?;
    let metadata = file.metadata().map_err(read)?;
    if metadata.is_dir() {
        return Err(tcpprobe::Error::IsADirectory { name });
    }
    Ok(Input { file, may_wait: !metadata.is_file(), interrupt })
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.interrupt.check()?;
            if self.may_wait {
                match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&WAIT)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match self.file.read(buffer) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                read => return read,
            }
        }
    }
}
