//! A file or stream of ftrace text.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use super::parse::{Line, LineError, TextEvent};
use super::rewrite::rewritten;

/// Longest line that is read; the kernel's own end at a page.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// What is read at once; several lines of the greatest length.
const BUFFER_BYTES: usize = 256 << 10;
/// U+FEFF in UTF-8; a file behind another may bring one into the middle.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// How much of a broken line a report repeats.
const SHORT_CHARS: usize = 120;
/// As wide as terminals are at least.
const TERMINAL_COLUMNS: usize = 80;

/// A line that was skipped, since it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}, {reason}: {text}")]
pub struct BrokenLine {
    /// Counted from 1.
    pub number: u64,
    /// What is wrong with it.
    pub reason: LineError,
    /// The line, or its beginning.
    pub text: String,
}

impl BrokenLine {
    /// A line of an event whose body cannot be read.
    pub(crate) fn of(event: &TextEvent<'_>, number: u64, reason: LineError) -> Self {
        BrokenLine { number, reason, text: shorten(event.line) }
    }
}

/// Reads lines in a buffer of its own, which stays the same size however long the text is.
#[derive(Debug)]
pub struct TextReader<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What of the buffer is filled and not yet given.
    rest: Range<usize>,
    /// Number of the last line that was given.
    number: u64,
    /// What follows up to a line's end belongs to a line that was too long.
    skipping: bool,
    ended: bool,
    /// Whether the buffer may hold what no line of a kernel does: NULs, tabs, escapes, quotes, blanks that do not break.
    is_odd: bool,
    /// Whether it holds a carriage return that no line feed follows, which then ends a line.
    has_returns: bool,
    /// Whether one ended the last line.
    is_returned: bool,
    /// NULs that were passed over since somebody asked, and whether some were before the line to come.
    nul_bytes: u64,
    is_behind_hole: bool,
    /// Whether the last line that was given had no line end.
    is_unended: bool,
    /// A line that was made another, or UTF-8.
    made: String,
}

impl<R: Read> TextReader<R> {
    /// Reads from `input`, which needs no buffer of its own. It must not be gzipped.
    pub fn new(input: R) -> Self {
        TextReader {
            input,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            rest: 0..0,
            number: 0,
            skipping: false,
            ended: false,
            is_odd: false,
            has_returns: false,
            is_returned: false,
            nul_bytes: 0,
            is_behind_hole: false,
            is_unended: false,
            made: String::new(),
        }
    }

