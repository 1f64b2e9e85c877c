//! Whose the sockets are that jobs record: the events `tcpprobe:owner`.
//!
//! The events that a job records happen in whatever program was interrupted; they do not say whose the connection is. So the daemon has
//! one small instance of its own, as long as a job wants to know, with events that happen in the context of the program itself
//! (`ring.rs`), all of them while they are few, and else by samples (`watch.rs`, `busy.rs`). They name a socket by address, ends or cookie (`sockets.rs`) and a thread, of which `/proc` tells the process, its
//! user, and what of systemd or of a container it is in (`people.rs`, `procfs.rs`, `cgroup.rs`). Each job is told of the sockets that its filter
//! lets pass (`client.rs`).
//!
//! Nothing is guessed: what is not known is counted, and why.

mod busy;
mod cgroup;
mod client;
mod people;
mod procfs;
mod ring;
mod sockets;
#[cfg(test)]
mod tests;
mod watch;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tcpprobe::event::owner;
use tcpprobe::filter::Filter;

use crate::capture::OwnEvents;
use crate::lock::lock;
use crate::tracefs::{Tracefs, TracefsError};
use client::Client;
use procfs::Procfs;
use watch::{ROUND, Watch};

pub use client::Counts;

/// Follows the daemon's prefix; no job's name begins with a dot.
pub const INSTANCE: &str = ".owners";
/// After an error it is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Longest wait for what happened until now to be told.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// Tells jobs whose the sockets are.
pub struct Owners {
    tracefs: Tracefs,
    instance: String,
    state: Mutex<State>,
    /// Something changed of the state.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    clients: Vec<Arc<Client>>,
    /// Whether a thread is at work.
    is_running: bool,
    is_stopping: bool,
    /// How many times somebody asked for what happened until now, and how many were answered.
    asked: u64,
    answered: u64,
    /// Why nobody is told, in one line.
    trouble: Option<String>,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its sockets.
    pub counts: Counts,
    /// Why nothing is told now, in one line; empty where all is well.
    pub trouble: String,
}

impl Owners {
    /// Nobody wants to know yet. `prefix` is that of the names of the daemon's instances.
    #[must_use]
    pub fn new(tracefs: Tracefs, prefix: &str) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Owners { tracefs, instance: format!("{prefix}{INSTANCE}"), state, changed }
    }

    /// Tells a run of `job` of the sockets that pass `filter`, until it ends.
    pub fn watch(&self, job: &str, own: OwnEvents, filter: &Filter) {
        let formats = owner::format().map_err(|error| error.to_string()).and_then(|owner| {
            let taken = self.tracefs.format(&ring::taken()).map_err(|error| error.to_string())?;
            Ok((owner, taken))
        });
        let mut state = lock(&self.state);
        match formats {
            Ok((owner, taken)) => {
                state.clients.retain(|client| client.job() != job);
                state.clients.push(Client::new(job, own, filter, (&owner, &taken)));
            }
            Err(error) => state.trouble = Some(error),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// How the newest run of a job stands that was told of sockets; none where it was not.
    #[must_use]
    pub fn standing(&self, job: &str) -> Option<Standing> {
        let state = lock(&self.state);
        let client = state.clients.iter().find(|client| client.job() == job)?;
        Some(Standing { counts: client.counts(), trouble: state.trouble.clone().unwrap_or_default() })
    }

    /// Waits until jobs have been told what happened until now, for a second at most.
    pub fn catch_up(&self) {
        let mut state = lock(&self.state);
        if !state.is_running || state.clients.iter().all(|client| client.has_ended()) {
            return;
        }
        state.asked += 1;
        let asked = state.asked;
        self.changed.notify_all();
        let is_open = |state: &mut State| state.is_running && state.answered < asked;
        drop(self.changed.wait_timeout_while(state, CATCH_UP_MAX, is_open));
    }

    /// Does the work, until [`Owners::stop`].
    pub fn run(&self) {
        lock(&self.state).is_running = true;
        while let Some(clients) = self.wait_for_clients() {
            match Watch::begin(&self.tracefs, &self.instance) {
                Ok(mut watch) => {
                    let failed = self.rounds(&mut watch, clients).err();
                    watch.end();
                    self.note_trouble(failed);
                }
                Err(error) => self.note_trouble(Some(error)),
            }
        }
        lock(&self.state).is_running = false;
        self.changed.notify_all();
    }

    /// Ends it, and waits until the instance is gone, for a second at most.
    pub fn stop(&self) {
        let mut state = lock(&self.state);
        state.is_stopping = true;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, CATCH_UP_MAX, |state| state.is_running));
    }

    fn rounds(&self, watch: &mut Watch, mut clients: Vec<Arc<Client>>) -> Result<(), TracefsError> {
        lock(&self.state).trouble = None;
        let mut due = Instant::now();
        loop {
            let asked = lock(&self.state).asked;
            if Instant::now() >= due {
                due = Instant::now() + ROUND;
                watch.round(&clients)?;
            } else {
                watch.catch_up(&clients)?;
            }
            let mut state = lock(&self.state);
            state.answered = asked;
            self.changed.notify_all();
            let is_quiet = |state: &mut State| !state.is_stopping && state.answered == state.asked;
            let left = due.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout_while(state, left, is_quiet);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            clients = state.clients.iter().filter(|client| !client.has_ended()).cloned().collect();
            if state.is_stopping || clients.is_empty() {
                return Ok(());
            }
        }
    }

    /// Those that want to know; none where all is to end.
    fn wait_for_clients(&self) -> Option<Vec<Arc<Client>>> {
        let mut state = lock(&self.state);
        let mut retry = None;
        loop {
            if state.is_stopping {
                return None;
            }
            state.answered = state.asked;
            self.changed.notify_all();
            if state.trouble.is_some() && retry.is_none() {
                retry = Some(Instant::now() + RETRY);
            }
            let clients: Vec<_> = state.clients.iter().filter(|client| !client.has_ended()).cloned().collect();
            let wait = retry.map_or(Duration::MAX, |at: Instant| at.saturating_duration_since(Instant::now()));
            if !clients.is_empty() && (retry.is_none() || wait.is_zero()) {
                return Some(clients);
            }
            let wait = wait.min(RETRY);
            let waited = self.changed.wait_timeout(state, wait);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn note_trouble(&self, error: Option<TracefsError>) {
        let Some(error) = error else { return };
        let line = format!("owners of sockets are not known: {error}");
        let mut state = lock(&self.state);
        if state.trouble.as_deref() != Some(&line) {
            tracing::warn!("{line}");
        }
        state.trouble = Some(line);
    }
}

/// What is there for it on this machine, for the doctor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Whether the kernel tells when programs take data.
    pub taken: bool,
    /// Whether the kernel tells when programs send data (6.3).
    pub sent: bool,
    /// Whether `/proc` shows other people's processes.
    pub processes: bool,
    /// Whether processes have the numbers there that events have.
    pub numbers: bool,
}

impl Means {
    /// Those of this machine.
    #[must_use]
    pub fn of(tracefs: &Tracefs) -> Self {
        let procfs = Procfs::at(Path::new("/proc"));
        Means {
            taken: tracefs.has(&ring::taken()),
            sent: tracefs.has(&ring::sent()),
            processes: procfs.shows_others(),
            numbers: procfs.numbers_as_events(),
        }
    }
}
