//! Window scaling is off: the peer's window never exceeds 65,535 bytes.
//!
//! # How it is decided
//! The largest `snd_wnd` is above 32 KiB and at most 65,535 bytes, and what was in flight filled more than half of it. Inferred: a buffer of
//! just that size looks the same. Source: RFC 7323.
//!
//! # What looks like it
//! A program with a small SO_RCVBUF.
//!
//! # How to confirm
//! `ss -ti`: no `wscale`. `tcpdump 'tcp[tcpflags] & tcp-syn != 0'` on both sides: an option that one side sends and the other does not see.
//!
//! # Remedy
//! `net.ipv4.tcp_window_scaling=1` on both hosts; a firewall or load balancer that takes the option away.

use super::Finding;
use crate::diagnose::Diagnosis;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let facts = &found.facts;
    let is_unscaled = (32_768..=65_535).contains(&facts.window_max) && facts.flight_max > facts.window_max / 2;
    is_unscaled.then(|| {
        let text =
            format!("the peer's window never exceeds 65,535 bytes ({} at most): no window scaling?", facts.window_max);
        Finding::new("unscaled_window", text)
    })
}
