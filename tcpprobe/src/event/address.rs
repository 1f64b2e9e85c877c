//! Addresses as records hold them: a `sockaddr` of 28 bytes, or four bytes and sixteen beside a family.
//!
//! ```
//! use tcpprobe::event::{AF_INET, address::{sockaddr, socket_address}};
//! let end = "192.0.2.1:443".parse()?;
//! assert_eq!(socket_address(&sockaddr(end, AF_INET)), Some(end));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::typed::Socket;
use crate::kernel::format::{Field, Format, Kind};

pub use crate::kernel::names::{AF_INET, AF_INET6};

/// Bytes of a `sockaddr_in6`, the larger of the two kinds of address that such a field holds.
pub const SOCKADDR_BYTES: u32 = 28;

/// One end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The socket's own: `saddr`, `sport`.
    Local,
    /// The peer's: `daddr`, `dport`.
    Peer,
}

impl Side {
    /// The field with the address, a sockaddr or four bytes.
    #[must_use]
    pub fn address(self) -> &'static str {
        match self {
            Side::Local => "saddr",
            Side::Peer => "daddr",
        }
    }

    /// The field with the sixteen bytes beside the four.
    #[must_use]
    pub fn address_v6(self) -> &'static str {
        match self {
            Side::Local => "saddr_v6",
            Side::Peer => "daddr_v6",
        }
    }

    /// This end of a socket.
    #[must_use]
    pub fn of(self, socket: &Socket) -> SocketAddr {
        match self {
            Side::Local => socket.local,
            Side::Peer => socket.peer,
        }
    }

    /// The field with the port, in host order.
    #[must_use]
    pub fn port(self) -> &'static str {
        match self {
            Side::Local => "sport",
            Side::Peer => "dport",
        }
    }
}

/// A kernel `sockaddr_in` or `sockaddr_in6` (native family, big-endian port); v4-mapped becomes IPv4.
/// `None` where it is cut short or of another family.
#[must_use]
#[inline]
pub fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_le_bytes(*bytes.first_chunk()?);
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let ip = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The same the other way: what a kernel stores of a socket of this family. An IPv4 address of an `AF_INET6` socket is v4-mapped.
#[must_use]
#[inline]
pub fn sockaddr(address: SocketAddr, family: u16) -> [u8; SOCKADDR_BYTES as usize] {
    let mut bytes = [0; SOCKADDR_BYTES as usize];
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(v4) if family != AF_INET6 => {
            bytes[..2].copy_from_slice(&AF_INET.to_le_bytes());
            bytes[4..8].copy_from_slice(&v4.octets());
        }
        ip => {
            bytes[..2].copy_from_slice(&AF_INET6.to_le_bytes());
            bytes[8..24].copy_from_slice(&mapped(ip).octets());
        }
    }
    bytes
}

/// An address as sixteen bytes, IPv4 v4-mapped.
#[must_use]
#[inline]
pub fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The family of a socket with this address of its own, where the kernel does not say.
#[must_use]
pub fn family_of(ip: IpAddr) -> u16 {
    if ip.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The field with the address of the socket that an event is about, where it has one.
#[must_use]
pub fn socket_pointer(format: &Format) -> Option<&Field> {
    ["skaddr", "sk"].into_iter().find_map(|name| format.field(name).filter(|f| f.kind == Kind::Pointer && f.size == 8))
}

/// Where the two ends of a socket are in the records of one event.
#[derive(Debug, Clone)]
pub enum Ends {
    /// Two sockaddrs of 28 bytes, at these offsets.
    Sockaddrs(usize, usize),
    /// Ports in host order, addresses of four and of sixteen bytes.
    Split(Box<Split>),
}

/// Writes the ends of a socket as [`Ends::Split`] reads them: the ports from one offset on, and from the other the addresses of four
/// bytes, then those of sixteen.
pub(super) fn put_ends(record: &mut [u8], (ports_at, addresses_at): (usize, usize), socket: &Socket) {
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    for (at, end) in [socket.local, socket.peer].iter().enumerate() {
        put(ports_at + 2 * at, &end.port().to_le_bytes());
        if let IpAddr::V4(ip) = end.ip() {
            put(addresses_at + 4 * at, &ip.octets());
        }
        put(addresses_at + 8 + 16 * at, &mapped(end.ip()).octets());
    }
}

/// See [`Ends::Split`].
#[derive(Debug, Clone)]
pub struct Split {
    family: Option<Field>,
    ports: [Field; 2],
    v4: [Field; 2],
    v6: [Field; 2],
}

impl Ends {
    /// `None` where the event has no addresses, or has them in another way.
    #[must_use]
    pub fn of(format: &Format) -> Option<Self> {
        let array = |name, size| format.field(name).filter(|f| f.kind == Kind::Array && f.size == size);
        let sides = [Side::Local, Side::Peer];
        if let [Some(local), Some(peer)] = sides.map(|side| array(side.address(), SOCKADDR_BYTES)) {
            return Some(Ends::Sockaddrs(local.offset as usize, peer.offset as usize));
        }
        let both = |find: &dyn Fn(Side) -> Option<Field>| Some([find(Side::Local)?, find(Side::Peer)?]);
        Some(Ends::Split(Box::new(Split {
            family: format.field("family").cloned(),
            ports: both(&|side| format.field(side.port()).filter(|f| f.kind == Kind::Integer).cloned())?,
            v4: both(&|side| array(side.address(), 4).cloned())?,
            v6: both(&|side| array(side.address_v6(), 16).cloned())?,
        })))
    }

    /// The local and the peer end; v4-mapped addresses are IPv4. `None` where the record is too short, or has a sockaddr
    /// without a family: a reset for no socket.
    #[must_use]
    #[inline]
    pub fn read(&self, record: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Ends::Sockaddrs(local, peer) => {
                let end = |at: usize| record.get(at..).and_then(|bytes| bytes.get(..SOCKADDR_BYTES as usize));
                Some((socket_address(end(*local)?)?, socket_address(end(*peer)?)?))
            }
            Ends::Split(split) => split.read(record),
        }
    }
}

impl Split {
    fn read(&self, record: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
        let family = self.family.as_ref().and_then(|field| field.unsigned(record));
        // The sixteen bytes are always filled (v4-mapped for IPv4); the four may hold anything for an IPv6 socket.
        let end = |side: usize| {
            let v6 = Ipv6Addr::from(*self.v6[side].bytes(record)?.first_chunk::<16>()?).to_canonical();
            let is_v4 = family == Some(u64::from(AF_INET)) || (family.is_none() && v6.is_ipv4());
            let ip = match is_v4 {
                true => IpAddr::V4(Ipv4Addr::from(*self.v4[side].bytes(record)?.first_chunk::<4>()?)),
                false => v6,
            };
            Some(SocketAddr::new(ip, u16::try_from(self.ports[side].unsigned(record)?).ok()?))
        };
        Some((end(0)?, end(1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sockaddr_comes_back() {
        for (address, family) in
            [("10.0.0.1:80", AF_INET), ("10.0.0.1:80", AF_INET6), ("[fd99::2]:443", AF_INET6), ("[::]:0", AF_INET6)]
        {
            let address: SocketAddr = address.parse().unwrap();
            let bytes = sockaddr(address, family);
            assert_eq!(socket_address(&bytes), Some(address));
            assert_eq!(u16::from_le_bytes([bytes[0], bytes[1]]), family);
        }
        assert_eq!(socket_address(&[0; 28]), None);
    }
}
