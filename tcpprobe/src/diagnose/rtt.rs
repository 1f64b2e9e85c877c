//! The RTT of each ACK, which no event tells: `srtt` moves an eighth of the way to it (RFC 6298, 2.3; `net/ipv4/tcp_input.c`,
//! `tcp_rtt_estimator()`), so two of them do.

/// So few samples, one of a delayed ACK among them, say nothing.
const FEW: u32 = 4;
/// Below this, microseconds, the events' whole microseconds are too coarse to tell a sample.
const COARSE_US: u32 = 1000;

/// RTTs of one connection, microseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Rtt {
    srtt: u32,
    sample: u32,
    base: Option<u32>,
    /// Mean deviation of samples from srtt.
    deviation: u32,
    /// The smallest sample of this half of a round trip and of the one before, when this one began, and how many samples it has.
    least: (u32, u32),
    began: u64,
    count: u32,
    is_standing: bool,
}

impl Rtt {
    /// A tcp_probe's srtt, which is not 0. While holes are repaired a sample says how long they took.
    pub fn srtt(&mut self, time: u64, srtt: u32, is_repairing: bool) {
        let before = std::mem::replace(&mut self.srtt, srtt);
        let sample = match before {
            0 => srtt,
            _ if srtt < COARSE_US => srtt,
            _ => i64::from(before).saturating_add(8 * (i64::from(srtt) - i64::from(before))).clamp(1, 1 << 31) as u32,
        };
        let last = std::mem::replace(&mut self.sample, sample);
        if is_repairing {
            return;
        }
        // One alone may be wrong: an event is missing.
        let least = if last > 0 { sample.max(last).min(srtt) } else { srtt };
        let base = *self.base.insert(self.base.map_or(least, |base| base.min(least)));
        self.deviation = (u64::from(self.deviation) * 15 / 16) as u32 + sample.abs_diff(srtt) / 16;
        if self.count >= FEW && time.saturating_sub(self.began) > u64::from(base) * 500 {
            (self.began, self.count, self.least) = (time, 0, (u32::MAX, self.least.0));
        }
        self.count += 1;
        self.least.0 = self.least.0.min(sample);
        self.is_standing = self.look(base);
    }

    /// Between the last event and the next there were others.
    pub fn lost_events(&mut self) {
        (self.srtt, self.sample) = (0, 0);
        (self.began, self.count, self.least) = (0, 0, (0, 0));
    }

    /// The smallest; `u32::MAX` before there was any.
    pub fn base(&self) -> u32 {
        self.base.unwrap_or(u32::MAX)
    }

    /// Whether a queue on the path delays all that passes it.
    pub fn is_standing(&self) -> bool {
        self.is_standing
    }

    /// Whether what passes the path is late on average, by so many microseconds. A queue that grows within a round trip is seen so
    /// first; holes and delayed ACKs make it late as well.
    pub fn is_late(&self, by: u32) -> bool {
        self.base.is_some_and(|base| self.srtt > base.saturating_add(by))
    }

    fn look(&self, base: u32) -> bool {
        let least = self.least.0.min(self.least.1);
        let floor = if base < COARSE_US { base.max(200) } else { COARSE_US };
        let late = floor.max(base / 32).saturating_add(self.deviation);
        let late = if self.is_standing { late / 2 } else { late };
        least > base.saturating_add(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel makes of samples, in its eighths of microseconds.
    fn srtts(samples: impl IntoIterator<Item = u32>) -> Rtt {
        let (mut rtt, mut kept, mut time) = (Rtt::default(), 0_i64, 1_000_000_000);
        for sample in samples {
            kept = if kept == 0 { i64::from(sample) << 3 } else { kept + i64::from(sample) - (kept >> 3) };
            rtt.srtt(time, (kept >> 3) as u32, false);
            time += 1_000_000;
        }
        rtt
    }

    #[test]
    fn samples_come_back_from_their_average() {
        let rtt = srtts((0..100).map(|at| 40_000 + at % 7 * 1000));
        assert!(rtt.sample.abs_diff(41_000) <= 8, "{}", rtt.sample);
        assert!(rtt.base().abs_diff(40_000) <= 1008, "{}", rtt.base());
    }

    #[test]
    fn a_short_queue_is_seen() {
        let queue = |late: u32| srtts((0..400).map(|at| if at < 100 { 100_000 } else { 100_000 + late })).is_standing();
        assert!(queue(9_000), "an eleventh of the way");
        assert!(!queue(500), "less than what a path varies by");
    }

    #[test]
    fn jitter_is_no_queue() {
        let mut random = 7_u32;
        let mut jitter = move || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random >> 20
        };
        for samples in 100..140 {
            assert!(!srtts((0..samples).map(|_| 30_000 + jitter())).is_standing(), "{samples}");
        }
    }

    #[test]
    fn what_is_missing_makes_no_sample() {
        let mut rtt = srtts((0..100).map(|_| 40_000));
        rtt.lost_events();
        rtt.srtt(2_000_000_000, 35_000, false);
        assert_eq!(rtt.base(), 35_000, "it is no sample of 0");
    }
}
