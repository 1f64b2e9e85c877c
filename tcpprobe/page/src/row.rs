//! What is kept of an event.

use tcpprobe::event::SSTHRESH_INFINITE;
use tcpprobe::flow::Probe;

/// Values of which the least and the greatest are kept where not all events are.
pub const VALUES: usize = 6;

/// What a tcp_probe said of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Nanoseconds in the trace's clock.
    pub time: u64,
    /// `snd_una`, bytes since the first event: it does not wrap.
    pub una: i64,
    /// Payload received up to and with this event, bytes.
    pub received: u64,
    /// Congestion window and ssthresh (-1 where it is not set), packets; smoothed RTT, microseconds; in flight, the peer's window and our own,
    /// bytes.
    pub values: [i64; VALUES],
}

/// Follows the numbers of a connection, which wrap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Follower {
    /// The last `snd_una`, and how far that is from the first.
    una: Option<(u32, i64)>,
    received: u64,
}

impl Follower {
    /// The row of an event.
    pub fn row(&mut self, time: u64, probe: &Probe) -> Row {
        let (last, far) = self.una.unwrap_or((probe.snd_una, 0));
        // RFC 9293, 3.4: modulo 2^32.
        let una = far + i64::from(probe.snd_una.wrapping_sub(last).cast_signed());
        self.una = Some((probe.snd_una, una));
        self.received += u64::from(probe.data_len);
        let ssthresh = if probe.ssthresh == SSTHRESH_INFINITE { -1 } else { i64::from(probe.ssthresh) };
        let flight = probe.snd_nxt.wrapping_sub(probe.snd_una);
        let values = [
            probe.snd_cwnd.into(),
            ssthresh,
            probe.srtt.into(),
            flight.into(),
            probe.snd_wnd.into(),
            probe.rcv_wnd.into(),
        ];
        Row { time, una, received: self.received, values }
    }
}
