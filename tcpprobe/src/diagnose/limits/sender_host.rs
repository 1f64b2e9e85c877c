//! Written data waits in the sender's own host: its pacing rate is capped, or its device's queue is full.
//!
//! # How it is decided
//! With a snapshot: unsent bytes (`tcpi_notsent_bytes` > 1 MSS) while both windows have room: exact. Without: ACKs find room in both windows all
//! the time, acknowledge full segments, and come evenly. Inferred. The kernel looks at pacing first, then at the congestion window, the peer's window, and at what the device holds
//! (`net/ipv4/tcp_output.c`, `tcp_write_xmit()`, `tcp_small_queue_check()`).
//!
//! # What looks like it
//! A full send buffer (flights in bursts); a rate-based congestion control such as BBR, which paces by what the path gives: that is `bandwidth`. A bottleneck elsewhere fills the congestion
//! window.
//!
//! # How to confirm
//! `ss -ti`: `notsent` > 0 and `unacked` < `cwnd`; `pacing_rate A/B` shows a cap as B. `tc -s qdisc` shows the backlog and what was dropped or over limit.
//!
//! # Remedy
//! Lift SO_MAX_PACING_RATE (or `maxrate` of fq, or the limit of a tbf, htb or container), or a faster device.

use super::{Words, ms, rate};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let is_queue = found.is_queued();
    let evidence = format!(
        "Data leaves evenly at {} with room in both windows{}.",
        rate(found.rate()),
        match is_queue {
            true => format!(", and RTT rises from {} to {}", ms(facts.base_us), ms(facts.srtt_max_us)),
            false => ", and RTT stays flat".to_owned(),
        }
    );
    let remedy = match is_queue {
        true => "look at the sender's own queue: tc -s qdisc (tbf, htb, a container's limit), or the device's speed",
        false => "look for SO_MAX_PACING_RATE in the program, and for a limit in tc -s qdisc (maxrate of fq, tbf, htb)",
    };
    Words::new(evidence, remedy)
}
