//! Sockets that are meant, each from its first event to its last: addresses and ends are used again.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::sockets::{LINGER_NS, binds};
use super::table::EventKind;
use super::typed::Socket;

/// So long before a connection is there its SYN-ACK may have been sent again: as long as a kernel tries it, about
/// (`net.ipv4.tcp_synack_retries`).
const SYNACK_NS_MAX: u64 = 63_000_000_000;
/// So long a reset may be sent for a connection that is gone.
const RESET_NS_MAX: u64 = 1_000_000_000;

/// A socket while it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its own end.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// `sock_cookie`; 0 where no event told it.
    pub cookie: u64,
    /// Address (or its opaque id); 0 where no event told it.
    pub skaddr: u64,
    /// Time of its first event, in nanoseconds of the trace's clock.
    pub from: u64,
    /// Time of its last.
    pub to: u64,
}

/// The sockets that are meant.
///
/// ```
/// use tcpprobe::event::{EventKind, Socket, lives::{Life, Lives}};
/// let (local, peer) = ("10.0.0.1:43210".parse()?, "10.0.0.2:80".parse()?);
/// let lives: Lives = [Life { local, peer, cookie: 7, skaddr: 0xabc, from: 1_000, to: 2_000 }].into_iter().collect();
/// let socket = Socket { family: 2, local, peer, cookie: 0, skaddr: 0xabc };
/// assert!(lives.has(1_500, EventKind::InetSockSetState, &socket));
/// assert!(!lives.has(2_500, EventKind::InetSockSetState, &socket), "another has its address");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lives {
    cookies: HashSet<u64>,
    by_skaddr: HashMap<u64, Vec<(u64, u64)>>,
    by_ends: HashMap<(SocketAddr, SocketAddr), Vec<(u64, u64)>>,
}

impl Lives {
    /// Whether an event of this kind, that says this of its socket, is of one of them.
    #[must_use]
    pub fn has(&self, time: u64, kind: EventKind, socket: &Socket) -> bool {
        if socket.cookie != 0 && self.cookies.contains(&socket.cookie) {
            return true;
        }
        let is_in = |spans: Option<&Vec<(u64, u64)>>, before: u64, after: u64| {
            let is_in =
                |&(from, to): &(u64, u64)| time.saturating_add(before) >= from && time <= to.saturating_add(after);
            spans.is_some_and(|spans| spans.iter().any(is_in))
        };
        let by_ends = || self.by_ends.get(&(socket.local, socket.peer));
        match kind {
            // Its socket is the listener, or none.
            EventKind::TcpRetransmitSynack => is_in(by_ends(), SYNACK_NS_MAX, 0),
            EventKind::TcpSendReset if socket.has_ends() => is_in(by_ends(), 0, RESET_NS_MAX),
            _ if socket.skaddr != 0 => is_in(self.by_skaddr.get(&socket.skaddr), 0, 0),
            kind if binds(kind) => is_in(by_ends(), 0, LINGER_NS),
            _ => false,
        }
    }

    /// Whether none is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_ends.is_empty()
    }
}

impl FromIterator<Life> for Lives {
    fn from_iter<I: IntoIterator<Item = Life>>(lives: I) -> Self {
        let mut all = Lives::default();
        for life in lives {
            let span = (life.from, life.to);
            all.by_ends.entry((life.local, life.peer)).or_default().push(span);
            if life.skaddr != 0 {
                all.by_skaddr.entry(life.skaddr).or_default().push(span);
            }
            if life.cookie != 0 {
                all.cookies.insert(life.cookie);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn check(lives: &Lives, time: u64, kind: EventKind, (cookie, skaddr, port): (u64, u64, u16), expected: bool) {
        let (local, peer) = (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 80).into());
        let socket = Socket { family: 2, local, peer, cookie, skaddr };
        assert_eq!(lives.has(time, kind, &socket), expected, "{kind:?} at {time} of {socket:?}");
    }

    #[test]
    fn a_socket_is_meant_while_it_is_there() {
        let (local, peer) = (([10, 0, 0, 1], 4000).into(), ([10, 0, 0, 2], 80).into());
        let life = Life { local, peer, cookie: 7, skaddr: 0xa0, from: 100 * S, to: 200 * S };
        let lives: Lives = [life].into_iter().collect();
        let state = EventKind::InetSockSetState;
        check(&lives, 100 * S, state, (0, 0xa0, 0), true);
        check(&lives, 200 * S, state, (0, 0xa0, 4000), true);
        check(&lives, 100 * S - 1, state, (0, 0xa0, 4000), false);
        check(&lives, 200 * S + 1, state, (0, 0xa0, 4000), false);
        check(&lives, 150 * S, state, (0, 0xb0, 4000), false);
        // A cookie is never used twice.
        check(&lives, 300 * S, EventKind::TcpInfo, (7, 0xb0, 4000), true);
        check(&lives, 150 * S, EventKind::TcpProbe, (8, 0, 4001), false);
        // Before 6.9 a tcp_probe has no address.
        check(&lives, 150 * S, EventKind::TcpProbe, (0, 0, 4000), true);
        check(&lives, 201 * S, EventKind::TcpProbe, (0, 0, 4000), false);
    }

    #[test]
    fn what_names_a_listener_is_found_by_its_ends() {
        let (local, peer) = (([10, 0, 0, 1], 4000).into(), ([10, 0, 0, 2], 80).into());
        let life = Life { local, peer, cookie: 0, skaddr: 0xa0, from: 100 * S, to: 200 * S };
        let lives: Lives = [life].into_iter().collect();
        check(&lives, 99 * S, EventKind::TcpRetransmitSynack, (0, 0xc0, 4000), true);
        check(&lives, 20 * S, EventKind::TcpRetransmitSynack, (0, 0xc0, 4000), false);
        check(&lives, 99 * S, EventKind::TcpRetransmitSynack, (0, 0xa0, 4001), false);
        check(&lives, 200 * S + 1, EventKind::TcpSendReset, (0, 0, 4000), true);
        check(&lives, 202 * S, EventKind::TcpSendReset, (0, 0, 4000), false);
        check(&lives, 150 * S, EventKind::Other, (0, 0, 4000), false);
    }
}
