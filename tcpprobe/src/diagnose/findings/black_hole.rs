//! Large packets vanish, and small ones pass: an MTU black hole.
//!
//! # How it is decided
//! Two time-outs and more with no progress between, after which segments are smaller, and pass (`net/ipv4/tcp_timer.c`, `tcp_mtu_probing()`
//! lowers the MSS where `net.ipv4.tcp_mtu_probing` ≥ 1).
//!
//! # What looks like it
//! An outage: there segments of the old size pass after it. Without `tcp_mtu_probing` these events do not tell the two apart.
//!
//! # How to confirm
//! `ping -M do -s 1472 PEER` gets no answer, `ping -s 100 PEER` does.
//!
//! # Remedy
//! Let ICMP "fragmentation needed" pass, clamp the MSS, or `net.ipv4.tcp_mtu_probing=1`.

use super::Finding;
use crate::diagnose::Diagnosis;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let is_hole = found.facts.mss_fell && found.facts.backoff_max >= 2;
    is_hole.then(|| {
        let text = format!(
            "large packets vanished, and segments of {} bytes pass: a black hole for the path's MTU",
            found.facts.mss
        );
        Finding::new("black_hole", text)
    })
}
