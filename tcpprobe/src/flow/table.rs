//! The table of connections: finds whose an event is, and is bounded for any number of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::columns::{Cursor, Found, View};
use super::connection::{Connection, Index};
use super::label::{Label, Waiting};
use super::observer::{Observation, Observer};
use crate::event::sockets::{LINGER_NS, PROTOCOL_TCP, Step};
use crate::event::{Event, EventKind, Socket};
use crate::file::Batch;
use crate::file::block::Row;
use crate::kernel::names;

/// Connections in a table, of itself: more than the ports of a host towards one peer, in some 40 MB.
pub const OPEN_MAX: usize = 1 << 17;
/// What a list of slots may hold beyond those that are in use, before what is stale is dropped.
const STALE_MAX: usize = 64;

/// A connection in the table.
#[derive(Debug, Clone)]
struct Slot<S> {
    connection: Connection,
    state: S,
    /// The number of its last event.
    seen: u64,
    /// Whether its socket was closed.
    ended: bool,
}

/// A slot and what was in it when it was noted down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Noted {
    /// When: the number of an event, or a time.
    at: u64,
    slot: u32,
    id: u64,
}

/// Connections, by what events tell of their sockets, and what an observer keeps of each.
///
/// A connection begins with the first event of a kind that [`Observer::opens`] it, and leaves
/// - when its socket is closed (`tcp_destroy_sock`, or `inet_sock_set_state` to `CLOSE`): a tenth of a second later, so that what
///   was recorded beside the end counts, or at once when another socket has its address;
/// - when there are too many: a closed one, or else the one longest without an event;
/// - at the end ([`FlowTable::finish`]).
///
/// So its size does not depend on how long it is fed.
///
/// ```
/// use tcpprobe::flow::{Connection, FlowTable, Observation, Observer};
///
/// /// Counts the resets of each connection, and prints them when it is gone.
/// struct Resets;
///
/// impl Observer for Resets {
///     type State = u32;
///     fn fields() -> Vec<&'static str> { vec![] }
///     fn open(&mut self, _: &Connection) -> u32 { 0 }
///     fn event(&mut self, resets: &mut u32, _time: u64, seen: &Observation) {
///         *resets += u32::from(matches!(seen, Observation::ResetSent { .. } | Observation::ResetReceived));
///     }
///     fn close(&mut self, connection: &Connection, resets: u32) {
///         println!("{} → {}: {resets}", connection.local, connection.peer);
///     }
/// }
///
/// let mut table = FlowTable::new(Resets, 10_000);
/// # fn feed(table: &mut FlowTable<Resets>, batch: &tcpprobe::file::Batch) {
/// table.batch(batch); // or events of records, one by one: table.event(time, &event)
/// # }
/// table.finish();
/// ```
#[derive(Debug, Clone)]
pub struct FlowTable<O: Observer> {
    observer: O,
    slots: Vec<Option<Slot<O::State>>>,
    free: Vec<u32>,
    index: Index,
    waiting: Waiting,
    limit: usize,
    opened: u64,
    /// Events observed.
    events: u64,
    /// The latest time.
    now: u64,
    /// How often a cookie or an address changed hands: what was found before does not hold any more.
    moves: u32,
    /// Closed ones, by when they leave.
    ended: VecDeque<Noted>,
    /// All, by the number of an event that was their last one once.
    idle: BinaryHeap<Reverse<Noted>>,
}

impl<O: Observer> FlowTable<O> {
    /// An empty table of at most `limit` connections (at least 1).
    #[must_use]
    pub fn new(observer: O, limit: usize) -> Self {
        FlowTable {
            observer,
            slots: Vec::new(),
            free: Vec::new(),
            index: Index::default(),
            waiting: Waiting::default(),
            limit: limit.clamp(1, u32::MAX as usize),
            opened: 0,
            events: 0,
            now: 0,
            moves: 0,
            ended: VecDeque::new(),
            idle: BinaryHeap::new(),
        }
    }

    /// Takes in an event: `time` in nanoseconds of the trace's clock, in about rising order. Says whether it is of a
    /// connection of the table.
    pub fn event(&mut self, time: u64, event: &Event) -> bool {
        self.event_of(time, event).is_some()
    }

