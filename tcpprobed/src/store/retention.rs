//! Retention: whole oldest segments go first, the live one never.

use std::collections::BTreeMap;
use std::io;

use super::{Store, StoreError, segment_name};

/// What a store may take, over all jobs.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Bytes of all segments.
    pub bytes_max: u64,
    /// Bytes that stay free on the file system.
    pub free_min: u64,
}

/// What one job keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// Bytes; 0 is no limit.
    pub bytes_max: u64,
    /// Nanoseconds, counted back from the job's newest event; 0 is no limit. An outage empties nothing.
    pub age_max_ns: i64,
    /// Its runs, oldest first.
    pub runs: Vec<u32>,
    /// The first segment of the newest run that is needed to resume the run; none when it ended.
    pub needed: Option<u32>,
    /// Bytes of the segment that is being written.
    pub live_bytes: u64,
    /// Wall clock of the newest event, where that is in the segment being written.
    pub live_wall: Option<i64>,
}

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// Wall clock of its newest event; of one without events, that of the one before it.
    last_wall: i64,
    job: String,
    run: u32,
    number: u32,
    bytes: u64,
}

/// The segments of a job.
#[derive(Debug, Default)]
struct Holdings {
    /// Those that may go, oldest first.
    closed: Vec<Candidate>,
    /// Bytes of the others.
    fixed_bytes: u64,
}

/// Removes what is beyond the limits. Says how many bytes went.
///
/// # Errors
/// Those of the file system.
pub fn enforce(store: &Store, jobs: &BTreeMap<String, Keep>, capacity: Capacity) -> Result<u64, StoreError> {
    let mut all = Vec::new();
    let mut doomed = Vec::new();
    let mut total = 0;
    for (job, keep) in jobs {
        let holdings = holdings(store, job, keep);
        let beyond = beyond(&holdings, keep);
        doomed.extend_from_slice(&holdings.closed[..beyond]);
        all.extend_from_slice(&holdings.closed[beyond..]);
        total += holdings.fixed_bytes;
    }
    all.sort_by_key(|segment| segment.last_wall);
    total += all.iter().map(|segment| segment.bytes).sum::<u64>();
    let free = store.jobs.free_bytes().unwrap_or(u64::MAX);
    let mut missing = capacity.free_min.saturating_sub(free);
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

/// How many of a job's closed segments, oldest first, are beyond its own limits.
fn beyond(holdings: &Holdings, keep: &Keep) -> usize {
    let segments = &holdings.closed;
    let newest = segments.iter().map(|segment| segment.last_wall).max().max(keep.live_wall).unwrap_or(0);
    let mut bytes = holdings.fixed_bytes + segments.iter().map(|segment| segment.bytes).sum::<u64>();
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

/// What the catalog knows of a job: no file is looked at.
fn holdings(store: &Store, job: &str, keep: &Keep) -> Holdings {
    let mut holdings = Holdings { fixed_bytes: keep.live_bytes, ..Holdings::default() };
    let mut last_wall = i64::MIN;
    for &run in &keep.runs {
        let needed = keep.needed.filter(|_| keep.runs.last() == Some(&run)).unwrap_or(u32::MAX);
        for (number, info) in store.catalog().segments(&Store::run_key(job, run)) {
            last_wall = info.walls.map_or(last_wall, |walls| walls.1);
            if number < needed {
                holdings.closed.push(Candidate { last_wall, job: job.to_owned(), run, number, bytes: info.bytes });
            } else {
                holdings.fixed_bytes += info.bytes;
            }
        }
    }
    holdings
}

fn remove(store: &Store, segment: &Candidate) -> Result<(), StoreError> {
    let folder = store.run_folder(&segment.job, segment.run)?;
    let name = segment_name(segment.number);
    match folder.remove(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => super::at(folder.path_of(&name), Err(error))?,
        _ => {}
    }
    store.catalog().forget(&Store::run_key(&segment.job, segment.run), segment.number);
    tracing::info!(job = segment.job, run = segment.run, segment = segment.number, "segment removed by retention");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holdings(fixed_bytes: u64, list: &[(i64, u64)]) -> Holdings {
        let candidate = |&(last_wall, bytes)| Candidate { last_wall, job: "a".into(), run: 1, number: 0, bytes };
        Holdings { closed: list.iter().map(candidate).collect(), fixed_bytes }
    }

    #[test]
    fn by_size_the_oldest_go() {
        let list = holdings(5, &[(1, 10), (2, 10), (3, 10)]);
        let keep = |bytes_max| Keep { bytes_max, ..Keep::default() };
        assert_eq!([0, 35, 34, 25, 24, 5, 1].map(|max| beyond(&list, &keep(max))), [0, 0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn by_age_counted_from_the_newest_event() {
        let list = holdings(0, &[(100, 1), (200, 1), (300, 1)]);
        let keep = |age_max_ns| Keep { age_max_ns, ..Keep::default() };
        assert_eq!([0, 50, 100, 200].map(|age| beyond(&list, &keep(age))), [0, 2, 1, 0]);
        let live = |age_max_ns| Keep { live_wall: Some(400), ..keep(age_max_ns) };
        assert_eq!([0, 50, 100, 200, 300].map(|age| beyond(&list, &live(age))), [0, 3, 2, 1, 0]);
    }
}
