//! What connections have in common, in sums.

use super::{Causes, Diagnosis, Histogram, Limit};

/// Sums over connections.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many there are.
    pub connections: u64,
    /// Events that are known to be of them.
    pub events: u64,
    /// Nanoseconds of all of them together.
    pub duration: u64,
    /// Payload that was acknowledged, bytes.
    pub bytes_acked: u64,
    /// Payload that was received, bytes.
    pub bytes_received: u64,
    /// What was acknowledged, in full segments.
    pub segments: u64,
    /// Retransmissions.
    pub retransmissions: u64,
    /// The same by cause.
    pub causes: Causes,
    /// Smoothed RTT at each ACK, microseconds.
    pub rtts: Histogram,
    /// Congestion window at each ACK, packets.
    pub cwnds: Histogram,
    /// Nanoseconds of each limit.
    times: [u64; Limit::ALL.len()],
}

impl Summary {
    /// Adds one.
    pub fn add(&mut self, found: &Diagnosis) {
        self.connections += 1;
        self.events += found.events;
        self.duration += found.duration();
        self.bytes_acked += found.facts.bytes_acked;
        self.bytes_received += found.facts.bytes_received;
        self.segments += found.facts.bytes_acked.div_ceil(u64::from(found.facts.mss.max(1)));
        self.retransmissions += found.causes.total();
        self.causes.merge(&found.causes);
        self.rtts.merge(&found.rtts);
        self.cwnds.merge(&found.cwnds);
        found.intervals.iter().for_each(|interval| self.times[interval.limit as usize] += interval.to - interval.from);
    }

    /// Payload of both directions, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_acked + self.bytes_received
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.bytes() as f64 * 1e9 / self.duration.max(1) as f64
    }

    /// Share of segments that were sent again.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.retransmissions as f64 / (self.segments + self.retransmissions).max(1) as f64
    }

    /// The share of a limit of all time.
    #[must_use]
    pub fn share(&self, limit: Limit) -> f64 {
        self.times[limit as usize] as f64 / self.duration.max(1) as f64
    }

    /// The limit of most time other than idle, and its share of all.
    #[must_use]
    pub fn headline(&self) -> (Limit, f64) {
        let most = Limit::ALL
            .into_iter()
            .filter(|&limit| limit != Limit::Idle)
            .max_by_key(|&limit| self.times[limit as usize]);
        let limit = most.filter(|&limit| self.times[limit as usize] > 0).unwrap_or(Limit::Idle);
        (limit, self.share(limit))
    }
}
