//! The handshake has not ended: no data can go yet.
//!
//! # How it is decided
//! From the first SYN (`inet_sock_set_state` CLOSE → SYN_SENT, or one second before the first SYN that was sent again,
//! `TCP_TIMEOUT_INIT`) to ESTABLISHED, or to the moment a round trip before the first `tcp_probe`. Exact.
//! Only the end that connects has it. Source: `net/ipv4/tcp_timer.c`, `tcp_retransmit_timer()`; RFC 6298.
//!
//! # What looks like it
//! A slow TLS handshake is data, and no part of this. A name that is looked up slowly comes before the first SYN.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPSynRetrans TcpExtListenOverflows TcpExtListenDrops` on both hosts; `ss -lnt` on the server shows the
//! backlog (Recv-Q against Send-Q).
//!
//! # Remedy
//! Listen with a larger backlog (`net.core.somaxconn`), accept faster, let the firewall and conntrack pass SYNs, mend the route.

use super::{Limit, Words, count, seconds};
use crate::diagnose::{Cause, Diagnosis};

pub(super) fn words(found: &Diagnosis) -> Words {
    let syns = found.causes.of(Cause::Syn);
    let evidence = match syns {
        0 => format!("The handshake took {}, and no SYN was sent again.", seconds(found.time(Limit::Connecting))),
        _ => format!(
            "The handshake took {}: {} again.",
            seconds(found.time(Limit::Connecting)),
            count(syns, "SYN was sent", "SYNs were sent")
        ),
    };
    let remedy = match syns {
        0 => "",
        _ => {
            "on the server: nstat TcpExtListenOverflows tells of a full backlog (net.core.somaxconn); if it stays, a firewall or the route drops SYNs"
        }
    };
    Words::new(evidence, remedy)
}
