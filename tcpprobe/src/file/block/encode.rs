//! From records to a block.

use std::ops::Range;
use std::sync::Arc;

use super::bits::{put_bytes, put_varint};
use super::column::ColumnEncoder;
use super::identity::{Identities, Key};
use super::opaque::PointerKey;
use super::rows::Rows;
use super::schema::Schema;
use super::table::Values;
use super::{BlockHead, connection_bit, connection_id};
use crate::event::{EventKind, Socket};

/// A record, from `common_type` on, and its time in nanoseconds.
pub type Timed<'a> = (u64, &'a [u8]);

/// What only the capture knows about a block.
#[derive(Debug, Clone, Default)]
pub struct Seal {
    /// Counts the blocks of the run.
    pub sequence: u64,
    /// See [`BlockHead::complete_until`].
    pub complete_until: u64,
    /// See [`BlockHead::pages`].
    pub pages: Range<u64>,
}

/// Gathers records until they are sealed into a block; keeps its memory from block to block.
#[derive(Debug)]
pub struct BlockBuilder {
    schema: Arc<Schema>,
    rows: Vec<Rows>,
    identities: Identities,
    times: Vec<u64>,
    row_keys: Vec<u32>,
    /// Runs of rows of one CPU.
    chunks: Vec<(u32, u32)>,
    pids: Values,
    pid_last: u64,
    columns: ColumnEncoder,
}

