//! The program would write, and its send buffer is full of data that is not acknowledged yet.
//!
//! # How it is decided
//! With a snapshot: nothing unsent (`tcpi_notsent_bytes` ≤ 1 MSS) and `wmem_queued` ≥ `sndbuf` of `SK_MEMINFO`: exact. Without: ACKs find
//! room in both windows all the time, seldom find nothing outstanding (a writer that waits is woken when a third of the buffer is free: `include/net/sock.h`,
//! `sk_stream_is_writeable()`), acknowledge full segments, and flights come in bursts, one each round trip (more than half of the time between
//! ACKs is in gaps of a third of a round trip). Inferred.
//! `tcpi_sndbuf_limited` stays 0 then: its clock starts only when the queue runs empty (`net/ipv4/tcp_output.c`, `tcp_cwnd_validate()`).
//!
//! # What looks like it
//! A program that writes by its own clock (its writes are seldom whole segments), a pacing cap and a queue on the own device (they spread
//! segments evenly). With GSO the buffer is no hard limit: an skb grows past it.
//!
//! # How to confirm
//! `ss -tim` at the sender: `skmem` with `w` near `tb`, and no `notsent`. `strace -T` shows the program wait in send().
//!
//! # Remedy
//! Drop SO_SNDBUF in the program, or raise `net.ipv4.tcp_wmem[2]`: it takes twice of rate × RTT, for each segment costs more than its bytes.

use super::{Limit, Words, memory, ms, percent};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let evidence = match facts.send_buffer {
        0 => format!(
            "Flight stops at {} bytes, below both windows, and comes in one burst each round trip of {}.",
            facts.flight_max,
            ms(facts.base_us)
        ),
        size => format!(
            "The send buffer of {size} bytes was full and nothing waited unsent, for {} of the time: {} bytes in flight each {}.",
            percent(found.share(Limit::SendBuffer)),
            facts.flight_max,
            ms(facts.base_us)
        ),
    };
    Words::new(
        evidence,
        format!(
            "drop SO_SNDBUF in the program, or net.ipv4.tcp_wmem[2] ≥ {}, for twice the rate",
            memory(facts.flight_max)
        ),
    )
}
