//! Records as the kernel's own text.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::event::Record;
use crate::kernel::format::Format;
use crate::kernel::page::Lost;
use crate::kernel::print::{Printer, put_decimal};
use crate::kernel::text::{Layout, clock_ticks};

/// Writes what `trace` of a kernel shows: its header and a line for each record.
///
/// The lines are the kernel's byte for byte, but for `%p`, which shows the stored value instead of a hash.
/// Each goes to the writer by itself, so a file or socket should be buffered.
///
/// ```
/// # use tcpprobe::{event::Record, export::TextWriter, kernel::{format::Format, text::Layout}};
/// # let text = "name: tcp_demo\nID: 7\nformat:\n\tfield:__u16 sport;\toffset:8;\tsize:2;\tsigned:0;\n\nprint fmt: \"sport=%hu\", REC->sport\n";
/// let format = Format::parse("tcp", text)?;
/// let bytes = [7, 0, 0x10, 2, 42, 0, 0, 0, 80, 0];
/// let mut writer = TextWriter::new(Vec::new(), Layout::default());
/// writer.event(&Record::new(1_830_433_504_999, 1, Some("iperf3"), &format, &bytes))?;
/// assert_eq!(writer.into_inner(), b"          iperf3-42      [001] ..s2.  1830.433505: tcp_demo: sport=80\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TextWriter<W> {
    out: W,
    layout: Layout,
    /// Whether times are the ticks of a clock, and no nanoseconds.
    ticks: bool,
    line: Vec<u8>,
    printers: Vec<Known>,
    /// The CPUs of which an event was written, where a header said that some were overwritten.
    started: Option<BTreeSet<u32>>,
}

/// A format met before.
#[derive(Debug)]
struct Known {
    id: u16,
    text: String,
    printer: Printer,
}

impl<W: Write> TextWriter<W> {
    /// Writes to `out` in this layout.
    pub fn new(out: W, layout: Layout) -> Self {
        TextWriter { out, layout, ticks: false, line: Vec::with_capacity(512), printers: Vec::new(), started: None }
    }

    /// Writes times as the kernel does with this `trace_clock`: those of a clock that does not count nanoseconds
    /// ([`clock_ticks`]) as the bare number.
    #[must_use]
    pub fn with_clock(mut self, clock: &str) -> Self {
        self.ticks = clock_ticks(clock);
        self
    }

    /// Writes the header: how many events are to follow, how many the kernel had recorded (those that were overwritten
    /// included), and how many CPUs were online. If any were overwritten, the text also marks where the events of each
    /// CPU begin, but for the one whose event is the first of all (`test_cpu_buff_start()`).
    ///
    /// # Errors
    /// When the writer fails, as in every function here.
    pub fn header(&mut self, entries: u64, written: u64, cpus: u32) -> io::Result<()> {
        self.started = (written > entries).then(BTreeSet::new);
        write!(
            self.out,
            "# tracer: nop\n#\n# entries-in-buffer/entries-written: {entries}/{written}   #P:{cpus}\n#\n"
        )?;
        self.out.write_all(self.layout.legend().as_bytes())
    }

    /// Writes the line of a record.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn event(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.line.clear();
        if let Some(started) = &mut self.started
            && started.insert(record.cpu)
            && started.len() > 1
        {
            writeln!(self.line, "##### CPU {} buffer started ####", record.cpu)?;
        }
        put_context(&mut self.line, record, self.layout, self.ticks);
        let known = match self.printers.iter().position(|known| known.is(record.format)) {
            Some(index) => &self.printers[index],
            None => {
                self.printers.push(Known::new(record.format));
                &self.printers[self.printers.len() - 1]
            }
        };
        known.printer.print(record.bytes, &mut self.line);
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// Writes the mark that `trace_pipe` shows where events of a CPU were lost; nothing for [`Lost::None`], nor before
    /// the first event of a CPU behind a header, which tells of these.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn lost(&mut self, cpu: u32, lost: Lost) -> io::Result<()> {
        let is_told = self.started.as_ref().is_some_and(|started| !started.contains(&cpu));
        match lost {
            Lost::Events(count) if !is_told => writeln!(self.out, "CPU:{cpu} [LOST {count} EVENTS]"),
            Lost::Unknown if !is_told => writeln!(self.out, "CPU:{cpu} [LOST EVENTS]"),
            _ => Ok(()),
        }
    }

    /// For each event so far whose text is not the kernel's, why.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.printers.iter().filter_map(|known| known.printer.note())
    }

    /// The writer, to flush or to end.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl Known {
    fn new(format: &Format) -> Self {
        Known { id: format.id, text: format.text.clone(), printer: Printer::new(format) }
    }

    /// Traces of several kernels may go to one writer, so the id alone does not tell.
    fn is(&self, format: &Format) -> bool {
        self.id == format.id && self.text == format.text
    }
}

