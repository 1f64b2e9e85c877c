//! The sending program has not written: both windows have room, and nothing waits unsent.
//!
//! # How it is decided
//! With a snapshot: nothing unsent (`tcpi_notsent_bytes` ≤ 1 MSS) and room in the send buffer (`wmem_queued` below two thirds of
//! `sndbuf`): exact. Without: ACKs find room in the congestion window and in the peer's window, and what they acknowledge is
//! not made of full segments (what waits unsent becomes full ones: `net/ipv4/tcp_output.c`, `tcp_write_xmit()`); or nothing is outstanding, and the program itself ends the pause, or a request
//! has come and the answer has not begun a round trip before its ACK. Inferred.
//!
//! # What looks like it
//! A full send buffer, a pacing cap and a queue on the sender's own device also leave room in both windows: only a snapshot tells them apart for
//! certain. The kernel's `tcpi_busy_time` runs for a trickle of one byte a round trip, too.
//!
//! # How to confirm
//! `ss -ti` at the sender: `notsent` absent or 0, `app_limited` set, Send-Q small. A profile of the program (`perf`, `strace -T -e trace=network`).
//!
//! # Remedy
//! Make the program faster, or let it write earlier and more at once. The network cannot help.

use super::{Limit, Words, seconds};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let (most, room) = (facts.flight_max, facts.window_max);
    let time = seconds(found.time(Limit::SenderApplication));
    let evidence = match room {
        0 => format!("The program had written nothing for {time}."),
        _ => format!(
            "The program had written nothing for {time}; at most {most} bytes were in flight, and the peer's window has {room}."
        ),
    };
    Words::new(evidence, "profile the sending program; let it write earlier, and more at once")
}
