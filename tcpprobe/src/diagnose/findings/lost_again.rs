//! Retransmissions were lost as well: see the attribute `again`.
//!
//! # How it is decided
//! The same skb was sent again twice while `snd_una` stood still, three times and more.
//!
//! # What looks like it
//! An outage, where each time-out sends the same segment: that is counted by `timeout`.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPLostRetransmit`.
//!
//! # Remedy
//! Heavy loss: see `packet_loss`; a policer drops retransmissions too.

use super::Finding;
use crate::diagnose::Diagnosis;

const LEAST: u64 = 3;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let times = found.causes.again;
    (times >= LEAST).then(|| Finding::new("lost_again", format!("{times} retransmissions were lost as well")))
}
