//! Which socket is meant, and who used it last: a table of the sockets that events named.
//!
//! An event names its socket by address, and most by its ends or cookie too. An address is another socket's as soon as one is gone, so what
//! is known of it holds from event to event in the order of time, and no further than the next loss of events.

use std::collections::HashMap;
use std::sync::Arc;

use tcpprobe::event::{Owner, Socket};

use super::procfs::Unknown;
use super::ring::{Sighting, What};

/// Most sockets that are known at a time, in some 4 MB; those that were longest not seen go.
const SOCKETS_MAX: usize = 16 << 10;
/// So often it is told that another process has taken over a socket: of one that several use in turns it says no more.
const CHANGES_MAX: u32 = 16;
/// Between two such tellings of a socket, nanoseconds.
const CHANGE_NS_MIN: u64 = 1_000_000_000;
/// Sockets that were written to and whose ends nobody told: so many are asked for at a time.
pub const ASKED_MAX: usize = 16;

const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const FIN_WAIT1: u8 = 4;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;

/// Names an entry; never used again.
pub type Number = u64;

/// A thread that used a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    pub tid: i32,
    /// When it did, nanoseconds since boot.
    pub time: u64,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub socket: Socket,
    pub owner: Arc<Owner>,
    /// Since when it is so, as far as is known, nanoseconds since boot.
    pub time: u64,
    /// Whether another owner was told before.
    pub is_change: bool,
}

/// A socket.
#[derive(Debug)]
struct Entry {
    address: u64,
    /// Its ends; of one that connects, only the peer's count.
    socket: Socket,
    /// Whether it connects, so that its own end is not known yet.
    is_connecting: bool,
    /// When an event told its ends last.
    told_ends: u64,
    seen: u64,
    /// Who used it last.
    user: Option<User>,
    /// Whose thread that was found to be.
    owner: Option<(i32, Arc<Owner>)>,
    unknown: Option<Unknown>,
    /// Which process was told, and when.
    told: Option<(i32, u64)>,
    changes: u32,
    is_leaving: bool,
}

/// The sockets that are known.
#[derive(Debug, Default)]
pub struct Sockets {
    entries: HashMap<Number, Entry>,
    by_address: HashMap<u64, Number>,
    next: Number,
    /// In which something has changed since they were looked at.
    touched: Vec<Number>,
    /// Those that were written to and whose ends nobody told.
    loose: HashMap<u64, User>,
    /// Times in which events were lost, of the reading that is being noted; and up to when some were in earlier ones.
    gaps: Vec<(u64, u64)>,
    lost_until: u64,
}

impl Sockets {
    /// A reading begins in which events were lost in these times.
    pub fn begin(&mut self, gaps: Vec<(u64, u64)>) {
        let ends = self.gaps.iter().map(|&(_, until)| until);
        self.lost_until = ends.fold(self.lost_until, u64::max);
        self.gaps = gaps;
    }

    /// Notes what an event said. They come in the order of time.
    pub fn note(&mut self, seen: &Sighting) {
        let user = seen.tid.map(|tid| User { tid, time: seen.time });
        match &seen.what {
            What::Used(socket) => {
                let number = self.bind(seen.time, socket);
                self.used(number, user);
            }
            What::Ends(socket) => {
                self.bind(seen.time, socket);
            }
            What::Sent(address) => self.sent(*address, seen.time, user),
            What::State(socket, old, new) => self.state(seen.time, socket, (*old, *new), user),
        }
    }

    fn sent(&mut self, address: u64, time: u64, user: Option<User>) {
        let known = self.by_address.get(&address).copied();
        let is_sure =
            |number: &Number| self.entries.get(number).is_some_and(|entry| self.is_sure(entry.told_ends, time));
        match known.filter(is_sure) {
            Some(number) => self.used(number, user),
            None => {
                if let Some(user) = user
                    && (self.loose.len() < ASKED_MAX || self.loose.contains_key(&address))
                {
                    self.loose.insert(address, user);
                }
            }
        }
    }

