//! One round after the other: read, note, look, tell.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcpprobe::event::owner;

use super::busy::Busy;
use super::client::{Client, any_of};
use super::people::{Found, People};
use super::procfs::Unknown;
use super::ring::{Reading, Ring, What, Window};
use super::sockets::{Number, Sockets, Told};
use crate::clock;
use crate::tracefs::{Tracefs, TracefsError};

/// Between two readings.
pub const ROUND: Duration = Duration::from_millis(200);
/// While a round has no more calls of programs than this, and none were overwritten, all of them are recorded: it costs 0.02 % of a core.
const QUIET_CALLS_MAX: usize = 200;
/// Where there are more, they are recorded so long, in one of so many rounds.
const WINDOW: Duration = Duration::from_millis(50);
const WINDOW_ROUNDS: u32 = 5;
/// A round is so many windows long.
const WINDOWS_IN_ROUND: usize = 4;
/// So many changes of states in a round have room in the buffer.
const QUIET_STATES_MAX: usize = 100;
/// After so many windows it is looked whether it is quiet again.
const TRIAL_WINDOWS: u32 = 10;
/// So long the ends of a socket are asked for that was written to: two windows.
const ASKED_NS_MAX: u64 = 2_500_000_000;
/// Positive lengths of TCP sockets alone, for the address of any other is of no use.
const SENT: &str = "protocol == 6 && ret > 0";

/// When calls of programs are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Always, and all of them, so that it is seen when they become many.
    Quiet,
    /// In windows; rounds since the last one, and windows since it was looked whether it is quiet.
    Windows { rounds: u32, windows: u32 },
}

/// The instance, and what is known by it.
pub struct Watch {
    ring: Ring,
    sockets: Sockets,
    people: People,
    busy: Busy,
    pace: Pace,
    /// Whether changes of states are recorded outside of windows too.
    states_always: bool,
    /// Jobs that were told what had been known when they came.
    greeted: Vec<Arc<Client>>,
}

impl Watch {
    /// Makes the instance.
    ///
    /// # Errors
    /// See [`Ring::create`].
    pub fn begin(tracefs: &Tracefs, name: &str) -> Result<Self, TracefsError> {
        Ok(Watch {
            ring: Ring::create(tracefs, name)?,
            sockets: Sockets::default(),
            people: People::new(tracefs.clone()),
            busy: Busy::default(),
            pace: Pace::Quiet,
            states_always: true,
            greeted: Vec::new(),
        })
    }

    /// Reads what happened since the last round, and tells the jobs.
    ///
    /// # Errors
    /// When the instance is not as it was made.
    pub fn round(&mut self, clients: &[Arc<Client>]) -> Result<(), TracefsError> {
        self.greet(clients);
        let reading = self.ring.read()?;
        let (is_full, is_quiet) = (reading.is_full, reading.calls <= QUIET_CALLS_MAX && !reading.is_full);
        self.take(reading, clients, false);
        if is_full && self.pace != Pace::Quiet {
            // It is full of changes of states: so many connections are short that no more of them is known by recording all.
            self.states_always = false;
            self.ring.record_states(false)?;
        }
        match self.pace {
            Pace::Quiet if is_quiet => self.record_all(),
            Pace::Quiet => {
                self.ring.close_window()?;
                // What they are is known by now.
                self.pace = Pace::Windows { rounds: 0, windows: 0 };
                Ok(())
            }
            Pace::Windows { rounds, windows } if rounds + 1 < WINDOW_ROUNDS => {
                self.pace = Pace::Windows { rounds: rounds + 1, windows };
                Ok(())
            }
            Pace::Windows { windows, .. } if windows + 1 < TRIAL_WINDOWS => {
                self.pace = Pace::Windows { rounds: 0, windows: windows + 1 };
                self.window(clients)
            }
            Pace::Windows { .. } => self.try_quiet(clients),
        }
    }

    /// Has all calls be recorded, and the ends be told of sockets that were asked for.
    fn record_all(&mut self) -> Result<(), TracefsError> {
        let asked = self.sockets.asked();
        let window = Window { probe: one_of(&asked), ..Window::default() };
        self.ring.open_window(&window)
    }

    /// Looks whether it has become quiet: in a window for all.
    fn try_quiet(&mut self, clients: &[Arc<Client>]) -> Result<(), TracefsError> {
        self.ring.record_states(true)?;
        self.record_all()?;
        std::thread::sleep(WINDOW);
        let reading = self.ring.read()?;
        let is_quiet = reading.calls <= QUIET_CALLS_MAX / WINDOWS_IN_ROUND && !reading.is_full;
        self.note_states(&reading)?;
        self.take(reading, clients, false);
        if is_quiet && self.states_always {
            self.busy.clear();
            self.pace = Pace::Quiet;
            return Ok(());
        }
        self.pace = Pace::Windows { rounds: 0, windows: 0 };
        self.ring.close_window()
    }

