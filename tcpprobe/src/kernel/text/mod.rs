//! ftrace text: written as the kernel writes it, and read.
//!
//! Out: [`TextWriter`] prints records as the kernel's `trace` file shows them. In: [`parse_line`] reads a line,
//! [`parse_trace`] a file, [`TextReader`] a stream; what `trace` and `trace_pipe` of any kernel since 4.16 hold is
//! understood, typed where [`crate::event`] has a type, and kept as `name=value` otherwise.

mod body;
mod fields;
mod layout;
mod parse;
mod read;
mod scan;
mod write;

pub use layout::{Layout, clock_ticks};
pub use parse::{Line, LineError, TextEvent, parse_line};
pub use read::{BrokenLine, LINE_BYTES_MAX, OpenError, TextReader, parse_stream, parse_trace};
pub use write::TextWriter;