    fn state(&mut self, time: u64, socket: &Socket, states: (u8, u8), user: Option<User>) {
        match states {
            (_, SYN_SENT) => {
                let number = self.add(time, socket);
                if let Some(entry) = self.entries.get_mut(&number) {
                    entry.is_connecting = true;
                }
                self.used(number, user);
            }
            (_, ESTABLISHED) => {
                let number = self.bind(time, socket);
                self.touched.push(number);
            }
            (ESTABLISHED, FIN_WAIT1) | (CLOSE_WAIT, LAST_ACK | CLOSE) => {
                let number = self.bind(time, socket);
                self.used(number, user);
                // After the other one, it may be read from yet.
                if states.0 == CLOSE_WAIT {
                    self.leave(number);
                }
            }
            (_, CLOSE) => {
                self.loose.remove(&socket.skaddr);
                if let Some(&number) = self.by_address.get(&socket.skaddr) {
                    self.leave(number);
                }
            }
            _ => {}
        }
    }

    /// The entry of a socket whose ends an event told.
    fn bind(&mut self, time: u64, socket: &Socket) -> Number {
        let known = self.by_address.get(&socket.skaddr).copied();
        let is_same = |entry: &Entry| {
            let ends = &entry.socket;
            let same_cookie = ends.cookie == 0 || socket.cookie == 0 || ends.cookie == socket.cookie;
            match entry.is_connecting {
                true => ends.peer == socket.peer && self.is_sure(entry.seen, time),
                false => (ends.local, ends.peer) == (socket.local, socket.peer) && same_cookie,
            }
        };
        let same = known.filter(|number| self.entries.get(number).is_some_and(is_same));
        let number = same.unwrap_or_else(|| self.add(time, socket));
        let loose = self.loose.remove(&socket.skaddr).filter(|user| self.is_sure(user.time, time));
        if let Some(entry) = self.entries.get_mut(&number) {
            let cookie = if socket.cookie == 0 { entry.socket.cookie } else { socket.cookie };
            if entry.is_connecting {
                self.touched.push(number);
            }
            entry.socket = Socket { cookie, ..*socket };
            (entry.is_connecting, entry.told_ends, entry.seen) = (false, time, time);
        }
        self.used(number, loose);
        number
    }

    /// Whether nothing was lost between two events that could have told of another socket.
    fn is_sure(&self, since: u64, until: u64) -> bool {
        since >= self.lost_until && !self.gaps.iter().any(|&(from, to)| since < to && from < until)
    }

    fn add(&mut self, time: u64, socket: &Socket) -> Number {
        if let Some(&old) = self.by_address.get(&socket.skaddr) {
            self.leave(old);
        }
        if self.entries.len() >= SOCKETS_MAX {
            self.make_room();
        }
        let number = self.next;
        self.next += 1;
        self.by_address.insert(socket.skaddr, number);
        let (socket, address) = (*socket, socket.skaddr);
        self.entries.insert(
            number,
            Entry {
                address,
                socket,
                is_connecting: false,
                told_ends: time,
                seen: time,
                user: None,
                owner: None,
                unknown: None,
                told: None,
                changes: 0,
                is_leaving: false,
            },
        );
        number
    }

    fn used(&mut self, number: Number, user: Option<User>) {
        if let (Some(entry), Some(user)) = (self.entries.get_mut(&number), user) {
            entry.seen = entry.seen.max(user.time);
            if entry.owner.as_ref().is_none_or(|(tid, _)| *tid != user.tid) {
                self.touched.push(number);
            }
            entry.user = Some(user);
        }
    }

