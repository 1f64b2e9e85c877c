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
use crate::diagnose::Diagnosis;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    found
        .has_both_ends
        .then(|| Finding::new("both_ends", "both ends are in the trace; this is the one that sends more"))
}
