//! The path is full: a queue builds up at its narrowest link, or a rate-based congestion control sends what it gives.
//!
//! # How it is decided
//! The congestion window is filled, or lost data is repaired, and there is a queue: at the time, or before most of the losses around it. A queue
//! delays all that passes it: the RTT of each ACK (two `srtt` tell it: RFC 6298, 2.3) was above the smallest by a thirty-second part, 1 ms and what it
//! varies by, for a round trip; or `srtt` rose a quarter and 3 ms (in slow start a sixth, 3 ms at least) above it. ECN says it, too. A rate-based congestion control (BBR by its name in a snapshot, or the window is
//! restored after each recovery, or comes down without a loss and ssthresh with it or unset: `net/ipv4/tcp_bbr.c`) is held back by the path's rate, whatever is lost. Inferred.
//!
//! # What looks like it
//! Random loss (`packet_loss`) comes without a queue; a policer drops at its own rate, without a queue. The sender's own device may be that link.
//!
//! # How to confirm
//! `ss -ti`: `rtt` far above `minrtt` while it sends, `delivery_rate` flat. `tc -s qdisc` at the bottleneck, if it is yours.
//!
//! # Remedy
//! More bandwidth, or less to send. Against the queue: fq_codel or cake at the bottleneck, or BBR at the sender.

use super::{Words, ms, rate};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let evidence = match found.is_queued() {
        true => format!(
            "The path is full at {}: RTT rises from {} to {} with the window.",
            rate(found.rate()),
            ms(facts.base_us),
            ms(facts.srtt_max_us)
        ),
        false => format!("The path is full at {}.", rate(found.rate())),
    };
    let is_deep = facts.srtt_max_us / 4 > facts.base_us && facts.srtt_max_us - facts.base_us > 20_000;
    Words::new(
        evidence,
        match is_deep {
            true => {
                "more bandwidth, or less to send; against the queue fq_codel or cake at the bottleneck, or BBR here"
            }
            false => "more bandwidth, or less to send",
        },
    )
}
