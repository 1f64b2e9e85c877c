//! What others put before a line of ftrace text: logs, container runtimes, syslog, consoles, trace-cmd.

/// The line itself, and what is left of it without one prefix after the other. Of a line in no dress only itself.
///
/// - the journal: `Nov 28 06:52:28 host unit[42]: `, with times of any of its formats
/// - syslog: `<34>Nov 28 …` (RFC 3164), `<34>1 2026-11-28T06:52:28Z host app 42 - - ` (RFC 5424)
/// - `kubectl logs --prefix --timestamps`: `[pod/web-0/trace] 2026-11-28T06:52:28.123456789Z `; the same of `docker logs`
/// - files of a container runtime: `2026-11-28T06:52:28.123456789Z stdout F `; `docker compose`: `web-1  | `
/// - a console: `[ 1830.433505] `, `[Sat Nov 28 06:52:28 2026] `, `kern  :warn  : `, `[    T195] `
/// - `journalctl -o export` and `-o verbose`: `MESSAGE=`; a quotation: `> `
pub(super) fn undressed<'a>(line: &'a str) -> impl Iterator<Item = &'a str> {
    let mut is_timed = false;
    let mut is_rfc5424 = false;
    let next = move |rest: &&'a str| -> Option<&'a str> {
        let rest = *rest;
        if is_timed && let Some(rest) = logged_by(rest, is_rfc5424) {
            is_timed = false;
            return Some(rest);
        }
        if let Some(rest) = priority(rest) {
            is_rfc5424 = rest.starts_with("1 ");
            return Some(if is_rfc5424 { &rest[2..] } else { rest });
        }
        let timed = date_and_time(rest).or_else(|| bracketed_time(rest)).or_else(|| number(rest));
        is_timed |= timed.is_some();
        let said = || rest.trim_ascii_start().strip_prefix("MESSAGE=").or_else(|| quotation(rest));
        timed
            .or_else(said)
            .or_else(|| pod(rest))
            .or_else(|| service(rest))
            .or_else(|| facility(rest))
            .or_else(|| caller(rest))
    };
    // No log has more of them.
    std::iter::successors(Some(line), next).take(8)
}

/// The rest behind the name of a buffer, as trace-cmd has it before each line: `web: `, or blanks as many.
pub(super) fn without_buffer(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(": ")?;
    let name = name.trim_start();
    (!name.is_empty() && !name.contains(' ')).then_some(rest)
}

/// What is left of `text` behind this many digits.
fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<&str> {
    let found = text.bytes().take_while(u8::is_ascii_digit).count();
    count.contains(&found).then(|| &text[found..])
}

/// `06:52:28`, with a fraction or without.
fn time_of_day(text: &str) -> Option<&str> {
    let rest = digits(text, 2..=2)?.strip_prefix(':')?;
    let rest = digits(digits(rest, 2..=2)?.strip_prefix(':')?, 2..=2)?;
    Some(rest.strip_prefix(['.', ',']).and_then(|fraction| digits(fraction, 1..=9)).unwrap_or(rest))
}

/// `2026-11-28T06:52:28.123+01:00 `, `2026-11-28 06:52:28 UTC `, `Sat 2026-11-28 06:52:28 UTC `, `Nov 28 06:52:28 `.
fn date_and_time(text: &str) -> Option<&str> {
    let word = |text: &str| text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let text = if word(text) == 3 { text[3..].strip_prefix(' ')? } else { text };
    let rest = match digits(text, 4..=4).and_then(|rest| rest.strip_prefix('-')) {
        Some(rest) => {
            let rest = digits(digits(rest, 2..=2)?.strip_prefix('-')?, 2..=2)?;
            time_of_day(rest.strip_prefix(['T', ' '])?)?
        }
        None => time_of_day(digits(text.trim_start(), 1..=2)?.strip_prefix(' ')?)?,
    };
    let zone = |rest: &str| {
        let rest = digits(rest.strip_prefix(['+', '-'])?, 2..=4)?.len();
        Some(rest)
    };
    let rest = match rest.strip_prefix('Z') {
        Some(rest) => rest,
        None => zone(rest).map_or(rest, |left| &rest[rest.len() - left..]),
    };
    let rest = rest.strip_prefix(':').and_then(|minutes| digits(minutes, 2..=2)).unwrap_or(rest);
    let rest = rest.strip_prefix(' ')?;
    Some(rest.strip_prefix("UTC ").unwrap_or(rest))
}

/// What is between brackets at the front, and the rest.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    Some((inner.trim(), rest.strip_prefix(' ').unwrap_or(rest)))
}

/// `[ 1830.433505] `, with the time since the line before (`[ 1830.433505 <    0.000123 >] `), `[Sat Nov 28 06:52:28 2026] `.
fn bracketed_time(text: &str) -> Option<&str> {
    let (inner, rest) = bracketed(text)?;
    let inner = inner.split_once(" <").map_or(inner, |(time, _)| time);
    let is_seconds = digits(inner, 1..=12).and_then(|rest| digits(rest.strip_prefix('.')?, 3..=9)) == Some("");
    let is_date = || inner.get(3..).and_then(|rest| date_and_time(rest.strip_prefix(' ')?)).is_some();
    (is_seconds || is_date()).then_some(rest)
}

