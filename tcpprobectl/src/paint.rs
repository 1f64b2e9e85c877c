//! Colour, on a terminal whose owner has not said no (<https://no-color.org>).

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal};

/// What a colour means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Events were lost, or a job failed.
    Bad,
    /// Worth a look.
    Warning,
    /// Less important than what stands around it.
    Faint,
    /// A heading.
    Strong,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For text that goes to stdout.
    #[must_use]
    pub fn stdout() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Paint { on: !refused && !dumb && io::stdout().is_terminal() }
    }

    /// Whether there are colours.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.on
    }

    /// Never a colour.
    #[cfg(test)]
    pub fn none() -> Self {
        Paint { on: false }
    }

    /// `text` in the colour of `tone`.
    #[must_use]
    pub fn text<'a>(self, tone: Tone, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let text = text.into();
        if !self.on || text.is_empty() {
            return text;
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warning => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painted_and_plain() {
        assert_eq!(Paint { on: true }.text(Tone::Good, "ok"), "\x1b[32mok\x1b[0m");
        assert_eq!(Paint { on: true }.text(Tone::Good, ""), "");
        assert_eq!(Paint::none().text(Tone::Bad, "no"), "no");
    }
}
