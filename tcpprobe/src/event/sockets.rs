//! Which socket an event is about, where it only names it: the addresses of sockets (`skaddr`), bound to their ends.
//!
//! The rules by which events are joined, here and in [`crate::flow`]:
//! - A cookie is never used twice; where two events have one, it decides.
//! - The address of a socket is used again at once, so it is bound in the order of time. A binding begins anew with the first
//!   state of a socket ([`Step::Begins`]), with another cookie or with other ends. It ends when the socket is destroyed, and
//!   soon after it is closed: what the kernel says in the course of a close (a reset that it sends) comes after the state.
//! - Addresses and ports tell a socket together, the local end and the peer, v4-mapped addresses as IPv4. An end without a
//!   port is not known yet (a socket that connects), or not any more (one that was disconnected): it denies nothing.
//! - A retransmitted SYN-ACK names its listener, and a reset may name a listener or no socket at all: they bind nothing.
//! - After events were lost nothing is sure of what they may have said: all bindings end ([`Sockets::lose`]).

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use super::table::EventKind;
use super::typed::{Event, Socket};
use crate::kernel::names::state;

/// How long an address stays bound after its socket was closed, in nanoseconds, if nobody else has it: what was recorded beside
/// the end is its own. Between CPUs it is microseconds; in text that somebody merged, more.
pub const LINGER_NS: u64 = 100_000_000;
/// `IPPROTO_TCP`.
pub const PROTOCOL_TCP: u16 = 6;

/// What an event means for the life of its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The socket has its first state: what had its address before is gone.
    Begins,
    /// It goes on.
    Goes,
    /// It was closed; what the kernel says of the close may follow.
    Closes,
    /// It is destroyed.
    Ends,
}

impl Step {
    /// That of a change of state.
    #[must_use]
    pub fn of_state(old: u8, new: u8) -> Self {
        match (old, new) {
            (_, state::CLOSE) => Step::Closes,
            // A socket that was made by accept() begins with the state of its listener.
            (state::CLOSE | state::LISTEN, _) => Step::Begins,
            _ => Step::Goes,
        }
    }

    /// That of an event which tells the ends of the very socket that it names; `None` of any other.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::InetSockSetState(event) if event.protocol == PROTOCOL_TCP => {
                Some(Step::of_state(event.oldstate, event.newstate))
            }
            Event::InetSockSetState(_) => None,
            Event::TcpDestroySock(_) => Some(Step::Ends),
            event => binds(event.kind()).then_some(Step::Goes),
        }
    }
}

/// Whether an event of this kind tells the ends of the very socket that it names.
#[must_use]
pub fn binds(kind: EventKind) -> bool {
    !matches!(kind, EventKind::TcpRetransmitSynack | EventKind::TcpSendReset | EventKind::Other)
}

/// A socket at an address.
#[derive(Debug, Clone, Copy)]
struct Bound {
    socket: Socket,
    /// From when on, and whether it began then; if not, it may be older.
    since: u64,
    has_begun: bool,
    /// The last time at which it is bound.
    until: u64,
}

/// Sockets by their addresses, bounded: of too many, those go that were told longest ago.
///
/// ```
/// use tcpprobe::event::Socket;
/// use tcpprobe::event::sockets::{Sockets, Step};
/// let mut sockets = Sockets::new(1000);
/// let web = Socket {
///     family: 2, local: "10.0.0.1:80".parse()?, peer: "10.0.0.2:43210".parse()?, cookie: 7, skaddr: 0xabc,
/// };
/// sockets.note(1_000, &web, Step::Goes);
/// assert_eq!(sockets.find(2_000, 0xabc), Some(&web));
/// sockets.note(3_000, &web, Step::Ends);
/// assert_eq!(sockets.find(4_000, 0xabc), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sockets {
    /// Those told since the older ones became old.
    young: HashMap<u64, Bound, RandomState>,
    old: HashMap<u64, Bound, RandomState>,
    /// Most of each.
    limit: usize,
    /// How often the younger ones became old.
    generation: u64,
}

