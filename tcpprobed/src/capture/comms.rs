//! Names of tasks, as the kernel knew them.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::tracefs::{Tracefs, numbers_as_events, task_comm};

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
    /// Whether `/proc` numbers tasks as events do.
    asks_proc: bool,
    names: HashMap<i32, (Option<String>, Instant)>,
    /// What the kernel saved, when it was read last and the time before: it forgets names.
    saved: [HashMap<i32, String>; 2],
    saved_read: Option<Instant>,
}

impl Comms {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(tracefs: Tracefs) -> Self {
        let asks_proc = numbers_as_events(Path::new("/proc"));
        Comms { tracefs, asks_proc, names: HashMap::new(), saved: Default::default(), saved_read: None }
    }

    /// Learns the names of these tasks: from the task itself while it lives, else from what the kernel saved when it
    /// last ran.
    pub fn learn(&mut self, pids: impl Iterator<Item = i32>) {
        self.learn_at(pids, Instant::now());
    }

    fn learn_at(&mut self, pids: impl Iterator<Item = i32>, now: Instant) {
        if self.names.len() > NAMES_MAX {
            self.names.clear();
        }
        for pid in pids.filter(|&pid| pid != 0) {
            let fresh = self.names.get(&pid).is_some_and(|(_, since)| now.duration_since(*since) < NAME_AGE_MAX);
            if fresh {
                continue;
            }
            let alive = if self.asks_proc { task_comm(pid) } else { None };
            let name = alive.or_else(|| self.saved(pid, now));
            let entry = self.names.entry(pid).or_insert((None, now));
            // A task that ended keeps the name it had.
            *entry = (name.or(entry.0.take()), now);
        }
    }

    fn saved(&mut self, pid: i32, now: Instant) -> Option<String> {
        // Also where it has the name: that may be of an earlier task with the same number.
        if self.saved_read.is_none_or(|read| now.duration_since(read) >= LIST_INTERVAL) {
            self.saved.swap(0, 1);
            self.saved[0] = self.tracefs.saved_cmdlines().unwrap_or_default();
            self.saved_read = Some(now);
        }
        self.saved.iter().find_map(|saved| saved.get(&pid)).cloned()
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_number_that_another_task_has_now_means_that_one() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in ["events/header_page", "events/tcp/enable", "instances/.keep"] {
            put(name, "");
        }
        put("events/tcp/tcp_probe/format", "name: tcp_probe\nID: 7\nformat:\n");
        // No tasks that live.
        let (one, other) = (i32::MAX, i32::MAX - 1);
        put("saved_cmdlines", &format!("{one} server\n{other} curl\n"));
        let mut comms = Comms::new(Tracefs::locate(Some(root.path())).unwrap());
        let began = Instant::now();
        comms.learn_at([one].into_iter(), began);
        assert_eq!(comms.get(one), Some("server"));
        put("saved_cmdlines", &format!("{one} client\n"));
        comms.learn_at([one, other].into_iter(), began + NAME_AGE_MAX);
        assert_eq!(comms.get(one), Some("client"));
        assert_eq!(comms.get(other), Some("curl"), "forgotten since");
        // In a PID namespace of its own, whoever has the number in /proc is another task.
        let own = std::process::id().cast_signed();
        put("saved_cmdlines", &format!("{own} nginx\n"));
        comms.asks_proc = false;
        comms.learn_at([own].into_iter(), began + 3 * NAME_AGE_MAX);
        assert_eq!(comms.get(own), Some("nginx"));
    }
}