/// `          iperf3-42      [001] ..s2.  1830.433505: tcp_demo: ` (`trace_print_context()`, `__trace_find_cmdline()`).
fn put_context(line: &mut Vec<u8>, record: &Record<'_>, layout: Layout, ticks: bool) {
    let pid = record.pid();
    let comm = match (pid, record.comm) {
        (0, _) => "<idle>",
        (..0, _) => "<XXX>",
        (_, Some(comm)) => comm,
        (_, None) => "<...>",
    };
    line.resize(line.len() + 16usize.saturating_sub(comm.len()), b' ');
    line.extend_from_slice(comm.as_bytes());
    line.push(b'-');
    let start = line.len();
    if pid < 0 {
        line.push(b'-');
    }
    put_decimal(line, u64::from(pid.unsigned_abs()));
    let end = line.len().max(start + layout.pid_width());
    line.resize(end, b' ');
    line.extend_from_slice(b" [");
    put_right(line, u64::from(record.cpu), 3, b'0');
    line.extend_from_slice(b"] ");
    layout.put_columns(line, record.format, record.bytes);
    line.push(b' ');
    if ticks {
        put_right(line, record.time, 12, b' ');
    } else {
        // ns2usecs() rounds.
        let micros = record.time.saturating_add(500) / 1000;
        put_right(line, micros / 1_000_000, 5, b' ');
        line.push(b'.');
        put_right(line, micros % 1_000_000, 6, b'0');
    }
    line.extend_from_slice(b": ");
    line.extend_from_slice(record.format.name.as_bytes());
    line.extend_from_slice(b": ");
}

/// A number of at least `width` characters, filled on the left.
fn put_right(line: &mut Vec<u8>, value: u64, width: usize, fill: u8) {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    line.resize(line.len() + width.saturating_sub(digits), fill);
    put_decimal(line, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(time: u64, cpu: u32, comm: Option<&str>, pid: i32, layout: Layout) -> String {
        context_of(time, cpu, comm, pid, layout, false)
    }

    fn context_of(time: u64, cpu: u32, comm: Option<&str>, pid: i32, layout: Layout, ticks: bool) -> String {
        let text = "name: e\nID: 7\nformat:\n\nprint fmt: \"\"\n";
        let format = Format::parse("tcp", text).unwrap();
        let mut bytes = vec![7, 0, 1, 0];
        bytes.extend(pid.to_le_bytes());
        let mut line = Vec::new();
        put_context(&mut line, &Record::new(time, cpu, comm, &format, &bytes), layout, ticks);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn columns() {
        let new = Layout::BottomHalves;
        let check = |found: String, expected: &str| assert_eq!(found, expected);
        check(
            context(4_516_991_500, 1, Some("iperf3"), 139, new),
            "          iperf3-139     [001] d....     4.516992: e: ",
        );
        check(
            context(4_516_991_499, 1, Some("iperf3"), 0, new),
            "          <idle>-0       [001] d....     4.516991: e: ",
        );
        check(context(0, 0, None, 9, Layout::FourColumns), "           <...>-9       [000] d...     0.000000: e: ");
        check(
            context(999_999_999_999, 128, Some("kworker/u8:0-ev"), 12_345_678, new),
            " kworker/u8:0-ev-12345678 [128] d....  1000.000000: e: ",
        );
        check(
            context(123_456_000_001_000, 0, Some("a"), -1, new),
            "           <XXX>--1      [000] d.... 123456.000001: e: ",
        );
        // Before 5.10 the pid had five columns.
        let old = Layout::NarrowPid;
        check(context(0, 1, Some("iperf3"), 139, old), "          iperf3-139   [001] d...     0.000000: e: ");
        check(context(0, 1, Some("iperf3"), 123_456, old), "          iperf3-123456 [001] d...     0.000000: e: ");
        // A clock that does not count nanoseconds.
        let ticks = |time| context_of(time, 1, Some("iperf3"), 139, new, true);
        check(ticks(1_234_567), "          iperf3-139     [001] d....      1234567: e: ");
        check(ticks(u64::MAX), "          iperf3-139     [001] d.... 18446744073709551615: e: ");
    }

    #[test]
    fn the_clock_tells_how_times_are_written() {
        let format = Format::parse("tcp", "name: e\nID: 7\nformat:\n\nprint fmt: \"\"\n").unwrap();
        let time_of = |clock: &str| {
            let mut writer = TextWriter::new(Vec::new(), Layout::default()).with_clock(clock);
            let record = Record::new(12_345_000, 0, None, &format, &[7, 0, 0, 0, 1, 0, 0, 0]);
            writer.event(&record).unwrap();
            let text = String::from_utf8(writer.into_inner()).unwrap();
            text.split_whitespace().nth(3).unwrap().to_owned()
        };
        for clock in ["local", "global", "perf", "mono", "mono_raw", "boot", "tai", ""] {
            assert_eq!(time_of(clock), "0.012345:", "{clock}");
        }
        for clock in ["counter", "uptime", "x86-tsc", "ppc-tb"] {
            assert_eq!(time_of(clock), "12345000:", "{clock}");
        }
    }

    #[test]
    fn marks() {
        let format = Format::parse("tcp", "name: e\nID: 7\nformat:\n\nprint fmt: \"\"\n").unwrap();
        let write = |header: bool| {
            let mut writer = TextWriter::new(Vec::new(), Layout::default());
            if header {
                writer.header(3, 45, 2).unwrap();
                writer.get_mut().clear();
            }
            let event = |cpu| writer.event(&Record::new(0, cpu, None, &format, &[7, 0, 0, 0, 0, 0, 0, 0]));
            [3, 1, 3].into_iter().try_for_each(event).unwrap();
            writer.lost(1, Lost::None).unwrap();
            writer.lost(1, Lost::Events(42)).unwrap();
            writer.lost(0, Lost::Unknown).unwrap();
            let text = String::from_utf8(writer.into_inner()).unwrap();
            text.replace("          <idle>-0       [00", "").replace("] .....     0.000000: e: ", "")
        };
        assert_eq!(write(false), "3\n1\n3\nCPU:1 [LOST 42 EVENTS]\nCPU:0 [LOST EVENTS]\n");
        assert_eq!(write(true), "3\n##### CPU 1 buffer started ####\n1\n3\nCPU:1 [LOST 42 EVENTS]\n");
    }
}
