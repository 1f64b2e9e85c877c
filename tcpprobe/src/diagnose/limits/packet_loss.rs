//! Losses that are no congestion keep the congestion window small, or a lost last segment is waited for.
//!
//! # How it is decided
//! The congestion window is filled, or lost data is repaired, after a loss, and there was no queue before the losses around it: the RTT of ACKs was near its
//! smallest. Or nothing moves until a tail loss probe goes, and the kernel finds that it repaired something (`net/ipv4/tcp_input.c`,
//! `tcp_process_tlp_ack()`: it reduces the congestion window); an ACK that was only late is no loss. What was undone does not count. Inferred. Source: RFC 5681; RFC 8985.
//!
//! # What looks like it
//! A full path (`bandwidth`) has a queue before its losses, unless that holds a packet or two. A policer's losses come at one rate. Reordering retransmits what was not lost: see `spurious`.
//!
//! # How to confirm
//! `nstat -az TcpRetransSegs TcpExtTCPLostRetransmit`; errors of the devices on the path (`ip -s link`, `ethtool -S`); `mtr` to the peer.
//!
//! # Remedy
//! Find the lossy hop: errors, duplex, radio, an overloaded tunnel. Where loss is no congestion, BBR does not give way to it (`net.ipv4.tcp_congestion_control=bbr`).

use super::{Words, ms, share, throughput};
use crate::diagnose::{Cause, Diagnosis};

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let loss = found.loss();
    let only_tails = found.causes.of(Cause::TailLossProbe) * 2 > found.causes.total();
    if only_tails {
        let evidence = format!(
            "{} of {} retransmissions were tail loss probes: the last segments of what was written were lost ({}).",
            found.causes.of(Cause::TailLossProbe),
            found.causes.total(),
            share(loss)
        );
        return Words::new(evidence, "find the lossy hop: ip -s link and ethtool -S on the path, mtr to the peer");
    }
    let evidence = format!(
        "{} was lost, with no queue before it (RTT {}): that keeps the congestion window at some {} packets.",
        share(loss),
        ms(facts.base_us),
        facts.cwnd_typical()
    );
    // Mathis et al., 1997: what a loss-based congestion control reaches.
    let most = throughput(facts.mss, facts.base_us, loss);
    let bound = match most {
        Some(rate) => format!("; at this loss and RTT Reno reaches {rate}"),
        None => String::new(),
    };
    Words::new(
        evidence,
        format!(
            "find the lossy hop: ip -s link, ethtool -S, mtr to the peer; BBR, if the loss is no congestion{bound}"
        ),
    )
}
