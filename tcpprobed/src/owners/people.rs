//! Whose a thread is, as it was found, with a limit to what the looking costs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcpprobe::event::Owner;

use super::procfs::{Procfs, Unknown};
use crate::tracefs::Tracefs;

/// What was found is looked at again after this time: a process may have executed another program, or moved.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Threads of which it is remembered.
const THREADS_MAX: usize = 4096;
/// Looks at `/proc` a second, some 50 µs each; as many may come at once.
const LOOKS_PER_SECOND: f64 = 50.0;
const LOOKS_MAX: f64 = 200.0;
/// The kernel's list of threads that ended is read again after this time, and after so many times what reading it took: 0.2 % of a
/// core at most.
const LIST_INTERVAL: Duration = Duration::from_millis(200);
const LIST_SHARE: u32 = 500;

/// What is known of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Owner(Arc<Owner>),
    Unknown(Unknown),
    /// It has ended, and the kernel's list is to be read later.
    Later,
}

/// The threads that were looked at.
#[derive(Debug)]
pub struct People {
    procfs: Procfs,
    tracefs: Tracefs,
    threads: HashMap<i32, (Result<Arc<Owner>, Unknown>, Instant)>,
    looks: f64,
    looks_given: Instant,
    ended: Ended,
}

/// What the kernel remembers of threads that ended.
#[derive(Debug, Default)]
struct Ended {
    processes: HashMap<i32, i32>,
    comms: HashMap<i32, Vec<u8>>,
    read: Option<Instant>,
    /// The same in nanoseconds since boot.
    read_ns: u64,
    due_after: Duration,
}

impl People {
    /// Nobody is known yet.
    #[must_use]
    pub fn new(tracefs: Tracefs) -> Self {
        let procfs = Procfs::at(Path::new("/proc"));
        let (threads, ended, looks_given) = (HashMap::new(), Ended::default(), Instant::now());
        People { procfs, tracefs, threads, looks: LOOKS_MAX, looks_given, ended }
    }

    /// Whose the thread is that did something at `time`. With `at_last`, the kernel's list is read whatever that costs.
    pub fn find(&mut self, tid: i32, time: u64, at_last: bool) -> Found {
        let now = Instant::now();
        let known = self.threads.get(&tid).filter(|(_, looked)| now.duration_since(*looked) < AGE_MAX);
        let found = match known.map(|(found, _)| found.clone()) {
            Some(found) => found,
            None if !self.may_look(now) => return Found::Unknown(Unknown::TooMany),
            None => {
                if self.threads.len() >= THREADS_MAX {
                    self.threads.clear();
                }
                let found = self.procfs.owner(tid, time).map(Arc::new);
                self.threads.insert(tid, (found.clone(), now));
                found
            }
        };
        match found {
            Ok(owner) => Found::Owner(owner),
            Err(Unknown::Ended) => self.find_ended(tid, time, now, at_last),
            Err(why) => Found::Unknown(why),
        }
    }

    fn may_look(&mut self, now: Instant) -> bool {
        let since = now.duration_since(self.looks_given).as_secs_f64();
        (self.looks, self.looks_given) = ((self.looks + since * LOOKS_PER_SECOND).min(LOOKS_MAX), now);
        let may = self.looks >= 1.0;
        self.looks -= f64::from(u8::from(may));
        may
    }

    fn find_ended(&mut self, tid: i32, time: u64, now: Instant, at_last: bool) -> Found {
        // In an older list the number may be an earlier thread's.
        if self.ended.read_ns <= time {
            if !at_last && !self.ended.is_due(now) {
                return Found::Later;
            }
            self.ended.read(&self.tracefs);
        }
        let Some(&pid) = self.ended.processes.get(&tid) else { return Found::Unknown(Unknown::Ended) };
        // The process may live yet.
        let found = match self.procfs.owner(pid, time) {
            Ok(owner) if owner.pid == pid => owner,
            _ => Owner { pid, comm: self.ended.comms.get(&pid).cloned().unwrap_or_default(), ..Owner::default() },
        };
        let found = Arc::new(found);
        self.threads.insert(tid, (Ok(Arc::clone(&found)), now));
        Found::Owner(found)
    }
}

impl Ended {
    fn is_due(&self, now: Instant) -> bool {
        self.read.is_none_or(|read| now.duration_since(read) >= self.due_after)
    }

    fn read(&mut self, tracefs: &Tracefs) {
        let began = Instant::now();
        self.read_ns = crate::clock::boot_ns();
        self.processes = tracefs.saved_tgids().unwrap_or_default();
        self.comms = tracefs.saved_comms().unwrap_or_default();
        self.due_after = LIST_INTERVAL.max(began.elapsed() * LIST_SHARE);
        self.read = Some(Instant::now());
    }
}
