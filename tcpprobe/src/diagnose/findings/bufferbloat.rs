//! A deep queue on the path: RTT rises many times above its minimum while data flows.
//!
//! # How it is decided
//! The largest `srtt` is four times the smallest, and 100 ms above it, while ACKs come all the time. It is smoothed: a short spike does not do it.
//!
//! # What looks like it
//! A path that changes; a peer that delays ACKs (200 ms at most). What holds all packets for a while and lets them go (an outage, radio, a paused machine): after 50 ms without an ACK `srtt` does
//! not count until it has forgotten that.
//!
//! # How to confirm
//! `ping PEER` while the transfer goes on, and without it. `ss -ti`: `rtt` against `minrtt`.
//!
//! # Remedy
//! fq_codel or cake at the bottleneck, a shorter queue there, BBR at the sender; `tcp_notsent_lowat` against one in the sender.

use super::Finding;
use crate::diagnose::Diagnosis;
use crate::diagnose::limits::ms;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let facts = &found.facts;
    let queue = facts.srtt_max_us.saturating_sub(facts.base_us);
    let is_deep = facts.base_us > 0 && facts.srtt_max_us / 4 > facts.base_us && queue > 100_000;
    is_deep.then(|| {
        let text = format!(
            "RTT rises from {} to {}: a queue of {} on the path",
            ms(facts.base_us),
            ms(facts.srtt_max_us),
            ms(queue)
        );
        Finding::new("bufferbloat", text)
    })
}
