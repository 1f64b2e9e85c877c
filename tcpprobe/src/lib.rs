//! Reads, writes, filters and explains the Linux kernel's tcp tracepoints.
#![forbid(unsafe_code)]

pub mod event;
pub mod flow;
pub mod format;
pub mod page;
