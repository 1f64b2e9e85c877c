//! What a `trace.dat` says of a recording beside its events, each by a number.

use super::super::times::Times;
use super::super::tracing_data::word;
use crate::file::block::Cursor;
use crate::kernel::ring::{CpuStats, current_clock};

/// Numbers of options (`enum` in trace-cmd's `trace-cmd-private.h`).
pub const DONE: u16 = 0;
const DATE: u16 = 1;
const CPUSTAT: u16 = 2;
pub const BUFFER: u16 = 3;
const TRACECLOCK: u16 = 4;
const UNAME: u16 = 5;
const OFFSET: u16 = 7;
const CPUCOUNT: u16 = 8;
const TIME_SHIFT: u16 = 12;
const TSC2NSEC: u16 = 14;
pub const HEADER_INFO: u16 = 16;
pub const FTRACE_EVENTS: u16 = 17;
pub const EVENT_FORMATS: u16 = 18;
pub const CMDLINES: u16 = 21;
pub const BUFFER_TEXT: u16 = 22;

/// Most buffers: the kernel makes some hundreds of instances, and each costs memory.
const BUFFERS_MAX: usize = 1 << 12;

/// The clock that counts the processor's ticks, which `TSC2NSEC` is about.
const TICKS: &str = "x86-tsc";

/// A buffer as an option names it.
#[derive(Debug, Default)]
pub struct BufferOption {
    /// Where it is in the file.
    pub offset: u64,
    /// Empty for that of the whole machine.
    pub name: String,
    /// Version 7: its clock, and the CPU, offset and size of each of its pages.
    pub clock: String,
    pub cpus: Vec<(u32, u64, u64)>,
    /// Whether it is text.
    pub is_text: bool,
}

/// What was said.
#[derive(Debug, Default)]
pub struct Options {
    pub clock: String,
    pub uname: String,
    pub buffers: Vec<BufferOption>,
    /// `stats` of a CPU of a buffer.
    pub stats: Vec<(String, u32, CpuStats)>,
    /// CPUs there are, where an option tells.
    pub cpus: Option<u32>,
    /// Sections of version 7, by number, and where they are.
    pub sections: Vec<(u16, u64)>,
    /// Whether it is of a guest, whose times the host's would have to be taken from.
    pub is_guest: bool,
    /// How it is compressed, where that cannot be read.
    pub unread: Option<String>,
    /// UTC minus the trace's clock.
    date_ns: Option<i64>,
    offset_ns: i64,
    tsc2nsec: Option<(u32, u32)>,
    /// The buffer whose `stats` follow.
    stats_of: String,
}

impl Options {
    /// Takes an option; one that is not known, or too short for what it is, is passed over.
    pub fn take(&mut self, id: u16, data: &[u8]) {
        let text = || String::from_utf8_lossy(data).trim_end_matches('\0').to_owned();
        let mut cursor = Cursor(data);
        match id {
            // `0x…`, in microseconds.
            DATE => self.date_ns = number(&text()).and_then(|micros| micros.checked_mul(1000)),
            OFFSET => self.offset_ns = number(&text()).unwrap_or(0),
            CPUSTAT => self.stats(&text()),
            BUFFER | BUFFER_TEXT => self.buffers.extend(
                BufferOption::read(&mut cursor, id == BUFFER_TEXT).filter(|_| self.buffers.len() < BUFFERS_MAX),
            ),
            TRACECLOCK => self.clock = clock(&text()),
            UNAME => self.uname = text(),
            CPUCOUNT => self.cpus = cursor.u32(),
            TIME_SHIFT => self.is_guest = true,
            TSC2NSEC => self.tsc2nsec = cursor.u32().zip(cursor.u32()),
            HEADER_INFO | FTRACE_EVENTS | EVENT_FORMATS | CMDLINES => {
                self.sections.extend(cursor.u64().map(|offset| (id, offset)));
            }
            _ => {}
        }
    }

    /// `stats` of a CPU behind `CPU: 1`, or the name of the buffer whose follow, behind `Buffer: `.
    fn stats(&mut self, text: &str) {
        if let Some(name) = text.trim().strip_prefix("Buffer: ") {
            name.trim().clone_into(&mut self.stats_of);
        }
        let cpu = text.lines().find_map(|line| line.strip_prefix("CPU: ")?.trim().parse().ok());
        if let (Some(cpu), Ok(stats)) = (cpu, CpuStats::parse(text)) {
            self.stats.push((self.stats_of.clone(), cpu, stats));
        }
    }

