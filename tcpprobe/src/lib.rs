//! Reads, writes, filters and explains the Linux kernel's tcp tracepoints.
//!
//! In the order in which data flows:
//!
//! - [`format`](mod@format): what a kernel says about its events; [`page`]: ring-buffer pages to records; [`buffer`]: those of all
//!   CPUs, as they were saved; [`event`]: records, typed.
//! - [`mod@print`]: a record as that kernel prints it; [`text`]: ftrace text, in ([`text::parse_trace`], [`text::parse_line`]) and out.
//! - [`filter`]: the filter language, split between kernel and user space.
//! - [`block`]: columns of events, compressed; [`trace`]: the `.tcpp` file.
//! - [`flow`]: connections, their totals, and curves that stay small for any length of trace.
//!
//! Nothing here opens a socket, reads a clock or asks the environment, and nothing is `unsafe`.
#![forbid(unsafe_code)]

mod error;
pub mod event;
pub mod export;
pub mod file;
pub mod filter;
pub mod flow;
pub mod kernel;
pub mod source;

pub use error::Error;
pub use source::open;
