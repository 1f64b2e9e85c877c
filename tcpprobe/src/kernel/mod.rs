//! What a kernel writes: descriptions of events ([`format`](mod@format)), ring-buffer pages ([`page`]), the buffers of all CPUs
//! merged ([`ring`]), what `print fmt` prints ([`mod@print`]) and ftrace text ([`text`]).

pub mod format;
pub mod names;
pub mod page;
pub mod print;
pub mod ring;
pub mod text;
pub mod value;
