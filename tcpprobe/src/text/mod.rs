//! ftrace text: written as the kernel writes it, and read.

mod layout;
mod write;

pub use layout::Layout;
pub use write::TextWriter;
