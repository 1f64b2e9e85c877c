//! Progress on stderr, where that is a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bytes that came, of all that will come.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar, unless it is not `wanted` or there is no terminal to show it on.
    #[must_use]
    pub fn bytes(what: &str, wanted: bool) -> Self {
        if !wanted || !io::stderr().is_terminal() {
            return Progress(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let template = "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Progress(bar.with_message(what.to_owned()))
    }

    /// Shows that `bytes` of `total_bytes` came.
    pub fn set(&self, bytes: u64, total_bytes: u64) {
        // More may come than was known at first.
        self.0.set_length(total_bytes.max(bytes));
        self.0.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
