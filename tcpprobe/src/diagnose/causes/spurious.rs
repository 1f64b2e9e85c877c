//! An attribute: the episode of retransmissions was undone, for nothing had been lost.
//!
//! # How it is decided
//! The state returns to Open or Disorder while `snd_una` has not passed what was out when the episode began. Without states: the congestion window
//! jumps back. Counted by episode. Source: `net/ipv4/tcp_input.c`, `tcp_try_undo_recovery()`, `tcp_try_undo_loss()`; RFC 4015, RFC 5682.
//!
//! # What looks like it
//! An episode that ends well: there all that was out is acknowledged.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPLossUndo TcpExtTCPFullUndo TcpExtTCPDSACKUndo TcpExtTCPDSACKRecv TcpExtTCPSpuriousRTOs`.
//!
//! # Remedy
//! After time-outs: something on the path held packets back for longer than the RTO. In recovery: see `reordering`.
