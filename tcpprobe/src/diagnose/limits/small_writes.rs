//! A small write waits for the ACK of another: Nagle's algorithm meets a delayed ACK.
//!
//! # How it is decided
//! A segment smaller than MSS is out alone, a bare ACK comes half a round trip or more after the last event, and with it more data goes at once: that had been
//! written before, and was held back, with room in both windows. Inferred. Source: RFC 896; `net/ipv4/tcp_output.c`, `tcp_nagle_check()`; delayed ACKs of Linux take 40 ms
//! at least (`TCP_DELACK_MIN`), of others up to 200 ms.
//!
//! # What looks like it
//! A program that answers only after an ACK: programs do not see ACKs. One that writes by a timer of 40 ms.
//!
//! # How to confirm
//! `strace -e trace=network -ttT` at the sender: two small writes in a row and then a read. `nstat -az TcpExtDelayedACKs` at the receiver.
//!
//! # Remedy
//! TCP_NODELAY, or one write for all of a message (writev, MSG_MORE, a buffered writer).

use super::{Limit, Words, count, seconds};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let evidence = format!(
        "{} for a delayed ACK, {} in all: a second small write behind one that is not acknowledged.",
        count(found.facts.nagle, "wait", "waits"),
        seconds(found.time(Limit::SmallWrites))
    );
    Words::new(evidence, "TCP_NODELAY in the sending program, or one writev in place of two writes")
}
