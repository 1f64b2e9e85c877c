//! Text whose lines somebody wrapped: a mail, `fold`, a terminal of 80 columns that was copied from.

use super::rewritten::Rewrite;
use crate::kernel::text::{Fields, LINE_BYTES_MAX, has_task};

/// Lines at the beginning that tell whether text is wrapped.
const LINES_MAX: usize = 200;
/// The widest that text is wrapped at. An event of the kernel's that is whole is longer, mostly.
const COLUMNS_MAX: usize = 160;
/// The longest line that is made of several.
const JOINED_BYTES_MAX: usize = 4096;

/// Whether text that begins so is wrapped: no line is wide, and behind half of the lines that begin an event at least there is one
/// that goes on with its fields.
pub fn is_wrapped(head: &[u8]) -> bool {
    let lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').take(LINES_MAX).collect();
    if lines.iter().any(|line| line.len() > COLUMNS_MAX) {
        return false;
    }
    let lines: Vec<_> = lines.into_iter().map(String::from_utf8_lossy).collect();
    let (mut begun, mut continued) = (0, 0);
    for (_, next) in lines.iter().zip(lines.iter().skip(1)).filter(|(line, _)| has_task(line)) {
        begun += 1;
        let next = unquoted(next);
        continued += usize::from(goes_on(next) && Fields::new(next).next().is_some());
    }
    continued > 0 && 2 * continued >= begun
}

/// Whether a line can be the rest of the one before it.
fn goes_on(line: &str) -> bool {
    let line = line.trim_ascii();
    !line.is_empty()
        && !line.starts_with(['#', '`'])
        && !line.starts_with("=>")
        && !line.contains(" EVENTS")
        && !has_task(line)
}

fn unquoted(line: &str) -> &str {
    line.trim_start_matches("> ")
}

/// Makes one line of each that was wrapped.
#[derive(Default)]
pub struct Unwrap {
    /// The line to which the next one may belong.
    line: String,
    has_line: bool,
}

impl Rewrite for Unwrap {
    fn rewrite(&mut self, bytes: &[u8], is_end: bool, text: &mut Vec<u8>) -> usize {
        let whole = match memchr::memrchr(b'\n', bytes) {
            _ if is_end || bytes.len() > LINE_BYTES_MAX => bytes.len(),
            Some(end) => end + 1,
            None => 0,
        };
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.take(&String::from_utf8_lossy(line), text);
        }
        if is_end {
            self.give(text);
        }
        whole
    }
}

impl Unwrap {
    /// Adds a line to the one before, or puts it into its place.
    fn take(&mut self, line: &str, text: &mut Vec<u8>) {
        let line = line.trim_end_matches(['\n', '\r']);
        let next = unquoted(line);
        let is_room = self.line.len() + next.len() <= JOINED_BYTES_MAX;
        if is_room && has_task(&self.line) && goes_on(next) {
            if is_apart(&self.line, next) {
                self.line.push(' ');
            }
            self.line.push_str(next.trim_ascii_start());
        } else {
            self.give(text);
            self.line.push_str(line);
            self.has_line = true;
        }
    }

    fn give(&mut self, text: &mut Vec<u8>) {
        if std::mem::take(&mut self.has_line) {
            text.extend_from_slice(self.line.as_bytes());
            text.push(b'\n');
        }
        self.line.clear();
    }
}

/// Whether a line was wrapped at a blank, which is gone: where the next one begins with it, or with a field while the last word
/// of this one is whole.
fn is_apart(line: &str, next: &str) -> bool {
    if line.ends_with(' ') || next.starts_with(' ') {
        return !line.ends_with(' ');
    }
    let last = line.rsplit(' ').next().unwrap_or_default();
    let name = next.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let is_field = name > 0 && next[name..].starts_with('=');
    last.ends_with(':') && !last.contains('=') || is_field && last.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_line_goes_on() {
        let check =
            |line: &str, next: &str, expected: bool| assert_eq!(is_apart(line, next), expected, "{line}|{next}");
        check("a=1 snd_c", "wnd=5", false);
        check("a=1 snd_cwnd=5", "4 b=1", false);
        check("a=1 snd_cwnd=5", "ssthresh=7", true);
        check("a=1 snd_cwnd=5 ", "ssthresh=7", false);
        check("a=1 snd_cwnd=5", " ssthresh=7", true);
        check("1.5: tcp_probe:", "a=1", true);
        check("1.5: tcp_probe: src=[fd99:", ":1]:80", false);
        check("a=1 snd_cwnd", "=5", false);
    }

    #[test]
    fn what_is_not_wrapped() {
        let event = "a-1 [000] 1.5: tcp_probe: a=1\n";
        let long = format!("{event}b=2 {}\n", "x".repeat(200));
        let stack = format!("{event}=> tcp_ack a=1\n");
        for text in [
            "",
            event,
            "a-1 [000] 1.5: e: a=1\nfoo\n",
            &event.repeat(3),
            &long,
            &stack,
            &format!("{event}# a=1\n"),
            "a=1\nb=2\n",
        ] {
            assert!(!is_wrapped(text.as_bytes()), "{text}");
        }
        assert!(is_wrapped(format!("{event}b=2\n").as_bytes()));
        // Of a few lines among others nothing is told.
        assert!(!is_wrapped(format!("{}b=2\n", event.repeat(4)).as_bytes()));
    }
}