    /// The same, and gives its connection, and what is kept of that.
    pub fn event_of(&mut self, time: u64, event: &Event) -> Option<(&Connection, &O::State)> {
        self.pass(time);
        let seen = Observation::of(event);
        let slot = self.slot_of(&event.socket(), &seen)?;
        self.observe(slot, time, &seen);
        self.kept(slot)
    }

    /// Takes in what the event of a record tells in words, after [`FlowTable::event`] of it; batches tell it by themselves.
    pub fn label(&mut self, socket: &Socket, label: Label) {
        let label = self.waiting.shared(label);
        match self.find(socket).and_then(|slot| self.slots[slot as usize].as_mut()) {
            Some(slot) => self.observer.label(&mut slot.state, &label),
            None if socket.has_ends() => self.waiting.put(socket, label),
            None => {}
        }
    }

    /// Takes in the events of a batch. The same as each of them, in a fraction of the time.
    pub fn batch(&mut self, batch: &Batch) {
        self.advance(&mut Cursor::new(batch), u64::MAX);
    }

    /// The same, and gives to `each` for each event, in their order, its connection and what is kept of that; `None` where it is
    /// of no connection of the table.
    pub fn batch_each(&mut self, batch: &Batch, mut each: impl FnMut(Option<(&Connection, &O::State)>)) {
        let mut cursor = Cursor::new(batch);
        while let Some((view, row)) = cursor.next_row() {
            let slot = self.take_in(view, row);
            each(slot.and_then(|slot| self.kept(slot)));
        }
    }

    /// Takes in the events at a cursor, until so many are of a connection of the table; says how many are, fewer at the end.
    pub(super) fn advance(&mut self, cursor: &mut Cursor<'_>, count: u64) -> u64 {
        let before = self.events;
        while self.events - before < count {
            let Some((view, row)) = cursor.next_row() else { break };
            self.take_in(view, row);
        }
        self.events - before
    }

    /// Takes in the event in `row`, and gives the slot of its connection.
    #[inline(always)]
    fn take_in(&mut self, view: &mut View<'_>, row: &Row) -> Option<u32> {
        let Some((probe, found)) = view.probe(row) else {
            let seen = view.observation(row)?;
            return self.look_up(view, row, &seen);
        };
        // By far the most, and of the same connection as the last one of their identity.
        self.pass(row.time);
        match found.filter(|found| self.observe_found(found, row.time, &Observation::Probe(probe))) {
            Some(found) => Some(found.slot),
            None => self.look_up(view, row, &Observation::Probe(probe)),
        }
    }

    /// Takes in an event whose connection must be looked up, and gives the slot of that.
    #[inline(never)]
    fn look_up(&mut self, view: &mut View<'_>, row: &Row, seen: &Observation) -> Option<u32> {
        let identity = &mut view.identities[row.key as usize].found;
        let socket = view.block.identity(row.key).socket()?;
        self.pass(row.time);
        let slot = self.slot_of(&socket, seen);
        if let Some(slot) = slot {
            *identity = self.found(slot, &socket);
            self.observe(slot, row.time, seen);
        }
        if matches!(seen.kind(), EventKind::Owner | EventKind::TcpInfo)
            && let Some(label) = view.label(row)
        {
            self.label(&socket, label);
        }
        slot
    }

    /// The connection in `slot`, and what is kept of it.
    #[inline]
    fn kept(&self, slot: u32) -> Option<(&Connection, &O::State)> {
        let slot = self.slots.get(slot as usize)?.as_ref()?;
        Some((&slot.connection, &slot.state))
    }

    /// Takes in an event of the connection that was found, if its identity is still of that one.
    #[inline(always)]
    fn observe_found(&mut self, found: &Found, time: u64, seen: &Observation) -> bool {
        let Some(Some(slot)) = self.slots.get_mut(found.slot as usize) else { return false };
        if found.moves != self.moves || slot.connection.id != found.id {
            return false;
        }
        self.events += 1;
        slot.seen = self.events;
        self.observer.event(&mut slot.state, time, seen);
        true
    }

