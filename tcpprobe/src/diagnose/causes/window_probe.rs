//! The peer's window was closed, and data was sent to ask whether it still is.
//!
//! # How it is decided
//! A retransmission with `snd_wnd` = 0 in the last `tcp_probe`. The kernel's own zero window probes fire no event. Source: `net/ipv4/tcp_timer.c`, `tcp_probe_timer()`, `tcp_retransmit_timer()`.
//!
//! # What looks like it
//! A `timeout`: there the window is open.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPWinProbe`; at the receiver `TcpExtTCPToZeroWindowAdv`.
//!
//! # Remedy
//! See `receiver_application`.
