//! One line of ftrace text.

use super::dress::{undressed, without_buffer};
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
    /// Nanoseconds; the kernel prints microseconds. Of a clock that does not count nanoseconds, its ticks.
    pub time: u64,
    /// Whether `time` is the ticks of such a clock: a number without a point.
    pub ticks: bool,
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
    /// The whole line, up to the end of the body.
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
    /// `CPU:1 [LOST 42 EVENTS]`, of trace-cmd `CPU:1 [42 EVENTS DROPPED]`, of perf `… [001] … PERF_RECORD_LOST lost 42`: events of
    /// this CPU were overwritten before they could be read.
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
    /// What is no event and no damage: a comment, a line with nothing on it, what tools print around events, functions and
    /// stacks that were traced beside them.
    Comment(&'a str),
}

impl<'a> Line<'a> {
    /// Reads a line, with or without its line end, in whatever dress tools and logs put it.
    ///
    /// # Errors
    /// When it is none of these. What an event's body holds is not looked at.
    #[inline]
    pub fn parse(line: &'a str) -> Result<Self, LineError> {
        let line = line.trim_end_matches(['\n', '\r']);
        match line.as_bytes() {
            [] | [b'#', ..] => Ok(comment(line)),
            bytes => match context_at(bytes, 16) {
                Some(context) => event(line, context),
                None => dressed(line),
            },
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

fn loss(line: &str) -> Option<Line<'_>> {
    let mut scan = Scan(line.as_bytes());
    scan.expect(b"CPU:")?;
    let cpu = scan.decimal_u32()?;
    scan.expect(b" [")?;
    let is_kernels = scan.accept(b"LOST ");
    let end: &[u8] = if is_kernels { b"EVENTS]" } else { b"EVENTS DROPPED]" };
    if scan.0 == end {
        return Some(Line::Lost { cpu, lost: Lost::Unknown });
    }
    let lost = Lost::Events(scan.decimal()?);
    scan.expect(b" ")?;
    (scan.0 == end).then_some(Line::Lost { cpu, lost })
}

/// A line that is not as the kernel's `trace` has it.
#[cold]
fn dressed(line: &str) -> Result<Line<'_>, LineError> {
    let mut last = line;
    for rest in undressed(line) {
        if let Some(found) = bare(line, rest) {
            return found;
        }
        last = rest;
    }
    if let Some(rest) = without_buffer(last) {
        let is_kernels = loss(rest).is_some() || context_at(rest.as_bytes(), 16).is_some();
        if let Some(found) = bare(line, rest).filter(|_| is_kernels) {
            return found;
        }
    }
    match find_context(last.as_bytes()) {
        Some(context) => event(line, context.behind(line.len() - last.len())),
        None => Err(LineError { column: 1, what: "the task", reason: "(comm-pid [cpu]) is missing" }),
    }
}

/// What `rest`, the end of `line`, is without a dress.
fn bare<'a>(line: &'a str, rest: &'a str) -> Option<Result<Line<'a>, LineError>> {
    let offset = line.len() - rest.len();
    let bytes = rest.as_bytes();
    if let Some(context) = context_at(bytes, 16) {
        return Some(event(line, context.behind(offset)));
    }
    let trimmed = rest.trim_ascii();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Some(Ok(comment(trimmed)));
    }
    if let Some(found) = loss(trimmed) {
        return Some(Ok(found));
    }
    if let Some(found) = perf_loss(trimmed) {
        return Some(Ok(found));
    }
    if let Some(event) = graph(line, offset) {
        return Some(event.map(Line::Event));
    }
    if is_aside(trimmed) {
        return Some(Ok(Line::Comment(line)));
    }
    latency(line, offset).or_else(|| perf(line, offset)).map(|event| Ok(Line::Event(event)))
}

/// Whether a line is what tools and consoles print around events, or a stack or a graph of functions between them.
fn is_aside(line: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_between = |start: &str, end: &str| {
        line.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).is_some_and(is_number)
    };
    let first = line.split(' ').next().unwrap_or_default();
    let is_hex = first.len() >= 6 && first.bytes().all(|byte| byte.is_ascii_hexdigit());
    // trace-cmd report
    is_between("cpus=", "")
        || is_between("CPU ", " is empty")
        || is_between("version = ", "")
        // The kernel's stacks, and perf's.
        || line.starts_with("=> ")
        || is_hex && line.ends_with(')') && line.contains(" (")
        // Graphs of functions.
        || first.strip_suffix(')').is_some_and(is_number)
        // ftrace_dump()
        || matches!(line, "Dumping ftrace buffer:" | "(ftrace buffer empty)")
        || line.len() >= 8 && line.bytes().all(|byte| byte == b'-')
        // journalctl, and the other fields of its outputs `export` and `verbose`
        || line.starts_with("-- Boot ") || line.starts_with("-- ") && line.ends_with(" --")
        || is_journal_field(line) || line.ends_with(']') && line.contains(" [s=")
        || is_around(line)
}

