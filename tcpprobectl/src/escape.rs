//! Text of others, so that it cannot command a terminal: filters that somebody gave a job, names that tasks gave
//! themselves.

use std::borrow::Cow;

/// `text` with its control characters written out, as `\u{1b}`.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let written = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(written).collect::<String>().into()
}

/// Lines with `?` for each control character but tabs and line feeds. Characters must be whole.
#[must_use]
pub fn lines(bytes: &[u8]) -> Cow<'_, [u8]> {
    let control = |at: usize| match bytes[at] {
        b'\t' | b'\n' => 0,
        0..=0x1f | 0x7f => 1,
        // U+0080 to U+009F in UTF-8.
        0xc2 if bytes.get(at + 1).is_some_and(|next| (0x80..=0x9f).contains(next)) => 2,
        _ => 0,
    };
    let Some(first) = (0..bytes.len()).find(|&at| control(at) > 0) else { return bytes.into() };
    let mut escaped = bytes[..first].to_vec();
    let mut at = first;
    while at < bytes.len() {
        match control(at) {
            0 => escaped.push(bytes[at]),
            _ => escaped.push(b'?'),
        }
        at += control(at).max(1);
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_written_out() {
        assert_eq!(text("comm == \"é\u{1b}[2J\""), "comm == \"é\\u{1b}[2J\"");
        assert!(matches!(text("sport == 80"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_keep_all_but_controls() {
        assert_eq!(&*lines("a\u{1b}[2J\té\u{9b}1m\u{7f}\n".as_bytes()), "a?[2J\té?1m?\n".as_bytes());
        assert_eq!(&*lines(b"\xc2"), b"\xc2");
        assert!(matches!(lines("日本\n".as_bytes()), Cow::Borrowed(_)));
    }
}
