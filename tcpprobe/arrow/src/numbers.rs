//! Where the numbers of events come from: columns of blocks, or records; in groups of which each has one format.

use tcpprobe::event::Record;
use tcpprobe::file::Batch;
use tcpprobe::file::block::{Block, Columns, Row};
use tcpprobe::kernel::format::Field;

/// Events of a batch.
pub trait Chunk {
    /// The numbers of a field of the events of a group.
    type Numbers<'a>
    where
        Self: 'a;

    /// Of each event, the number of its group.
    fn groups(&self) -> &[u32];

    /// Of each group, the place of its format.
    fn formats(&self) -> &[usize];

    fn numbers<'a>(&'a self, group: usize, field: &'a Field) -> Self::Numbers<'a>;

    /// The number of an event, which must be of the group; zero-extended. `None` where the record is too short.
    fn number(&self, numbers: &Self::Numbers<'_>, at: usize) -> Option<u64>;

    fn time(&self, at: usize) -> u64;

    fn cpu(&self, at: usize) -> u32;

    /// The name of the thread `pid` of an event.
    fn comm(&self, at: usize, pid: i32) -> Option<&str>;

    /// What events have in common in which a thread has one name; `None` where each tells its own.
    fn names(&self, at: usize) -> Option<u32>;

    /// Has `f` look at the record of an event.
    fn record<T>(&self, at: usize, f: impl FnOnce(&Record<'_>) -> T) -> T;

    /// What events have in common that have the same addresses; below [`Chunk::identities`].
    fn identity(&self, at: usize) -> usize;

    fn identities(&self) -> usize;
}

/// Rows of blocks.
pub struct Blocks<'a> {
    blocks: Vec<&'a Block>,
    /// The first identity of each block.
    identities: Vec<usize>,
    count: usize,
    rows: Vec<(u32, &'a Row)>,
    groups: Vec<u32>,
    /// Block and format of each group.
    members: Vec<usize>,
    formats: Vec<usize>,
}

impl<'a> Blocks<'a> {
    /// These events of a batch.
    pub fn new(batch: &'a Batch, order: &[(u32, u32)]) -> Self {
        let blocks: Vec<&Block> = batch.blocks().iter().map(|block| &**block).collect();
        let (mut identities, mut count) = (Vec::with_capacity(blocks.len()), 0);
        for block in &blocks {
            identities.push(count);
            count += block.keys();
        }
        let mut known: Vec<Vec<Option<u32>>> =
            blocks.iter().map(|block| vec![None; block.schema().layouts().len()]).collect();
        let layouts: Vec<Vec<u32>> =
            blocks.iter().map(|block| block.identities().map(|known| known.layout as u32).collect()).collect();
        let (mut members, mut formats) = (Vec::new(), Vec::new());
        let mut groups = Vec::with_capacity(order.len());
        let mut rows = Vec::with_capacity(order.len());
        for &(number, row) in order {
            let row = &blocks[number as usize].rows()[row as usize];
            let layout = layouts[number as usize][row.key as usize] as usize;
            let group = *known[number as usize][layout].get_or_insert_with(|| {
                members.push(number as usize);
                formats.push(layout);
                formats.len() as u32 - 1
            });
            groups.push(group);
            rows.push((number, row));
        }
        Blocks { blocks, identities, count, rows, groups, members, formats }
    }
}

impl Chunk for Blocks<'_> {
    type Numbers<'a>
        = Columns<'a, 1>
    where
        Self: 'a;

    fn groups(&self) -> &[u32] {
        &self.groups
    }

    fn formats(&self) -> &[usize] {
        &self.formats
    }

    fn numbers<'a>(&'a self, group: usize, field: &'a Field) -> Columns<'a, 1> {
        self.blocks[self.members[group]].columns(self.formats[group], [field.name.as_str()])
    }

    #[inline]
    fn number(&self, numbers: &Columns<'_, 1>, at: usize) -> Option<u64> {
        Some(numbers.get(self.rows[at].1)[0])
    }

    fn time(&self, at: usize) -> u64 {
        self.rows[at].1.time
    }

    fn cpu(&self, at: usize) -> u32 {
        self.rows[at].1.cpu
    }

    fn comm(&self, at: usize, pid: i32) -> Option<&str> {
        self.blocks[self.rows[at].0 as usize].comm(pid)
    }

    fn names(&self, at: usize) -> Option<u32> {
        Some(self.rows[at].0)
    }

    fn record<T>(&self, at: usize, f: impl FnOnce(&Record<'_>) -> T) -> T {
        let (block, row) = self.rows[at];
        let mut buffer = Vec::new();
        f(&self.blocks[block as usize].record(row, &mut buffer))
    }

    fn identity(&self, at: usize) -> usize {
        let (block, row) = self.rows[at];
        self.identities[block as usize] + row.key as usize
    }

    fn identities(&self) -> usize {
        self.count
    }
}

/// Records, of text or pages.
pub struct Records<'a> {
    records: Vec<Record<'a>>,
    groups: Vec<u32>,
    formats: Vec<usize>,
}

impl<'a> Records<'a> {
    /// These records.
    pub fn new(records: Vec<Record<'a>>) -> Self {
        let (mut known, mut formats, mut groups) = (Vec::new(), Vec::new(), Vec::with_capacity(records.len()));
        for record in &records {
            if known.len() <= record.index {
                known.resize(record.index + 1, None);
            }
            groups.push(*known[record.index].get_or_insert_with(|| {
                formats.push(record.index);
                formats.len() as u32 - 1
            }));
        }
        Records { records, groups, formats }
    }
}

impl Chunk for Records<'_> {
    type Numbers<'a>
        = &'a Field
    where
        Self: 'a;

    fn groups(&self) -> &[u32] {
        &self.groups
    }

    fn formats(&self) -> &[usize] {
        &self.formats
    }

    fn numbers<'a>(&'a self, _: usize, field: &'a Field) -> &'a Field {
        field
    }

    #[inline]
    fn number(&self, numbers: &&Field, at: usize) -> Option<u64> {
        numbers.unsigned(self.records[at].bytes)
    }

    fn time(&self, at: usize) -> u64 {
        self.records[at].time
    }

    fn cpu(&self, at: usize) -> u32 {
        self.records[at].cpu
    }

    fn comm(&self, at: usize, _: i32) -> Option<&str> {
        self.records[at].comm
    }

    fn names(&self, _: usize) -> Option<u32> {
        None
    }

    fn record<T>(&self, at: usize, f: impl FnOnce(&Record<'_>) -> T) -> T {
        f(&self.records[at])
    }

    fn identity(&self, at: usize) -> usize {
        at
    }

    fn identities(&self) -> usize {
        self.records.len()
    }
}