/// `_PID=42`
fn is_journal_field(line: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    line.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name != "MESSAGE" && name.bytes().all(is_of_name))
}

/// Whether a line is what stands around text that somebody pasted, or copied from a terminal: fences, prompts, script(1).
fn is_around(line: &str) -> bool {
    let first = line.split(' ').next().unwrap_or_default();
    let is_prompt = line.starts_with("$ ")
        || first.contains('@') && (line.ends_with(['#', '$']) || line.contains("# ") || line.contains("$ "));
    line.starts_with("```")
        || line.starts_with("~~~")
        || line.starts_with("{code") && line.ends_with('}')
        || matches!(line, "{noformat}" | "^C" | "{" | "}" | "},{" | "[" | "]" | "}," | "EOF")
        || line.starts_with("Script started on ")
        || line.starts_with("Script done on ")
        || is_prompt
}

/// What a task is called whose name is not known, as the kernel calls it.
const UNKNOWN_COMM: &str = "<...>";

/// Longest name of a task (`TASK_COMM_LEN` less its NUL).
const COMM_BYTES_MAX: usize = 15;

/// The part of a line before the event's name.
struct Context {
    comm: std::ops::Range<usize>,
    pid: i32,
    cpu: u32,
    /// Where the text after `[001]` begins.
    end: usize,
}

impl Context {
    /// The same in a line that has so many bytes before it.
    fn behind(self, bytes: usize) -> Self {
        Context { comm: self.comm.start + bytes..self.comm.end + bytes, end: self.end + bytes, ..self }
    }
}

fn event(line: &str, context: Context) -> Result<Line<'_>, LineError> {
    let bytes = line.as_bytes();
    let Context { comm, pid, cpu, end } = context;
    let fail = |scan: Scan<'_>, what, reason| LineError { column: bytes.len() - scan.0.len() + 1, what, reason };
    let mut scan = Scan(&bytes[end..]);
    scan.skip_blanks();
    let flags = flags(line, &mut scan);
    let start = scan;
    let Some((time, ticks)) = time(&mut scan) else { return Err(fail(start, "the time", "is missing or no number")) };
    scan.skip_blanks();
    // `trace-cmd report --ts-diff`: how long it was since the event before.
    if scan.accept(b"(+") {
        scan.until(b')');
        scan.skip_blanks();
    }
    let start = bytes.len() - scan.0.len();
    let name = match scan.until(b':') {
        Some(name) if !name.is_empty() && !name.contains(&b' ') => {
            // `tcp:tcp_probe: ` of some tools; the kernel has a blank behind every name.
            let is_system = scan.peek().is_some_and(|byte| byte.is_ascii_lowercase());
            let behind = scan;
            match scan.until(b':').filter(|name| is_system && is_name(name)) {
                Some(name) => &line[bytes.len() - scan.0.len() - 1 - name.len()..][..name.len()],
                None => {
                    scan = behind;
                    &line[start..start + name.len()]
                }
            }
        }
        _ if is_function(&line[start..]) => return Ok(Line::Comment(line)),
        _ => return Err(fail(Scan(&bytes[start..]), "the event's name", "is missing")),
    };
    scan.skip_blanks();
    let start = bytes.len() - scan.0.len();
    let body = &line[start..];
    if body.starts_with("<stack trace") {
        return Ok(Line::Comment(line));
    }
    Ok(Line::Event(TextEvent { time, ticks, cpu, pid, comm: &line[comm], flags, name, body, body_at: start, line }))
}

/// Whether these can be the name of an event.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whether this is what the function tracer says instead of an event, or the beginning of a stack.
#[cold]
fn is_function(text: &str) -> bool {
    text.contains(" <-") || text.starts_with("<stack trace")
}

