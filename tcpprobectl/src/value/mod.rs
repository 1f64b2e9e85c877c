//! Values as people write and read them: sizes, spans of time, moments.

pub mod count;
pub mod moment;
pub mod size;
pub mod span;
