//! The path marks packets in place of dropping them (ECN), and the sender slows down.
//!
//! # How it is decided
//! `tcp_cong_state_set` says CWR, with no retransmission since the state was Open: no loss, but a mark (or a drop in the sender's own queue,
//! which does the same). Twice and more. Source: RFC 3168; `net/ipv4/tcp_input.c`, `tcp_enter_cwr()`.
//!
//! # What looks like it
//! A tail loss probe that repaired a loss goes through CWR too: there a retransmission came before.
//!
//! # How to confirm
//! `ss -ti`: `ecn ecnseen`, `delivered_ce`. `nstat -az TcpExtTCPDeliveredCE`; `tc -s qdisc` at the bottleneck: `ecn_mark`.
//!
//! # Remedy
//! None: this is congestion without loss, as it should be. The path is full: see `bandwidth`.

use super::Finding;
use crate::diagnose::Diagnosis;

const LEAST: u32 = 2;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let times = found.facts.marks;
    (times >= LEAST).then(|| {
        let text = format!(
            "the congestion window was reduced {times} times without a loss: ECN marks, or the sender's own queue"
        );
        Finding::new("ecn", text)
    })
}
