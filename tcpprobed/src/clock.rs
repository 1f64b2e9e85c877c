//! The clock of traces, the wall clock, and the boot that one of them counts from.

use rustix::time::{ClockId, Timespec, clock_gettime};
use tcpprobe::file::Anchor;

/// Pairs that are read; the tightest one counts.
const TRIES: usize = 16;

/// One instant in both clocks.
///
/// The `boot` clock of a trace is `CLOCK_BOOTTIME` (`ktime_get_boot_fast_ns()`): the same count that
/// a process reads, to within the clock source's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPair {
    /// Nanoseconds since boot, suspend included: the trace's time.
    pub boot_ns: u64,
    /// Nanoseconds since 1970 UTC.
    pub wall_ns: u64,
    /// The pair was read within so many nanoseconds: half of it bounds the error.
    pub spread_ns: u64,
}

impl ClockPair {
    /// Reads both clocks now.
    #[must_use]
    pub fn now() -> Self {
        let mut best = Self::read();
        for _ in 1..TRIES {
            let next = Self::read();
            if next.spread_ns < best.spread_ns {
                best = next;
            }
        }
        best
    }

    fn read() -> Self {
        let before = nanoseconds(clock_gettime(ClockId::Boottime));
        let wall_ns = nanoseconds(clock_gettime(ClockId::Realtime));
        let spread_ns = nanoseconds(clock_gettime(ClockId::Boottime)).saturating_sub(before);
        ClockPair { boot_ns: before + spread_ns / 2, wall_ns, spread_ns }
    }
}

/// 0 for times before the epoch, which neither clock has on a machine that is set right.
fn nanoseconds(time: Timespec) -> u64 {
    let (Ok(seconds), Ok(rest)) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec)) else { return 0 };
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// This moment in both clocks, read as closely together as can be.
#[must_use]
pub fn anchor() -> Anchor {
    let now = ClockPair::now();
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

/// Names this boot of the machine.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_agree_with_each_other() {
        let (a, b) = (ClockPair::now(), ClockPair::now());
        assert!(b.boot_ns >= a.boot_ns);
        let offset = |x: ClockPair| x.wall_ns - x.boot_ns;
        assert!(offset(a).abs_diff(offset(b)) <= a.spread_ns + b.spread_ns + 1000, "{a:?} {b:?}");
        assert!(a.spread_ns < 1_000_000, "{a:?}");
        assert!(a.wall_ns > 1_600_000_000_000_000_000, "after 2020: {a:?}");
    }
}
