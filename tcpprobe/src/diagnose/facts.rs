//! What is counted and measured of a connection as it goes.

/// Numbers of a connection, for verdicts, evidence and remedies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts {
    /// Payload that was acknowledged, bytes.
    pub bytes_acked: u64,
    /// Payload that was sent, acknowledged or not, bytes.
    pub bytes_sent: u64,
    /// Payload that was received, bytes.
    pub bytes_received: u64,
    /// Smallest RTT, microseconds.
    pub base_us: u32,
    /// Largest smoothed RTT while ACKs came all the time, microseconds: what held ACKs back and then let them go is not in it.
    pub srtt_max_us: u32,
    /// Of full segments, bytes; inferred.
    pub mss: u32,
    /// The peer's largest window, bytes.
    pub window_max: u32,
    /// Most that was in flight, bytes.
    pub flight_max: u32,
    /// Largest congestion window, packets.
    pub cwnd_max: u32,
    /// Times the peer's window was closed.
    pub window_closed: u64,
    /// Episodes of loss.
    pub episodes: u64,
    /// Waits for delayed ACKs.
    pub nagle: u64,
    /// Resets sent and received.
    pub resets: (u64, u64),
    /// tcp_probe events.
    pub probes: u64,
    /// After recovery the congestion window is what it was before: a congestion control by rate (`net/ipv4/tcp_bbr.c`,
    /// `bbr_set_cwnd_to_recover_or_restore()`).
    pub is_rate_based: bool,
    /// Our own largest window, bytes.
    pub own_window_max: u32,
    /// The first congestion window, packets.
    pub cwnd_first: u32,
    /// Times the congestion window was smaller after a pause (`tcp_cwnd_restart()`).
    pub idle_restarts: u64,
    /// Requests that were answered.
    pub exchanges: u64,
    /// The send buffer, bytes; 0 where no snapshot told.
    pub send_buffer: u32,
    /// Full segments became smaller.
    pub mss_fell: bool,
    /// Most time-outs in a row without progress.
    pub backoff_max: u32,
    /// Holes that were filled by what was only late, without a retransmission.
    pub disorder_returns: u32,
    /// Recoveries that were undone.
    pub recoveries_undone: u32,
    /// Reductions of the congestion window without a loss: ECN.
    pub marks: u32,
    /// Why a reset was sent (`enum sk_rst_reason`).
    pub reset_reason: Option<u32>,
    /// Largest rate at which data was acknowledged while nothing was repaired, over a round trip; bytes a second.
    pub rate_max: f64,
    /// When either end closed its direction, in the trace's clock.
    pub(super) closed: Option<u64>,
    /// The trace has tcp_cong_state_set.
    pub(super) has_states: bool,
    /// Sums over ACKs that found a window filled: of the window, and how many.
    pub(super) windows: (u64, u64),
    /// The same of the congestion window, packets, after it was reduced.
    pub(super) cwnds: (u64, u64),
}

impl Facts {
    /// The peer's window where it was filled, on average; bytes.
    #[must_use]
    pub fn window_typical(&self) -> u32 {
        self.windows.0.checked_div(self.windows.1).map_or(self.window_max, |mean| mean as u32)
    }

    /// The congestion window after losses, on average; packets.
    #[must_use]
    pub fn cwnd_typical(&self) -> u32 {
        self.cwnds.0.checked_div(self.cwnds.1).map_or(self.cwnd_max, |mean| mean as u32)
    }
}