    /// It goes, when what is known of it has been told.
    fn leave(&mut self, number: Number) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.is_leaving = true;
            let address = entry.address;
            self.touched.push(number);
            if self.by_address.get(&address) == Some(&number) {
                self.by_address.remove(&address);
            }
        }
    }

    fn make_room(&mut self) {
        let mut times: Vec<u64> = self.entries.values().map(|entry| entry.seen).collect();
        let (_, median, _) = times.select_nth_unstable(self.entries.len() / 2);
        let median = *median;
        self.entries.retain(|_, entry| entry.seen > median);
        self.by_address.retain(|_, number| self.entries.contains_key(number));
    }

    /// Takes those in which something has changed, the earliest first.
    pub fn touched(&mut self) -> Vec<Number> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Who is to be looked at, because nobody has yet.
    #[must_use]
    pub fn unsettled(&self, number: Number) -> Option<User> {
        let entry = self.entries.get(&number)?;
        entry.user.filter(|user| entry.owner.as_ref().is_none_or(|(tid, _)| *tid != user.tid))
    }

    /// Notes whose thread the last user is.
    pub fn settle(&mut self, number: Number, tid: i32, owner: Result<Arc<Owner>, Unknown>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        match owner {
            Ok(owner) => (entry.owner, entry.unknown) = (Some((tid, owner)), None),
            Err(why) => entry.unknown = Some(why),
        }
    }

    /// Has it be looked at once more.
    pub fn put_off(&mut self, number: Number) {
        self.touched.push(number);
    }

    /// What is to be told of a socket now; it is told.
    pub fn tell(&mut self, number: Number) -> Option<Told> {
        let entry = self.entries.get_mut(&number)?;
        let told = Self::known(entry)?;
        match entry.told {
            Some((pid, _)) if pid == told.owner.pid => return None,
            Some((_, time)) => {
                let is_soon = told.time.saturating_sub(time) < CHANGE_NS_MIN && !entry.is_leaving;
                if entry.changes >= CHANGES_MAX || is_soon {
                    return None;
                }
                entry.changes += 1;
            }
            None => {}
        }
        entry.told = Some((told.owner.pid, told.time));
        Some(told)
    }

    fn known(entry: &Entry) -> Option<Told> {
        let (_, owner) = entry.owner.as_ref().filter(|_| !entry.is_connecting)?;
        let time =
            entry.user.map_or(entry.seen, |user| user.time).max(if entry.told.is_none() { entry.seen } else { 0 });
        Some(Told { socket: entry.socket, owner: Arc::clone(owner), time, is_change: entry.told.is_some() })
    }

    /// All that is known of sockets that are open.
    pub fn all(&self) -> impl Iterator<Item = Told> + '_ {
        self.entries.values().filter(|entry| !entry.is_leaving && entry.told.is_some()).filter_map(Self::known)
    }

    /// Lets go of a socket that leaves; where nobody was told whose it is, the socket, and why.
    pub fn part(&mut self, number: Number) -> Option<(Socket, Option<Unknown>)> {
        if !self.entries.get(&number)?.is_leaving {
            return None;
        }
        let entry = self.entries.remove(&number)?;
        (entry.told.is_none() && !entry.is_connecting).then_some((entry.socket, entry.unknown))
    }

    /// Addresses of sockets that were written to and whose ends nobody told.
    #[must_use]
    pub fn asked(&self) -> Vec<u64> {
        let mut asked: Vec<u64> = self.loose.keys().copied().collect();
        asked.sort_unstable();
        asked
    }

    /// Of those that were written to before this time, nobody is going to tell.
    pub fn give_up_asking(&mut self, before: u64) {
        self.loose.retain(|_, user| user.time >= before);
    }

    /// The entry of a socket whose owner was told, by its address.
    #[must_use]
    pub fn told_at(&self, address: u64) -> Option<(Number, u64)> {
        let number = *self.by_address.get(&address)?;
        let entry = self.entries.get(&number)?;
        entry.told.map(|_| (number, entry.socket.cookie))
    }

    /// Whether it is still open.
    #[must_use]
    pub fn is_open(&self, number: Number) -> bool {
        self.entries.get(&number).is_some_and(|entry| !entry.is_leaving)
    }
}
