//! Nothing moves until a timer sends again.
//!
//! # How it is decided
//! From the last progress of `snd_una` before a retransmission time-out to its next progress: the whole stall, not only what comes after the timer.
//! With `tcp_cong_state_set` a time-out is the first retransmission after a Loss event: exact; without, a retransmission 200 ms and more after the last ACK,
//! after which the congestion window is cut: inferred. After a FIN no event tells of progress: there it is the time that the timer waited. Source: RFC 6298; `net/ipv4/tcp_timer.c`, `tcp_retransmit_timer()`.
//!
//! # What looks like it
//! A closed window (`receiver_application`): the kernel probes it by the same timer. A tail loss probe (RFC 8985) comes sooner. An ICMP "fragmentation needed" makes a Loss event without waiting.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPTimeouts TcpExtTCPLossUndo`; `ss -ti`: `backoff`, `retrans`, `rto`. `ping -M do -s 1472 PEER` against `ping -s 100 PEER`: large packets vanish.
//!
//! # Remedy
//! Find the outage. Where large packets vanish: `net.ipv4.tcp_mtu_probing=1`, or clamp the MSS. Where most stalls were undone (`spurious`), ACKs were late: the path delays, and nothing was lost.

use super::{Limit, Words, count, seconds};
use crate::diagnose::{Cause, Diagnosis};

pub(super) fn words(found: &Diagnosis) -> Words {
    let times = found.causes.of(Cause::Timeout);
    let evidence = format!(
        "{}, {} without progress, the longest {}.",
        count(times, "time-out", "time-outs"),
        seconds(found.time(Limit::Timeout)),
        seconds(found.longest(Limit::Timeout))
    );
    // Where most stalls were undone; after one that was none, what was out is sent again in slow start.
    let stalls = found.intervals.iter().filter(|interval| interval.limit == Limit::Timeout).count() as u64;
    let are_late = found.causes.spurious * 2 > stalls && found.causes.of(Cause::SlowStart) <= times;
    let remedy = if found.facts.mss_fell || found.facts.backoff_max >= 4 {
        "an outage, or large packets vanish: compare ping -M do -s 1472 with ping -s 100; for the latter net.ipv4.tcp_mtu_probing=1, or clamp the MSS"
    } else if are_late {
        "nothing had been lost, ACKs came late: look for what holds packets on the path (radio, a paused machine or tunnel)"
    } else {
        "look for outages on the path at these times; --json has them"
    };
    Words::new(evidence, remedy)
}
