//! A tail loss probe: the last segment once more, after two round trips without an ACK, to provoke one.
//!
//! # How it is decided
//! With `tcp_cong_state_set`: the state is Open, Disorder or CWR. Without: two round trips after the last ACK, and the congestion window is not cut to what is in flight.
//! A probe that sends new data is no retransmission, and not seen. Source: RFC 8985, 7; `net/ipv4/tcp_output.c`, `tcp_send_loss_probe()`.
//!
//! # What looks like it
//! With one packet out it waits as long as a `timeout`.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPLossProbes TcpExtTCPLossProbeRecovery`.
//!
//! # Remedy
//! It spares a time-out. Many of them: the last segments of messages are lost, see `packet_loss`.
