//! The typed events.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::table::EventKind;

/// `ssthresh` before any loss: "not set" (`TCP_INFINITE_SSTHRESH`, `include/net/tcp.h`).
pub const SSTHRESH_INFINITE: u32 = 0x7fff_ffff;

/// What an event says about its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// `AF_INET` or `AF_INET6`; an IPv4 connection on a dual-stack socket has `AF_INET6`.
    pub family: u16,
    /// The socket's own end; v4-mapped addresses are IPv4.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// `sock_cookie`, as `ss -e` shows it; 0 where the event has none: tcp_retransmit_skb on every kernel.
    pub cookie: u64,
    /// Address (or its opaque id) of the socket; 0 where the event has none: tcp_probe before 6.9.
    pub skaddr: u64,
}

impl Socket {
    /// A socket of which nothing is told: family, ports and addresses are 0.
    pub const UNTOLD: Socket = {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Socket { family: 0, local: nowhere, peer: nowhere, cookie: 0, skaddr: 0 }
    };

    /// Whether it tells an end. A reset that the kernel sends of itself names its socket alone, since 6.10.
    #[must_use]
    #[inline]
    pub fn has_ends(&self) -> bool {
        self.local.port() != 0 || self.peer.port() != 0
    }
}

/// A segment received on an established socket, before its ACK is processed (`net/ipv4/tcp_input.c`,
/// `tcp_rcv_established()`; fields in `include/trace/events/tcp.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpProbe {
    /// `AF_INET` or `AF_INET6`; on a dual-stack socket an IPv4 connection has `AF_INET6`.
    pub family: u16,
    /// The socket's own end; v4-mapped addresses are IPv4 here.
    pub src: SocketAddr,
    /// The peer.
    pub dest: SocketAddr,
    /// The skb's mark.
    pub mark: u32,
    /// Payload bytes of the segment, modulo 65536.
    pub data_len: u16,
    /// Next sequence number to be sent.
    pub snd_nxt: u32,
    /// Oldest unacknowledged sequence number, before this segment's ACK.
    pub snd_una: u32,
    /// Congestion window, in packets.
    pub snd_cwnd: u32,
    /// Slow-start threshold, in packets; [`SSTHRESH_INFINITE`] is "not set".
    pub ssthresh: u32,
    /// The peer's receive window, in bytes.
    pub snd_wnd: u32,
    /// Smoothed RTT, in microseconds.
    pub srtt: u32,
    /// Own receive window, in bytes.
    pub rcv_wnd: u32,
    /// `sock_cookie`, as `ss -e` shows it; 0 where the kernel had none.
    pub sock_cookie: u64,
    /// Address (or its opaque id) of the skb; 0 before 6.9.
    pub skbaddr: u64,
    /// Address (or its opaque id) of the socket; 0 before 6.9.
    pub skaddr: u64,
}

/// A retransmission (`net/ipv4/tcp_output.c`, `__tcp_retransmit_skb()`). It may stand for several segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpRetransmitSkb {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// The socket's own end; v4-mapped addresses are IPv4 here.
    pub src: SocketAddr,
    /// The peer.
    pub dest: SocketAddr,
    /// The socket's state, 1 = `TCP_ESTABLISHED` (`include/net/tcp_states.h`); 0 where the kernel did not say.
    pub state: u8,
    /// Address (or its opaque id) of the skb; 0 in the text of kernels before 6.9.
    pub skbaddr: u64,
    /// Address (or its opaque id) of the socket; 0 in the text of kernels before 6.9.
    pub skaddr: u64,
    /// Error of the transmission, 0 for none; `None` before 6.17, where the kernel does not say.
    pub err: Option<i32>,
}

/// A retransmission of a SYN-ACK (`net/ipv4/inet_connection_sock.c`, `inet_rtx_syn_ack()`). Its socket is the listener, and
/// the ends are those of the connection to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpRetransmitSynack {
    /// Where; `skaddr` is that of the listener.
    pub socket: Socket,
    /// Address (or its opaque id) of the request.
    pub req: u64,
}

/// Congestion control changed its state (`include/net/tcp.h`, `tcp_set_ca_state()`); from 5.19 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpCongStateSet {
    /// Whose.
    pub socket: Socket,
    /// The new state: 0 Open, 1 Disorder, 2 CWR, 3 Recovery, 4 Loss (`enum tcp_ca_state`, `include/uapi/linux/tcp.h`).
    pub cong_state: u8,
}

/// A socket changed its state (`net/ipv4/af_inet.c`, `inet_sk_set_state()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InetSockSetState {
    /// Whose; before it is connected its ports and addresses are 0.
    pub socket: Socket,
    /// 6 is TCP (`IPPROTO_TCP`).
    pub protocol: u16,
    /// As in [`crate::kernel::names::STATES`], from 1.
    pub oldstate: u8,
    /// The same.
    pub newstate: u8,
}

/// A socket is destroyed (`net/ipv4/tcp_ipv4.c`, `tcp_v4_destroy_sock()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpDestroySock {
    /// Whose.
    pub socket: Socket,
}

/// A reset was sent (`net/ipv4/tcp_output.c`, `tcp_send_active_reset()`, and `tcp_v4_send_reset()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSendReset {
    /// Whose; `skaddr` is 0 where no socket was there. It may have no ends ([`Socket::has_ends`]).
    pub socket: Socket,
    /// The state of the socket, 0 where there is none.
    pub state: u8,
    /// Address (or its opaque id) of the skb; 0 where there is none.
    pub skbaddr: u64,
    /// Why, as the kernel's format numbers it (`enum sk_rst_reason`); `None` before 6.10.
    pub reason: Option<u32>,
}

