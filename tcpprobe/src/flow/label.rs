//! What is told of connections in words: whose they are, and by which congestion control they go.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::event::{EventKind, Owner, Socket};
use crate::kernel::format::Format;
use crate::kernel::value::Value;

/// What an event tells of its connection in words, for [`Observer::label`](super::Observer::label).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// Whose it is, from here on.
    Owner(Arc<Owner>),
    /// The name of its congestion control.
    CongestionControl(Arc<str>),
}

impl Label {
    /// What a record tells; `None` of an event that tells nothing in words.
    #[must_use]
    pub fn read(kind: EventKind, format: &Format, record: &[u8]) -> Option<Self> {
        match kind {
            EventKind::Owner => Owner::read(format, record).map(|owner| Label::Owner(Arc::new(owner))),
            EventKind::TcpInfo => match Value::of(format.field("cc")?, record)? {
                Value::Text(name) if !name.is_empty() => {
                    Some(Label::CongestionControl(String::from_utf8_lossy(name).into()))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Owners that are known by one copy each, and names of congestion controls.
const SAME_MAX: usize = 1 << 12;
/// Owners that wait for their connection, twice: as many as connections begin in some seconds.
const WAITING_MAX: usize = 1 << 15;

/// Owners that were told before their connection was seen: who connects is told with the first SYN.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    same: HashSet<Arc<Owner>>,
    same_names: HashSet<Arc<str>>,
    /// The newer ones, and the older ones.
    newer: HashMap<(SocketAddr, SocketAddr), (Socket, Arc<Owner>)>,
    older: HashMap<(SocketAddr, SocketAddr), (Socket, Arc<Owner>)>,
}

impl Waiting {
    /// The same label, with the one copy of what it holds.
    pub fn shared(&mut self, label: Label) -> Label {
        match label {
            Label::Owner(owner) => Label::Owner(the_one(&mut self.same, owner)),
            Label::CongestionControl(name) => Label::CongestionControl(the_one(&mut self.same_names, name)),
        }
    }

    /// Keeps the owner of a socket whose connection may come.
    pub fn put(&mut self, socket: &Socket, label: Label) {
        let Label::Owner(owner) = label else { return };
        if self.newer.len() >= WAITING_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert((socket.local, socket.peer), (*socket, owner));
    }

    /// The owner of the socket that a connection begins with: of that very socket, for ports are used again.
    pub fn take(&mut self, socket: &Socket) -> Option<Label> {
        let ends = (socket.local, socket.peer);
        let (known, owner) = self.newer.remove(&ends).or_else(|| self.older.remove(&ends))?;
        let is_same = match (known.cookie, socket.cookie) {
            (0, _) | (_, 0) => known.skaddr != 0 && known.skaddr == socket.skaddr,
            (one, other) => one == other,
        };
        is_same.then_some(Label::Owner(owner))
    }
}

fn the_one<T: ?Sized + Eq + Hash>(known: &mut HashSet<Arc<T>>, one: Arc<T>) -> Arc<T> {
    if let Some(known) = known.get(&one) {
        return known.clone();
    }
    if known.len() >= SAME_MAX {
        known.clear();
    }
    known.insert(one.clone());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(cookie: u64, skaddr: u64) -> Socket {
        let (local, peer) = (([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 4000).into());
        Socket { family: 2, local, peer, cookie, skaddr }
    }

    #[test]
    fn an_owner_waits_for_its_own_socket_alone() {
        let nginx = Label::Owner(Arc::new(Owner { pid: 7, ..Owner::default() }));
        let check = |told: Socket, begins: Socket, expected: Option<&Label>| {
            let mut waiting = Waiting::default();
            waiting.put(&told, nginx.clone());
            assert_eq!(waiting.take(&begins).as_ref(), expected, "{told:?} {begins:?}");
            assert_eq!(waiting.take(&begins), None, "it is told once");
        };
        check(socket(5, 1), socket(5, 2), Some(&nginx));
        check(socket(5, 1), socket(6, 1), None);
        check(socket(0, 1), socket(6, 1), Some(&nginx));
        check(socket(5, 1), socket(0, 1), Some(&nginx));
        check(socket(0, 0), socket(6, 0), None);
        check(socket(0, 1), socket(0, 2), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut waiting = Waiting::default();
        let owner = |pid: i32| Label::Owner(Arc::new(Owner { pid, ..Owner::default() }));
        let of = |n: usize| Socket { peer: ([10, 0, (n >> 16) as u8, 2], n as u16).into(), ..socket(n as u64 + 1, 0) };
        for n in 0..4 * WAITING_MAX {
            let label = waiting.shared(owner(n as i32));
            waiting.put(&of(n), label);
        }
        assert!(waiting.newer.len() + waiting.older.len() <= 2 * WAITING_MAX && waiting.same.len() <= SAME_MAX);
        let last = 4 * WAITING_MAX - 1;
        assert_eq!(waiting.take(&of(last)), Some(owner(last as i32)));
        assert_eq!(waiting.take(&of(last - WAITING_MAX)), Some(owner((last - WAITING_MAX) as i32)));
        assert_eq!(waiting.take(&of(0)), None);
    }
}