/// `> `, as mail and chats quote.
fn quotation(text: &str) -> Option<&str> {
    text.strip_prefix('>').map(|rest| rest.strip_prefix(' ').unwrap_or(rest))
}

/// Seconds since 1970: `1764312748.123456 `.
fn number(text: &str) -> Option<&str> {
    digits(digits(text, 10..=10)?.strip_prefix('.')?, 3..=9)?.strip_prefix(' ')
}

/// `<34>`
fn priority(text: &str) -> Option<&str> {
    digits(text.strip_prefix('<')?, 1..=3)?.strip_prefix('>')
}

/// `[pod/web-0/trace] `
fn pod(text: &str) -> Option<&str> {
    bracketed(text).filter(|(inner, _)| inner.contains('/') && !inner.contains(' ')).map(|(_, rest)| rest)
}

/// `web-1  | `
fn service(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once("| ")?;
    let name = name.trim_end();
    (!name.is_empty() && !name.contains([' ', '[', ':'])).then_some(rest)
}

/// `kern  :warn  : `
fn facility(text: &str) -> Option<&str> {
    let (facility, rest) = text.split_once(':')?;
    let (level, rest) = rest.split_once(": ")?;
    let is_word = |word: &str| {
        let word = word.trim_end();
        !word.is_empty() && word.len() <= 8 && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    (is_word(facility) && is_word(level)).then_some(rest)
}

/// Who printed it, of a kernel with `CONFIG_PRINTK_CALLER`: `[    T195] `, `[    C1] `.
fn caller(text: &str) -> Option<&str> {
    let (inner, rest) = bracketed(text)?;
    (digits(inner.strip_prefix(['T', 'C'])?, 1..=10) == Some("")).then_some(rest)
}

/// What follows a time in a log: `host unit[42]: `, `stdout F `, and of RFC 5424 `host app 42 ID [data] `.
fn logged_by(text: &str, is_rfc5424: bool) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("stdout ").or_else(|| text.strip_prefix("stderr ")) {
        return rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P "));
    }
    let words = |count: usize| {
        (0..count).try_fold(text, |rest, _| {
            let (word, rest) = rest.split_once(' ')?;
            (!word.is_empty()).then_some(rest)
        })
    };
    if is_rfc5424 {
        let rest = words(4)?;
        let rest = rest.strip_prefix("- ").or_else(|| bracketed(rest).map(|(_, rest)| rest))?;
        return Some(rest.strip_prefix('\u{feff}').unwrap_or(rest));
    }
    // With a name of the machine, or (`journalctl --no-hostname`) without.
    [1, 0].into_iter().find_map(|count| {
        let (tag, rest) = words(count)?.split_once(": ")?;
        (!tag.is_empty() && !tag.contains(' ')).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "          iperf3-195     [001] ..s2.  1830.433505: tcp_probe: a=1";

    #[test]
    fn every_dress_comes_off() {
        for dress in [
            "",
            "Nov 28 06:52:28 host tracer[42]: ",
            "Nov  8 06:52:28.123456 host tracer: ",
            "2026-11-28T06:52:28+0000 host tracer[42]: ",
            "2026-11-28T06:52:28.123456+01:00 host kernel: ",
            "Sat 2026-11-28 06:52:28 UTC host tracer[42]: ",
            "1764312748.123456 host tracer[42]: ",
            "[ 1830.433505] host tracer[42]: ",
            "Nov 28 06:52:28 tracer[42]: ",
            "<34>Nov 28 06:52:28 host tracer[42]: ",
            "<34>1 2026-11-28T06:52:28.123Z host tracer 42 - - ",
            "<34>1 2026-11-28T06:52:28.123Z host tracer 42 ID [a@1 b=\"c\"] \u{feff}",
            "2026-11-28T06:52:28.123456789Z ",
            "[pod/web-0/trace] ",
            "[pod/web-0/trace] 2026-11-28T06:52:28.123456789Z ",
            "2026-11-28T06:52:28.123456789Z stdout F ",
            "web-1  | ",
            "web-1  | 2026-11-28T06:52:28.123456789Z ",
            "[ 1830.433505] ",
            "[12345.678901][    T195] ",
            "[Sat Nov 28 06:52:28 2026] ",
            "kern  :warn  : [ 1830.433505] ",
            "<4>[ 1830.433505] ",
            "[ 1830.433505 <    0.000123 >] host tracer[42]: ",
            "MESSAGE=",
            "    MESSAGE=",
            "> ",
            "> > ",
            ">>",
        ] {
            let dressed = format!("{dress}{LINE}");
            assert!(
                undressed(&dressed).any(|rest| rest.trim_start() == LINE.trim_start()),
                "{dress}: {:?}",
                undressed(&dressed).last()
            );
        }
        assert_eq!(undressed(LINE).count(), 1);
        assert_eq!(undressed("my task-1-77 (1) [000] 1.000000: demo: a=1").count(), 1);
        assert_eq!(without_buffer(&format!("  web: {LINE}")), Some(LINE));
    }
}
