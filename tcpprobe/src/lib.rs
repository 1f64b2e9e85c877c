//! Reads, writes, filters and explains the Linux kernel's tcp tracepoints.
#![forbid(unsafe_code)]

pub mod block;
pub mod event;
pub mod filter;
pub mod flow;
pub mod format;
pub mod page;
pub mod print;
pub mod text;
pub mod trace;