    /// The next line, `None` at the end. A line that cannot be read does not end the reading.
    ///
    /// # Errors
    /// When the input fails; what was read before has been given.
    #[inline]
    pub fn next_line(&mut self) -> io::Result<Option<Result<Line<'_>, BrokenLine>>> {
        Ok(self.next_line_or_part()?.map(|(line, _)| line))
    }

    /// The same, and whether the line ended with the input, and so may be a part of one.
    #[inline]
    pub(crate) fn next_line_or_part(&mut self) -> io::Result<Option<(Result<Line<'_>, BrokenLine>, bool)>> {
        let Some(found) = self.find()? else { return Ok(None) };
        self.number += 1;
        let bytes = &self.buffer[found];
        let end = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        let bytes = &bytes[..end];
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let is_between_tags = bytes.first() == Some(&b'<') || bytes.last() == Some(&b'>');
        let may_be_other = self.is_odd || is_between_tags || matches!(bytes.first(), Some(b'{' | b'0'..=b'9'));
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if !may_be_other => text,
            _ => other(bytes, &mut self.made, &mut self.nul_bytes),
        };
        let line = match Line::parse(text) {
            _ if bytes.len() > LINE_BYTES_MAX => Err(TOO_LONG),
            // Too short to be an event: a progress bar, before the rest of the line was written over it.
            Err(_) if self.is_returned && bytes.len() < TERMINAL_COLUMNS => Ok(Line::Comment(text)),
            line => line,
        };
        let number = self.number;
        Ok(Some((line.map_err(|reason| BrokenLine { number, reason, text: shorten(text) }), self.is_unended)))
    }

    /// The number of the line that was given last, counted from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many NULs were passed over since this was asked last: a log that is truncated while its writer goes on has a hole of them.
    pub fn take_nul_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.nul_bytes)
    }

    /// Whether the next line is there without reading more of the input.
    #[must_use]
    pub fn has_line(&self) -> bool {
        let rest = &self.buffer[self.rest.clone()];
        if self.has_returns { line_end(rest, self.ended).is_some() } else { memchr::memchr(b'\n', rest).is_some() }
    }

    /// Where in the buffer the next line is; of one that is too long, its beginning.
    #[inline]
    fn find(&mut self) -> io::Result<Option<Range<usize>>> {
        loop {
            if self.is_odd && !self.skipping {
                self.pass_nuls();
            }
            let Range { start, end } = self.rest;
            let rest = &self.buffer[start..end];
            let found = match self.has_returns {
                false => memchr::memchr(b'\n', rest).map(|length| length..length + 1),
                true => line_end(rest, self.ended),
            };
            if let Some(line_end) = found {
                let length = line_end.start;
                self.is_returned = rest[line_end.end - 1] == b'\r';
                self.rest.start = start + line_end.end;
                if !std::mem::take(&mut self.skipping) {
                    (self.is_behind_hole, self.is_unended) = (false, false);
                    return Ok(Some(start..start + length));
                }
            } else if self.ended || end - start > self.most() {
                self.rest.start = end;
                let rest_of_long = std::mem::replace(&mut self.skipping, !self.ended);
                let is_behind_hole = std::mem::take(&mut self.is_behind_hole);
                if (start < end || is_behind_hole) && !rest_of_long {
                    self.is_unended = self.ended;
                    return Ok(Some(start..end));
                }
                if self.ended {
                    return Ok(None);
                }
            } else {
                self.fill()?;
            }
        }
    }

    /// More than so many bytes without an end are a line that is too long; behind a carriage return it may end yet.
    fn most(&self) -> usize {
        let is_at_return = self.buffer[self.rest.clone()].ends_with(b"\r");
        if is_at_return { 2 * LINE_BYTES_MAX } else { LINE_BYTES_MAX }
    }

    /// Passes over the NULs before a line, however many there are.
    fn pass_nuls(&mut self) {
        let count = self.buffer[self.rest.clone()].iter().take_while(|byte| **byte == 0).count();
        self.rest.start += count;
        self.nul_bytes += count as u64;
        self.is_behind_hole |= count > 0;
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        match self.input.read(&mut self.buffer[self.rest.end..]) {
            Ok(0) => self.ended = true,
            Ok(count) => self.rest.end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let rest = &self.buffer[self.rest.clone()];
        // U+00A0 begins with 0xc2 in UTF-8.
        let is_odd =
            || memchr::memchr3(b'"', b'&', 0xc2, rest).is_some() || memchr::memmem::find(rest, b"</").is_some();
        self.is_odd = memchr::memchr3(0, b'\t', 0x1b, rest).is_some() || is_odd();
        let is_alone = |at: usize| rest.get(at + 1).map_or(self.ended, |next| *next != b'\n');
        self.has_returns = memchr::memchr_iter(b'\r', rest).any(is_alone);
        Ok(())
    }
}

/// Where a line ends that may end with carriage returns; `None` where it does not, or may go on behind them.
#[cold]
fn line_end(rest: &[u8], ended: bool) -> Option<Range<usize>> {
    let start = memchr::memchr2(b'\n', b'\r', rest)?;
    let returns = rest[start..].iter().take_while(|byte| **byte == b'\r').count();
    match rest.get(start + returns) {
        Some(b'\n') => Some(start..start + returns + 1),
        None if !ended => None,
        _ => Some(start..start + returns),
    }
}

/// The text that stands for these bytes, perhaps in `made`.
#[cold]
fn other<'a>(bytes: &'a [u8], made: &'a mut String, nul_bytes: &mut u64) -> &'a str {
    let text = String::from_utf8_lossy(bytes);
    let text = match rewritten(&text, nul_bytes) {
        Some(text) => Cow::Owned(text),
        None => text,
    };
    match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => {
            *made = text;
            made
        }
    }
}

const TOO_LONG: LineError = LineError { column: LINE_BYTES_MAX + 1, what: "the line", reason: "is longer than 64 KiB" };

