//! The sockets of a process and of all that it started, as the events of a trace tell them.
//!
//! Two things are told exactly, and nothing is guessed:
//! - *Which threads descend from the process*: by the kernel's event of each that begins another ([`crate::event::fork`]), which
//!   comes before anything that the new one does. A number that another process takes over leaves.
//! - *Which thread used a socket*: by events that happen in a program's own call, and in no interrupt: connect and listen, close and
//!   shutdown, taking data ([`is_by_user`]). Most others happen in whatever program was interrupted, and say nothing of it. Where the
//!   trace has events `tcpprobe:owner`, they say it too, of sockets that go on.
//!
//! A socket of which none of this was told, as one that was open before and goes on, is of nobody known, and counted.

use std::cell::Cell;
use std::collections::HashSet;

use super::connection::Connection;
use super::observer::{Observation, Observer};
use super::table::{FlowTable, OPEN_MAX};
use crate::event::fork::{Fork, ForkReader};
use crate::event::lives::Life;
use crate::event::sockets::{binds, is_whole};
use crate::event::{EventKind, EventReader, Record};
use crate::kernel::names::state;
use crate::source::Item;

/// The threads that descend from a process, by what was told of those that began others.
#[derive(Debug, Clone)]
pub struct ProcessTree {
    /// The thread that began it, which is none of it.
    spawner: i32,
    threads: HashSet<i32>,
}

impl ProcessTree {
    /// Of a process that the thread `spawner` began.
    #[must_use]
    pub fn new(spawner: i32, process: i32) -> Self {
        ProcessTree { spawner, threads: HashSet::from([process]) }
    }

    /// One began another.
    pub fn note(&mut self, fork: Fork) {
        if fork.parent == self.spawner || self.has(fork.parent) {
            self.threads.insert(fork.child);
        } else {
            // Whoever had the number has ended.
            self.threads.remove(&fork.child);
        }
    }

    /// Whether a thread, or the process of this number, is of it.
    #[must_use]
    pub fn has(&self, thread: i32) -> bool {
        self.threads.contains(&thread)
    }
}

/// Who is known to have used a socket; the later count more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    #[default]
    Unknown,
    Others,
    Tree,
}

/// What is kept of a socket.
#[derive(Debug, Clone)]
struct Kept {
    from: u64,
    to: u64,
    by: Cell<By>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct TreeSockets {
    /// The tree's sockets, listeners too, in the order in which they left.
    pub lives: Vec<Life>,
    /// How many of them are connections.
    pub connections: u64,
    /// Connections that others are known to have used.
    pub of_others: u64,
    /// Connections of which nobody is known.
    pub unknown: u64,
}

#[derive(Debug)]
struct Finder {
    tree: ProcessTree,
    found: TreeSockets,
}

impl Observer for Finder {
    type State = Kept;

    fn fields() -> Vec<&'static str> {
        vec!["pid", "uid"]
    }

    fn opens(kind: EventKind) -> bool {
        binds(kind)
    }

    fn open(&mut self, _: &Connection) -> Kept {
        Kept { from: u64::MAX, to: 0, by: Cell::default() }
    }

    fn event(&mut self, kept: &mut Kept, time: u64, seen: &Observation) {
        (kept.from, kept.to) = (kept.from.min(time), kept.to.max(time));
        if let Observation::Owner { pid, .. } = seen {
            let by = if self.tree.has(*pid) { By::Tree } else { By::Others };
            kept.by.set(kept.by.get().max(by));
        }
    }

    fn close(&mut self, connection: &Connection, kept: Kept) {
        let Connection { local, peer, cookie, skaddr, .. } = *connection;
        let is_connection = u64::from(is_whole(local, peer));
        match kept.by.get() {
            By::Unknown => self.found.unknown += is_connection,
            By::Others => self.found.of_others += is_connection,
            By::Tree => {
                self.found.connections += is_connection;
                self.found.lives.push(Life { local, peer, cookie, skaddr, from: kept.from, to: kept.to });
            }
        }
    }
}

/// How the records of a format are read.
#[derive(Debug)]
enum Reading {
    Forks(ForkReader),
    Sockets(EventReader),
    Nothing,
}

/// Finds the sockets of a process tree in a trace.
///
/// ```
/// use tcpprobe::flow::{OfTree, ProcessTree};
/// let mut found = OfTree::new(ProcessTree::new(70, 71));
/// for item in tcpprobe::open("../fixtures/captures/6.18.44-fc-v669/ipv4-loss2/trace.txt.gz")? {
///     found.feed(&item?);
/// }
/// assert_eq!(found.finish().connections, 0, "its events are of others");
/// # Ok::<(), tcpprobe::Error>(())
/// ```
#[derive(Debug)]
pub struct OfTree {
    table: FlowTable<Finder>,
    readings: Vec<Reading>,
}

