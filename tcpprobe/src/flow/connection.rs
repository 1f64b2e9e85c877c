//! Which socket an event belongs to.

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use crate::event::{TcpProbe, TcpRetransmitSkb};

/// A socket, by everything that events have told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Counts connections from 0, in the order in which they were first seen.
    pub id: u32,
    /// `AF_INET` or `AF_INET6`; an IPv4 connection on a dual-stack socket has `AF_INET6`.
    pub family: u16,
    /// The socket's own end; v4-mapped addresses are IPv4.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// `sock_cookie`; 0 while no event has told it.
    pub cookie: u64,
    /// Address (or its opaque id) of the socket; 0 while no event has told it.
    pub skaddr: u64,
}

/// What one event says about its socket.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionKey {
    /// As in [`Connection`], and so are the others.
    pub family: u16,
    /// The socket's own end.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// 0 where the event has none: tcp_retransmit_skb on every kernel.
    pub cookie: u64,
    /// 0 where the event has none: tcp_probe before 6.9.
    pub skaddr: u64,
}

impl From<&TcpProbe> for ConnectionKey {
    #[inline]
    fn from(event: &TcpProbe) -> Self {
        let TcpProbe { family, src, dest, sock_cookie, skaddr, .. } = *event;
        ConnectionKey { family, local: src, peer: dest, cookie: sock_cookie, skaddr }
    }
}

impl From<&TcpRetransmitSkb> for ConnectionKey {
    fn from(event: &TcpRetransmitSkb) -> Self {
        let TcpRetransmitSkb { family, src, dest, skaddr, .. } = *event;
        ConnectionKey { family, local: src, peer: dest, cookie: 0, skaddr }
    }
}

impl ConnectionKey {
    /// Whether an event with this key can be of `connection`.
    ///
    /// Cookies are never used twice, so they decide where both are known. Addresses of sockets are used again after
    /// a close, but never with the cookie of before. The 4-tuple must be the same in any case.
    #[must_use]
    #[inline]
    pub fn fits(&self, connection: &Connection) -> bool {
        let same = |a: u64, b: u64| a != 0 && a == b;
        let same_or_unknown = |a: u64, b: u64| a == 0 || b == 0 || a == b;
        self.local == connection.local
            && self.peer == connection.peer
            && (same(self.cookie, connection.cookie)
                || same_or_unknown(self.cookie, connection.cookie) && same_or_unknown(self.skaddr, connection.skaddr))
    }
}

/// Finds the connection of an event by cookie, address or 4-tuple.
///
/// Each map names the connection that was last found to have the key, so later events meet the later of two
/// connections that share a 4-tuple or a socket address.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    by_cookie: HashMap<u64, u32, RandomState>,
    by_skaddr: HashMap<u64, u32, RandomState>,
    by_tuple: HashMap<(SocketAddr, SocketAddr), u32, RandomState>,
}

impl Index {
    /// The connection whose cookie `key` has.
    #[inline]
    pub fn by_cookie(&self, key: &ConnectionKey) -> Option<u32> {
        if key.cookie == 0 { None } else { self.by_cookie.get(&key.cookie).copied() }
    }

    /// The connections whose address or 4-tuple `key` has.
    pub fn candidates(&self, key: &ConnectionKey) -> [Option<u32>; 2] {
        let by_skaddr = if key.skaddr == 0 { None } else { self.by_skaddr.get(&key.skaddr).copied() };
        [by_skaddr, self.by_tuple.get(&(key.local, key.peer)).copied()]
    }

    /// A connection seen for the first time, as `key` shows it.
    pub fn add(&mut self, id: u32, key: &ConnectionKey) -> Connection {
        let ConnectionKey { family, local, peer, .. } = *key;
        let mut connection = Connection { id, family, local, peer, cookie: 0, skaddr: 0 };
        self.by_tuple.insert((local, peer), id);
        self.learn(&mut connection, key);
        connection
    }

    /// Takes over what `key` knows and `connection` does not.
    #[inline]
    pub fn learn(&mut self, connection: &mut Connection, key: &ConnectionKey) {
        if key.cookie != 0 && key.cookie != connection.cookie {
            connection.cookie = key.cookie;
            self.by_cookie.insert(key.cookie, connection.id);
        }
        if key.skaddr != 0 && key.skaddr != connection.skaddr {
            // A later run names the same socket by another opaque id; the old name must not pile up.
            if self.by_skaddr.get(&connection.skaddr) == Some(&connection.id) {
                self.by_skaddr.remove(&connection.skaddr);
            }
            connection.skaddr = key.skaddr;
            self.by_skaddr.insert(key.skaddr, connection.id);
        }
    }
}