/// A reset was received (`net/ipv4/tcp_input.c`, `tcp_reset()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpReceiveReset {
    /// Whose.
    pub socket: Socket,
}

/// The application took data out of the socket (`net/ipv4/tcp_input.c`, `tcp_rcv_space_adjust()`), in its own context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpRcvSpaceAdjust {
    /// Whose.
    pub socket: Socket,
}

/// What the kernel said of a socket ([`crate::event::tcp_info`]) when it was asked, once a second where a recorder takes snapshots, or when it
/// closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// Whose.
    pub socket: Socket,
    /// What of it explains a connection.
    pub snapshot: Snapshot,
}

/// Whose a socket is ([`crate::event::owner`]): told once a socket, and again where another process takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOwner {
    /// Whose.
    pub socket: Socket,
    /// The process.
    pub pid: i32,
    /// Its user; [`crate::event::owner::UNKNOWN_UID`] where it is not known.
    pub uid: u32,
}

/// What of a snapshot explains what holds a connection back. Every kernel that has tcp_probe gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of a full segment (`tcpi_snd_mss`).
    pub snd_mss: u32,
    /// Bytes that were written and never sent (`tcpi_notsent_bytes`).
    pub notsent_bytes: u32,
    /// Microseconds in which the peer's window held back, since the connection began (`tcpi_rwnd_limited`).
    pub rwnd_limited: u64,
    /// The same of the own send buffer (`tcpi_sndbuf_limited`).
    pub sndbuf_limited: u64,
    /// Bytes that the send buffer holds (`SK_MEMINFO_WMEM_QUEUED`).
    pub wmem_queued: u32,
    /// Size of the send buffer, bytes (`SK_MEMINFO_SNDBUF`); 0 in a final one.
    pub sndbuf: u32,
    /// Whether the congestion control is BBR, and goes by a model of the path's rate.
    pub is_bbr: bool,
}

impl Snapshot {
    /// Whether it is the last of a socket that closed: nothing is told of buffers and congestion control then, and nothing waits.
    #[must_use]
    pub fn is_final(&self) -> bool {
        // No socket that is alive has less than some kilobytes.
        self.sndbuf == 0
    }
}

/// An event as the features that explain connections want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A segment received.
    TcpProbe(TcpProbe),
    /// A retransmission.
    TcpRetransmitSkb(TcpRetransmitSkb),
    /// A retransmission of a SYN-ACK.
    TcpRetransmitSynack(TcpRetransmitSynack),
    /// A state of congestion control.
    TcpCongStateSet(TcpCongStateSet),
    /// A state of a socket.
    InetSockSetState(InetSockSetState),
    /// A socket that goes.
    TcpDestroySock(TcpDestroySock),
    /// A reset that was sent.
    TcpSendReset(TcpSendReset),
    /// A reset that was received.
    TcpReceiveReset(TcpReceiveReset),
    /// The application took data.
    TcpRcvSpaceAdjust(TcpRcvSpaceAdjust),
    /// What the kernel said of a socket when it was asked.
    TcpInfo(TcpInfo),
    /// Whose a socket is.
    Owner(SocketOwner),
}

impl Event {
    /// Which event of the table it is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Event::TcpProbe(_) => EventKind::TcpProbe,
            Event::TcpRetransmitSkb(_) => EventKind::TcpRetransmitSkb,
            Event::TcpRetransmitSynack(_) => EventKind::TcpRetransmitSynack,
            Event::TcpCongStateSet(_) => EventKind::TcpCongStateSet,
            Event::InetSockSetState(_) => EventKind::InetSockSetState,
            Event::TcpDestroySock(_) => EventKind::TcpDestroySock,
            Event::TcpSendReset(_) => EventKind::TcpSendReset,
            Event::TcpReceiveReset(_) => EventKind::TcpReceiveReset,
            Event::TcpRcvSpaceAdjust(_) => EventKind::TcpRcvSpaceAdjust,
            Event::TcpInfo(_) => EventKind::TcpInfo,
            Event::Owner(_) => EventKind::Owner,
        }
    }

    /// What it says about its socket.
    #[must_use]
    #[inline]
    pub fn socket(&self) -> Socket {
        match self {
            Event::TcpProbe(event) => event.socket(),
            Event::TcpRetransmitSkb(event) => event.socket(),
            Event::TcpRetransmitSynack(event) => event.socket,
            Event::TcpCongStateSet(event) => event.socket,
            Event::InetSockSetState(event) => event.socket,
            Event::TcpDestroySock(event) => event.socket,
            Event::TcpSendReset(event) => event.socket,
            Event::TcpReceiveReset(event) => event.socket,
            Event::TcpRcvSpaceAdjust(event) => event.socket,
            Event::TcpInfo(event) => event.socket,
            Event::Owner(event) => event.socket,
        }
    }

    /// The local and the peer end of its connection.
    #[must_use]
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        let Socket { local, peer, .. } = self.socket();
        (local, peer)
    }
}

impl TcpProbe {
    /// What it says about its socket.
    #[must_use]
    #[inline]
    pub fn socket(&self) -> Socket {
        let TcpProbe { family, src, dest, sock_cookie, skaddr, .. } = *self;
        Socket { family, local: src, peer: dest, cookie: sock_cookie, skaddr }
    }
}

impl TcpRetransmitSkb {
    /// What it says about its socket.
    #[must_use]
    pub fn socket(&self) -> Socket {
        let TcpRetransmitSkb { family, src, dest, skaddr, .. } = *self;
        Socket { family, local: src, peer: dest, cookie: 0, skaddr }
    }
}
