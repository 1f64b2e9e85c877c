//! One line of ftrace text.

use super::fields::Fields;
use super::scan::Scan;
use crate::kernel::page::Lost;

/// A line that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what} {reason}")]
pub struct LineError {
    /// Where, in bytes, counted from 1.
    pub column: usize,
    /// What cannot be read: `the time`, `snd_cwnd`.
    pub what: &'static str,
    /// Why: `is missing`, `is not a number`.
    pub reason: &'static str,
}

/// An event as a line tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEvent<'a> {
    /// Nanoseconds; the kernel prints microseconds. Of a clock that does not count time, the bare number.
    pub time: u64,
    /// The CPU that recorded it.
    pub cpu: u32,
    /// The task that was interrupted.
    pub pid: i32,
    /// Its name, `<idle>` and `<...>` as printed.
    pub comm: &'a str,
    /// The latency columns (`..s2.`); empty where the text has none.
    pub flags: &'a str,
    /// The event: `tcp_probe`.
    pub name: &'a str,
    /// Everything after `name: `.
    pub body: &'a str,
    /// Where the body begins in the line, in bytes.
    pub body_at: usize,
    /// The whole line.
    pub line: &'a str,
}

impl<'a> TextEvent<'a> {
    /// All `name=value` of the body, in their order. A value goes on to the next name, so it may hold blanks.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        Fields::new(self.body).map(|field| (field.name, field.value))
    }
}

/// What a line may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// An event.
    Event(TextEvent<'a>),
    /// `CPU:1 [LOST 42 EVENTS]`: events of this CPU were overwritten before they could be read.
    Lost {
        /// The CPU.
        cpu: u32,
        /// How many.
        lost: Lost,
    },
    /// `# entries-in-buffer/entries-written: 542/2276   #P:2`: what the buffer held, and what it had been given.
    Entries {
        /// Events in the buffer, and so in the text.
        in_buffer: u64,
        /// Events recorded, those that were overwritten since included.
        written: u64,
    },
    /// Any other comment, or a line with nothing on it.
    Comment(&'a str),
}

impl<'a> Line<'a> {
    /// Reads a line, with or without its line end.
    ///
    /// # Errors
    /// When it is none of these. What an event's body holds is not looked at.
    #[inline]
    pub fn parse(line: &'a str) -> Result<Self, LineError> {
        let line = line.trim_end_matches(['\n', '\r']);
        match line.as_bytes() {
            [] | [b'#', ..] => Ok(comment(line)),
            [b'C', b'P', b'U', b':', ..] => loss(line).map_or_else(|| event(line).map(Line::Event), Ok),
            _ if line.trim_ascii().is_empty() => Ok(Line::Comment(line)),
            _ => event(line).map(Line::Event),
        }
    }
}

/// Reads the line of an event.
///
/// ```
/// let line = "  iperf3-195     [001] ..s2.  1830.433505: tcp_probe: family=AF_INET src=10.0.0.1:5201 dest=10.0.0.2:80 \
///             mark=0x0 data_len=1448 snd_nxt=0x5f9e5332 snd_una=0x5f9c9faa snd_cwnd=54 ssthresh=51 snd_wnd=197376 \
///             srtt=21125 rcv_wnd=64256 sock_cookie=4 colour=blue";
/// let event = tcpprobe::kernel::text::parse_line(line)?;
/// assert_eq!((event.time, event.cpu, event.pid, event.comm), (1_830_433_505_000, 1, 195, "iperf3"));
/// assert_eq!(event.fields().nth(2), Some(("dest", "10.0.0.2:80")));
/// assert_eq!(event.fields().last(), Some(("colour", "blue")));
/// # Ok::<(), tcpprobe::kernel::text::LineError>(())
/// ```
///
/// # Errors
/// When the line is not an event ([`Line::parse`] knows the other kinds).
pub fn parse_line(line: &str) -> Result<TextEvent<'_>, LineError> {
    match Line::parse(line)? {
        Line::Event(event) => Ok(event),
        Line::Lost { .. } => Err(LineError { column: 1, what: "the line", reason: "is a loss mark, not an event" }),
        _ => Err(LineError { column: 1, what: "the line", reason: "is a comment, not an event" }),
    }
}

#[cold]
fn comment(line: &str) -> Line<'_> {
    let entries = || {
        let mut scan = Scan(line.strip_prefix("# entries-in-buffer/entries-written: ")?.as_bytes());
        let in_buffer = scan.decimal()?;
        scan.expect(b"/")?;
        Some(Line::Entries { in_buffer, written: scan.decimal()? })
    };
    entries().unwrap_or(Line::Comment(line))
}

