//! Traces as other formats.

mod text_writer;

pub use text_writer::TextWriter;