    /// What holds for all events that say this of their socket: only where its cookie leads there, for addresses and ports are
    /// used again.
    fn found(&self, slot: u32, socket: &Socket) -> Option<Found> {
        let id = self.slots[slot as usize].as_ref()?.connection.id;
        (self.index.by_cookie(socket) == Some(slot)).then_some(Found { slot, id, moves: self.moves })
    }

    /// The connections in it, in no order: those that are open, and those that were closed just now.
    pub fn iter(&self) -> impl Iterator<Item = (&Connection, &O::State)> {
        self.slots.iter().flatten().map(|slot| (&slot.connection, &slot.state))
    }

    /// The observer, and what it keeps of the connections in the table.
    pub fn parts_mut(&mut self) -> (&mut O, impl Iterator<Item = (&Connection, &mut O::State)>) {
        let slots = self.slots.iter_mut().flatten();
        (&mut self.observer, slots.map(|slot| (&slot.connection, &mut slot.state)))
    }

    /// Number of connections in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of connections that were seen in all: their ids are below.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Number of events that were of a connection.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The observer.
    #[must_use]
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Lets all connections leave, in the order of their ids, and gives back the observer.
    pub fn finish(mut self) -> O {
        let mut left: Vec<Slot<O::State>> = self.slots.into_iter().flatten().collect();
        left.sort_by_key(|slot| slot.connection.id);
        left.into_iter().for_each(|slot| self.observer.close(&slot.connection, slot.state));
        self.observer
    }

    /// Time goes on: those that were closed long enough ago leave.
    #[inline]
    fn pass(&mut self, time: u64) {
        self.now = self.now.max(time);
        while self.ended.front().is_some_and(|noted| noted.at <= self.now) {
            self.leave_first_ended();
        }
    }

    #[cold]
    fn leave_first_ended(&mut self) -> bool {
        let Some(noted) = self.ended.pop_front() else { return false };
        let is_there = self.is_there(&noted);
        if is_there {
            self.leave(noted.slot);
        }
        is_there
    }

    fn observe(&mut self, slot: u32, time: u64, seen: &Observation) {
        self.events += 1;
        let Some(Some(slot)) = self.slots.get_mut(slot as usize) else { return };
        slot.seen = self.events;
        self.observer.event(&mut slot.state, time, seen);
    }

    /// The slot of the connection that `key` tells of, opened if need be; `None` where there is none.
    fn slot_of(&mut self, key: &Socket, seen: &Observation) -> Option<u32> {
        // A SYN-ACK has its listener's address.
        let key = match seen {
            Observation::SynAckRetransmission => Socket { skaddr: 0, ..*key },
            Observation::State { protocol, .. } if *protocol != PROTOCOL_TCP => return None,
            _ => *key,
        };
        let step = step(seen);
        if step == Step::Begins {
            self.end_before(&key);
        }
        let mut found = self.find(&key);
        if let Some(slot) = found.filter(|&slot| self.is_of_next_socket(slot, seen)) {
            self.leave(slot);
            found = None;
        }
        let slot = match found {
            Some(slot) => slot,
            None if O::opens(seen.kind()) && !is_end(step) && key.has_ends() => self.open(&key),
            None => return None,
        };
        let entry = self.slots[slot as usize].as_mut()?;
        if self.index.learn(&mut entry.connection, slot, &key) {
            self.moves = self.moves.wrapping_add(1);
        }
        if is_end(step) && !entry.ended {
            entry.ended = true;
            let noted = Noted { at: self.now.saturating_add(LINGER_NS), slot, id: entry.connection.id };
            self.ended.push_back(noted);
            self.drop_stale();
        }
        Some(slot)
    }

    #[inline]
    fn find(&self, key: &Socket) -> Option<u32> {
        let entry = |slot: u32| self.slots.get(slot as usize).and_then(Option::as_ref);
        let fits = |slot: &u32| entry(*slot).is_some_and(|entry| entry.connection.fits(key));
        self.index.by_cookie(key).filter(fits).or_else(|| {
            // Two sockets may have shared the address or the 4-tuple, one after the other: take the one seen last.
            let candidates = self.index.candidates(key).into_iter().flatten().filter(fits);
            candidates.max_by_key(|&slot| entry(slot).map(|entry| (!entry.ended, entry.seen)))
        })
    }

