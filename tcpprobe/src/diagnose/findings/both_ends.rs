//! Both sockets of the connection are in the trace, and the sender's verdict stands.
//!
//! # How it is decided
//! Two sockets with swapped addresses and ports, whose times overlap: a connection over loopback, between namespaces, or of two traces put
//! together.
//!
//! # What looks like it
//! Ports that are used again: those do not overlap in time.
//!
//! # How to confirm
//! `ss -tn` lists both.
//!
//! # Remedy
//! None.

use super::Finding;
use crate::diagnose::{Diagnosis, End};

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    found.end.map(|end| {
        let which = if end == End::Sender {
            "sends more: what is said here holds"
        } else {
            "sends less: what is said of the other holds"
        };
        Finding::new("both_ends", format!("both ends are in the trace; this is the one that {which}"))
    })
}
