//! What a scenario is.

use super::network::Link;

/// What is known of the path, for the time in which data waits unsent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A bottleneck with a queue.
    Queue,
    /// A bottleneck, and a congestion control that goes by its rate.
    Rate,
    /// Random loss.
    Loss,
    Policer,
    /// Neither a bottleneck nor loss.
    Nothing,
    Nagle,
    /// A pacing cap.
    Host,
    /// A queue on the sender's own device.
    OwnDevice,
    /// Not judged.
    Unknown,
}

/// A network, two programs, and what is right.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// Headlines that are right, the expected one first, with `|` between; empty: not judged.
    pub accept: &'static str,
    pub why: Why,
    pub link: Link,
    pub is_ipv6: bool,
    /// The end that sends the bulk: 0 connects, 1 listens.
    pub watch: usize,
    /// From a to b, and back.
    pub paths: [&'static str; 2],
    pub scripts: [&'static str; 2],
    /// Of the sockets: `nodelay`, `rcvbuf=N`, `sndbuf=N`, `cc=NAME`, `pace=BYTES`, `linger0`.
    pub options: [&'static str; 2],
    pub sysctls: &'static [(&'static str, &'static str)],
    pub gso: bool,
    pub mtu: Option<u32>,
    /// On the sender's own device.
    pub tbf: Option<&'static str>,
    /// Connections beside the one that is judged, and how much later each begins.
    pub others: usize,
    pub stagger_ms: u64,
    pub seed: u64,
    /// The receiver's socket is what the trace has.
    pub is_receiver: bool,
    pub are_causes_judged: bool,
    /// Findings that must be told.
    pub findings: &'static str,
}
