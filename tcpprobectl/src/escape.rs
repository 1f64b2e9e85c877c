//! Text of others, so that it cannot command a terminal: filters that somebody gave a job, names that tasks gave
//! themselves.

use std::borrow::Cow;

use tcpprobe::kernel::text::is_unprintable;

/// `text` with its control characters written out, as `\u{1b}`, and those that change the order of others.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return text.into();
    }
    let written = |c: char| if is_unprintable(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(written).collect::<String>().into()
}

/// `text` as a word for a shell: in quotes where it needs them.
#[must_use]
pub fn word(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into();
    }
    format!("'{}'", text(word).replace('\'', "'\\''")).into()
}

/// Lines with `?` for each such character but tabs and line feeds. Characters must be whole.
#[must_use]
pub fn lines(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_bad = |c: char| is_unprintable(c) && !matches!(c, '\t' | '\n');
    if bytes.utf8_chunks().all(|chunk| !chunk.valid().contains(is_bad)) {
        return bytes.into();
    }
    let mut escaped = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        escaped.extend_from_slice(chunk.valid().replace(is_bad, "?").as_bytes());
        escaped.extend_from_slice(chunk.invalid());
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_written_out() {
        assert_eq!(text("comm == \"é\u{1b}[2J\""), "comm == \"é\\u{1b}[2J\"");
        assert_eq!(text("a\u{202e}b"), "a\\u{202e}b");
        assert!(matches!(text("sport == 80"), Cow::Borrowed(_)));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(word("traces/web-1.tcpp"), "traces/web-1.tcpp");
        assert_eq!(word("my trace.tcpp"), "'my trace.tcpp'");
        assert_eq!(word("it's; rm"), "'it'\\''s; rm'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn lines_keep_all_but_controls() {
        assert_eq!(&*lines("a\u{1b}[2J\té\u{9b}1m\u{7f}\n".as_bytes()), "a?[2J\té?1m?\n".as_bytes());
        assert_eq!(&*lines("a\u{202e}b\u{2066}".as_bytes()), b"a?b?");
        assert_eq!(&*lines(b"\xc2"), b"\xc2");
        assert!(matches!(lines("日本\n".as_bytes()), Cow::Borrowed(_)));
    }
}
