//! The path's MTU is smaller than its ends believed.
//!
//! # How it is decided
//! Retransmissions of cause `mtu`, or what ACKs advance by became multiples of a smaller segment.
//!
//! # What looks like it
//! A program that writes small messages does not change what full segments are.
//!
//! # How to confirm
//! `ss -ti`: `pmtu`, `mss`; `tracepath PEER`; `ip route get PEER`.
//!
//! # Remedy
//! Clamp the MSS (`nft … tcp option maxseg size set rt mtu`), or set the route's mtu.

use super::Finding;
use crate::diagnose::{Cause, Diagnosis};

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let (times, fell) = (found.causes.of(Cause::Mtu), found.facts.mss_fell);
    (times > 0 || fell).then(|| {
        let size = if fell { format!(": segments became smaller, {} bytes", found.facts.mss) } else { String::new() };
        Finding::new("mtu", format!("the path's MTU is smaller than the device's{size}"))
    })
}