    /// Lets go of a connection whose address another socket begins with: its own end was not recorded.
    fn end_before(&mut self, key: &Socket) {
        if let Some(slot) = self.index.by_skaddr(key.skaddr).filter(|_| key.skaddr != 0) {
            self.leave(slot);
        }
    }

    /// Events were lost: those that were closed leave, and whose the addresses of sockets are is not sure until their cookies
    /// say so.
    pub fn lose(&mut self) {
        while !self.ended.is_empty() {
            self.leave_first_ended();
        }
        self.index.forget_skaddrs();
        self.moves = self.moves.wrapping_add(1);
    }

    /// Whether this happened to a socket that has the address and the ports of the one in `slot`, which was closed.
    fn is_of_next_socket(&self, slot: u32, seen: &Observation) -> bool {
        let begins = match seen {
            Observation::State { .. } => !is_end(step(seen)),
            Observation::Retransmission { state, .. } => *state == names::state::SYN_SENT,
            _ => false,
        };
        begins && self.slots[slot as usize].as_ref().is_some_and(|entry| entry.ended)
    }

    fn open(&mut self, key: &Socket) -> u32 {
        while self.len() >= self.limit {
            self.make_room();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let id = self.opened;
        self.opened += 1;
        let (connection, moved) = self.index.add(id, slot, key);
        self.moves = self.moves.wrapping_add(u32::from(moved));
        let mut state = self.observer.open(&connection);
        if let Some(label) = self.waiting.take(key) {
            self.observer.label(&mut state, &label);
        }
        self.slots[slot as usize] = Some(Slot { connection, state, seen: self.events, ended: false });
        self.idle.push(Reverse(Noted { at: self.events, slot, id }));
        self.drop_stale();
        slot
    }

    /// Lets a closed one leave, or else the one longest without an event.
    fn make_room(&mut self) {
        while !self.ended.is_empty() {
            if self.leave_first_ended() {
                return;
            }
        }
        while let Some(Reverse(noted)) = self.idle.pop() {
            let Some(entry) = self.slots[noted.slot as usize].as_ref().filter(|e| e.connection.id == noted.id) else {
                continue;
            };
            if entry.seen == noted.at {
                return self.leave(noted.slot);
            }
            // It had events since; of all others the last one is not earlier than what was noted.
            self.idle.push(Reverse(Noted { at: entry.seen, ..noted }));
        }
    }

    fn leave(&mut self, slot: u32) {
        if let Some(entry) = self.slots[slot as usize].take() {
            self.moves = self.moves.wrapping_add(u32::from(self.index.remove(&entry.connection, slot)));
            self.free.push(slot);
            self.observer.close(&entry.connection, entry.state);
        }
    }

    fn is_there(&self, noted: &Noted) -> bool {
        self.slots[noted.slot as usize].as_ref().is_some_and(|entry| entry.connection.id == noted.id)
    }

    /// Drops notes about connections that left, when they are more than those in the table.
    fn drop_stale(&mut self) {
        let most = 2 * self.len() + STALE_MAX;
        if self.idle.len() > most {
            let mut idle = std::mem::take(&mut self.idle);
            idle.retain(|Reverse(noted)| self.is_there(noted));
            self.idle = idle;
        }
        if self.ended.len() > most {
            let mut ended = std::mem::take(&mut self.ended);
            ended.retain(|noted| self.is_there(noted));
            self.ended = ended;
        }
    }
}

/// What it means for the life of its socket.
fn step(seen: &Observation) -> Step {
    match *seen {
        Observation::State { old, new, .. } => Step::of_state(old, new),
        Observation::Destroyed => Step::Ends,
        _ => Step::Goes,
    }
}

/// Whether the socket is gone with it.
fn is_end(step: Step) -> bool {
    matches!(step, Step::Closes | Step::Ends)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::event::{AF_INET, TcpDestroySock, TcpProbe};
    use crate::flow::{CollectCurves, CountTotals, Curves, Metric, Totals};

    fn probe(n: u64, una: u32) -> Event {
        Event::TcpProbe(TcpProbe {
            family: AF_INET,
            src: ([10, 0, 0, 1], 1024 + (n % 50_000) as u16).into(),
            dest: ([192, 0, 2, 1], 443).into(),
            mark: 0,
            data_len: 0,
            snd_nxt: una + 1448,
            snd_una: una,
            snd_cwnd: 10 + una / 1448,
            ssthresh: 7,
            snd_wnd: 65_536,
            srtt: 20_000,
            rcv_wnd: 65_536,
            sock_cookie: n + 1,
            skbaddr: 0,
            skaddr: 1 + n % 1000,
        })
    }

    fn destroyed(n: u64) -> Event {
        Event::TcpDestroySock(TcpDestroySock { socket: probe(n, 0).socket() })
    }

    #[test]
    fn six_weeks_of_connections_take_no_more_room_than_a_day() {
        // One in four seconds, some for a day; and one that never ends.
        let closed = Cell::new(0u64);
        let bytes = Cell::new(0u64);
        let totals = CountTotals::new(|_: &Connection, totals: Totals| {
            closed.set(closed.get() + 1);
            bytes.set(bytes.get() + totals.bytes_acked);
        });
        let mut table = FlowTable::new(totals, 20_000);
        let (second, count, stay) = (1_000_000_000, 6 * 7 * 86_400 / 4, 86_400 / 4);
        let mut most = (0, 0);
        for n in 0..count {
            let now = n * 4 * second;
            table.event(now, &probe(u64::MAX / 2, 1448 * n as u32));
            table.event(now + 1, &probe(n, 0));
            table.event(now + second, &probe(n, 1448));
            if n % 10 > 0 {
                table.event(now + 2 * second, &destroyed(n));
            } else if n >= stay && (n - stay) % 10 == 0 {
                table.event(now + 2 * second, &destroyed(n - stay));
            }
            let room = table.slots.len() + table.idle.len() + table.ended.len() + table.index.len();
            let after_two_days = n > 2 * stay;
            most = if after_two_days { (most.0, most.1.max(room)) } else { (most.0.max(room), most.1) };
        }
        assert!(most.1 <= most.0, "at most {} in the first two days, and {} later", most.0, most.1);
        assert!(table.len() <= 2 + stay as usize / 10 + 1);
        table.finish();
        assert_eq!(closed.get(), count + 1);
        assert_eq!(bytes.get(), count * 1448 + (count - 1) * 1448);
    }

    #[test]
    fn two_observers_are_one() {
        let events: Vec<(u64, Event)> = (0..300u64)
            .map(|at| (at * 1000, if at % 40 == 39 { destroyed(at % 7) } else { probe(at % 7, at as u32 * 100) }))
            .collect();
        let (totals, curves) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let count = || CountTotals::new(|of: &Connection, left: Totals| totals.borrow_mut().push((of.id, left)));
        let range = |left: &Curves| (left.range(Metric::SndCwnd), left.bins(Metric::InFlight).len());
        let collect =
            || CollectCurves::new(50, |of: &Connection, left: Curves| curves.borrow_mut().push((of.id, range(&left))));
        let feed = |event: &mut dyn FnMut(u64, &Event)| events.iter().for_each(|(time, seen)| event(*time, seen));

        let mut table = FlowTable::new(count(), 5);
        feed(&mut |time, seen| _ = table.event(time, seen));
        table.finish();
        let mut table = FlowTable::new(collect(), 5);
        feed(&mut |time, seen| _ = table.event(time, seen));
        table.finish();
        let apart = (totals.take(), curves.take());
        assert!(apart.0.len() > 7, "some were pushed out: {:?}", apart.0);

        let mut table = FlowTable::new((count(), collect()), 5);
        feed(&mut |time, seen| _ = table.event(time, seen));
        table.finish();
        assert_eq!((totals.take(), curves.take()), apart);
    }
}
