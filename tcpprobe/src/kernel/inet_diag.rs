//! What the kernel says of a TCP socket when it is asked: sock_diag over netlink, requests and replies, no socket of it here.
//!
//! Sources: `include/uapi/linux/netlink.h`, `sock_diag.h`, `inet_diag.h` and `tcp.h`; `net/ipv4/inet_diag.c`. All numbers are of this
//! machine's order, which is little-endian, ports and addresses big-endian. Kernels add to tcp_info at its end, and every kernel has
//! one length: 192 bytes in 4.16, 232 in 5.10, 280 in 6.18. What a kernel does not give is not there: [`TCP_INFO`] says where each
//! field lies.
//!
//! A look-up finds a socket by its four ends *and* its cookie; by a wrong cookie it finds none, so it never is the wrong socket.
//!
//! Of sockets that close the kernel tells those who are members of [`CLOSING_GROUPS`], unasked: a reply of the request 0, with tcp_info alone.
//!
//! ```
//! use tcpprobe::kernel::inet_diag::{Reply, SocketId, put_look_up, replies};
//! let (local, peer) = ("10.0.0.1:80".parse()?, "10.0.0.2:40000".parse()?);
//! let mut request = Vec::new();
//! put_look_up(&SocketId { local, peer, cookie: 42 }, 7, &mut request);
//! assert_eq!(request.len(), 72);
//! // An error: -ENOENT, of the request 7.
//! let reply = [&36_u32.to_le_bytes()[..], &[2, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0], &(-2_i32).to_le_bytes(), &request[..16]].concat();
//! assert_eq!(replies(&reply).collect::<Vec<_>>(), [Reply::Error { sequence: 7, errno: 2 }]);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::net::{IpAddr, SocketAddr};

use super::names::{AF_INET, AF_INET6, state};

/// Bytes of a message's head: length, type, flags, sequence number, port.
const HEAD_BYTES: usize = 16;
/// Bytes of a request behind its head: `struct inet_diag_req_v2`.
const REQUEST_BYTES: usize = 56;
/// Bytes of what a reply says of every socket: `struct inet_diag_msg`. Attributes follow.
const SOCKET_BYTES: usize = 72;
/// Bytes of an attribute's head: length and type.
const ATTRIBUTE_BYTES: usize = 4;
/// Bytes of a reply about one socket, with room to spare: what a receive buffer must hold for each look-up. 6.18 has 456 and room
/// for its own book-keeping (`skb->truesize`) of some 1280 in all.
pub const REPLY_BYTES_MAX: usize = 2048;

/// The multicast groups, as bits, in which the kernel tells of TCP sockets that close, of IPv4 and of IPv6
/// (`SKNLGRP_INET_TCP_DESTROY`, `SKNLGRP_INET6_TCP_DESTROY`).
pub const CLOSING_GROUPS: u32 = 1 << 0 | 1 << 2;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;

/// Attributes of a reply (`INET_DIAG_…`).
const INFO: u16 = 2;
const VEGASINFO: u16 = 3;
const CONG: u16 = 4;
const SKMEMINFO: u16 = 7;
const BBRINFO: u16 = 16;

