//! Values as people write and read them: connections, counts, sizes, durations, timestamps.

pub mod connection;
pub mod count;
pub mod duration;
pub mod size;
pub mod timestamp;