#[cold]
fn loss(line: &str) -> Option<Line<'_>> {
    let mut scan = Scan(line.as_bytes());
    scan.expect(b"CPU:")?;
    let cpu = scan.decimal_u32()?;
    scan.expect(b" [LOST ")?;
    let lost = if scan.0 == b"EVENTS]" { Lost::Unknown } else { Lost::Events(scan.decimal()?) };
    (lost == Lost::Unknown || scan.0 == b" EVENTS]").then_some(Line::Lost { cpu, lost })
}

/// The part of a line before the event's name.
struct Context {
    comm: std::ops::Range<usize>,
    pid: i32,
    cpu: u32,
    /// Where the text after `[001]` begins.
    end: usize,
}

fn event(line: &str) -> Result<TextEvent<'_>, LineError> {
    let bytes = line.as_bytes();
    let context = context_at(bytes, 16).or_else(|| find_context(bytes));
    let Some(Context { comm, pid, cpu, end }) = context else {
        return Err(LineError { column: 1, what: "the task", reason: "(comm-pid [cpu]) is missing" });
    };
    let fail = |scan: Scan<'_>, what, reason| LineError { column: bytes.len() - scan.0.len() + 1, what, reason };
    let mut scan = Scan(&bytes[end..]);
    scan.skip_blanks();
    let flags = flags(line, &mut scan);
    let start = scan;
    let Some(time) = time(&mut scan) else { return Err(fail(start, "the time", "is missing or no number")) };
    scan.skip_blanks();
    let start = bytes.len() - scan.0.len();
    let name = match scan.until(b':') {
        Some(name) if !name.is_empty() && !name.contains(&b' ') => &line[start..start + name.len()],
        _ => return Err(fail(Scan(&bytes[start..]), "the event's name", "is missing")),
    };
    scan.skip_blanks();
    let start = bytes.len() - scan.0.len();
    let body = &line[start..];
    Ok(TextEvent { time, cpu, pid, comm: &line[comm], flags, name, body, body_at: start, line })
}

/// `-42      [001]` or `-42      (     40) [001]` at `dash`, which the kernel puts at column 16 always.
#[inline(always)]
fn context_at(bytes: &[u8], dash: usize) -> Option<Context> {
    let mut scan = Scan(bytes.get(dash..)?);
    scan.expect(b"-")?;
    let negative = scan.accept(b"-");
    let pid = i32::try_from(scan.decimal()?).ok()?;
    scan.skip_blanks();
    if scan.accept(b"(") {
        scan.until(b')')?;
        scan.skip_blanks();
    }
    scan.expect(b"[")?;
    let cpu = scan.decimal_u32()?;
    scan.expect(b"] ")?;
    let start = bytes.iter().position(|b| *b != b' ').unwrap_or(dash).min(dash);
    Some(Context { comm: start..dash, pid: if negative { -pid } else { pid }, cpu, end: bytes.len() - scan.0.len() })
}

/// The same in a line whose columns are not the kernel's: the last dash before the first `[cpu]` that fits.
#[cold]
fn find_context(bytes: &[u8]) -> Option<Context> {
    let brackets = memchr::memchr_iter(b'[', bytes).filter(|open| bytes[..*open].ends_with(b" "));
    for open in brackets.take(16) {
        let mut before = bytes[..open].trim_ascii_end();
        if let Some(tgid) = before.strip_suffix(b")").and_then(|before| memchr::memrchr(b'(', before)) {
            before = before[..tgid].trim_ascii_end();
        }
        let mut dash = before.len() - before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        // The dash itself, and before it the minus of a negative pid.
        dash = dash.saturating_sub(1 + usize::from(before[..dash].ends_with(b"--")));
        if let Some(context) = context_at(bytes, dash) {
            return Some(context);
        }
    }
    None
}

/// The latency columns; a time begins with a digit, they never do.
#[inline(always)]
fn flags<'a>(line: &'a str, scan: &mut Scan<'_>) -> &'a str {
    if scan.peek().is_none_or(|b| b.is_ascii_digit()) {
        return "";
    }
    let start = line.len() - scan.0.len();
    let length = scan.0.iter().take(16).position(|b| *b == b' ').unwrap_or(0);
    let flags = line.get(start..start + length).unwrap_or("");
    scan.0 = &scan.0[flags.len()..];
    scan.skip_blanks();
    flags
}

/// `1830.433505:` in nanoseconds, or the bare number of a clock that does not count time.
#[inline(always)]
fn time(scan: &mut Scan<'_>) -> Option<u64> {
    let whole = scan.decimal()?;
    if scan.accept(b":") {
        return Some(whole);
    }
    scan.expect(b".")?;
    let before = scan.0.len();
    let fraction = scan.decimal()?;
    let digits = u32::try_from(before - scan.0.len()).ok().filter(|digits| *digits <= 9)?;
    scan.expect(b":")?;
    whole.checked_mul(1_000_000_000)?.checked_add(fraction * 10u64.pow(9 - digits))
}
