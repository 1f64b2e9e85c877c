//! A SYN was sent again: no answer within a second, then two more, then four.
//!
//! # How it is decided
//! `tcp_retransmit_skb` in the state SYN_SENT. Exact. Source: `net/ipv4/tcp_timer.c`; RFC 6298.
//!
//! # What looks like it
//! Nothing.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPSynRetrans`; on the server `TcpExtListenOverflows TcpExtListenDrops`.
//!
//! # Remedy
//! See `connecting`.
