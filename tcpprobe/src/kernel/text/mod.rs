//! ftrace text, line by line: [`parse_line`] reads a line, [`TextReader`] a stream; [`Layout`] says how each kernel writes it.
//!
//! What `trace` and `trace_pipe` of any kernel since 4.16 hold is understood, also as tools, logs and consoles give it, and
//! `/proc/net/tcpprobe` of kernels before. What a line's body says is left to
//! [`crate::source`], which makes records of lines; [`crate::export::TextWriter`] writes text.

mod dress;
mod fields;
pub(crate) mod flags;
mod layout;
mod parse;
mod read;
mod rewrite;
mod scan;

pub(crate) use fields::Fields;
pub(crate) use layout::UNKNOWN_TICKS;
pub use layout::{Layout, clock_ticks};
pub(crate) use parse::has_task;
pub use parse::{Line, LineError, TextEvent, parse_line};
pub use read::{BrokenLine, LINE_BYTES_MAX, TextReader, is_unprintable};
pub(crate) use scan::Scan;
