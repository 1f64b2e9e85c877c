//! A SYN-ACK was sent again: the peer's ACK did not come, or its SYN came again.
//!
//! # How it is decided
//! `tcp_retransmit_synack`. Exact. Source: `net/ipv4/tcp_output.c`, `tcp_rtx_synack()`.
//!
//! # What looks like it
//! A SYN flood: many of them, and no connections.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPSynRetrans TcpExtTCPReqQFullDoCookies` on the server; `ss -nt state syn-recv`.
//!
//! # Remedy
//! Look for what drops packets from the server to the client; see `connecting`.