/// A line with the option `latency-format`, or of `ftrace_dump()` (`trace_print_lat_context()`):
/// `  iperf3-195       1..s2. 1830433505us+: tcp_probe: …`. The comm may be cut.
fn latency(line: &str, offset: usize) -> Option<TextEvent<'_>> {
    let bytes = &line.as_bytes()[offset..];
    memchr::memchr_iter(b'-', bytes).take(16).find_map(|dash| {
        let mut scan = Scan(&bytes[dash + 1..]);
        let pid = i32::try_from(scan.decimal()?).ok()?;
        scan.expect(b" ")?;
        scan.skip_blanks();
        let cpu = scan.decimal_u32()?;
        let flags = flags(line, &mut scan);
        (4..=8).contains(&flags.len()).then_some(())?;
        let before = scan;
        let time = time(&mut scan).or_else(|| {
            scan = before;
            let micros = scan.decimal()?;
            scan.expect(b"us")?;
            // How long it was to the next event (`trace_find_mark()`).
            scan.0 = scan.0.get(1..)?;
            scan.expect(b":")?;
            Some((micros.checked_mul(1000)?, false))
        });
        let (time, ticks) = time?;
        scan.skip_blanks();
        let start = line.len() - scan.0.len();
        let name = scan.until(b':').filter(|name| !name.is_empty() && !name.contains(&b' '))?;
        let name = &line[start..start + name.len()];
        scan.skip_blanks();
        let body_at = line.len() - scan.0.len();
        let comm = line[offset..offset + dash].trim_ascii();
        (comm.len() <= COMM_BYTES_MAX).then_some(())?;
        Some(TextEvent { time, ticks, cpu, pid, comm, flags, name, body: &line[body_at..], body_at, line })
    })
}

/// A line of `perf script`: `iperf3   195 [001]  1830.433505: tcp:tcp_probe: …`, with a period before the name or not, with both
/// numbers of the task or one. Any column before the time may have been left out (`-F`); then it is not known.
fn perf(line: &str, offset: usize) -> Option<TextEvent<'_>> {
    let text = &line[offset..];
    let bytes = text.as_bytes();
    let (start, name, end) = memchr::memchr_iter(b':', bytes).take(16).find_map(|colon| {
        let start = bytes[..colon].iter().rposition(|byte| !is_name(&[*byte])).map_or(0, |before| before + 1);
        let rest = &bytes[colon + 1..];
        let length = memchr::memchr(b':', rest)?;
        let is_one = is_name(&bytes[start..colon]) && is_name(&rest[..length]);
        let is_apart = bytes[..start].last().is_none_or(|byte| *byte == b' ');
        let is_whole = rest.get(length + 1).is_none_or(|byte| *byte == b' ');
        (is_one && is_apart && is_whole).then_some((start, colon + 1..colon + 1 + length, colon + length + 2))
    })?;
    let mut before = &text[..start];
    let mut word = last_word(&mut before)?;
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        word = last_word(&mut before)?;
    }
    let mut scan = Scan(word.as_bytes());
    let time = time(&mut scan).filter(|(_, ticks)| !ticks && scan.0.is_empty())?.0;
    let mut rest = before;
    // The mode of the CPU, of `-F misc`: `K`.
    if last_word(&mut rest).is_some_and(|word| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_uppercase())) {
        before = rest;
    }
    rest = before;
    let in_brackets = last_word(&mut rest).and_then(|word| word.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    let cpu = in_brackets.inspect(|_| before = rest);
    rest = before;
    let task =
        last_word(&mut rest).and_then(|word| word.rsplit_once('/').map_or(word, |(_, thread)| thread).parse().ok());
    let pid = task.inspect(|_| before = rest);
    let comm = before.trim_ascii();
    (comm.len() <= COMM_BYTES_MAX).then_some(())?;
    let comm = if comm.is_empty() { UNKNOWN_COMM } else { comm };
    let body = text[end..].trim_ascii_start();
    let body_at = line.len() - body.len();
    let (cpu, pid, name) = (cpu.unwrap_or(0), pid.unwrap_or(0), &text[name]);
    Some(TextEvent { time, ticks: false, cpu, pid, comm, flags: "", name, body, body_at, line })
}

