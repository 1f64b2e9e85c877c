//! In recovery: SACKs or RACK said that a segment was lost, and it was sent again without waiting for a timer.
//!
//! # How it is decided
//! With `tcp_cong_state_set`: the state is Recovery. Without: none of the other causes fits. One event stands for an skb, which may be several
//! segments; `TCPFastRetrans` counts these. Source: RFC 6675, RFC 8985; `net/ipv4/tcp_input.c`, `tcp_enter_recovery()`.
//!
//! # What looks like it
//! Reordering, which retransmits what was not lost: see `spurious`.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPFastRetrans TcpExtTCPSackRecovery`.
//!
//! # Remedy
//! This is how TCP repairs a loss at the least cost. What lost it: see `packet_loss`, `bandwidth`, `policer`.
