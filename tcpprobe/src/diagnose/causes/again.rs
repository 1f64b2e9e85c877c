//! An attribute: the same segment was sent again twice, for its retransmission was lost as well.
//!
//! # How it is decided
//! Two `tcp_retransmit_skb` of the same `skbaddr` with `snd_una` unchanged between: never wrong, and not all of them.
//!
//! # What looks like it
//! An address of an skb that is used again, after `snd_una` went on.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPLostRetransmit`.
//!
//! # Remedy
//! Heavy loss, or an outage: see `packet_loss` and `timeout`.
