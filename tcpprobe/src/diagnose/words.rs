//! What a limit says of a connection, and what to do: evidence and remedy with numbers, and findings.

use super::Diagnosis;
use super::cause::Cause;
use super::limit::Limit;

impl Diagnosis {
    /// Evidence for `limit` and a remedy, each a line; empty where there is nothing to do.
    #[must_use]
    pub fn words(&self, limit: Limit) -> (String, String) {
        let facts = &self.facts;
        let seconds = (self.duration() as f64 / 1e9).max(1e-9);
        let rate = facts.bytes_acked as f64 / seconds;
        let (base_ms, max_ms) = (f64::from(facts.base_us) / 1e3, f64::from(facts.srtt_max_us) / 1e3);
        let mbit = rate * 8.0 / 1e6;
        let loss = 100.0 * self.causes.total() as f64 * f64::from(facts.mss) / (facts.bytes_acked.max(1) as f64);
        // Room for twice of what is in flight now, a power of two.
        let room = (2 * u64::from(facts.window_max.max(facts.flight_max))).next_power_of_two();
        let time = |limit: Limit| {
            let of = self.intervals.iter().filter(|i| i.limit == limit);
            of.map(|i| i.to - i.from).sum::<u64>() as f64 / 1e9
        };
        let (evidence, remedy) = match limit {
            Limit::Connecting => (
                format!(
                    "The handshake took {:.2} s; {} SYNs were sent again.",
                    time(limit),
                    self.causes.of(Cause::Syn)
                ),
                "the server or a firewall does not answer: its backlog (nstat TcpExtListenOverflows), conntrack, route"
                    .into(),
            ),
            Limit::Idle => {
                (format!("Nothing was outstanding for {:.1} s: the peer's turn.", time(limit)), String::new())
            }
            Limit::SenderApplication => (
                format!("Both windows had room: the program wrote nothing for {:.1} s.", time(limit)),
                "profile the sending program; write earlier, and more at once".into(),
            ),
            Limit::SendBuffer => (
                format!("Flight stops at {} bytes below both windows, and ACKs come in bursts.", facts.flight_max),
                format!("drop SO_SNDBUF in the program, or net.ipv4.tcp_wmem[2] ≥ {room}"),
            ),
            Limit::SenderHost => (
                format!("Both windows had room, and segments leave evenly at {mbit:.1} Mbit/s."),
                "look at the device's queue (tc -s qdisc) and at SO_MAX_PACING_RATE".into(),
            ),
            Limit::ReceiveWindow => (
                format!(
                    "The receiver's window of {} bytes is filled: {base_ms:.0} ms allow no more than that each round trip.",
                    facts.window_max
                ),
                if facts.window_max <= 65_535 {
                    format!(
                        "on the receiver: net.ipv4.tcp_window_scaling=1, net.ipv4.tcp_rmem[2] ≥ {room}, and no SO_RCVBUF in the program"
                    )
                } else {
                    format!("on the receiver: net.ipv4.tcp_rmem[2] ≥ {room}, and no SO_RCVBUF in the program")
                },
            ),
            Limit::ReceiverApplication => (
                format!("The receiver's window closed {} times: its program does not read.", facts.window_closed),
                "on the receiver: profile the reading program: CPU, disk, its own backpressure".into(),
            ),
            Limit::WindowGrowth => (
                format!(
                    "The congestion window still grew, to {} packets, a round trip of {base_ms:.0} ms a step.",
                    facts.cwnd_max
                ),
                "keep connections open; net.ipv4.tcp_slow_start_after_idle=0; a larger initcwnd on the route".into(),
            ),
            Limit::Bandwidth => (
                format!("The path is full at {mbit:.1} Mbit/s; RTT {base_ms:.0} → {max_ms:.0} ms with the window."),
                if max_ms > 4.0 * base_ms {
                    "more bandwidth; against the queue fq_codel or cake at the bottleneck, or BBR here".into()
                } else {
                    "more bandwidth, or less to send".into()
                },
            ),
            Limit::PacketLoss => (
                format!("Loss of {loss:.2} % without a queue before it keeps the congestion window small."),
                "find the lossy hop (errors, wifi, duplex); BBR, if it is no congestion".into(),
            ),
            Limit::Policer => (
                format!("Losses come whenever {mbit:.1} Mbit/s are exceeded, without a queue."),
                format!("pace below it (SO_MAX_PACING_RATE {:.0}, fq maxrate), or ask for shaping", rate * 0.95),
            ),
            Limit::Timeout => (
                format!("{} time-outs, {:.1} s without progress.", self.causes.of(Cause::Timeout), time(limit)),
                "look for outages; black holes for large packets: net.ipv4.tcp_mtu_probing=1, or clamp the MSS".into(),
            ),
            Limit::SmallWrites => (
                format!("{} waits for a delayed ACK: a small write behind an unacknowledged one.", facts.nagle),
                "TCP_NODELAY, or one writev instead of two writes".into(),
            ),
            Limit::RoundTrips => (
                format!("Requests and answers of a round trip ({base_ms:.0} ms) each: more bandwidth cannot help."),
                "batch or pipeline requests, or move closer".into(),
            ),
            Limit::Unseen if facts.bytes_received > facts.bytes_acked => {
                ("This end receives, and does not hold the sender back.".into(), "record at the sender".into())
            }
            Limit::Unseen => (
                format!("{:.1} s are not in the trace: lost, or after the close.", time(limit)),
                "record with a larger --buffer".into(),
            ),
        };
        (evidence, remedy)
    }

    /// What else is worth saying: a name and a line each.
    #[must_use]
    pub fn findings(&self) -> Vec<(&'static str, String)> {
        let facts = &self.facts;
        let mut found = Vec::new();
        if self.causes.spurious > 0 {
            found.push((
                "spurious",
                format!("{} times nothing had been lost: reordering, or late ACKs", self.causes.spurious),
            ));
        }
        if facts.resets.0 + facts.resets.1 > 0 {
            found.push(("reset", format!("reset: {} sent, {} received", facts.resets.0, facts.resets.1)));
        }
        if self.causes.of(Cause::Mtu) > 0 {
            found.push(("mtu", "the path's MTU is smaller than its ends believe".to_owned()));
        }
        if facts.window_max > 0 && facts.window_max <= 65_535 && facts.flight_max > facts.window_max / 2 {
            found.push((
                "unscaled_window",
                "the peer's window never exceeds 65,535 bytes: no window scaling?".to_owned(),
            ));
        }
        if facts.base_us > 0 && facts.srtt_max_us / 4 > facts.base_us && facts.srtt_max_us - facts.base_us > 100_000 {
            let text =
                format!("RTT rises from {} to {} ms: a deep queue", facts.base_us / 1000, facts.srtt_max_us / 1000);
            found.push(("bufferbloat", text));
        }
        found
    }
}