/// A field of tcp_info: name, offset and bytes.
pub type InfoField = (&'static str, usize, usize);

/// The fields of tcp_info (`struct tcp_info`, `include/uapi/linux/tcp.h`) but for those of some bits
/// ([`TcpInfo::bits`]), by offset. What is behind
/// byte 276 is not here: kernels divide that word each otherwise.
pub const TCP_INFO: [InfoField; 64] = [
    ("tcpi_state", 0, 1),
    ("tcpi_ca_state", 1, 1),
    ("tcpi_retransmits", 2, 1),
    ("tcpi_probes", 3, 1),
    ("tcpi_backoff", 4, 1),
    ("tcpi_options", 5, 1),
    ("tcpi_rto", 8, 4),
    ("tcpi_ato", 12, 4),
    ("tcpi_snd_mss", 16, 4),
    ("tcpi_rcv_mss", 20, 4),
    ("tcpi_unacked", 24, 4),
    ("tcpi_sacked", 28, 4),
    ("tcpi_lost", 32, 4),
    ("tcpi_retrans", 36, 4),
    ("tcpi_fackets", 40, 4),
    ("tcpi_last_data_sent", 44, 4),
    ("tcpi_last_ack_sent", 48, 4),
    ("tcpi_last_data_recv", 52, 4),
    ("tcpi_last_ack_recv", 56, 4),
    ("tcpi_pmtu", 60, 4),
    ("tcpi_rcv_ssthresh", 64, 4),
    ("tcpi_rtt", 68, 4),
    ("tcpi_rttvar", 72, 4),
    ("tcpi_snd_ssthresh", 76, 4),
    ("tcpi_snd_cwnd", 80, 4),
    ("tcpi_advmss", 84, 4),
    ("tcpi_reordering", 88, 4),
    ("tcpi_rcv_rtt", 92, 4),
    ("tcpi_rcv_space", 96, 4),
    ("tcpi_total_retrans", 100, 4),
    ("tcpi_pacing_rate", 104, 8),
    ("tcpi_max_pacing_rate", 112, 8),
    ("tcpi_bytes_acked", 120, 8),
    ("tcpi_bytes_received", 128, 8),
    ("tcpi_segs_out", 136, 4),
    ("tcpi_segs_in", 140, 4),
    ("tcpi_notsent_bytes", 144, 4),
    ("tcpi_min_rtt", 148, 4),
    ("tcpi_data_segs_in", 152, 4),
    ("tcpi_data_segs_out", 156, 4),
    ("tcpi_delivery_rate", 160, 8),
    ("tcpi_busy_time", 168, 8),
    ("tcpi_rwnd_limited", 176, 8),
    ("tcpi_sndbuf_limited", 184, 8),
    // From here on, not every kernel since 4.16 has them.
    ("tcpi_delivered", 192, 4),
    ("tcpi_delivered_ce", 196, 4),
    ("tcpi_bytes_sent", 200, 8),
    ("tcpi_bytes_retrans", 208, 8),
    ("tcpi_dsack_dups", 216, 4),
    ("tcpi_reord_seen", 220, 4),
    ("tcpi_rcv_ooopack", 224, 4),
    ("tcpi_snd_wnd", 228, 4),
    ("tcpi_rcv_wnd", 232, 4),
    ("tcpi_rehash", 236, 4),
    ("tcpi_total_rto", 240, 2),
    ("tcpi_total_rto_recoveries", 242, 2),
    ("tcpi_total_rto_time", 244, 4),
    ("tcpi_received_ce", 248, 4),
    ("tcpi_delivered_e1_bytes", 252, 4),
    ("tcpi_delivered_e0_bytes", 256, 4),
    ("tcpi_delivered_ce_bytes", 260, 4),
    ("tcpi_received_e1_bytes", 264, 4),
    ("tcpi_received_e0_bytes", 268, 4),
    ("tcpi_received_ce_bytes", 272, 4),
];

/// Bytes of tcp_info that every kernel with tcp_probe gives (4.16).
pub const TCP_INFO_BYTES_MIN: usize = 192;

/// What `SK_MEMINFO` counts, in bytes but for the drops, in its order (`include/uapi/linux/sock_diag.h`).
pub const MEMINFO: [&str; 9] =
    ["rmem_alloc", "rcvbuf", "wmem_alloc", "sndbuf", "fwd_alloc", "wmem_queued", "optmem", "backlog", "drops"];

/// Which socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId {
    /// Its own end; a v4-mapped address is as good as that of IPv4.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// Its cookie.
    pub cookie: u64,
}

/// What is asked of all sockets at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(pub u32);

impl States {
    /// None at all: says only whether the kernel can be asked.
    pub const NONE: States = States(0);
    /// Those that wait for connections.
    pub const LISTEN: States = States(1 << state::LISTEN);
    /// Those that are connected.
    pub const ESTABLISHED: States = States(1 << state::ESTABLISHED);
}

