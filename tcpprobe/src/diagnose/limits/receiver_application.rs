//! The receiving program does not read fast enough: its buffer is full of what it has not read.
//!
//! # How it is decided
//! The peer's window is filled, and closed (less than a segment), or its right edge (`snd_una` + `snd_wnd`) moves less than half as far as what is
//! acknowledged, or it is less than half of its largest: something lies unread. Or one ACK acknowledges most of a window at once, four round trips and more after it had arrived: it went when the program read. A
//! window that is closed for 10 ms and two round trips is exact. At the receiver:
//! our own window was filled within a round trip, or within two of which the second was short, and a pause of two round trips followed. Source: `net/ipv4/tcp_output.c`, `__tcp_select_window()`.
//!
//! # What looks like it
//! A small buffer with a program that reads all the time (`receive_window`): there the right edge moves with each ACK.
//!
//! # How to confirm
//! `ss -t` at the receiver: Recv-Q stays high. `nstat -az TcpExtTCPToZeroWindowAdv` there. A profile of the reading program.
//!
//! # Remedy
//! Make the reading program faster: its CPU, its disk, its own backpressure. A larger buffer only delays it.

use super::{Limit, Words, count, seconds};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let time = seconds(found.time(Limit::ReceiverApplication));
    if facts.bytes_received > facts.bytes_acked {
        let evidence = format!("Our own window stayed full for {time}: the program here did not read.");
        return Words::new(evidence, "profile the reading program here: its CPU, its disk, its own backpressure");
    }
    let evidence = match facts.window_closed {
        0 => format!("The receiver's window was filled for {time}, and hardly moved: its program does not read."),
        times => format!(
            "The receiver's window closed {}, and held back for {time}: its program does not read.",
            count(times, "time", "times")
        ),
    };
    Words::new(evidence, "on the receiver: profile the reading program: its CPU, its disk, its own backpressure")
}
