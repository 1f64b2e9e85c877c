//! Retention: whole oldest segments go first, the live one never.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::{Capacity, Store, StoreError, run, segment_path};

/// What one job keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Bytes; 0 is no limit.
    pub bytes_max: u64,
    /// Nanoseconds, counted back from the job's newest event; 0 is no limit. An outage empties nothing.
    pub age_max_ns: i64,
    /// The segment being written: run and number.
    pub live: Option<(u32, u32)>,
    /// Bytes of that segment.
    pub live_bytes: u64,
}

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// Wall clock of its newest event.
    last_wall: i64,
    job: String,
    run: u32,
    number: u32,
    bytes: u64,
}

/// Removes what is beyond the limits. Says how many bytes went.
///
/// # Errors
/// Those of the file system.
pub fn enforce(store: &Store, jobs: &BTreeMap<String, Keep>, capacity: Capacity) -> Result<u64, StoreError> {
    let mut all = Vec::new();
    let mut doomed = Vec::new();
    for (job, keep) in jobs {
        let segments = candidates(store, job, keep)?;
        let beyond = beyond(&segments, keep);
        doomed.extend_from_slice(&segments[..beyond]);
        all.extend_from_slice(&segments[beyond..]);
    }
    all.sort_by_key(|segment| segment.last_wall);
    let live: u64 = jobs.values().map(|keep| keep.live_bytes).sum();
    let mut total = live + all.iter().map(|segment| segment.bytes).sum::<u64>();
    let mut missing = capacity.free_min.saturating_sub(free_bytes(&store.jobs).unwrap_or(u64::MAX));
    for segment in all {
        if total <= capacity.bytes_max && missing == 0 {
            break;
        }
        total -= segment.bytes;
        missing = missing.saturating_sub(segment.bytes);
        doomed.push(segment);
    }
    let mut removed = 0;
    for segment in doomed {
        remove(store, &segment)?;
        removed += segment.bytes;
    }
    Ok(removed)
}

/// How many of a job's segments, oldest first, are beyond its own limits.
fn beyond(segments: &[Candidate], keep: &Keep) -> usize {
    let newest = segments.iter().map(|segment| segment.last_wall).max().unwrap_or(0);
    let mut bytes = keep.live_bytes + segments.iter().map(|segment| segment.bytes).sum::<u64>();
    segments
        .iter()
        .take_while(|segment| {
            let big = keep.bytes_max > 0 && bytes > keep.bytes_max;
            let old = keep.age_max_ns > 0 && segment.last_wall < newest.saturating_sub(keep.age_max_ns);
            bytes -= segment.bytes;
            big || old
        })
        .count()
}

fn candidates(store: &Store, job: &str, keep: &Keep) -> Result<Vec<Candidate>, StoreError> {
    let mut list = Vec::new();
    for run in store.runs(job)? {
        let live = keep.live.filter(|live| live.0 == run).map(|live| live.1);
        for (number, info) in store.closed_segments(job, run, live)? {
            // One without events is a few hundred bytes, and may be about to get some.
            let Some((_, last_wall)) = info.walls else { continue };
            list.push(Candidate { last_wall, job: job.to_owned(), run, number, bytes: info.bytes });
        }
    }
    Ok(list)
}

fn remove(store: &Store, segment: &Candidate) -> Result<(), StoreError> {
    let path = segment_path(&store.run_folder(&segment.job, segment.run), segment.number);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => super::at(&path, Err(error))?,
        _ => {}
    }
    store.catalog().forget(&run::segment_key(&Store::run_key(&segment.job, segment.run), segment.number));
    tracing::info!(job = segment.job, run = segment.run, segment = segment.number, "segment removed by retention");
    Ok(())
}

/// Bytes free for this daemon.
fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail * found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(list: &[(i64, u64)]) -> Vec<Candidate> {
        let candidate = |&(last_wall, bytes)| Candidate { last_wall, job: "a".into(), run: 1, number: 0, bytes };
        list.iter().map(candidate).collect()
    }

    #[test]
    fn by_size_the_oldest_go() {
        let list = segments(&[(1, 10), (2, 10), (3, 10)]);
        let keep = |bytes_max| Keep { bytes_max, live_bytes: 5, ..Keep::default() };
        assert_eq!([0, 35, 34, 25, 24, 5, 1].map(|max| beyond(&list, &keep(max))), [0, 0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn by_age_counted_from_the_newest_event() {
        let list = segments(&[(100, 1), (200, 1), (300, 1)]);
        let keep = |age_max_ns| Keep { age_max_ns, ..Keep::default() };
        assert_eq!([0, 50, 100, 200].map(|age| beyond(&list, &keep(age))), [0, 2, 1, 0]);
    }
}