/// Appends a look-up of a socket. Its reply names the sequence number.
pub fn put_look_up(id: &SocketId, sequence: u32, out: &mut Vec<u8>) {
    let ends = [id.local, id.peer].map(|end| (end.ip().to_canonical(), end.port()));
    let is_v4 = ends.iter().all(|(ip, _)| ip.is_ipv4());
    put_head(NLM_F_REQUEST, sequence, out);
    put_request(if is_v4 { AF_INET } else { AF_INET6 }, States(u32::MAX), out);
    ends.iter().for_each(|(_, port)| out.extend(port.to_be_bytes()));
    for (ip, _) in ends {
        match ip {
            IpAddr::V4(ip) if is_v4 => {
                out.extend(ip.octets());
                out.extend([0; 12]);
            }
            IpAddr::V4(ip) => out.extend(ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => out.extend(ip.octets()),
        }
    }
    out.extend([0; 4]);
    out.extend(id.cookie.to_le_bytes());
}

/// Appends a question for all sockets of a family in some states: a reply for each, then [`Reply::Done`].
pub fn put_dump(is_v6: bool, states: States, sequence: u32, out: &mut Vec<u8>) {
    put_head(NLM_F_REQUEST | NLM_F_DUMP, sequence, out);
    put_request(if is_v6 { AF_INET6 } else { AF_INET }, states, out);
    out.extend([0; 48]);
}

fn put_head(flags: u16, sequence: u32, out: &mut Vec<u8>) {
    out.extend(((HEAD_BYTES + REQUEST_BYTES) as u32).to_le_bytes());
    out.extend(SOCK_DIAG_BY_FAMILY.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend(sequence.to_le_bytes());
    out.extend([0; 4]);
}

/// Family, protocol, what is wanted beside (all of congestion control by the bit of Vegas), states.
fn put_request(family: u16, states: States, out: &mut Vec<u8>) {
    let wanted = [INFO, VEGASINFO, CONG, SKMEMINFO].iter().fold(0, |set, attribute| set | 1 << (attribute - 1));
    out.extend([family as u8, IPPROTO_TCP, wanted, 0]);
    out.extend(states.0.to_le_bytes());
}

/// One message of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A socket.
    Socket {
        /// Of the request.
        sequence: u32,
        /// What the kernel said.
        socket: SocketDiag<'a>,
    },
    /// Why there is no answer: `ENOENT` where there is no such socket.
    Error {
        /// Of the request.
        sequence: u32,
        /// Positive; 0 is none.
        errno: u32,
    },
    /// The end of a dump.
    Done {
        /// Of the request.
        sequence: u32,
        /// Why it ended early; 0 where it did not.
        errno: u32,
    },
    /// Anything else, as a message that is not what a kernel writes.
    Other,
}

/// What a kernel says of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketDiag<'a> {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// Its state: 1 = `TCP_ESTABLISHED` (`include/net/tcp_states.h`).
    pub state: u8,
    /// Its own end; v4-mapped addresses are IPv4.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// As in the events of the socket.
    pub cookie: u64,
    /// The user who made it.
    pub uid: u32,
    /// Of the socket's file; 0 where it is in no process's hands any more.
    pub inode: u32,
    /// tcp_info.
    pub info: Option<TcpInfo<'a>>,
    /// As [`MEMINFO`] names them.
    pub meminfo: Option<[u32; MEMINFO.len()]>,
    /// Name of the congestion control; a NUL ends it, if anything does.
    pub congestion: Option<&'a [u8]>,
    /// What BBR says of itself, where it is the congestion control.
    pub bbr: Option<Bbr>,
}

impl SocketDiag<'_> {
    /// Whether it has no peer. So is a socket that closes and that was disconnected before, by `connect(AF_UNSPEC)`, or to close it by a reset
    /// (`SO_LINGER` 0): the kernel has emptied it, and what it counted and measured is 0 or what a new socket has.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.peer.port() == 0
    }
}

/// What BBR says of itself (`struct tcp_bbr_info`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bbr {
    /// Its estimate of the path's rate, bytes a second.
    pub bw: u64,
    /// Microseconds.
    pub min_rtt: u32,
    /// In 256ths.
    pub pacing_gain: u32,
    /// In 256ths.
    pub cwnd_gain: u32,
}

/// The bytes of tcp_info.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo<'a>(pub &'a [u8]);

