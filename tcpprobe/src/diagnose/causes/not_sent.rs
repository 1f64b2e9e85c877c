//! An attempt that sent nothing, and is no retransmission.
//!
//! # How it is decided
//! `tcp_retransmit_skb` with `err` ≠ 0 (6.17 and later; before, the kernel does not say): the segment is still in the host's own queue (EBUSY), the window has shrunk (EAGAIN), there is no route (EHOSTUNREACH).
//! Source: `net/ipv4/tcp_output.c`, `__tcp_retransmit_skb()`.
//!
//! # What looks like it
//! A retransmission that was lost at once.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPRetransFail`; `tc -s qdisc` shows a device's backlog.
//!
//! # Remedy
//! Many of them: the sender's own device holds packets for longer than a round trip; see `sender_host`.
