//! When a block is sealed.

use std::time::Duration;

pub use tcpprobe::file::BLOCK_EVENTS;

/// A block is sealed at this age.
pub const BLOCK_AGE: Duration = Duration::from_secs(1);
/// The same while somebody follows the run, counted from the block before.
pub const BLOCK_AGE_FOLLOWED: Duration = Duration::from_millis(200);
/// Blocks are sealed for who asks to read up to now at most this often.
pub const ASKED_INTERVAL: Duration = Duration::from_millis(250);