impl Sockets {
    /// Of at most `limit` sockets, and at least 2.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Sockets { young: HashMap::default(), old: HashMap::default(), limit: (limit / 2).max(1), generation: 0 }
    }

    /// Number of sockets in it, those that ended too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in what an event at `time` (nanoseconds, of any clock) says of its socket; nothing, where it does not name it.
    pub fn note(&mut self, time: u64, socket: &Socket, step: Step) {
        let Some(known) = self.young.remove(&socket.skaddr).or_else(|| self.old.remove(&socket.skaddr)) else {
            let bound = Bound { socket: *socket, since: time, has_begun: step == Step::Begins, until: u64::MAX };
            return self.keep(bound.after(time, step));
        };
        let bound = match known.is_same(time, socket, step) {
            true => known.learn(socket).after(time, step),
            // Told late, as by another CPU.
            false if time < known.since => known,
            false => Bound { socket: *socket, since: time, has_begun: true, until: u64::MAX }.after(time, step),
        };
        self.keep(bound);
    }

    fn keep(&mut self, bound: Bound) {
        if bound.socket.skaddr == 0 {
            return;
        }
        if self.young.len() >= self.limit {
            self.old = std::mem::take(&mut self.young);
            self.generation += 1;
        }
        self.young.insert(bound.socket.skaddr, bound);
    }

    /// Changes when those that were not told since the change before are forgotten.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The socket that had this address at that time, if events told.
    #[must_use]
    pub fn find(&self, time: u64, skaddr: u64) -> Option<&Socket> {
        let bound = self.young.get(&skaddr).or_else(|| self.old.get(&skaddr))?;
        let is_of_it = time <= bound.until && (time >= bound.since || !bound.has_begun);
        is_of_it.then_some(&bound.socket)
    }

    /// Events were lost: what they may have said, nobody knows.
    pub fn lose(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

impl Bound {
    /// Whether this is said of the same socket.
    fn is_same(&self, time: u64, socket: &Socket, step: Step) -> bool {
        let known = &self.socket;
        if known.cookie != 0 && socket.cookie != 0 {
            return known.cookie == socket.cookie;
        }
        time <= self.until
            && step != Step::Begins
            && may_be_same(known.local, socket.local)
            && may_be_same(known.peer, socket.peer)
    }

    /// Takes over what was not known.
    fn learn(mut self, socket: &Socket) -> Self {
        self.socket.cookie = self.socket.cookie.max(socket.cookie);
        if is_whole(socket.local, socket.peer) || !is_whole(self.socket.local, self.socket.peer) {
            self.socket = Socket { cookie: self.socket.cookie, ..*socket };
        }
        self
    }

    fn after(mut self, time: u64, step: Step) -> Self {
        match step {
            Step::Begins | Step::Goes => {}
            Step::Closes => self.until = self.until.min(time.saturating_add(LINGER_NS)),
            Step::Ends => self.until = self.until.min(time),
        }
        self
    }
}

/// Whether both ends are known.
#[must_use]
pub fn is_whole(local: SocketAddr, peer: SocketAddr) -> bool {
    let is_known = |end: SocketAddr| end.port() != 0 && !end.ip().is_unspecified();
    is_known(local) && is_known(peer)
}

/// Whether an end may be the same that was told differently: a port or an address that is 0 is not known.
#[must_use]
pub fn may_be_same(one: SocketAddr, two: SocketAddr) -> bool {
    let unknown = |end: SocketAddr| (end.port() == 0, end.ip().is_unspecified());
    let ((port, ip), (other_port, other_ip)) = (unknown(one), unknown(two));
    (port || other_port || one.port() == two.port()) && (ip || other_ip || one.ip() == two.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AF_INET;

    const A: u64 = 0xa0;

    fn socket(skaddr: u64, cookie: u64, local: u16, peer: u16) -> Socket {
        let end = |last, port| ([10, 0, 0, last], port).into();
        Socket { family: AF_INET, local: end(1, local), peer: end(2, peer), cookie, skaddr }
    }

    fn peer_of(sockets: &Sockets, time: u64) -> Option<u16> {
        sockets.find(time, A).map(|socket| socket.peer.port())
    }

    #[test]
    fn an_address_is_bound_from_event_to_event() {
        let mut sockets = Sockets::new(10);
        sockets.note(10, &socket(A, 0, 80, 1000), Step::Goes);
        assert_eq!((peer_of(&sockets, 5), peer_of(&sockets, 15)), (Some(1000), Some(1000)), "it may be older");
        sockets.note(20, &socket(A, 0, 80, 2000), Step::Begins);
        assert_eq!((peer_of(&sockets, 15), peer_of(&sockets, 25)), (None, Some(2000)), "it is another's");
        sockets.note(12, &socket(A, 0, 80, 1000), Step::Goes);
        assert_eq!(peer_of(&sockets, 25), Some(2000), "told late");
        sockets.note(30, &socket(A, 5, 80, 3000), Step::Goes);
        sockets.note(31, &socket(A, 6, 80, 3000), Step::Goes);
        assert_eq!(sockets.find(31, A).map(|socket| socket.cookie), Some(6), "the same ends, another cookie");
        assert_eq!(sockets.find(30, A), None);
    }

    #[test]
    fn a_close_lingers_and_an_end_does_not() {
        let mut sockets = Sockets::new(10);
        sockets.note(10, &socket(A, 0, 80, 1000), Step::Begins);
        sockets.note(20, &socket(A, 0, 80, 1000), Step::Closes);
        assert_eq!((peer_of(&sockets, 21), peer_of(&sockets, 21 + LINGER_NS)), (Some(1000), None));
        sockets.note(30, &socket(A, 0, 80, 1000), Step::Ends);
        assert_eq!((peer_of(&sockets, 30), peer_of(&sockets, 31)), (Some(1000), None));
        sockets.note(40, &socket(A, 0, 80, 1000), Step::Goes);
        assert_eq!(peer_of(&sockets, 41), Some(1000), "the next one has the same ends");
    }

    #[test]
    fn ends_become_known_and_are_emptied() {
        let mut sockets = Sockets::new(10);
        sockets.note(10, &socket(A, 0, 0, 443), Step::Begins);
        sockets.note(20, &socket(A, 0, 4000, 443), Step::Goes);
        assert_eq!(sockets.find(20, A).map(|socket| socket.local.port()), Some(4000));
        sockets.note(30, &socket(A, 7, 4000, 0), Step::Ends);
        assert_eq!(sockets.find(30, A), Some(&socket(A, 7, 4000, 443)), "it was disconnected");
    }

    #[test]
    fn it_is_bounded_and_keeps_who_was_told_last() {
        let mut sockets = Sockets::new(100);
        for number in 1..=10_000 {
            sockets.note(number, &socket(number * 64, 0, 80, 1000), Step::Goes);
            sockets.note(number, &socket(7, 0, 80, 77), Step::Goes);
            assert!(sockets.len() <= 100);
        }
        assert!(sockets.find(10_000, 7).is_some() && sockets.find(10_000, 9_990 * 64).is_some());
        sockets.note(1, &socket(0, 0, 80, 1000), Step::Goes);
        assert_eq!(sockets.find(1, 0), None, "no address is none");
        sockets.lose();
        assert!(sockets.is_empty());
    }

    #[test]
    fn what_may_name_another_socket_binds_nothing() {
        let binding =
            [EventKind::TcpProbe, EventKind::TcpRetransmitSkb, EventKind::TcpReceiveReset, EventKind::TcpDestroySock];
        assert!(binding.into_iter().all(binds));
        let others = [EventKind::TcpSendReset, EventKind::TcpRetransmitSynack, EventKind::Other];
        assert!(!others.into_iter().any(binds));
    }

    #[test]
    fn steps_of_states() {
        for (old, new, step) in [
            (7, 2, Step::Begins),
            (10, 3, Step::Begins),
            (7, 10, Step::Begins),
            (3, 1, Step::Goes),
            (1, 7, Step::Closes),
            (10, 7, Step::Closes),
        ] {
            assert_eq!(Step::of_state(old, new), step, "{old} → {new}");
        }
    }
}
