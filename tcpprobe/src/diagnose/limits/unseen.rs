//! The trace does not show what holds the connection back.
//!
//! # How it is decided
//! Events were lost; or one end had sent its FIN (`tcp_probe` is only in ESTABLISHED, not in FIN_WAIT or CLOSE_WAIT: `net/ipv4/tcp_input.c`, `tcp_rcv_established()`); or this end receives, and holds nobody back: what does, the sender
//! knows; or there are too few events. Exact: it is known that it is not known.
//!
//! # What looks like it
//! `idle` is seen: nothing was outstanding.
//!
//! # How to confirm
//! `tcpprobectl status NAME` shows lost events. The other end's host shows the other side.
//!
//! # Remedy
//! A larger `--buffer` where events were lost; for a receiver, record at the sender.

use super::{Limit, Words, seconds};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let unseen = found.time(Limit::Unseen);
    let time = seconds(unseen);
    let closed = found.facts.closed.map_or(0, |closed| found.to().saturating_sub(closed));
    if closed * 2 > unseen && found.lost == 0 {
        let closed = seconds(closed.min(unseen));
        return Words::new(format!("{closed} are after one end's FIN: tcp_probe tells of ESTABLISHED alone."), "");
    }
    if found.facts.bytes_received > found.facts.bytes_acked {
        return Words::new(
            "This end receives, and does not hold the sender back: the sender or the path does.",
            format!("record at the sender, {}", found.connection.peer),
        );
    }
    match found.lost {
        0 => Words::new(
            format!("{time} are not seen: before the first event, after the close, or with too few events."),
            "",
        ),
        _ => Words::new(format!("{time} are not seen: events were lost."), "record with a larger --buffer"),
    }
}
