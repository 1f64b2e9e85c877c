//! The receiver's buffer is smaller than rate × RTT: its window is filled, although its program reads.
//!
//! # How it is decided
//! What is in flight leaves less than a segment, which is half of the largest window at most (`include/net/tcp.h`, `tcp_bound_to_half_wnd()`; in a row of such ACKs, less than three segments or an eighth) of the peer's window, that is less than what the congestion window leaves, and the
//! window's right edge moves with each ACK (`snd_una` + `snd_wnd`): the program reads. With snapshots the kernel's own clock says it:
//! `tcpi_rwnd_limited` ran for 90 % of the time: exact. Source: `net/ipv4/tcp_output.c`, `tcp_snd_wnd_test()`, `tcp_chrono_start()`.
//! A receiver sees it from its side: what came within a round trip is 80 % of its own window.
//!
//! # What looks like it
//! A program that reads slowly (`receiver_application`): there the right edge stands still, or the window has shrunk far below its largest.
//! Autotuning follows the sender's slow start for moments.
//!
//! # How to confirm
//! `ss -ti` at the sender: `rwnd_limited`, and `snd_wnd` near `unacked` × `mss`. At the receiver `ss -tim`: `rb` of skmem, `rcv_space`.
//!
//! # Remedy
//! On the receiver: raise `net.ipv4.tcp_rmem[2]`, drop SO_RCVBUF in the program (it switches autotuning off); with a window of 65,535 bytes at
//! most: window scaling is off, or something on the path takes the option away.

use super::{Words, memory, ms, rate};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    if facts.bytes_received > facts.bytes_acked {
        let evidence = format!("What came within a round trip filled our window of {} bytes.", facts.own_window_max);
        return Words::new(
            evidence,
            format!("here: net.ipv4.tcp_rmem[2] ≥ {}, and no SO_RCVBUF in the program", memory(facts.own_window_max)),
        );
    }
    let window = facts.window_typical();
    let evidence = format!(
        "The receiver's window of {window} bytes was filled: with {} of RTT it allows {}.",
        ms(facts.base_us),
        rate(f64::from(window) * 1e6 / f64::from(facts.base_us.max(1)))
    );
    let remedy = format!(
        "on the receiver: net.ipv4.tcp_rmem[2] ≥ {}, and no SO_RCVBUF in the program, for twice the rate",
        memory(window)
    );
    Words::new(
        evidence,
        match facts.window_max <= 65_535 {
            true => format!("{remedy}; window scaling is off: net.ipv4.tcp_window_scaling=1 on both hosts"),
            false => remedy,
        },
    )
}