impl TcpInfo<'_> {
    /// The value of a field of [`TCP_INFO`]; `None` where the kernel does not give it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        let &(_, offset, size) = TCP_INFO.iter().find(|(known, ..)| *known == name)?;
        let mut word = [0; 8];
        word[..size].copy_from_slice(self.0.get(offset..offset + size)?);
        Some(u64::from_le_bytes(word))
    }

    /// The fields of some bits: names and values.
    #[must_use]
    pub fn bits(&self) -> [(&'static str, u8); 4] {
        let byte = |at: usize| self.0.get(at).copied().unwrap_or(0);
        [
            ("tcpi_snd_wscale", byte(6) & 15),
            ("tcpi_rcv_wscale", byte(6) >> 4),
            ("tcpi_delivery_rate_app_limited", byte(7) & 1),
            ("tcpi_fastopen_client_fail", byte(7) >> 1 & 3),
        ]
    }
}

/// The messages of what was received, in order. What claims to be longer than it is ends them.
pub fn replies(bytes: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = rest.first_chunk::<HEAD_BYTES>()?;
        let length = word(head, 0)? as usize;
        if length < HEAD_BYTES || length > rest.len() {
            rest = &[];
            return Some(Reply::Other);
        }
        let message = &rest[..length];
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(reply(message).unwrap_or(Reply::Other))
    })
}

fn reply(message: &[u8]) -> Option<Reply<'_>> {
    let (head, body) = message.split_first_chunk::<HEAD_BYTES>()?;
    let sequence = word(head, 8)?;
    let errno = || word(body, 0).map(|errno| errno.cast_signed().unsigned_abs());
    Some(match half(head, 4)? {
        SOCK_DIAG_BY_FAMILY => Reply::Socket { sequence, socket: socket(body)? },
        NLMSG_ERROR => Reply::Error { sequence, errno: errno()? },
        NLMSG_DONE => Reply::Done { sequence, errno: errno().unwrap_or(0) },
        _ => return None,
    })
}

fn socket(body: &[u8]) -> Option<SocketDiag<'_>> {
    let (fixed, attributes) = body.split_first_chunk::<SOCKET_BYTES>()?;
    let family = u16::from(fixed[0]);
    let end = |port: usize, address: usize| {
        let ip = match family {
            AF_INET => IpAddr::from(*fixed[address..].first_chunk::<4>()?),
            AF_INET6 => IpAddr::from(*fixed[address..].first_chunk::<16>()?).to_canonical(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes([fixed[port], fixed[port + 1]])))
    };
    let mut socket = SocketDiag {
        family,
        state: fixed[1],
        local: end(4, 8)?,
        peer: end(6, 24)?,
        cookie: u64::from(word(fixed, 48)?) << 32 | u64::from(word(fixed, 44)?),
        uid: word(fixed, 64)?,
        inode: word(fixed, 68)?,
        info: None,
        meminfo: None,
        congestion: None,
        bbr: None,
    };
    for (kind, bytes) in attributes_of(attributes) {
        match kind {
            INFO => socket.info = Some(TcpInfo(bytes)),
            CONG => socket.congestion = Some(bytes),
            SKMEMINFO => socket.meminfo = meminfo(bytes),
            BBRINFO => socket.bbr = bbr(bytes),
            _ => {}
        }
    }
    Some(socket)
}

/// Types and bytes of attributes; what claims to be longer than it is ends them.
fn attributes_of(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(half(rest, 0)?);
        // The two highest bits of a type are flags.
        let kind = half(rest, 2)? & 0x3fff;
        let bytes = rest.get(ATTRIBUTE_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, bytes))
    })
}

fn meminfo(bytes: &[u8]) -> Option<[u32; MEMINFO.len()]> {
    let mut counts = [0; MEMINFO.len()];
    for (at, count) in counts.iter_mut().enumerate() {
        *count = word(bytes, 4 * at)?;
    }
    Some(counts)
}

fn bbr(bytes: &[u8]) -> Option<Bbr> {
    let bw = u64::from(word(bytes, 4)?) << 32 | u64::from(word(bytes, 0)?);
    Some(Bbr { bw, min_rtt: word(bytes, 8)?, pacing_gain: word(bytes, 12)?, cwnd_gain: word(bytes, 16)? })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_le_bytes(*half))
}
