//! The limits: what holds a connection back during an interval.

/// What holds a connection back. The list is closed; its names are those of `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Limit {
    /// The handshake has not ended.
    Connecting,
    /// Nothing outstanding, and it is the peer's turn.
    Idle,
    /// The sending program has not written yet.
    SenderApplication,
    /// The sending program would write, and its send buffer is full.
    SendBuffer,
    /// Written data waits in the sender's host: a local queue, or a cap of the pacing rate.
    SenderHost,
    /// The receiver's buffer is smaller than rate × RTT.
    ReceiveWindow,
    /// The receiving program does not read fast enough.
    ReceiverApplication,
    /// The congestion window still grows.
    WindowGrowth,
    /// The path is full.
    Bandwidth,
    /// Losses that are no congestion keep the congestion window small.
    PacketLoss,
    /// A token bucket on the path drops what exceeds its rate.
    Policer,
    /// Nothing moves until a timer sends again.
    Timeout,
    /// A small write waits for the ACK of another (Nagle).
    SmallWrites,
    /// Request and answer: each waits for the other for a round trip.
    RoundTrips,
    /// The trace does not show it.
    Unseen,
}

impl Limit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Limit; 15] = [
        Limit::Connecting,
        Limit::Idle,
        Limit::SenderApplication,
        Limit::SendBuffer,
        Limit::SenderHost,
        Limit::ReceiveWindow,
        Limit::ReceiverApplication,
        Limit::WindowGrowth,
        Limit::Bandwidth,
        Limit::PacketLoss,
        Limit::Policer,
        Limit::Timeout,
        Limit::SmallWrites,
        Limit::RoundTrips,
        Limit::Unseen,
    ];

    /// Whether nobody needs to mend it.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Limit::Idle | Limit::SenderApplication | Limit::Unseen)
    }

    /// Its name in `--json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Limit::Connecting => "connecting",
            Limit::Idle => "idle",
            Limit::SenderApplication => "sender_application",
            Limit::SendBuffer => "send_buffer",
            Limit::SenderHost => "sender_host",
            Limit::ReceiveWindow => "receive_window",
            Limit::ReceiverApplication => "receiver_application",
            Limit::WindowGrowth => "window_growth",
            Limit::Bandwidth => "bandwidth",
            Limit::PacketLoss => "packet_loss",
            Limit::Policer => "policer",
            Limit::Timeout => "timeout",
            Limit::SmallWrites => "small_writes",
            Limit::RoundTrips => "round_trips",
            Limit::Unseen => "unseen",
        }
    }
}
