//! What a kernel writes: descriptions of events ([`format`](mod@format)), ring-buffer pages ([`page`]), the buffers of all CPUs
//! merged ([`ring`]), what `print fmt` prints ([`mod@print`]) and ftrace text ([`text`]); and what it says of a socket when it is
//! asked ([`inet_diag`]).
//!
//! ```
//! let format = tcpprobe::kernel::format::Format::parse("tcp", "name: demo\nID: 7\nformat:\n\nprint fmt: \"nothing\"\n")?;
//! let mut line = Vec::new();
//! tcpprobe::kernel::print::Printer::new(&format).print(&[7, 0, 0, 0, 1, 0, 0, 0], &mut line);
//! assert_eq!(line, b"nothing");
//! # Ok::<(), tcpprobe::kernel::format::FormatError>(())
//! ```

pub mod format;
pub mod inet_diag;
pub mod names;
pub mod page;
pub mod print;
pub mod ring;
pub mod text;
pub mod value;
