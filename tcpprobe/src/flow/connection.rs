//! Which socket an event belongs to.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use crate::event::Socket;
use crate::event::sockets::{is_whole, may_be_same};

/// A socket, by everything that events have told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Counts connections from 0, in the order in which they were first seen; never used twice.
    pub id: u64,
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
    /// By the rules of [`crate::event::sockets`]: cookies are never used twice, so they decide where both are known. Addresses of
    /// sockets are used again after a close, but never with the cookie of before. The 4-tuple must be the same in any case; where
    /// a part of it is not known, the cookie or the address must say that it is the same socket.
    #[must_use]
    #[inline]
    pub fn fits(&self, key: &Socket) -> bool {
        let same = |a: u64, b: u64| a != 0 && a == b;
        let same_or_unknown = |a: u64, b: u64| a == 0 || b == 0 || a == b;
        let same_cookie = same(self.cookie, key.cookie);
        if self.local == key.local && self.peer == key.peer {
            return same_cookie || same_or_unknown(self.cookie, key.cookie) && same_or_unknown(self.skaddr, key.skaddr);
        }
        may_be_same(self.local, key.local)
            && may_be_same(self.peer, key.peer)
            && (same_cookie || same_or_unknown(self.cookie, key.cookie) && same(self.skaddr, key.skaddr))
    }
}

/// Finds the slot of an event's connection by cookie, address or 4-tuple.
///
/// Each map names the connection that was last found to have the key, so later events meet the later of two
/// connections that share a 4-tuple or a socket address.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    by_cookie: HashMap<u64, u32, RandomState>,
    by_skaddr: HashMap<u64, Holder, RandomState>,
    /// By a hash of the 4-tuple, a quarter of its size: what is found must fit anyway.
    by_tuple: HashMap<u64, u32, RandomState>,
    hash: RandomState,
}

/// Who has the address of a socket.
#[derive(Debug, Clone, Copy)]
struct Holder {
    slot: u32,
    /// Whether another connection has it too: the end of one of them was not recorded.
    is_shared: bool,
}

impl Index {
    /// The connection whose cookie `key` has.
    #[inline]
    pub fn by_cookie(&self, key: &Socket) -> Option<u32> {
        if key.cookie == 0 { None } else { self.by_cookie.get(&key.cookie).copied() }
    }

    /// The connections whose address or 4-tuple `key` has.
    pub fn candidates(&self, key: &Socket) -> [Option<u32>; 2] {
        let by_skaddr = if key.skaddr == 0 { None } else { self.by_skaddr(key.skaddr) };
        [by_skaddr, self.by_tuple.get(&self.tuple(key.local, key.peer)).copied()]
    }

    fn tuple(&self, local: SocketAddr, peer: SocketAddr) -> u64 {
        self.hash.hash_one((local, peer))
    }

    /// A connection seen for the first time, as `key` shows it; see [`Index::learn`].
    pub fn add(&mut self, id: u64, slot: u32, key: &Socket) -> (Connection, bool) {
        let Socket { family, local, peer, .. } = *key;
        let mut connection = Connection { id, family, local, peer, cookie: 0, skaddr: 0 };
        let tuple = self.tuple(local, peer);
        self.by_tuple.insert(tuple, slot);
        let moved = self.learn(&mut connection, slot, key);
        (connection, moved)
    }

    /// Takes over what `key` knows and `connection` does not. Says whether a cookie is another connection's now, or the
    /// connection has another address: what was found before may be another now.
    #[inline]
    pub fn learn(&mut self, connection: &mut Connection, slot: u32, key: &Socket) -> bool {
        let mut moved = false;
        if !is_whole(connection.local, connection.peer) && is_whole(key.local, key.peer) {
            // It has its port now.
            let tuple = self.tuple(connection.local, connection.peer);
            remove_if(&mut self.by_tuple, tuple, slot);
            (connection.family, connection.local, connection.peer) = (key.family, key.local, key.peer);
            let tuple = self.tuple(key.local, key.peer);
            self.by_tuple.insert(tuple, slot);
        }
        if key.cookie != 0 && key.cookie != connection.cookie {
            connection.cookie = key.cookie;
            moved = self.by_cookie.insert(key.cookie, slot).is_some();
        }
        if key.skaddr != 0 && key.skaddr == connection.skaddr {
            if key.cookie != 0 {
                // Where it was forgotten, this says that it is the same socket still.
                let holder = self.by_skaddr.entry(key.skaddr).or_insert(Holder { slot, is_shared: false });
                holder.is_shared |= holder.slot != slot;
            }
        } else if key.skaddr != 0 {
            moved |= connection.skaddr != 0;
            // A later run names the same socket by another opaque id; the old name must not pile up.
            self.remove_skaddr(connection.skaddr, slot);
            connection.skaddr = key.skaddr;
            // It did not have this address, so whoever has it is another one.
            let is_shared = self.by_skaddr.contains_key(&key.skaddr);
            self.by_skaddr.insert(key.skaddr, Holder { slot, is_shared });
        }
        moved
    }

    /// The connection that has this address.
    pub fn by_skaddr(&self, skaddr: u64) -> Option<u32> {
        self.by_skaddr.get(&skaddr).map(|holder| holder.slot)
    }

    /// Forgets whose the addresses are, until their sockets are heard of again.
    pub fn forget_skaddrs(&mut self) {
        self.by_skaddr.clear();
    }

    /// Entries of all maps.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_cookie.len() + self.by_skaddr.len() + self.by_tuple.len()
    }

    /// Forgets a connection. Says whether its address is that of another one too, which has it for itself from its next event on:
    /// as in [`Index::learn`], what was found before must be looked up again.
    pub fn remove(&mut self, connection: &Connection, slot: u32) -> bool {
        remove_if(&mut self.by_cookie, connection.cookie, slot);
        let tuple = self.tuple(connection.local, connection.peer);
        remove_if(&mut self.by_tuple, tuple, slot);
        self.remove_skaddr(connection.skaddr, slot)
    }

    /// Forgets an address that `slot` has; says whether another has it too.
    fn remove_skaddr(&mut self, skaddr: u64, slot: u32) -> bool {
        let holder = self.by_skaddr.get(&skaddr).copied().filter(|holder| holder.slot == slot);
        if holder.is_some() {
            self.by_skaddr.remove(&skaddr);
        }
        holder.is_some_and(|holder| holder.is_shared)
    }
}

/// Removes `key`, where it names `slot`.
fn remove_if(map: &mut HashMap<u64, u32, RandomState>, key: u64, slot: u32) {
    if map.get(&key) == Some(&slot) {
        map.remove(&key);
    }
}
