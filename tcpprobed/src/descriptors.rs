//! File descriptors: of them must be enough for jobs and streams, whoever connects.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// Of a job: its instance, its run and, for each CPU, two of the kernel's files.
const OF_A_JOB: u64 = 16;
const OF_A_CPU: u64 = 2;
/// Of a stream: a folder and a file.
const OF_A_STREAM: u64 = 2;
/// Of the daemon itself: its store, its socket, its log, its runtime.
const OF_THE_DAEMON: u64 = 128;

/// What jobs, streams and the daemon itself may come to.
fn kept(limits: &Limits, cpus: u64) -> u64 {
    let jobs = (limits.jobs as u64).saturating_mul(OF_A_JOB + OF_A_CPU * cpus);
    OF_THE_DAEMON.saturating_add(jobs).saturating_add((limits.streams as u64).saturating_mul(OF_A_STREAM))
}

/// Connections for which there is room, of `has` descriptors. One at least, or nobody could say what is wrong.
fn places(limits: &Limits, cpus: u64, has: u64) -> usize {
    usize::try_from(has.saturating_sub(kept(limits, cpus))).unwrap_or(usize::MAX).max(1)
}

/// Lets this process have as many as it may; for how many connections that is enough.
#[must_use]
pub fn raise(limits: &Limits) -> usize {
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let cpus = crate::tracefs::possible_cpus().map_or(1, |cpus| cpus.len() as u64);
    let has = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = places(limits, cpus, has);
    if places < limits.connections {
        tracing::warn!("of {has} files that may be open, {places} are left for connections: raise LimitNOFILE=");
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the unit gives is enough for the defaults on a large machine.
    #[test]
    fn the_unit_gives_enough() {
        let unit = include_str!("../../packaging/tcpprobed.service");
        let line = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
        let limits = Limits::default();
        // Root has connections beyond those of all.
        assert!(places(&limits, 256, line.parse().unwrap()) > limits.connections + limits.connections_per_user);
    }

    #[test]
    fn jobs_come_first() {
        let limits = Limits { jobs: 10, streams: 20, ..Limits::default() };
        assert_eq!(places(&limits, 2, 1024), 1024 - 128 - 10 * 20 - 40);
        assert_eq!(places(&limits, 2, 256), 1);
    }
}
