//! Reading and writing the small files that tracefs, procfs and sysfs are made of.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::TracefsError;

/// Most bytes taken from one file; the largest, `saved_cmdlines`, has 150 KB by default.
const FILE_BYTES_MAX: usize = 64 << 20;

pub(super) fn open(path: &Path, flags: OFlags, doing: &'static str) -> Result<OwnedFd, TracefsError> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(|e| TracefsError::io(path, doing, e))
}

pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, TracefsError> {
    let fd = open(path, OFlags::RDONLY, "open for reading")?;
    let fail = |errno| TracefsError::io(path, "read", errno);
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        match rustix::io::read(&fd, &mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(n) if bytes.len() + n > FILE_BYTES_MAX => return Err(fail(Errno::FBIG)),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(fail(errno)),
        }
    }
}

pub(super) fn read_text(path: &Path) -> Result<String, TracefsError> {
    String::from_utf8(read_bytes(path)?).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
        TracefsError::content(path, line, "not UTF-8", "")
    })
}

/// The number at the beginning of a file.
pub(super) fn read_number(path: &Path) -> Result<u64, TracefsError> {
    let text = read_text(path)?;
    // An untouched buffer reads `7 (expanded: 1408)`.
    let word = text.split_whitespace().next().unwrap_or("");
    word.parse().map_err(|_| TracefsError::content(path, 1, "not a number", &text))
}

pub(super) fn read_flag(path: &Path) -> Result<bool, TracefsError> {
    match read_text(path)?.trim_end() {
        // `enable` files mark events that something else turned on softly with a star.
        "0" | "0*" => Ok(false),
        "1" | "1*" => Ok(true),
        other => Err(TracefsError::content(path, 1, "neither 0 nor 1", other)),
    }
}

/// Writes in one call, as the kernel wants it: the rest of a split write would be taken for a value of its own.
pub(super) fn write(path: &Path, value: &str) -> Result<(), TracefsError> {
    let fd = open(path, OFlags::WRONLY, "open for writing")?;
    loop {
        return match rustix::io::write(&fd, value.as_bytes()) {
            Ok(n) if n == value.len() => Ok(()),
            Ok(_) => Err(TracefsError::io(path, "write in one piece", Errno::MSGSIZE)),
            Err(Errno::INTR) => continue,
            Err(Errno::INVAL) => Err(TracefsError::Value { path: path.to_owned(), value: value.to_owned() }),
            Err(errno) => Err(TracefsError::io(path, "write", errno)),
        };
    }
}

pub(super) fn write_flag(path: &Path, on: bool) -> Result<(), TracefsError> {
    write(path, if on { "1" } else { "0" })
}
