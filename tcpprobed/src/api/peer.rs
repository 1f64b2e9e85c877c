//! Who is at the other end of a connection.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Pid;
use tokio::net::unix::UCred;

use super::quota::Refusal;
use crate::user::User;

/// Who is at the other end of a connection, as the kernel noted when it connected.
#[derive(Debug)]
pub struct Peer {
    /// The user.
    pub user: User,
    /// Process id, 0 where it is not known.
    pub pid: i32,
    /// Why all its requests are refused, if they are.
    pub rejected: Option<Refusal>,
    gid: u32,
    has_asked: AtomicBool,
}

impl Peer {
    /// The peer of these credentials.
    #[must_use]
    pub fn new(credentials: UCred, rejected: Option<Refusal>) -> Self {
        let pid = credentials.pid().and_then(Pid::from_raw).map_or(0, |pid| pid.as_raw_nonzero().get());
        let (user, gid) = (User::of_uid(credentials.uid()), credentials.gid());
        Peer { user, pid, rejected, gid, has_asked: AtomicBool::new(false) }
    }

    /// Notes that it made a request.
    pub fn asks(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    /// Whether it made one.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// All groups of its process, as they are now.
    #[must_use]
    pub fn groups(&self) -> Vec<u32> {
        let mut groups = vec![self.gid];
        groups.extend(supplementary_groups(self.pid, self.user.uid()));
        groups
    }
}

/// The supplementary groups of a process, if it still is of that user.
fn supplementary_groups(pid: i32, uid: u32) -> Vec<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = |name: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    // Real, effective, saved and file system uid: a process id may have been taken over by somebody else's process.
    if numbers("Uid:").iter().all(|&known| known == uid) { numbers("Groups:") } else { Vec::new() }
}
