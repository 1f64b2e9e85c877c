//! Names of tasks, as the kernel knew them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::tracefs::{Tracefs, task_comm};

/// A name is asked for again after this time: a task may have exec'd.
const NAME_AGE_MAX: Duration = Duration::from_secs(1);
/// The kernel's list of saved names, of thousands of lines, is read at most this often: less than the age of a block, so
/// that tasks which ended since the last block are in it.
const LIST_INTERVAL: Duration = Duration::from_millis(100);
/// Most names kept; a machine has some thousand tasks.
const NAMES_MAX: usize = 16 << 10;

/// Remembers the names of tasks.
#[derive(Debug)]
pub struct Comms {
    tracefs: Tracefs,
    names: HashMap<i32, (Option<String>, Instant)>,
    saved: HashMap<i32, String>,
    saved_read: Option<Instant>,
}

impl Comms {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(tracefs: Tracefs) -> Self {
        Comms { tracefs, names: HashMap::new(), saved: HashMap::new(), saved_read: None }
    }

    /// Learns the names of these tasks: from the task itself while it lives, else from what the kernel saved when it
    /// last ran.
    pub fn learn(&mut self, pids: impl Iterator<Item = i32>) {
        let now = Instant::now();
        if self.names.len() > NAMES_MAX {
            self.names.clear();
        }
        for pid in pids.filter(|&pid| pid != 0) {
            let fresh = self.names.get(&pid).is_some_and(|(_, since)| now.duration_since(*since) < NAME_AGE_MAX);
            if fresh {
                continue;
            }
            let name = task_comm(pid).or_else(|| self.saved(pid, now));
            let entry = self.names.entry(pid).or_insert((None, now));
            // A task that ended keeps the name it had.
            *entry = (name.or(entry.0.take()), now);
        }
    }

    fn saved(&mut self, pid: i32, now: Instant) -> Option<String> {
        let stale = self.saved_read.is_none_or(|read| now.duration_since(read) >= LIST_INTERVAL);
        if stale && !self.saved.contains_key(&pid) {
            self.saved = self.tracefs.saved_cmdlines().unwrap_or_default();
            self.saved_read = Some(now);
        }
        self.saved.get(&pid).cloned()
    }

    /// The name of a task that was learned.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<&str> {
        if pid == 0 {
            return Some("<idle>");
        }
        self.names.get(&pid)?.0.as_deref()
    }
}
