//! Lines that hold an event in other words, made lines of ftrace text.

use std::fmt::Write as _;

use super::dress::undressed;

/// Keys under which loggers that write JSON keep a line: Docker's, the journal's, and those of many others.
const MESSAGE_KEYS: [&str; 5] = ["log", "MESSAGE", "message", "msg", "line"];

/// Tags that stand around text in a page; no task is called like them.
const TAGS: [&str; 11] = ["pre", "code", "br", "br/", "br /", "p", "div", "span", "html", "body", "td"];

/// What stands for `line`, if that is not itself: without NULs (which are counted), colours, tags and byte order marks, with blanks
/// for tabs; what a logger wrote as JSON or CSV; a line of `/proc/net/tcpprobe`.
#[cold]
pub(super) fn rewritten(line: &str, nul_bytes: &mut u64) -> Option<String> {
    let message = message(line);
    let text = message.as_deref().unwrap_or(line);
    let plain = plain(text, nul_bytes);
    let text = plain.as_deref().unwrap_or(text);
    let unescaped = unescaped(text);
    let text = unescaped.as_deref().unwrap_or(text);
    let probe = text.starts_with(|c: char| c.is_ascii_digit()).then(|| undressed(text).find_map(probe)).flatten();
    probe.or(unescaped).or(plain).or(message)
}

/// The line in a JSON object of a logger's, in one of its lines (`"MESSAGE" : "…",`), or in a row of quoted cells.
fn message(line: &str) -> Option<String> {
    let said = |text: &str| text.trim_end_matches(['\n', '\r']).replace(['\n', '\r'], " ");
    if let Some(object) =
        line.find('{').map(|at| &line[at..]).filter(|rest| rest[1..].trim_ascii_start().starts_with('"'))
    {
        // Behind the object there may be the end of a list.
        let mut objects = serde_json::Deserializer::from_str(object).into_iter();
        let object: serde_json::Map<String, serde_json::Value> = objects.next()?.ok()?;
        return MESSAGE_KEYS.iter().find_map(|key| text_of(object.get(*key)?)).map(|text| said(&text));
    }
    let trimmed = line.trim_ascii();
    let trimmed = trimmed.strip_suffix(',').unwrap_or(trimmed);
    trimmed.starts_with('"').then_some(())?;
    let mut values = serde_json::Deserializer::from_str(trimmed).into_iter::<String>();
    if let Some(Ok(key)) = values.next()
        && let Some(value) = trimmed[values.byte_offset()..].trim_ascii_start().strip_prefix(':')
    {
        let text = MESSAGE_KEYS.contains(&&*key).then(|| text_of(&serde_json::from_str(value).ok()?)).flatten();
        return Some(text.map(|text| said(&text)).unwrap_or_default());
    }
    let cells = trimmed.strip_prefix('"')?.strip_suffix('"')?.split("\",\"");
    cells.max_by_key(|cell| cell.len()).map(|cell| cell.replace("\"\"", "\""))
}

/// A string; the journal gives bytes where one holds what cannot be printed.
fn text_of(value: &serde_json::Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let bytes = value.as_array()?.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect::<Option<Vec<u8>>>()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text without what is no text; `None` where that is all of it.
fn plain(text: &str, nul_bytes: &mut u64) -> Option<String> {
    text.contains(['\0', '\t', '\u{1b}', '\u{a0}', '\u{feff}']).then_some(())?;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\0' => *nul_bytes += 1,
            '\u{feff}' => {}
            '\t' | '\u{a0}' => plain.push(' '),
            // `ESC [ 3 1 m` ends with a letter, `ESC ] 0 ; title BEL` with a bell; of others the next character belongs to it.
            '\u{1b}' => match rest.next() {
                Some('[') => drop(rest.by_ref().find(|c| ('@'..='~').contains(c))),
                Some(']') => drop(rest.by_ref().find(|c| matches!(c, '\u{7}' | '\\'))),
                _ => {}
            },
            c => plain.push(c),
        }
    }
    Some(plain)
}

/// The text with the characters that HTML has names for, and without the tags around it; `None` where that is the same.
fn unescaped(text: &str) -> Option<String> {
    let mut inner = text;
    while let Some(rest) = TAGS.iter().find_map(|tag| untagged(inner, tag)) {
        inner = rest;
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let entity = behind.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        let (c, behind) = entity.unwrap_or(('&', behind));
        out.push(c);
        rest = behind;
    }
    out.push_str(rest);
    (out != text).then_some(out)
}

/// What is left without `<tag>` at the front or `</tag>` at the end.
fn untagged<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let opened = text.strip_prefix('<').and_then(|rest| rest.strip_prefix(tag)?.strip_prefix('>'));
    let closed = || text.strip_suffix('>')?.strip_suffix(tag)?.strip_suffix("</");
    let broken = || text.strip_suffix('>').filter(|_| tag.starts_with("br"))?.strip_suffix(tag)?.strip_suffix('<');
    opened.or_else(closed).or_else(broken)
}

/// The character of `gt`, `#61`, `#x3d`.
fn character(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?).filter(|c| !c.is_control())?
        }
    })
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
        check("2026-11-28 a.b: {\"msg\":\"a-1\"}", Some("a-1"), 0);
        check("[{\"MESSAGE\": [97, 27, 91, 109, 45, 49]},", Some("a-1"), 0);
        check("\t\"MESSAGE\" : \"a-1\",", Some("a-1"), 0);
        check("\t\"_PID\" : \"1\",", Some(""), 0);
        check("\"Nov 28, 2026\",\"  a-1 [000] \"\"b\"\"\"", Some("  a-1 [000] \"b\""), 0);
        check("\"a", None, 0);
        check("a-1\u{a0}\u{1b}]0;title\u{7}[000]", Some("a-1 [000]"), 0);
        check("<pre>  &lt;idle&gt;-0 a&amp;b &#61;&#x3D;&none;&", Some("  <idle>-0 a&b ==&none;&"), 0);
        check("<idle>-0 [000] a & b; c", None, 0);
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
