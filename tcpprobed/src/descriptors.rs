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

/// What the limits may come to.
fn wanted(limits: &Limits, cpus: u64) -> u64 {
    // Root has connections beyond those of all.
    let connections = limits.connections as u64 + limits.connections_per_user as u64;
    let (jobs, streams) = (limits.jobs as u64 * (OF_A_JOB + OF_A_CPU * cpus), limits.streams as u64 * OF_A_STREAM);
    OF_THE_DAEMON.saturating_add(jobs).saturating_add(streams).saturating_add(connections)
}

/// Lets this process have as many as it may, and says so where that is fewer than it can need.
pub fn raise(limits: &Limits) {
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let cpus = crate::tracefs::possible_cpus().map_or(1, |cpus| cpus.len() as u64);
    let wanted = wanted(limits, cpus);
    if let Some(has) = getrlimit(Resource::Nofile).current.filter(|&has| has < wanted) {
        tracing::warn!(
            "{wanted} files may be open by [limits], and {has} can: lower limits.connections, or raise LimitNOFILE="
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the unit gives is enough for the defaults on a large machine.
    #[test]
    fn the_unit_gives_enough() {
        let unit =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/tcpprobed.service")).unwrap();
        let line = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
        let has: u64 = line.parse().unwrap();
        assert!(wanted(&Limits::default(), 256) < has);
    }
}
