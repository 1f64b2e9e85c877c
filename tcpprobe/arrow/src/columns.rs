//! What the columns of the tables are: the one place that says so; `PARQUET.md` is made of it.

use crate::table::Column;
use crate::table::Type::{self, Boolean, Double, Int32, Int64, Text, Time};

const fn some(name: &'static str, data_type: Type, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type, nullable: false, unit, meaning }
}

const fn maybe(name: &'static str, data_type: Type, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type, nullable: true, unit, meaning }
}

/// The columns of [`crate::Table::Events`]: first what every event has, then fields by the names that the kernel gives them, then what
/// follows from them.
pub const EVENTS: &[Column] = &[
    maybe("time", Time, "ns since 1970, UTC", "when; null where the trace does not know the time of day"),
    some(
        "clock_ns",
        Int64,
        "ns",
        "when, in the trace's clock; named clock_ticks where that does not count nanoseconds",
    ),
    some("event", Text, "", "the kernel's name of the event, or tcp_info and owner, which are the recorder's own"),
    maybe(
        "conn",
        Int32,
        "",
        "the connection, as in the other tables; null before its first tcp_probe or tcp_retransmit_skb",
    ),
    some("cpu", Int32, "", "the CPU that recorded it; 65535 for the recorder's own events"),
    some("pid", Int32, "", "the thread that was interrupted, seldom the connection's owner"),
    maybe("comm", Text, "", "that thread's name, where the kernel knew it"),
    maybe(
        "common_flags",
        Int32,
        "",
        "the kernel's flags of the moment: interrupts off, need to reschedule, in an interrupt",
    ),
    maybe("common_preempt_count", Int32, "", "how deep preemption was off"),
    maybe("family", Int32, "", "2 IPv4, 10 IPv6; of the socket, so 10 for IPv4 on an IPv6 socket"),
    maybe("saddr", Text, "", "the socket's own address; one that is mapped into IPv6 as IPv4"),
    maybe("sport", Int32, "", "its own port"),
    maybe("daddr", Text, "", "the peer's address"),
    maybe("dport", Int32, "", "the peer's port"),
    maybe("mark", Int64, "", "the socket's mark"),
    maybe("data_len", Int32, "bytes", "payload of the segment received, modulo 65536"),
    maybe("snd_nxt", Int64, "", "the next sequence number to send"),
    maybe("snd_una", Int64, "", "the oldest sequence number not acknowledged, before this segment's ACK"),
    maybe("snd_cwnd", Int64, "packets", "congestion window"),
    maybe("ssthresh", Int64, "packets", "slow-start threshold; null while it is not set"),
    maybe("snd_wnd", Int64, "bytes", "the peer's receive window"),
    maybe("srtt", Int64, "us", "smoothed round-trip time"),
    maybe("rcv_wnd", Int64, "bytes", "the own receive window"),
    maybe("sock_cookie", Int64, "", "the socket's cookie; 64 bits, so it may be negative"),
    maybe("skbaddr", Int64, "", "stands for the address of a packet: equal where that is equal; may be negative"),
    maybe("skaddr", Int64, "", "stands for the address of the socket"),
    maybe("req", Int64, "", "stands for the address of a request socket"),
    maybe("protocol", Int32, "", "of IP: 6 TCP, 262 MPTCP"),
    maybe("state", Text, "", "the socket's state: ESTABLISHED, SYN_SENT, …"),
    maybe("oldstate", Text, "", "its state before"),
    maybe("newstate", Text, "", "its state from now on"),
    maybe("err", Int32, "", "of a retransmission: 0, or why nothing was sent (a negative errno)"),
    maybe("cong_state", Int32, "", "of congestion control: 0 Open, 1 Disorder, 2 CWR, 3 Recovery, 4 Loss"),
    maybe("reason", Int32, "", "why a reset was sent, by the kernel's number (enum sk_rst_reason)"),
    maybe("in_flight_bytes", Int64, "bytes", "snd_nxt − snd_una, modulo 2^32"),
    maybe(
        "acked_bytes",
        Int64,
        "bytes",
        "what the peer acknowledged since the connection's first event; null where conn is",
    ),
    maybe("sent_bytes", Int64, "bytes", "what was sent for the first time since then; null where conn is"),
    maybe("fields", Text, "", "JSON: the event's other fields by their names; null where there are none"),
];

