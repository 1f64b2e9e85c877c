//! What holds ACKs for a while and lets them go, which is no queue: out of a queue they come all the time.

/// So long no ACK comes only where something holds them, or out of a queue that is much longer: delayed ACKs of Linux take 40 ms.
const LEAST_NS: u64 = 50_000_000;

/// Whether `srtt` tells of a hold: it learns it from the next event on, and needs a while to forget it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold {
    /// For so long no ACK came.
    length_ns: u64,
    until: u64,
}

impl Hold {
    /// Takes in a tcp_probe's `srtt` and the one before it, microseconds, after so long without an ACK although data was out. Says
    /// whether it is of a hold.
    pub fn has(&mut self, time: u64, quiet_ns: u64, srtt: u32, before: u32, base_us: u32) -> bool {
        if quiet_ns > LEAST_NS {
            self.length_ns = if time < self.until { self.length_ns.max(quiet_ns) } else { quiet_ns };
            self.until = self.until.max(time + quiet_ns);
        }
        let late_ns = u64::from(srtt.saturating_sub(base_us)) * 1000;
        if time >= self.until || late_ns > 2 * self.length_ns {
            return false;
        }
        if srtt > before {
            self.until = self.until.max(time + u64::from(srtt) * 1000);
        }
        true
    }
}