impl BlockBuilder {
    /// For records of this schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        BlockBuilder {
            rows: schema.layouts().iter().map(Rows::new).collect(),
            schema,
            identities: Identities::default(),
            times: Vec::new(),
            row_keys: Vec::new(),
            chunks: Vec::new(),
            pids: Values::default(),
            pid_last: u64::MAX,
            columns: ColumnEncoder::default(),
        }
    }

    /// Number of events gathered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether nothing was gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Times of the earliest and the latest event gathered.
    #[must_use]
    pub fn times(&self) -> Option<(u64, u64)> {
        Some((*self.times.iter().min()?, *self.times.iter().max()?))
    }

    /// The tasks that were interrupted by the events gathered.
    pub fn pids(&self) -> impl Iterator<Item = i32> + '_ {
        self.pids.list().iter().map(|&pid| (pid as u32).cast_signed())
    }

    /// The sockets that events of these kinds are of, each with how many: those with most events, `most` of them, most first; and how
    /// many more there are. A socket without a cookie is none.
    #[must_use]
    pub fn busiest(&self, kinds: &[EventKind], most: usize) -> (Vec<(Socket, u32)>, usize) {
        let layouts = self.schema.layouts();
        let mut keys: Vec<&Key> =
            self.identities.keys.iter().filter(|key| kinds.contains(&layouts[key.layout].kind)).collect();
        let more = keys.len().saturating_sub(most);
        if more > 0 {
            keys.select_nth_unstable_by_key(most, |key| std::cmp::Reverse(key.rows));
            keys.truncate(most);
        }
        keys.sort_by_key(|key| std::cmp::Reverse(key.rows));
        let socket = |key: &&Key| {
            let layout = &layouts[key.layout];
            let socket = layout.reader.read(&self.identities.template(key, layout, |_| 0))?.socket();
            (socket.cookie != 0).then_some((socket, key.rows))
        };
        (keys.iter().filter_map(socket).collect(), more)
    }

    /// The schema that records are understood by.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether the schema knows the record's kind, and it is long enough for it.
    #[must_use]
    #[inline]
    pub fn takes(&self, record: &[u8]) -> bool {
        self.index_of(record).is_some()
    }

    /// The index of the record's kind, where the builder takes it.
    #[inline]
    fn index_of(&self, record: &[u8]) -> Option<usize> {
        let index = self.schema.index_of(u16::from_le_bytes(*record.first_chunk()?))?;
        (record.len() >= self.schema.layouts()[index].size).then_some(index)
    }

    /// Adds records of `cpu`, in the order of its ring buffer. Those that the builder does not take
    /// ([`BlockBuilder::takes`]) are left out; says how many there were.
    pub fn push(&mut self, cpu: u32, mut records: &[Timed<'_>]) -> usize {
        let mut left_out = 0;
        while let Some((_, first)) = records.first() {
            let Some(index) = self.index_of(first) else {
                left_out += 1;
                records = &records[1..];
                continue;
            };
            // Records of one kind come in long runs.
            let (kind, size) = (first.first_chunk::<2>(), self.schema.layouts()[index].size);
            let same = |(_, record): &Timed<'_>| record.first_chunk() == kind && record.len() >= size;
            let length = records.iter().position(|record| !same(record)).unwrap_or(records.len());
            let (run, rest) = records.split_at(length);
            self.push_run(cpu, index, run);
            records = rest;
        }
        left_out
    }

    /// Adds records of one kind.
    fn push_run(&mut self, cpu: u32, index: usize, run: &[Timed<'_>]) {
        let layout = &self.schema.layouts()[index];
        let rows = &mut self.rows[index];
        let first = rows.keys.len();
        rows.push(index, layout, run, &mut self.identities);
        self.row_keys.extend_from_slice(&rows.keys[first..]);
        self.times.extend(run.iter().map(|(time, _)| time));
        match self.chunks.last_mut() {
            Some((last, rows)) if *last == cpu => *rows += run.len() as u32,
            _ => self.chunks.push((cpu, run.len() as u32)),
        }
        for (_, record) in run {
            // `common_pid` is the second half of the first word of every record.
            let pid = record.first_chunk().map_or(0, |word| u64::from_le_bytes(*word) >> 32);
            if pid != self.pid_last {
                self.pids.number(pid);
                self.pid_last = pid;
            }
        }
    }

    /// Appends the block to `out` and empties the builder. Pointers become ids under `pointer_key`, where one is
    /// given; `comm` tells the names of tasks.
    pub fn seal<'c>(
        &mut self,
        seal: &Seal,
        pointer_key: Option<&PointerKey>,
        mut comm: impl FnMut(i32) -> Option<&'c str>,
        out: &mut Vec<u8>,
    ) {
        let id = |pointer: u64| pointer_key.map_or(pointer, |key| key.id(pointer));
        let (earliest, latest) = self.times().unwrap_or_default();
        let templates = self.templates(id);
        let head = BlockHead {
            schema: self.schema.id(),
            events: self.times.len() as u32,
            sequence: seal.sequence,
            times: (earliest, latest),
            complete_until: seal.complete_until,
            pages: seal.pages.clone(),
            connections: self.connections(&templates),
        };
        head.write(out);
        self.put_chunks(out);
        self.put_tasks(&mut comm, out);
        self.put_keys(&templates, out);
        self.put_times(earliest, out);
        self.columns.encode(&self.row_keys, out);
        for (index, rows) in self.rows.iter_mut().enumerate().filter(|(_, rows)| !rows.keys.is_empty()) {
            rows.put(index, &self.identities.keys, &mut self.columns, id, out);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.rows.iter_mut().for_each(Rows::clear);
        self.identities.clear();
        self.times.clear();
        self.row_keys.clear();
        self.chunks.clear();
        self.pids.clear();
        self.pid_last = u64::MAX;
    }

    /// A record of each identity.
    fn templates(&self, id: impl Fn(u64) -> u64) -> Vec<Vec<u8>> {
        let template = |key: &Key| self.identities.template(key, &self.schema.layouts()[key.layout], &id);
        self.identities.keys.iter().map(template).collect()
    }

    fn connections(&self, templates: &[Vec<u8>]) -> [u64; 4] {
        let mut filter = [0; 4];
        for (key, template) in self.identities.keys.iter().zip(templates) {
            // An event whose connection is not known may be of any.
            let event = self.schema.layouts()[key.layout].reader.read(template);
            let Some(Socket { local, peer, .. }) = event.map(|event| event.socket()).filter(Socket::has_ends) else {
                filter = [u64::MAX; 4];
                continue;
            };
            let (word, bit) = connection_bit(connection_id(local, peer));
            filter[word] |= bit;
        }
        filter
    }

    fn put_chunks(&mut self, out: &mut Vec<u8>) {
        put_varint(out, self.chunks.len() as u64);
        let (cpus, rows): (Vec<u32>, Vec<u32>) = self.chunks.iter().copied().unzip();
        self.columns.encode(&cpus, out);
        self.columns.encode(&rows, out);
    }

    /// The tasks that were interrupted: pid, and the name with its length plus one, 0 where it is not known.
    fn put_tasks<'c>(&self, comm: &mut impl FnMut(i32) -> Option<&'c str>, out: &mut Vec<u8>) {
        put_varint(out, self.pids.list().len() as u64);
        for &pid in self.pids.list() {
            put_varint(out, pid);
            match comm((pid as u32).cast_signed()) {
                Some(name) => {
                    put_varint(out, name.len() as u64 + 1);
                    out.extend_from_slice(name.as_bytes());
                }
                None => put_varint(out, 0),
            }
        }
    }

    /// The identities: kind and number of rows of each, then their bytes, turned so that the first bytes of all come
    /// first, then all second bytes, and so on: what sockets have in common becomes runs.
    fn put_keys(&mut self, templates: &[Vec<u8>], out: &mut Vec<u8>) {
        put_varint(out, self.identities.keys.len() as u64);
        for (key, template) in self.identities.keys.iter().zip(templates) {
            let layout = &self.schema.layouts()[key.layout];
            put_varint(out, key.layout as u64);
            put_varint(out, u64::from(key.rows));
            if layout.dynamic {
                put_bytes(out, &template[layout.size..]);
            }
        }
        let mut bytes = Vec::new();
        for (index, layout) in self.schema.layouts().iter().enumerate() {
            let of_kind = || self.identities.keys.iter().zip(templates).filter(|(key, _)| key.layout == index);
            if of_kind().next().is_some() {
                for at in layout.spans.iter().flat_map(Clone::clone) {
                    bytes.extend(of_kind().map(|(_, template)| template[at]));
                }
            }
        }
        self.columns.encode_bytes(&bytes, out);
    }

    /// Each time as the difference to the one before it of the same CPU, the first to the block's earliest: the low
    /// halves, then the high ones.
    fn put_times(&mut self, earliest: u64, out: &mut Vec<u8>) {
        let mut last: Vec<(u32, u64)> = Vec::new();
        let mut times = self.times.iter();
        let (mut low, mut high) = (Vec::with_capacity(self.times.len()), Vec::with_capacity(self.times.len()));
        for &(cpu, rows) in &self.chunks {
            let place = last.iter().position(|&(known, _)| known == cpu).unwrap_or_else(|| {
                last.push((cpu, earliest));
                last.len() - 1
            });
            let mut before = last[place].1;
            for &time in times.by_ref().take(rows as usize) {
                let difference = time.wrapping_sub(before);
                low.push(difference as u32);
                high.push((difference >> 32) as u32);
                before = time;
            }
            last[place].1 = before;
        }
        self.columns.encode(&low, out);
        self.columns.encode(&high, out);
    }
}
