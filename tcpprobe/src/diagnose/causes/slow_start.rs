//! After a time-out: what was outstanding then is sent again, as ACKs come.
//!
//! # How it is decided
//! With `tcp_cong_state_set`: further retransmissions in the state Loss. Without: those after a time-out until what was out at it is acknowledged.
//! Source: `net/ipv4/tcp_input.c`, `tcp_enter_loss()`; `TCPSlowStartRetrans` counts segments.
//!
//! # What looks like it
//! `mtu`: several at once, without an ACK between.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPSlowStartRetrans`.
//!
//! # Remedy
//! They follow from the time-out: see `timeout`.