/// Whether a character could command a terminal, or change the order in which it shows others (UAX #9).
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The beginning of a line, fit for a terminal.
fn shorten(text: &str) -> String {
    let mut short: String =
        text.chars().take(SHORT_CHARS).map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, with interruptions.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    const EVENT: &str = "          iperf3-139     [001] .....     4.516992: demo: a=1";

    fn lines(input: impl Read) -> Vec<String> {
        let mut reader = TextReader::new(input);
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            lines.push(match line {
                Ok(Line::Event(event)) => format!("{} {} {}", event.comm, event.name, event.body),
                Ok(Line::Comment(text)) => text.to_owned(),
                Ok(other) => format!("{other:?}"),
                Err(broken) => broken.to_string(),
            });
        }
        lines
    }

    #[test]
    fn lines_of_every_kind() {
        let text = format!(
            "# tracer: nop\n\n{EVENT}\r\nnonsense \x1b[31m\n# entries-in-buffer/entries-written: 5/7   #P:2\n{EVENT}"
        );
        let expected = [
            "# tracer: nop",
            "",
            "iperf3 demo a=1",
            "line 4, column 1: the task (comm-pid [cpu]) is missing: nonsense ",
            "Entries { in_buffer: 5, written: 7 }",
            "iperf3 demo a=1",
        ];
        assert_eq!(lines(text.as_bytes()), expected);
        assert_eq!(lines(Trickle(text.as_bytes(), false)), expected);
    }

    #[test]
    fn a_long_line_is_skipped_and_counted_as_one() {
        for length in [LINE_BYTES_MAX + 1, BUFFER_BYTES - 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 5] {
            let text = format!("{EVENT}\n{}\n{EVENT}\n{}", "x".repeat(length), "y".repeat(length));
            let found = lines(text.as_bytes());
            assert_eq!(found.len(), 4, "{length}");
            assert_eq!((&*found[0], &*found[2]), ("iperf3 demo a=1", "iperf3 demo a=1"));
            let expected = format!("column 65537: the line is longer than 64 KiB: {}…", "x".repeat(120));
            assert_eq!(found[1], format!("line 2, {expected}"));
            assert_eq!(found[3], format!("line 4, {}", expected.replace('x', "y")));
        }
        let text = format!("{EVENT} {}", "z".repeat(LINE_BYTES_MAX - EVENT.len() - 1));
        assert!(lines(text.as_bytes())[0].starts_with("iperf3 demo a=1 zzz"));
    }

    #[test]
    fn a_hole_of_any_length_costs_no_line() {
        for length in [1, 8192, LINE_BYTES_MAX + 1, 3 * BUFFER_BYTES + 5] {
            let hole = "\0".repeat(length);
            let text = format!("{hole}{EVENT}\n{EVENT}\n{hole}{EVENT}\n{hole}");
            let mut reader = TextReader::new(text.as_bytes());
            let mut events = 0;
            while let Some(line) = reader.next_line().unwrap() {
                events += usize::from(matches!(line, Ok(Line::Event(_))));
            }
            assert_eq!((events, reader.number(), reader.take_nul_bytes()), (3, 4, 3 * length as u64));
        }
        // Text of two bytes a character behind text of one.
        let wide: String = EVENT.chars().flat_map(|c| [c, '\0']).collect();
        assert_eq!(lines(format!("{EVENT}\n{wide}\n\0").as_bytes())[1], "iperf3 demo a=1");
    }

    #[test]
    fn a_byte_order_mark_may_be_at_any_line() {
        let text = format!("\u{feff}{EVENT}\n\u{feff}{EVENT}\n");
        assert_eq!(lines(text.as_bytes()), ["iperf3 demo a=1", "iperf3 demo a=1"]);
    }

    #[test]
    fn a_comm_that_is_no_utf8_costs_nothing_else() {
        let text =
            [b"           ip\xff\xfe3-139     [001] .....     4.516992: demo: a=1\n".as_slice(), EVENT.as_bytes()]
                .concat();
        assert_eq!(lines(&*text), ["ip\u{fffd}\u{fffd}3 demo a=1", "iperf3 demo a=1"]);
    }

    #[test]
    fn an_input_that_fails_gives_what_came_before() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut reader = TextReader::new(EVENT.as_bytes().chain(&b"\n"[..]).chain(Fails));
        assert!(matches!(reader.next_line(), Ok(Some(Ok(Line::Event(_))))));
        assert_eq!(reader.next_line().unwrap_err().to_string(), "gone");
    }
}
