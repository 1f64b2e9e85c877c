//! When segments are closed: set by the control plane, read by the captures' threads without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A segment is closed at this length…
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// …or at this age.
pub const SEGMENT_AGE: Duration = Duration::from_secs(600);

/// When a segment is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentLimits {
    /// At this length.
    pub bytes: u64,
    /// At this age.
    pub age: Duration,
}

/// The limits as they are now, the same for all who hold it.
#[derive(Debug, Clone)]
pub struct SharedLimits(Arc<Values>);

#[derive(Debug)]
struct Values {
    bytes: AtomicU64,
    age_ms: AtomicU64,
}

impl SharedLimits {
    /// These, until others are set.
    #[must_use]
    pub fn new(limits: SegmentLimits) -> Self {
        let (bytes, age_ms) = (AtomicU64::new(limits.bytes), AtomicU64::new(milliseconds(limits.age)));
        SharedLimits(Arc::new(Values { bytes, age_ms }))
    }

    /// As they are now.
    #[must_use]
    pub fn get(&self) -> SegmentLimits {
        let Values { bytes, age_ms } = &*self.0;
        let age = Duration::from_millis(age_ms.load(Ordering::Relaxed));
        SegmentLimits { bytes: bytes.load(Ordering::Relaxed), age }
    }

    /// Others from now on, also for segments that are being written.
    pub fn set(&self, limits: SegmentLimits) {
        self.0.bytes.store(limits.bytes, Ordering::Relaxed);
        self.0.age_ms.store(milliseconds(limits.age), Ordering::Relaxed);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
