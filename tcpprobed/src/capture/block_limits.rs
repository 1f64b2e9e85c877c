//! When a block is sealed.

use std::time::Duration;

pub use tcpprobe::file::BLOCK_EVENTS;

/// A block is sealed at this age.
pub const BLOCK_AGE: Duration = Duration::from_secs(1);
/// The same while somebody follows the run.
pub const BLOCK_AGE_FOLLOWED: Duration = Duration::from_millis(250);
