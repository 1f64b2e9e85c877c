//! A segment, a file of a run: what is asked of it without reading it.

use std::io;

use super::names::segment_number;
use crate::disk::{EntryKind, Folder};

/// What is in a segment: everything that is asked of one without reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Length of the file up to its last whole frame.
    pub bytes: u64,
    /// Number of events.
    pub events: u64,
    /// Wall-clock times of the earliest and the latest event, nanoseconds since 1970; `None` without events.
    pub walls: Option<(i64, i64)>,
}

impl SegmentInfo {
    /// Counts a block.
    pub fn add(&mut self, events: u64, walls: (i64, i64)) {
        self.events += events;
        self.walls = join(self.walls, Some(walls));
    }
}

/// The span over both.
#[must_use]
pub fn join(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// Numbers of the segments in a run's folder, in order.
///
/// # Errors
/// Those of the file system.
pub fn segments(folder: &Folder) -> io::Result<Vec<u32>> {
    let entries = folder.entries()?;
    let files = entries.iter().filter(|(_, kind)| *kind == EntryKind::File);
    let mut numbers: Vec<u32> = files.filter_map(|(name, _)| segment_number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
