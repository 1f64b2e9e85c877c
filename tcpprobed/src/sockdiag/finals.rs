//! Which socket that closed is whose: those that captures saw, by cookie.
//!
//! Captures tell whom they saw once a second, so a socket may close before that: what closed waits for some seconds. Most closes of a host are
//! of sockets that no capture sees, and cost a look-up or two.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use tcpprobe::event::Socket;

use super::closings::Closed;

/// So long a capture may take to tell, in nanoseconds: its block, and the rests of who listens.
const WAIT_NS: u64 = 8_000_000_000;
/// Most that wait for it, in some 10 MB.
const WAITING_MAX: usize = 16 << 10;
/// Most sockets of a capture that are known, twice: half as many that were told since, and at least as many before.
const KNOWN_MAX: usize = 8 << 10;

/// The sockets of one capture, each until it has closed.
#[derive(Debug, Default)]
pub struct Known {
    /// By cookie; none where it was found to have closed.
    newer: HashMap<u64, Option<Socket>>,
    older: HashMap<u64, Option<Socket>>,
}

impl Known {
    /// A socket was seen. Whether that is new.
    fn tell(&mut self, socket: Socket) -> bool {
        if self.newer.contains_key(&socket.cookie) {
            return false;
        }
        let before = self.older.remove(&socket.cookie);
        if self.newer.len() >= KNOWN_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(socket.cookie, before.unwrap_or(Some(socket)));
        before.is_none()
    }

    /// A socket has closed: its ends as they were seen, the first time.
    fn close(&mut self, cookie: u64) -> Option<Socket> {
        self.newer.get_mut(&cookie).or_else(|| self.older.get_mut(&cookie))?.take()
    }
}

/// What closed and may yet be told of.
#[derive(Debug, Default)]
pub struct Unclaimed {
    by_cookie: HashMap<u64, Rc<Closed>>,
    /// When each was read, in the order of time, and its cookie.
    order: VecDeque<(u64, u64)>,
}

impl Unclaimed {
    /// A capture saw a socket: what there is of its close, where it is the first to see it so.
    pub fn tell(&self, known: &mut Known, socket: Socket) -> Option<(Socket, Rc<Closed>)> {
        if !known.tell(socket) {
            return None;
        }
        let closed = self.by_cookie.get(&socket.cookie)?;
        Some((known.close(socket.cookie)?, Rc::clone(closed)))
    }

    /// A socket closed: `found` gets which of the captures saw it, by their place, and its ends as they saw them.
    pub fn close<'a>(
        &mut self,
        closed: Closed,
        captures: impl IntoIterator<Item = &'a mut Known>,
        mut found: impl FnMut(usize, Socket, Rc<Closed>),
    ) {
        let closed = Rc::new(closed);
        for (at, known) in captures.into_iter().enumerate() {
            if let Some(socket) = known.close(closed.cookie) {
                found(at, socket, Rc::clone(&closed));
            }
        }
        self.order.push_back((closed.time, closed.cookie));
        self.by_cookie.insert(closed.cookie, closed);
    }

    /// Lets go of what waited long enough, and of the first of what is too much. How many of these had not waited so long.
    pub fn pass(&mut self, now: u64) -> u64 {
        let mut early = 0;
        while let Some(&(time, cookie)) = self.order.front() {
            let is_over = now.saturating_sub(time) >= WAIT_NS;
            if !is_over && self.order.len() <= WAITING_MAX {
                break;
            }
            self.order.pop_front();
            self.by_cookie.remove(&cookie);
            early += u64::from(!is_over);
        }
        early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(cookie: u64) -> Socket {
        let (local, peer) = (([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], cookie as u16).into());
        Socket { family: 2, local, peer, cookie, skaddr: 0 }
    }

    fn closed(cookie: u64, time: u64) -> Closed {
        Closed { time, cookie, info: None }
    }

    /// Who saw the socket that closes, by place and cookie.
    fn close(unclaimed: &mut Unclaimed, captures: &mut [Known], what: Closed) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        unclaimed.close(what, captures, |at, socket, closed| {
            assert_eq!(socket.cookie, closed.cookie);
            found.push((at, socket.cookie));
        });
        found
    }

    #[test]
    fn each_capture_that_saw_it_has_it_once() {
        let (mut unclaimed, mut captures) =
            (Unclaimed::default(), [Known::default(), Known::default(), Known::default()]);
        for at in [0, 2] {
            assert_eq!(unclaimed.tell(&mut captures[at], socket(7)), None);
            assert_eq!(unclaimed.tell(&mut captures[at], socket(8)), None);
        }
        assert_eq!(close(&mut unclaimed, &mut captures, closed(7, 100)), [(0, 7), (2, 7)]);
        assert_eq!(close(&mut unclaimed, &mut captures, closed(9, 200)), []);
        // Told late, and told again.
        for at in [0, 1, 1, 2] {
            let expected = (at == 1 && captures[1].newer.is_empty()).then(|| (socket(7), Rc::new(closed(7, 100))));
            assert_eq!(unclaimed.tell(&mut captures[at], socket(7)), expected);
        }
        let (ends, last) = unclaimed.tell(&mut captures[2], socket(9)).unwrap();
        assert_eq!((ends, last.time), (socket(9), 200));
        assert_eq!(close(&mut unclaimed, &mut captures, closed(8, 300)), [(0, 8), (2, 8)]);
    }

    #[test]
    fn what_waits_is_bounded_and_counted() {
        let (mut unclaimed, mut known) = (Unclaimed::default(), Known::default());
        for at in 0..10 {
            unclaimed.close(closed(at, at), [], |_, _, _| {});
        }
        assert_eq!((unclaimed.pass(WAIT_NS + 4), unclaimed.order.len()), (0, 5), "their time is over");
        assert_eq!(unclaimed.tell(&mut known, socket(4)), None);
        assert!(unclaimed.tell(&mut known, socket(5)).is_some());
        for at in 10..10 + WAITING_MAX as u64 {
            unclaimed.close(closed(at, at), [], |_, _, _| {});
        }
        assert_eq!(unclaimed.pass(WAIT_NS + 4), 5, "too many");
        assert_eq!((unclaimed.order.len(), unclaimed.by_cookie.len()), (WAITING_MAX, WAITING_MAX));
    }

    #[test]
    fn a_capture_may_see_any_number() {
        let (mut unclaimed, mut captures) = (Unclaimed::default(), [Known::default()]);
        for cookie in 0..10 * KNOWN_MAX as u64 {
            unclaimed.tell(&mut captures[0], socket(cookie));
            // One is seen all the time.
            unclaimed.tell(&mut captures[0], socket(3));
        }
        assert!(captures[0].newer.len() + captures[0].older.len() <= 2 * KNOWN_MAX);
        assert_eq!(close(&mut unclaimed, &mut captures, closed(3, 9)), [(0, 3)]);
    }
}
