//! What the kernel says beside a buffer: `saved_cmdlines`, `stats`, `trace_clock`.

use std::collections::HashMap;

/// Most tasks that a kernel saves (`PID_MAX_DEFAULT`, `tracing_saved_cmdlines_size_write()`).
const TASKS_MAX: usize = 32_768;
/// Longest name of a task (`TASK_COMM_LEN` less its NUL).
const COMM_CHARS_MAX: usize = 15;
/// Longest line that is looked at.
const LINE_BYTES_MAX: usize = 100;

/// pid → comm, from the bytes of `saved_cmdlines`, as many as a kernel saves. A comm that is not UTF-8 is read lossily; one with a line break may
/// lose what follows it.
#[must_use]
pub fn saved_cmdlines(bytes: &[u8]) -> HashMap<i32, String> {
    let mut comms = HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_MAX)]);
        let Some((pid, comm)) = line.split_once(' ') else { continue };
        let Ok(pid) = pid.parse() else { continue };
        if comms.len() >= TASKS_MAX && !comms.contains_key(&pid) {
            continue;
        }
        comms.insert(pid, comm.chars().take(COMM_CHARS_MAX).collect());
    }
    comms
}

/// The clock in use, from the text of `trace_clock`: `[local] global counter uptime …`.
#[must_use]
pub fn current_clock(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(clock, _)| clock)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_tasks_than_a_kernel_saves() {
        let many: String = (0..200_000).map(|pid| format!("{pid} task-{pid}\n")).collect();
        let comms = saved_cmdlines(many.as_bytes());
        assert_eq!((comms.len(), comms[&7].as_str()), (TASKS_MAX, "task-7"));
        let long = saved_cmdlines(format!("7 {}", "é".repeat(1000)).as_bytes());
        assert_eq!(long[&7], "é".repeat(15));
    }

    #[test]
    fn names_may_hold_anything() {
        let map = saved_cmdlines(b"1 systemd\n12 tmux: server\n7 \n\nrubbish\n9 a\xffb\n13  x\n14 y\r\n");
        let expected = [(1, "systemd"), (12, "tmux: server"), (7, ""), (9, "a\u{fffd}b"), (13, " x"), (14, "y\r")];
        assert_eq!(map, expected.map(|(pid, comm)| (pid, comm.to_owned())).into());
    }

    #[test]
    fn the_clock_in_brackets_is_in_use() {
        assert_eq!(current_clock("local global counter [mono] boot\n"), Some("mono"));
        assert_eq!((current_clock("local"), current_clock("[local"), current_clock("")), (None, None, None));
    }

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
