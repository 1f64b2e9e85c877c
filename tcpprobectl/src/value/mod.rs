//! Values as people write and read them: counts, sizes, durations, timestamps.

pub mod count;
pub mod duration;
pub mod size;
pub mod timestamp;
