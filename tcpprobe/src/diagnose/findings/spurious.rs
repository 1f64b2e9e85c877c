//! Retransmissions that were needless: see the attribute `spurious` of retransmissions.
//!
//! # How it is decided
//! At least one episode of retransmissions was undone by the kernel: `snd_una` had not passed what was out when it began, and the state is Open
//! again.
//!
//! # What looks like it
//! Losses that were repaired.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPLossUndo TcpExtTCPFullUndo TcpExtTCPDSACKUndo`.
//!
//! # Remedy
//! After time-outs look for what holds ACKs back on the path; in recovery, for reordering.

use super::Finding;
use crate::diagnose::Diagnosis;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let what = match found.causes.spurious {
        0 => return None,
        1 => "1 episode of retransmissions was".to_owned(),
        times => format!("{times} episodes of retransmissions were"),
    };
    Some(Finding::new(
        "spurious",
        format!("{what} needless: nothing had been lost, ACKs were late or packets out of order"),
    ))
}