    /// What happened until now, for a run is about to end: nothing is put off.
    ///
    /// # Errors
    /// See [`Watch::round`].
    pub fn catch_up(&mut self, clients: &[Arc<Client>]) -> Result<(), TracefsError> {
        self.greet(clients);
        let reading = self.ring.read()?;
        self.take(reading, clients, true);
        Ok(())
    }

    fn window(&mut self, clients: &[Arc<Client>]) -> Result<(), TracefsError> {
        let asked = self.sockets.asked();
        let filter = any_of(clients);
        let window = Window {
            taken: self.busy.without_cookies(filter.as_deref()),
            sent: self.busy.without_addresses(Some(SENT)),
            probe: one_of(&asked),
        };
        self.ring.record_states(true)?;
        self.ring.open_window(&window)?;
        std::thread::sleep(WINDOW);
        self.ring.close_window()?;
        let reading = self.ring.read()?;
        self.note_states(&reading)?;
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for seen in &reading.sightings {
            if let What::Used(tcpprobe::event::Socket { skaddr: address, .. }) | What::Sent(address) = seen.what {
                *counts.entry(address).or_default() += 1;
            }
        }
        self.take(reading, clients, false);
        self.busy.note(&counts, &self.sockets, Instant::now());
        Ok(())
    }

    /// Has changes of states be recorded outside of windows again when they have become few.
    fn note_states(&mut self, reading: &Reading) -> Result<(), TracefsError> {
        self.states_always |= reading.states <= QUIET_STATES_MAX / WINDOWS_IN_ROUND;
        self.ring.record_states(self.states_always)
    }

    fn take(&mut self, reading: Reading, clients: &[Arc<Client>], at_last: bool) {
        self.sockets.give_up_asking(clock::boot_ns().saturating_sub(ASKED_NS_MAX));
        self.sockets.begin(reading.gaps);
        reading.sightings.iter().for_each(|seen| self.sockets.note(seen));
        let mut told: Vec<Told> = Vec::new();
        for number in self.sockets.touched() {
            if self.look(number, at_last) {
                told.extend(self.sockets.tell(number));
                if let Some((socket, why)) = self.sockets.part(number) {
                    clients.iter().for_each(|client| client.miss(&socket, why));
                }
            }
        }
        tell(told, clients);
    }

    /// Looks whose a socket is; `false` where that is to be known later.
    fn look(&mut self, number: Number, at_last: bool) -> bool {
        let Some(user) = self.sockets.unsettled(number) else { return true };
        match self.people.find(user.tid, user.time, at_last) {
            Found::Owner(owner) => self.sockets.settle(number, user.tid, Ok(owner)),
            Found::Unknown(why) => {
                self.sockets.settle(number, user.tid, Err(why));
                if why == Unknown::TooMany && self.sockets.is_open(number) {
                    self.sockets.put_off(number);
                }
            }
            Found::Later => {
                self.sockets.put_off(number);
                return false;
            }
        }
        true
    }

    /// Tells jobs that have come what is known of sockets that are open.
    fn greet(&mut self, clients: &[Arc<Client>]) {
        let is_known = |client: &&Arc<Client>| self.greeted.iter().any(|known| Arc::ptr_eq(known, client));
        let new: Vec<Arc<Client>> = clients.iter().filter(|client| !is_known(client)).cloned().collect();
        if !new.is_empty() {
            let now = clock::boot_ns();
            tell(self.sockets.all().map(|told| Told { time: now, is_change: false, ..told }).collect(), &new);
            // A filter may let others pass now.
            self.busy.clear();
        }
        self.greeted = clients.to_vec();
    }

    /// Removes the instance.
    pub fn end(self) {
        if let Err(error) = self.ring.remove() {
            tracing::error!(%error, "the instance that tells the owners of sockets cannot be removed");
        }
    }
}

fn tell(mut told: Vec<Told>, clients: &[Arc<Client>]) {
    told.sort_by_key(|told| told.time);
    let records: Vec<_> = told
        .into_iter()
        .map(|told| {
            let record = owner::record(&told.socket, &told.owner);
            (told, record)
        })
        .collect();
    clients.iter().for_each(|client| client.tell(&records));
}

/// A filter for events of sockets at these addresses; none where there are none.
fn one_of(addresses: &[u64]) -> Option<String> {
    let mut text = String::new();
    for address in addresses {
        let or = if text.is_empty() { "" } else { " || " };
        let _ = write!(text, "{or}skaddr == {address:#x}");
    }
    (!text.is_empty()).then_some(text)
}
