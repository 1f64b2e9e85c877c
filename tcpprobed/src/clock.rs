//! The clock of traces, and the wall clock.

use rustix::time::{ClockId, clock_gettime};
use tcpprobe::file::Anchor;

/// This moment in both clocks, read as closely together as can be.
#[must_use]
pub fn anchor() -> Anchor {
    let now = crate::tracefs::Anchor::now();
    Anchor { time: now.boot_ns, wall: now.wall_ns.cast_signed() }
}

/// Nanoseconds since boot: the trace's clock.
#[must_use]
pub fn boot_ns() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// Nanoseconds since 1970.
#[must_use]
pub fn wall_ns() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
