//! The path's MTU fell, or a probe for a larger one vanished: what was out is cut smaller and sent again at once.
//!
//! # How it is decided
//! With `tcp_cong_state_set`: two retransmissions and more after a Loss event with no `tcp_probe` between, or a congestion window that is not cut. Without it these
//! look like `fast`. Source: `net/ipv4/tcp_ipv4.c`, `tcp_v4_mtu_reduced()`; `net/ipv4/tcp_input.c`, `tcp_simple_retransmit()`; RFC 1191, RFC 4821.
//!
//! # What looks like it
//! A `timeout` sends one segment, and then waits for an ACK.
//!
//! # How to confirm
//! `ss -ti`: `pmtu` and `mss` are smaller than the device's; `ip route get PEER` shows a cached mtu; `nstat -az TcpExtTCPMTUPFail`.
//!
//! # Remedy
//! Nothing, where it happens once a connection. Else clamp the MSS at the router, or set the route's mtu.
