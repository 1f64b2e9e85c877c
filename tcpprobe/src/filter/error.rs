//! What is wrong with a filter, and where.

use std::fmt;

use unicode_width::UnicodeWidthStr;

/// Characters of a long filter that [`FilterError::render`] shows on either side of the error.
const CONTEXT_CHARS: usize = 60;

/// Where something stands in a filter's text, in characters (not bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Characters before it.
    pub start: usize,
    /// Characters in it, at least 1.
    pub length: usize,
}

/// A filter that cannot be used, with the place of the mistake.
///
/// `Display` gives one line, [`FilterError::render`] the text with a caret under the mistake:
///
/// ```
/// let text = "sport = 80";
/// let error = tcpprobe::filter::Filter::parse(text).unwrap_err();
/// assert_eq!(error.to_string(), "filter, column 7: a single = compares nothing; write ==");
/// assert_eq!(error.render(text), "filter, column 7: a single = compares nothing\n  sport = 80\n        ^\n  write ==");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// The character at which the mistake begins, counted from 1; always inside the text.
    pub column: usize,
    /// Length of the mistake in characters, at least 1.
    pub length: usize,
    /// What is wrong and, if it is not plain, what was expected.
    pub message: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: {}", self.column, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl FilterError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        FilterError { column: span.start + 1, length: span.length.max(1), message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message, the filter with carets under the mistake, and the hint: a line each, no line break at the end.
    ///
    /// `text` is the text that was parsed; of a long one, only the surroundings of the mistake are shown.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let first = (self.column - 1).saturating_sub(CONTEXT_CHARS);
        let last = self.column - 1 + self.length.min(CONTEXT_CHARS) + CONTEXT_CHARS;
        let total = text.chars().count();
        // A tab or line break would move the carets away from what they mark.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let shown = |from: usize, to: usize| text.chars().skip(from).take(to - from).map(plain).collect::<String>();
        let before = if first > 0 { "..." } else { "" };
        let after = if last < total { "..." } else { "" };
        let mut lines = format!("filter, column {}: {}\n  {before}", self.column, self.message);
        lines.push_str(&shown(first, last));
        lines.push_str(after);
        // Chinese is two columns wide, an accent none.
        let indent = 2 + before.len() + shown(first, self.column - 1).width();
        let carets = shown(self.column - 1, self.column - 1 + self.length.min(CONTEXT_CHARS)).width().max(1);
        lines.push_str(&format!("\n{:indent$}{}", "", "^".repeat(carets)));
        if let Some(hint) = &self.hint {
            lines.push_str(&format!("\n  {hint}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_around_the_mistake() {
        let text = format!("{}oops{}", "a".repeat(100), "b".repeat(100));
        let error = FilterError::new(Span { start: 100, length: 4 }, "wrong");
        let lines: Vec<String> = error.render(&text).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "filter, column 101: wrong");
        assert_eq!(lines[1], format!("  ...{}oops{}...", "a".repeat(60), "b".repeat(60)));
        assert_eq!(lines[2], format!("{}^^^^", " ".repeat(2 + 3 + 60)));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn tabs_do_not_move_the_caret() {
        let error = FilterError::new(Span { start: 2, length: 1 }, "wrong");
        assert_eq!(error.render("\té=\n"), "filter, column 3: wrong\n   é= \n    ^");
    }

    #[test]
    fn the_caret_stands_under_wide_characters_and_behind_them() {
        let check = |start, length, carets: &str| {
            let error = FilterError::new(Span { start, length }, "wrong");
            assert_eq!(error.render("'日本'=e\u{301}=").lines().nth(2), Some(carets));
        };
        check(1, 2, "   ^^^^");
        check(4, 1, "        ^");
        check(7, 1, "          ^");
    }
}