/// The columns of [`crate::Table::Connections`].
pub const CONNECTIONS: &[Column] = &[
    some("conn", Int32, "", "numbers the connections from 0"),
    some("family", Int32, "", "2 IPv4, 10 IPv6; of the socket"),
    some("local_address", Text, "", "the socket's own address"),
    some("local_port", Int32, "", "its own port"),
    some("peer_address", Text, "", "the peer's address"),
    some("peer_port", Int32, "", "the peer's port"),
    maybe("sock_cookie", Int64, "", "the socket's cookie, where an event told it"),
    maybe("skaddr", Int64, "", "stands for the socket's address, as in events"),
    maybe(
        "from_time",
        Time,
        "ns since 1970, UTC",
        "its first event; null where the trace does not know the time of day",
    ),
    maybe("to_time", Time, "ns since 1970, UTC", "its last event"),
    some("from_ns", Int64, "ns", "its first event, in the trace's clock"),
    some("to_ns", Int64, "ns", "its last event, in the trace's clock"),
    some("duration_ns", Int64, "ns", "from the one to the other"),
    some("events", Int64, "", "events with this conn"),
    some("bytes_acked", Int64, "bytes", "payload that the peer acknowledged"),
    some("bytes_received", Int64, "bytes", "payload that was received"),
    some("bytes_per_second", Double, "bytes/s", "both, over its duration"),
    some("segments", Int64, "", "what was acknowledged, in full segments"),
    some("retransmissions", Int64, "", "the sum of the eight causes that follow"),
    some("retransmissions_fast", Int64, "", "in recovery: SACK or RACK said that it was lost"),
    some("retransmissions_timeout", Int64, "", "the retransmission timer"),
    some("retransmissions_slow_start", Int64, "", "what was outstanding at a time-out, as ACKs came"),
    some("retransmissions_tail_loss_probe", Int64, "", "tail loss probes"),
    some("retransmissions_syn", Int64, "", "SYNs"),
    some("retransmissions_syn_ack", Int64, "", "SYN-ACKs"),
    some("retransmissions_mtu", Int64, "", "the path's MTU fell"),
    some("retransmissions_window_probe", Int64, "", "the peer's window was closed"),
    some("spurious", Int64, "", "episodes that were undone: nothing had been lost"),
    some("not_sent", Int64, "", "attempts that sent nothing; they are no retransmissions"),
    some("again", Int64, "", "retransmissions of what had been retransmitted"),
    some("loss", Double, "", "share of segments that were sent again"),
    maybe(
        "srtt_min",
        Int64,
        "us",
        "smoothed round-trip time at each ACK: the least; null where there was no tcp_probe",
    ),
    maybe("srtt_median", Int64, "us", "the median, to 9 %"),
    maybe("srtt_p95", Int64, "us", "95 of 100 are not above, to 9 %"),
    maybe("cwnd_min", Int64, "packets", "congestion window at each ACK: the least"),
    maybe("cwnd_median", Int64, "packets", "the median, to 9 %"),
    maybe("cwnd_p95", Int64, "packets", "95 of 100 are not above, to 9 %"),
    maybe("mss", Int64, "bytes", "a full segment; inferred"),
    some("headline", Text, "", "the limit of most time other than idle"),
    some("headline_share", Double, "", "its share of the duration"),
    some("lost_ns", Int64, "ns", "of its duration, the time in which events were lost"),
    maybe("end", Text, "", "sender or receiver, where the peer's socket is in the trace too"),
    maybe("cc", Text, "", "congestion control, where a snapshot told it"),
    maybe("owner_pid", Int32, "", "the process whose it is, where that is known"),
    maybe("owner_uid", Int64, "", "its user"),
    maybe("owner_comm", Text, "", "its name"),
    maybe("owner_exe", Text, "", "its program"),
    maybe("owner_unit", Text, "", "its systemd unit"),
    maybe("owner_container", Text, "", "its container"),
    maybe("owner_pod", Text, "", "its pod"),
];

/// The columns of [`crate::Table::Intervals`].
pub const INTERVALS: &[Column] = &[
    some("conn", Int32, "", "the connection"),
    maybe("from_time", Time, "ns since 1970, UTC", "its beginning; null where the trace does not know the time of day"),
    maybe("to_time", Time, "ns since 1970, UTC", "its end, the next one's beginning"),
    some("from_ns", Int64, "ns", "its beginning, in the trace's clock"),
    some("to_ns", Int64, "ns", "its end, in the trace's clock"),
    some("duration_ns", Int64, "ns", "from the one to the other"),
    some("limit", Text, "", "what held the connection back, as diagnose calls it"),
    some("exact", Boolean, "", "whether the events say so, and nothing is inferred"),
];

/// The columns of [`crate::Table::Losses`].
pub const LOSSES: &[Column] = &[
    maybe("cpu", Int32, "", "whose events are missing; null where nobody knows"),
    maybe("from_time", Time, "ns since 1970, UTC", "from when on; null where that is not known"),
    maybe("to_time", Time, "ns since 1970, UTC", "until when"),
    maybe(
        "from_ns",
        Int64,
        "ns",
        "from when on, in the trace's clock; null where it is not known where events are missing",
    ),
    maybe("to_ns", Int64, "ns", "until when, in the trace's clock"),
    maybe("lost", Int64, "events", "how many; null where nobody knows"),
];
