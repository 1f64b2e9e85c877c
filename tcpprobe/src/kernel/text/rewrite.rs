//! Lines that hold an event in other words, made lines of ftrace text.

use std::fmt::Write as _;

use super::dress::undressed;

/// Keys under which loggers that write JSON keep a line: Docker's, the journal's, and those of many others.
const MESSAGE_KEYS: [&str; 5] = ["log", "MESSAGE", "message", "msg", "line"];

/// What stands for `line`, if that is not itself: without NULs (which are counted), colours and byte order marks, with blanks for
/// tabs; what a logger wrote as JSON; a line of `/proc/net/tcpprobe`.
#[cold]
pub(super) fn rewritten(line: &str, nul_bytes: &mut u64) -> Option<String> {
    let message = line.starts_with('{').then(|| message(line)).flatten();
    let text = message.as_deref().unwrap_or(line);
    let plain = plain(text, nul_bytes);
    let text = plain.as_deref().unwrap_or(text);
    let probe = text.starts_with(|c: char| c.is_ascii_digit()).then(|| undressed(text).find_map(probe)).flatten();
    probe.or(plain).or(message)
}

/// The line in a JSON object of a logger's.
fn message(line: &str) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let text = MESSAGE_KEYS.iter().find_map(|key| object.get(*key)?.as_str())?;
    Some(text.trim_end_matches(['\n', '\r']).replace(['\n', '\r'], " "))
}

/// The text without what is no text; `None` where that is all of it.
fn plain(text: &str, nul_bytes: &mut u64) -> Option<String> {
    text.contains(['\0', '\t', '\u{1b}', '\u{feff}']).then_some(())?;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\0' => *nul_bytes += 1,
            '\u{feff}' => {}
            '\t' => plain.push(' '),
            // `ESC [ 3 1 m` ends with a letter; of others the next character belongs to it.
            '\u{1b}' => {
                if rest.next() == Some('[') {
                    let _ = rest.by_ref().find(|c| ('@'..='~').contains(c));
                }
            }
            c => plain.push(c),
        }
    }
    Some(plain)
}

/// A line of the module tcp_probe, of kernels before 4.16 (`net/ipv4/tcp_probe.c`, `tcpprobe_sprint()`): time, both ends, payload,
/// snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, and since 3.3 rcv_wnd. It does not tell task and CPU.
fn probe(line: &str) -> Option<String> {
    const NAMES: [&str; 10] =
        ["src", "dest", "length", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd"];
    let words: Vec<&str> = line.split_ascii_whitespace().take(NAMES.len() + 2).collect();
    let (time, values) = words.split_first()?;
    let is_time = |time: &str| {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        time.split_once('.').is_some_and(|(seconds, fraction)| is_number(seconds) && is_number(fraction))
    };
    let is_probe = matches!(values.len(), 9 | 10) && is_time(time) && values[..2].iter().all(|end| end.contains(':'));
    is_probe.then_some(())?;
    let mut event = format!("<...>-0 [000] {time}: tcp_probe:");
    for (name, value) in NAMES.iter().zip(values) {
        // Writing to a String cannot fail.
        let _ = write!(event, " {name}={value}");
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_line() {
        let check = |line: &str, expected: Option<&str>, nuls: u64| {
            let mut found = 0;
            assert_eq!(rewritten(line, &mut found).as_deref(), expected, "{line:?}");
            assert_eq!(found, nuls);
        };
        check("a-1 [000] 1.5: e: a=1", None, 0);
        check("a\0-1\t[000] \u{1b}[1;31m1.5: \u{1b}[0me:\u{feff}", Some("a-1 [000] 1.5: e:"), 1);
        check("{\"log\":\"  a-1\\t[000]\\n\",\"stream\":\"stdout\"}", Some("  a-1 [000]"), 0);
        check("{\"time\":null,\"event\":\"tcp_probe\"}", None, 0);
        check(
            "12.000000345 10.0.0.1:80 [fd99::1]:81 1448 0x5f 0x5e 10 2147483647 197376 21",
            Some(
                "<...>-0 [000] 12.000000345: tcp_probe: src=10.0.0.1:80 dest=[fd99::1]:81 length=1448 snd_nxt=0x5f \
                 snd_una=0x5e snd_cwnd=10 ssthresh=2147483647 snd_wnd=197376 srtt=21",
            ),
            0,
        );
        check("12.5 a b 1 2 3 4 5 6 7 8", None, 0);
    }
}
