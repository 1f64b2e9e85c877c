//! The kernel's counts of one CPU's buffer: `per_cpu/cpuN/stats`.

use std::path::PathBuf;

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Instance, TracefsError, file};

/// Room for the file, which has 8 lines; a kernel that adds some may fill it.
const FILE_BYTES_MAX: usize = 4096;

/// Counts since the buffer was made or cleared (`tracing_stats_read()`). Setting a clock clears; resizing does not.
///
/// Everything that the kernel generated is `entries + overrun + commit_overrun + dropped_events + read_events`.
/// Events that a filter discarded are in none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Events in the buffer, not read yet.
    pub entries: u64,
    /// Events overwritten before they were read (`overwrite` on).
    pub overrun: u64,
    /// Events lost because an interrupted writer's sub-buffer was still in the way.
    pub commit_overrun: u64,
    /// Events refused because the buffer was full (`overwrite` off).
    pub dropped_events: u64,
    /// Events read.
    pub read_events: u64,
    /// Bytes in the buffer, not read yet.
    pub bytes: u64,
    /// Time of the oldest event not read, whole microseconds given in nanoseconds; `None` for clocks that do not
    /// count time, and meaningless while `entries` is 0.
    pub oldest_ns: Option<u64>,
    /// Time of the CPU's trace clock at the reading, likewise.
    pub now_ns: Option<u64>,
}

impl CpuStats {
    /// Reads the file's text; lines that are not known are passed over.
    ///
    /// # Errors
    /// The line's number and text, and what is wrong: a known line without its number, or (line 0) a counter missing.
    pub fn parse(text: &str) -> Result<Self, (usize, &str, &'static str)> {
        let mut stats = CpuStats::default();
        let mut seen = 0_u32;
        for (index, line) in text.lines().enumerate() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let (bit, slot) = match key.trim() {
                "entries" => (0, &mut stats.entries),
                "overrun" => (1, &mut stats.overrun),
                "commit overrun" => (2, &mut stats.commit_overrun),
                "dropped events" => (3, &mut stats.dropped_events),
                "read events" => (4, &mut stats.read_events),
                "bytes" => (5, &mut stats.bytes),
                "oldest event ts" => {
                    stats.oldest_ns = nanoseconds(value);
                    continue;
                }
                "now ts" => {
                    stats.now_ns = nanoseconds(value);
                    continue;
                }
                _ => continue,
            };
            *slot = value.parse().map_err(|_| (index + 1, line, "not a number"))?;
            seen |= 1 << bit;
        }
        if seen == 0b11_1111 { Ok(stats) } else { Err((0, "", "a counter is missing")) }
    }

    /// All events lost in the buffer.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.overrun.saturating_add(self.commit_overrun).saturating_add(self.dropped_events)
    }

    /// All events that passed the filter.
    #[must_use]
    pub fn generated(&self) -> u64 {
        self.lost().saturating_add(self.entries).saturating_add(self.read_events)
    }
}

/// `  1860.851130`: seconds and microseconds.
fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.').filter(|(_, micros)| micros.len() == 6)?;
    let (seconds, micros): (u64, u64) = (seconds.parse().ok()?, micros.parse().ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(micros * 1000)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "entries: 12\noverrun: 3\ncommit overrun: 4\nbytes: 1680\noldest event ts:  1860.000001\n\
                        now ts:  1860.851130\ndropped events: 5\nread events: 100\n";

    #[test]
    fn of_6_18() {
        let stats = CpuStats::parse(TEXT).unwrap();
        let expected = CpuStats {
            entries: 12,
            overrun: 3,
            commit_overrun: 4,
            dropped_events: 5,
            read_events: 100,
            bytes: 1680,
            oldest_ns: Some(1_860_000_001_000),
            now_ns: Some(1_860_851_130_000),
        };
        assert_eq!(stats, expected);
        assert_eq!((stats.lost(), stats.generated()), (12, 124));
    }

    #[test]
    fn unknown_lines_and_clocks_are_passed_over() {
        let text = TEXT.replace("1860.851130", "123456").replace("bytes", "new thing: 7\nwithout a number\nbytes");
        let stats = CpuStats::parse(&text).unwrap();
        assert_eq!((stats.now_ns, stats.bytes), (None, 1680));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let broken = TEXT.replace("overrun: 4", "overrun: four");
        assert_eq!(CpuStats::parse(&broken), Err((3, "commit overrun: four", "not a number")));
        assert_eq!(CpuStats::parse("entries: 1\n"), Err((0, "", "a counter is missing")));
        assert!(CpuStats::parse("").is_err());
    }
}
