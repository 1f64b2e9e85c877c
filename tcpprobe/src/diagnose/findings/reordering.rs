//! Packets arrive in another order than they were sent.
//!
//! # How it is decided
//! `tcp_cong_state_set` goes from Disorder (SACKs tell of a hole) back to Open without a retransmission, three times and more: the hole was
//! filled by what was only late. Or a recovery was undone. Source: `net/ipv4/tcp_input.c`, `tcp_fastretrans_alert()`,
//! `tcp_try_undo_recovery()`.
//!
//! # What looks like it
//! Loss: there something is sent again, and that fills the hole.
//!
//! # How to confirm
//! `ss -ti`: `reordering`, `reord_seen`, `dsack_dups`. `nstat -az TcpExtTCPSACKReorder TcpExtTCPTSReorder TcpExtTCPDSACKRecv`.
//!
//! # Remedy
//! Look for what spreads one flow over several ways (bonding by packet, ECMP by packet), several queues, or radio that repeats.

use super::Finding;
use crate::diagnose::Diagnosis;
use crate::diagnose::limits::count;

const LEAST: u32 = 3;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let (late, undone) = (found.facts.disorder_returns, found.facts.recoveries_undone);
    (late >= LEAST || undone > 0).then(|| {
        let holes = count(late.into(), "hole was filled by a late one", "holes were filled by late ones");
        let recoveries = count(undone.into(), "recovery was needless", "recoveries were needless");
        let told: Vec<String> = [(late, holes), (undone, recoveries)]
            .into_iter()
            .filter(|(many, _)| *many > 0)
            .map(|(_, text)| text)
            .collect();
        Finding::new("reordering", format!("packets arrive out of order: {}", told.join(", ")))
    })
}
