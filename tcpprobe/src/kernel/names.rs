//! The kernel's names for numbers: states, families, protocols.
//!
//! ```
//! use tcpprobe::kernel::names::{STATES, state};
//! assert_eq!(STATES[usize::from(state::CLOSE) - 1], "CLOSE");
//! ```

/// States of a socket, from 1 (`include/net/tcp_states.h`), without the `TCP_` before them.
pub const STATES: [&str; 13] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
    "BOUND_INACTIVE",
];

/// The numbers of [`STATES`] that mean something here.
#[expect(missing_docs, reason = "they are the kernel's, and STATES has their names")]
pub mod state {
    pub const ESTABLISHED: u8 = 1;
    pub const SYN_SENT: u8 = 2;
    pub const SYN_RECV: u8 = 3;
    pub const FIN_WAIT1: u8 = 4;
    pub const CLOSE: u8 = 7;
    pub const CLOSE_WAIT: u8 = 8;
    pub const LAST_ACK: u8 = 9;
    pub const LISTEN: u8 = 10;
}

/// States of congestion control, from 0 (`enum tcp_ca_state` in `include/uapi/linux/tcp.h`), without `TCP_CA_`.
pub const CONG_STATES: [&str; 5] = ["Open", "Disorder", "CWR", "Recovery", "Loss"];

/// The family of IPv4 sockets.
pub const AF_INET: u16 = 2;
/// The family of IPv6 sockets.
pub const AF_INET6: u16 = 10;

/// Families of sockets, as traces print them.
pub const FAMILIES: [(u16, &str); 2] = [(AF_INET, "AF_INET"), (AF_INET6, "AF_INET6")];

/// Protocols of IP (`include/uapi/linux/in.h`), without `IPPROTO_`.
pub const PROTOCOLS: [(u16, &str); 5] = [(6, "TCP"), (17, "UDP"), (33, "DCCP"), (132, "SCTP"), (262, "MPTCP")];

/// Why a reset was sent, from 0 (`enum sk_rst_reason`, `include/net/rstreason.h`, of 6.18; the numbers of other kernels differ, so
/// of records their own `print fmt` tells them).
pub const RESET_REASONS: [&str; 26] = [
    "NOT_SPECIFIED",
    "NO_SOCKET",
    "TCP_INVALID_ACK_SEQUENCE",
    "TCP_RFC7323_PAWS",
    "TCP_TOO_OLD_ACK",
    "TCP_ACK_UNSENT_DATA",
    "TCP_FLAGS",
    "TCP_OLD_ACK",
    "TCP_ABORT_ON_DATA",
    "TCP_TIMEWAIT_SOCKET",
    "INVALID_SYN",
    "TCP_ABORT_ON_CLOSE",
    "TCP_ABORT_ON_LINGER",
    "TCP_ABORT_ON_MEMORY",
    "TCP_STATE",
    "TCP_KEEPALIVE_TIMEOUT",
    "TCP_DISCONNECT_WITH_DATA",
    "MPTCP_RST_EUNSPEC",
    "MPTCP_RST_EMPTCP",
    "MPTCP_RST_ERESOURCE",
    "MPTCP_RST_EPROHIBIT",
    "MPTCP_RST_EWQ2BIG",
    "MPTCP_RST_EBADPERF",
    "MPTCP_RST_EMIDDLEBOX",
    "ERROR",
    "MAX",
];