    /// What times of this clock are.
    pub fn times(&self, clock: &str) -> Times {
        Times {
            scale: self.tsc2nsec.filter(|(factor, _)| *factor > 0 && clock == TICKS),
            offset_ns: self.offset_ns,
            utc_offset_ns: self.date_ns,
        }
    }
}

impl BufferOption {
    fn read(cursor: &mut Cursor<'_>, is_text: bool) -> Option<Self> {
        let mut buffer =
            BufferOption { offset: cursor.u64()?, name: word(cursor)?, is_text, ..BufferOption::default() };
        // Version 6 says no more.
        let Some(clock) = word(cursor) else { return Some(buffer) };
        buffer.clock = self::clock(&clock);
        if let (false, Some(_page_bytes), Some(count)) = (is_text, cursor.u32(), cursor.u32()) {
            let mut cpu = || Some((cursor.u32()?, cursor.u64()?, cursor.u64()?));
            buffer.cpus = (0..count).map_while(|_| cpu()).collect();
        }
        Some(buffer)
    }
}

/// The clock in use, of its name or of the file `trace_clock`.
fn clock(text: &str) -> String {
    current_clock(text).unwrap_or(text).trim().to_owned()
}

/// A number as C programs read it: decimal, or with `0x` before it; negative too.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    match digits.strip_prefix("0x") {
        // What is negative is written as a large number.
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|number| sign * number.cast_signed()),
        None => digits.parse::<i64>().ok().map(|number| sign * number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = "entries: 0\noverrun: 3\ncommit overrun: 0\nbytes: 0\ndropped events: 1\nread events: 7\n";

    #[test]
    fn what_is_said() {
        let mut options = Options::default();
        options.take(TRACECLOCK, b"local global [mono] boot\n\0");
        options.take(DATE, b"0x10\0");
        options.take(OFFSET, b"-5\0");
        options.take(TSC2NSEC, &[&2u32.to_le_bytes()[..], &1u32.to_le_bytes(), &[0; 8]].concat());
        options.take(CPUSTAT, format!("CPU: 1\n{STATS}\0").as_bytes());
        options.take(CPUSTAT, b"\nBuffer: web\n\n\0");
        options.take(CPUSTAT, format!("CPU: 0\n{STATS}\0").as_bytes());
        options.take(BUFFER, b"\x07\0\0\0\0\0\0\0web\0");
        options.take(TIME_SHIFT, &[]);
        options.take(999, b"new");
        assert_eq!((&*options.clock, options.is_guest), ("mono", true));
        let stats: Vec<(&str, u32, u64)> =
            options.stats.iter().map(|(buffer, cpu, stats)| (&**buffer, *cpu, stats.overrun)).collect();
        assert_eq!(stats, [("", 1, 3), ("web", 0, 3)]);
        assert_eq!((options.buffers[0].offset, &*options.buffers[0].name), (7, "web"));
        let times = Times { scale: None, offset_ns: -5, utc_offset_ns: Some(16_000) };
        assert_eq!(options.times("mono"), times);
        assert_eq!(options.times(TICKS), Times { scale: Some((2, 1)), ..times });
    }

    #[test]
    fn a_buffer_of_version_7() {
        let cpu = |number: u32| [&number.to_le_bytes()[..], &4096u64.to_le_bytes(), &100u64.to_le_bytes()].concat();
        let data = [&[9, 0, 0, 0, 0, 0, 0, 0][..], b"\0local\0\0\x10\0\0\x03\0\0\0", &cpu(0), &cpu(2)].concat();
        let mut options = Options::default();
        options.take(BUFFER, &data);
        let buffer = &options.buffers[0];
        assert_eq!((buffer.offset, &*buffer.name, &*buffer.clock), (9, "", "local"));
        assert_eq!(buffer.cpus, [(0, 4096, 100), (2, 4096, 100)], "of three that are claimed two are there");
    }

    #[test]
    fn numbers_of_c() {
        let check = |text, expected| assert_eq!(number(text), expected, "{text}");
        check("0x10", Some(16));
        check("-12", Some(-12));
        check("0xffffffffffffffff", Some(-1));
        check("", None);
        check("0x", None);
    }
}
