//! Resuming an interrupted run: what its last segments came to.

use std::io;

use super::catalog::Catalog;
use super::ledger::{from_toml, to_toml};
use super::names::segment_name;
use super::run_meta::RunMeta;
use super::scan::scan;
use super::segment::segments;
use super::segment_writer::close_interrupted;
use crate::disk::Folder;

/// What was found in the segments of an interrupted run.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    /// Wall clock of their newest event.
    pub last_wall: Option<i64>,
    /// Bytes that were cut off them.
    pub torn: u64,
    /// Damage in them, as lines.
    pub damage: Vec<String>,
}

impl RunMeta {
    /// Resumes an interrupted run as far as its files go. Of the segments that are not in these figures torn tails are cut, and what
    /// the segments came to is known here then, and they are durable, so that the run can be continued. Saves nothing.
    ///
    /// # Errors
    /// Those of the file system. A segment that cannot be read is passed over as damaged.
    pub fn resume(&mut self, folder: &Folder, key: &str, catalog: &Catalog) -> io::Result<Resumed> {
        (self.ended_ns, self.ended_why) = (0, String::new());
        let mut resumed = Resumed::default();
        let first = self.segment;
        for number in segments(folder)?.into_iter().filter(|&number| number >= first) {
            match self.resume_segment(folder, key, number, catalog, &mut resumed) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.segment = number + 1;
                    resumed.damage.push(format!("segment {number} is passed over: {error}"));
                }
                Ok(()) => {}
            }
        }
        folder.sync()?;
        Ok(resumed)
    }

    fn resume_segment(
        &mut self,
        folder: &Folder,
        key: &str,
        number: u32,
        catalog: &Catalog,
        resumed: &mut Resumed,
    ) -> io::Result<()> {
        let found = scan(folder.file(&segment_name(number))?)?;
        catalog.forget(key, number);
        resumed.torn += found.torn;
        if !close_interrupted(folder, number, &found)? {
            return Ok(());
        }
        catalog.put(key, number, &found.info);
        catalog.keep(key, number);
        let mut ledger = from_toml(&self.ledger);
        found.totals.iter().for_each(|(cpu, totals)| *ledger.entry(*cpu).or_default() += *totals);
        self.ledger = to_toml(&ledger);
        self.sequence = found.last_block.map_or(self.sequence, |last| last + 1).max(self.sequence);
        self.pages = found.pages_end.unwrap_or(self.pages);
        self.accounted = self.accounted.max(found.accounted_until);
        self.segment = number + 1;
        resumed.last_wall = resumed.last_wall.max(found.info.walls.map(|walls| walls.1));
        resumed.damage.extend(found.damage.iter().map(|line| format!("segment {number}: {line}")));
        Ok(())
    }
}