impl OfTree {
    /// Of this tree, as it is before the first event.
    #[must_use]
    pub fn new(tree: ProcessTree) -> Self {
        let finder = Finder { tree, found: TreeSockets::default() };
        OfTree { table: FlowTable::new(finder, OPEN_MAX), readings: Vec::new() }
    }

    /// Takes in what a trace gives.
    pub fn feed(&mut self, item: &Item) {
        match item {
            Item::Begin(about) => {
                let reading = |format| match (ForkReader::new(format), EventReader::new(format)) {
                    (Some(forks), _) => Reading::Forks(forks),
                    (None, reader) if reader.is_typed() => Reading::Sockets(reader),
                    _ => Reading::Nothing,
                };
                self.readings = about.formats.iter().map(|known| reading(&known.format)).collect();
            }
            Item::Events(batch) => batch.for_each(|record| self.record(&record)),
            Item::Lost(_) => self.table.lose(),
            _ => {}
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        match self.readings.get(record.index) {
            Some(Reading::Forks(reader)) => {
                if let Some(fork) = reader.read(record.bytes) {
                    self.table.parts_mut().0.tree.note(fork);
                }
            }
            Some(Reading::Sockets(reader)) => {
                let Some(event) = reader.read(record.bytes) else { return };
                let seen = Observation::of(&event);
                let by = record.task().map(|task| self.table.observer().tree.has(task));
                let Some((_, kept)) = self.table.event_of(record.time, &event) else { return };
                let by = match by {
                    Some(is_of_tree) if is_by_user(&seen, kept.by.get() != By::Unknown) => is_of_tree,
                    _ => return,
                };
                kept.by.set(kept.by.get().max(if by { By::Tree } else { By::Others }));
            }
            Some(Reading::Nothing) | None => {}
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> TreeSockets {
        self.table.finish().found
    }
}

/// Whether a thread in whose course this happened, and no interrupt, did it to a socket of its own, of which some user
/// `is_known` or not.
///
/// What the network does to a socket may happen in a thread that has nothing to do with it (threaded and busy polling, a tunnel that a
/// program writes to), without an interrupt. These do not: connect(2), listen(2), and close(2) or shutdown(2) of what is
/// connected; taking data. A socket that the peer reset is only destroyed when its user closes it; so is one that
/// was closed before, by the network: that counts where nobody else is known.
fn is_by_user(seen: &Observation, is_known: bool) -> bool {
    match seen {
        Observation::State { old, new, .. } => matches!(
            (*old, *new),
            (state::CLOSE, state::SYN_SENT | state::LISTEN)
                | (state::ESTABLISHED | state::SYN_RECV, state::FIN_WAIT1)
                | (state::CLOSE_WAIT, state::LAST_ACK)
        ),
        Observation::Destroyed => !is_known,
        Observation::DataTaken => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_grows_and_numbers_are_used_again() {
        let mut tree = ProcessTree::new(70, 71);
        let mut fork = |parent, child| {
            tree.note(Fork { parent, child });
            [70, 71, 72, 73].map(|thread| tree.has(thread))
        };
        assert_eq!(fork(70, 71), [false, true, false, false], "it is begun");
        assert_eq!(fork(71, 72), [false, true, true, false]);
        assert_eq!(fork(5, 73), [false, true, true, false], "a stranger");
        assert_eq!(fork(72, 73), [false, true, true, true], "that number once more");
        assert_eq!(fork(5, 72), [false, true, false, true], "its number is another's, its child stays");
        assert_eq!(fork(72, 71), [false, false, false, true]);
    }

    #[test]
    fn what_a_user_does() {
        let state = |old, new| Observation::State { protocol: 6, old, new };
        let check = |seen, of_nobody, of_somebody| {
            assert_eq!([false, true].map(|is_known| is_by_user(&seen, is_known)), [of_nobody, of_somebody], "{seen:?}");
        };
        for (old, new) in [(7, 2), (7, 10), (1, 4), (3, 4), (8, 9)] {
            check(state(old, new), true, true);
        }
        // Connected, a FIN received, reset: by segments.
        for (old, new) in [(2, 1), (3, 1), (10, 3), (1, 8), (1, 7), (4, 5), (9, 7)] {
            check(state(old, new), false, false);
        }
        check(Observation::Destroyed, true, false);
        check(Observation::DataTaken, true, true);
        check(Observation::CongState(1), false, false);
    }
}
