//! Which socket an event belongs to.

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use crate::event::Socket;

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

impl Connection {
    /// Whether an event that says this about its socket can be of this connection.
    ///
    /// Cookies are never used twice, so they decide where both are known. Addresses of sockets are used again after
    /// a close, but never with the cookie of before. The 4-tuple must be the same in any case.
    #[must_use]
    #[inline]
    pub fn fits(&self, key: &Socket) -> bool {
        let same = |a: u64, b: u64| a != 0 && a == b;
        let same_or_unknown = |a: u64, b: u64| a == 0 || b == 0 || a == b;
        self.local == key.local
            && self.peer == key.peer
            && (same(self.cookie, key.cookie)
                || same_or_unknown(self.cookie, key.cookie) && same_or_unknown(self.skaddr, key.skaddr))
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
    pub fn by_cookie(&self, key: &Socket) -> Option<u32> {
        if key.cookie == 0 { None } else { self.by_cookie.get(&key.cookie).copied() }
    }

    /// The connections whose address or 4-tuple `key` has.
    pub fn candidates(&self, key: &Socket) -> [Option<u32>; 2] {
        let by_skaddr = if key.skaddr == 0 { None } else { self.by_skaddr.get(&key.skaddr).copied() };
        [by_skaddr, self.by_tuple.get(&(key.local, key.peer)).copied()]
    }

    /// A connection seen for the first time, as `key` shows it.
    pub fn add(&mut self, id: u32, key: &Socket) -> Connection {
        let Socket { family, local, peer, .. } = *key;
        let mut connection = Connection { id, family, local, peer, cookie: 0, skaddr: 0 };
        self.by_tuple.insert((local, peer), id);
        self.learn(&mut connection, key);
        connection
    }

    /// Takes over what `key` knows and `connection` does not.
    #[inline]
    pub fn learn(&mut self, connection: &mut Connection, key: &Socket) {
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
