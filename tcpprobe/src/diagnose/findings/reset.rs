//! The connection was reset: by which side, and why, where the kernel says so.
//!
//! # How it is decided
//! `tcp_send_reset` (with `reason` from 6.10 on) and `tcp_receive_reset` of the socket. Exact. Source: `net/ipv4/tcp_output.c`,
//! `tcp_send_active_reset()`; `net/ipv4/tcp_ipv4.c`, `tcp_v4_send_reset()`; `include/net/rstreason.h`.
//!
//! # What looks like it
//! A close by FIN has none. A reset by something on the path (a firewall, a load balancer) looks like one of the peer's.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPAbortOnData TcpExtTCPAbortOnClose TcpExtTCPAbortOnTimeout TcpOutRsts`.
//!
//! # Remedy
//! Sent by this side on close: the program closed with unread data, or with SO_LINGER 0. Received: ask the peer's log; compare TTLs by tcpdump
//! to find a reset of something between.

use super::Finding;
use crate::diagnose::Diagnosis;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let text = match found.facts.resets {
        (0, 0) => return None,
        (_, 0) => "this side reset the connection",
        (0, _) => "the peer (or something on the path) reset the connection",
        _ => "both sides reset the connection",
    };
    let why = found.facts.reset_reason.and_then(reason).map_or(String::new(), |why| format!(": {why}"));
    Some(Finding::new("reset", format!("{text}{why}")))
}

/// `enum sk_rst_reason` (`include/net/rstreason.h`), as far as it says more than the side.
fn reason(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "there was no socket for the segment",
        8 => "data came for what the program had closed",
        11 => "its program closed with unread data",
        12 => "its program closed with SO_LINGER 0",
        13 => "its kernel had no memory",
        15 => "keepalives were not answered",
        16 => "its program disconnected with data left",
        _ => return None,
    })
}
