//! The congestion window still grows: after the start, after a pause, or after a time-out.
//!
//! # How it is decided
//! What is in flight fills the congestion window (less than a segment of room: `snd_cwnd` × MSS − (`snd_nxt` − `snd_una`)), no loss has reduced it yet, and no queue has
//! built up (`srtt` within a sixth and 3 ms of the smallest RTT). The last flight of an answer that filled the window is part of it. Inferred; exact where a
//! snapshot meanwhile says that something waits unsent (`tcpi_notsent_bytes`).
//! Source: RFC 5681 (slow start), RFC 2861 and `net/ipv4/tcp_output.c`, `tcp_cwnd_restart()` (after idle).
//!
//! # What looks like it
//! A full path (`bandwidth`): RTT rises with the window. A program that has written all (`round_trips`).
//!
//! # How to confirm
//! `ss -ti`: `cwnd` rises from ask to ask, `ssthresh` absent or above it, `rtt` near `minrtt`. `nstat TcpExtTCPHystartTrainDetect TcpExtTCPHystartDelayDetect`: slow start that ended early.
//!
//! # Remedy
//! Keep connections open and use them again; `net.ipv4.tcp_slow_start_after_idle=0` where pauses cause it; a larger `initcwnd` on the route; shorter ways.

use super::{Limit, Words, count, ms, seconds};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let after = match facts.idle_restarts {
        0 => String::new(),
        times => format!(", {} anew after a pause", count(times, "time", "times")),
    };
    let evidence = format!(
        "The congestion window grew from {} to {} packets in {}, a step each {}{after}.",
        facts.cwnd_first,
        facts.cwnd_max,
        seconds(found.time(Limit::WindowGrowth)),
        ms(facts.base_us)
    );
    let remedy = match facts.idle_restarts {
        0 => "keep connections open and use them again; a larger initcwnd on the route (ip route change … initcwnd 30)",
        _ => "net.ipv4.tcp_slow_start_after_idle=0 on the sender",
    };
    Words::new(evidence, remedy)
}
