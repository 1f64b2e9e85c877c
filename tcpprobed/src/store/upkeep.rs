//! How a store is to be kept.

use std::time::Duration;

use super::SegmentLimits;
use crate::disk::OptionalHook;

/// Power loss costs at most what was written in this time.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// How a store is to be kept.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// When segments are closed.
    pub limits: SegmentLimits,
    /// Power loss costs at most what was written in this time.
    pub sync_interval: Duration,
    /// Sees what is written.
    pub hook: OptionalHook,
}