/// What `perf script --show-lost-events` prints: `iperf3   195 [001]  1830.433505: PERF_RECORD_LOST lost 42`.
fn perf_loss(line: &str) -> Option<Line<'_>> {
    let (before, lost) = line.split_once(": PERF_RECORD_LOST lost ")?;
    let in_brackets = |word: &str| word.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let cpu = before.split_ascii_whitespace().rev().find_map(in_brackets)?;
    Some(Line::Lost { cpu, lost: Lost::Events(lost.parse().ok()?) })
}

/// Takes the last word off `text`.
fn last_word<'a>(text: &mut &'a str) -> Option<&'a str> {
    let trimmed = text.trim_ascii_end();
    let start = trimmed.rfind(' ').map_or(0, |blank| blank + 1);
    *text = &trimmed[..start];
    Some(&trimmed[start..]).filter(|word| !word.is_empty())
}

/// An event within a graph of functions: ` 1)               |  /* tcp_probe: … */`. Only with the option `funcgraph-abstime` there is
/// a time before it (`print_graph_prologue()`): `  1830.433505 |   1)   iperf3-195   | ..s2. |               |  /* tcp_probe: … */`.
/// `None` where it is none.
fn graph(line: &str, offset: usize) -> Option<Result<TextEvent<'_>, LineError>> {
    let text = &line[offset..];
    let (before, comment) = text.split_once("/* ")?;
    let comment = comment.trim_ascii_end().strip_suffix("*/")?.trim_ascii_end();
    let (name, body) = comment.split_once(": ")?;
    is_name(name.as_bytes()).then_some(())?;
    let mut columns = before.split('|').map(str::trim_ascii).peekable();
    let seconds = columns.next_if(|column| column.contains('.') && !column.contains(')'));
    let (cpu, task) = columns.next()?.split_once(')')?;
    let cpu = cpu.parse().ok()?;
    let task = std::iter::once(task.trim_ascii()).chain(columns).find_map(|column| {
        let (comm, pid) = column.rsplit_once('-')?;
        Some((comm, pid.parse().ok()?))
    });
    let (comm, pid) = task.unwrap_or((UNKNOWN_COMM, 0));
    let time = seconds.and_then(|seconds| {
        let (whole, fraction) = seconds.split_once('.')?;
        let is_micros = fraction.len() == 6 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let micros = fraction.parse::<u64>().ok().filter(|_| is_micros)?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(micros * 1000)
    });
    let Some(time) = time else {
        let reason = "is missing; the option funcgraph-abstime adds it";
        return Some(Err(LineError { column: offset + 1, what: "the time", reason }));
    };
    let body_at = offset + before.len() + "/* ".len() + name.len() + ": ".len();
    let line = &line[..body_at + body.len()];
    Some(Ok(TextEvent { time, ticks: false, cpu, pid, comm, flags: "", name, body, body_at, line }))
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
    let start = if dash - start <= COMM_BYTES_MAX { start } else { behind_others(bytes, dash) };
    Some(Context { comm: start..dash, pid: if negative { -pid } else { pid }, cpu, end: bytes.len() - scan.0.len() })
}

/// Where the comm of a task begins in a line that has more before it than a comm can be: in the kernel's columns, or as a word.
#[cold]
fn behind_others(bytes: &[u8], dash: usize) -> usize {
    let column = dash - COMM_BYTES_MAX - 1;
    let from = |start: usize| start + bytes[start..dash].iter().position(|b| *b != b' ').unwrap_or(0);
    if bytes[column] == b' ' {
        from(column)
    } else {
        memchr::memrchr(b' ', &bytes[..dash]).map_or(0, |blank| blank + 1)
    }
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

/// Whether a line holds the task and CPU of an event, in whatever dress.
pub(crate) fn has_task(line: &str) -> bool {
    find_context(line.as_bytes()).is_some() || perf(line, 0).is_some() || latency(line, 0).is_some()
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

/// `1830.433505:` in nanoseconds, or the bare number of a clock that does not count them, and whether it is that.
#[inline(always)]
fn time(scan: &mut Scan<'_>) -> Option<(u64, bool)> {
    let whole = scan.decimal()?;
    if scan.accept(b":") {
        return Some((whole, true));
    }
    scan.expect(b".")?;
    let before = scan.0.len();
    let fraction = scan.decimal()?;
    let digits = u32::try_from(before - scan.0.len()).ok().filter(|digits| *digits <= 9)?;
    scan.expect(b":")?;
    Some((whole.checked_mul(1_000_000_000)?.checked_add(fraction * 10u64.pow(9 - digits))?, false))
}
