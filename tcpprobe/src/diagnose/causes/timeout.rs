//! The retransmission timer fired: nothing had been acknowledged for an RTO.
//!
//! # How it is decided
//! With `tcp_cong_state_set`: the first retransmission after a Loss event, with no second one before the next `tcp_probe`. Without: 200 ms and more (`TCP_RTO_MIN`) after the last
//! ACK, and the congestion window is cut in the next `tcp_probe`. Source: RFC 6298; `net/ipv4/tcp_timer.c`, `tcp_retransmit_timer()`.
//!
//! # What looks like it
//! `mtu` has a Loss event too, and does not wait. `tail_loss_probe` with one packet out waits as long, and cuts nothing. TCPTimeouts counts timers of SYNs as well.
//!
//! # How to confirm
//! `nstat -az TcpExtTCPTimeouts`; `ss -ti`: `rto`, `backoff`.
//!
//! # Remedy
//! See `timeout` among the limits: `explain timeout` has both.
