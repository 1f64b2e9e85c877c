//! From records to a block.

use std::ops::Range;
use std::sync::Arc;

use super::bits::{put_bytes, put_varint};
use super::column::{ColumnEncoder, zigzag};
use super::opaque::PointerKey;
use super::schema::{Layout, Part, Schema};
use super::table::{Numbering, Values, mix};
use super::{BlockHead, connection_bit, connection_id};
use crate::event::{Event, EventReader};

/// Offset of `common_pid` in every record.
const PID_OFFSET: usize = 4;

/// A record, from `common_type` on, and its time in nanoseconds.
pub type Timed<'a> = (u64, &'a [u8]);

/// One column while the block is filled: a value a row, in the order of arrival.
#[derive(Debug)]
enum Values32Or64 {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

/// The rows of one kind of event.
#[derive(Debug)]
struct Rows {
    reader: EventReader,
    columns: Vec<(Part, Values32Or64)>,
    /// The identity of each row.
    keys: Vec<u32>,
}

impl Rows {
    fn new(layout: &Layout) -> Self {
        let column = |part: &Part| match part.size {
            8 => (*part, Values32Or64::Wide(Vec::new())),
            _ => (*part, Values32Or64::Narrow(Vec::new())),
        };
        Rows {
            reader: EventReader::new(&layout.format),
            columns: layout.columns.iter().map(column).collect(),
            keys: Vec::new(),
        }
    }

    /// Takes the columns out of records that have all fixed fields.
    fn push(&mut self, records: &[Timed<'_>]) {
        for (part, values) in &mut self.columns {
            let at = part.offset;
            match (values, part.size) {
                (Values32Or64::Narrow(values), 4) => values.extend(records.iter().map(|(_, r)| u32_at(r, at))),
                (Values32Or64::Narrow(values), 2) => values.extend(records.iter().map(|(_, r)| u16_at(r, at))),
                (Values32Or64::Narrow(values), _) => values.extend(records.iter().map(|(_, r)| u32::from(r[at]))),
                (Values32Or64::Wide(values), _) => values.extend(records.iter().map(|(_, r)| word(r, at))),
            }
        }
    }

    fn clear(&mut self) {
        self.keys.clear();
        for (_, values) in &mut self.columns {
            match values {
                Values32Or64::Narrow(values) => values.clear(),
                Values32Or64::Wide(values) => values.clear(),
            }
        }
    }
}

/// What an event is about: its kind and identity fields.
#[derive(Debug, Clone)]
struct Key {
    layout: usize,
    /// Where its words begin in [`Identities::words`].
    words: usize,
    /// Its dynamic part in [`Identities::tails`].
    tail: Range<usize>,
    rows: u32,
}

/// The identities of a block.
#[derive(Debug, Default)]
struct Identities {
    numbering: Numbering,
    keys: Vec<Key>,
    /// Their fields, as [`Layout::words`] cuts them.
    words: Vec<u64>,
    tails: Vec<u8>,
}

impl Identities {
    /// The number of the identity of `record`, which has all fixed fields, with this row counted.
    #[inline]
    fn number(&mut self, index: usize, layout: &Layout, record: &[u8]) -> u32 {
        let tail = if layout.dynamic { &record[layout.size..] } else { &[] };
        let mut hash = index as u64;
        if layout.hashed.is_empty() || layout.dynamic {
            hash = layout.words.iter().fold(hash, |hash, &(at, mask)| mix(hash ^ (word(record, at) & mask)));
            hash = hash_bytes(hash, tail);
        } else {
            hash = layout.hashed.iter().fold(hash, |hash, &at| mix(hash ^ word(record, at)));
        }
        let (keys, words, tails) = (&self.keys, &self.words, &self.tails);
        let is = |number: u32| {
            let key = &keys[number as usize];
            if key.layout != index {
                return false;
            }
            let known = &words[key.words..key.words + layout.words.len()];
            let differ = known
                .iter()
                .zip(&layout.words)
                .fold(0, |differ, (known, &(at, mask))| differ | ((word(record, at) ^ known) & mask));
            differ == 0 && (!layout.dynamic || tails[key.tail.clone()] == *tail)
        };
        let (number, new) = self.numbering.number(hash, is);
        if new {
            let key = Key { layout: index, words: self.words.len(), tail: 0..0, rows: 0 };
            self.words.extend(layout.words.iter().map(|&(at, mask)| word(record, at) & mask));
            let start = self.tails.len();
            self.tails.extend_from_slice(tail);
            self.keys.push(Key { tail: start..self.tails.len(), ..key });
        }
        self.keys[number as usize].rows += 1;
        number
    }

    /// A record of the identity with everything else 0, its dynamic part behind it, pointers as ids.
    fn template(&self, key: &Key, layout: &Layout, id: impl Fn(u64) -> u64) -> Vec<u8> {
        let mut record = vec![0; layout.size];
        let known = &self.words[key.words..key.words + layout.words.len()];
        for (known, &(at, _)) in known.iter().zip(&layout.words) {
            // Words overlap only where the mask of one is 0.
            let merged = word(&record, at) | known;
            record[at..at + 8].copy_from_slice(&merged.to_le_bytes());
        }
        for part in layout.identity.iter().filter(|part| part.pointer) {
            let opaque = id(word(&record, part.offset));
            record[part.offset..part.offset + 8].copy_from_slice(&opaque.to_le_bytes());
        }
        record.extend_from_slice(&self.tails[key.tail.clone()]);
        record
    }

    fn clear(&mut self) {
        self.numbering.clear();
        self.keys.clear();
        self.words.clear();
        self.tails.clear();
    }
}

/// The four bytes at `at`, which the record has.
#[inline]
fn u32_at(record: &[u8], at: usize) -> u32 {
    record[at..at + 4].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The two bytes at `at`, which the record has.
#[inline]
fn u16_at(record: &[u8], at: usize) -> u32 {
    record[at..at + 2].first_chunk().map_or(0, |bytes| u32::from(u16::from_le_bytes(*bytes)))
}

/// The eight bytes at `at`, which the record has.
#[inline]
fn word(record: &[u8], at: usize) -> u64 {
    record[at..at + 8].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

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
    pointers: Values,
    scratch: Vec<u64>,
    /// The rows of one kind, by identity, and where each identity begins.
    order: Vec<u32>,
    starts: Vec<u32>,
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
            pointers: Values::default(),
            scratch: Vec::new(),
            order: Vec::new(),
            starts: Vec::new(),
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

    /// The schema that records are understood by.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether the schema knows the record's kind, and it is long enough for it.
    #[must_use]
    #[inline]
    pub fn takes(&self, record: &[u8]) -> bool {
        self.index_of(record).is_some_and(|index| record.len() >= self.schema.layouts()[index].size)
    }

    #[inline]
    fn index_of(&self, record: &[u8]) -> Option<usize> {
        let [low, high, ..] = *record else { return None };
        self.schema.index_of(u16::from_le_bytes([low, high]))
    }

    /// Adds records of `cpu`, in the order of its ring buffer. Those that the builder does not take
    /// ([`BlockBuilder::takes`]) are left out; says how many there were.
    pub fn push(&mut self, cpu: u32, mut records: &[Timed<'_>]) -> usize {
        let mut left_out = 0;
        while let Some((_, first)) = records.first() {
            if !self.takes(first) {
                left_out += 1;
                records = &records[1..];
                continue;
            }
            // Records of one kind come in long runs.
            let same = |(_, r): &Timed<'_>| r.get(..2) == first.get(..2) && self.takes(r);
            let length = records.iter().position(|record| !same(record)).unwrap_or(records.len());
            let (run, rest) = records.split_at(length);
            self.push_run(cpu, run);
            records = rest;
        }
        left_out
    }

    /// Adds records of one kind.
    fn push_run(&mut self, cpu: u32, run: &[Timed<'_>]) {
        let Some(index) = run.first().and_then(|(_, record)| self.index_of(record)) else { return };
        let layout = &self.schema.layouts()[index];
        let rows = &mut self.rows[index];
        let first = rows.keys.len();
        let identities = &mut self.identities;
        rows.keys.extend(run.iter().map(|(_, record)| identities.number(index, layout, record)));
        rows.push(run);
        self.row_keys.extend_from_slice(&rows.keys[first..]);
        self.times.extend(run.iter().map(|(time, _)| time));
        match self.chunks.last_mut() {
            Some((last, rows)) if *last == cpu => *rows += run.len() as u32,
            _ => self.chunks.push((cpu, run.len() as u32)),
        }
        for (_, record) in run {
            let pid = u64::from(u32_at(record, PID_OFFSET));
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
        self.scratch.clear();
        self.scratch.extend(self.row_keys.iter().map(|&key| u64::from(key)));
        self.put_scratch(out);
        for index in 0..self.rows.len() {
            if !self.rows[index].keys.is_empty() {
                self.put_rows(index, id, out);
            }
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
            let ends = match self.rows[key.layout].reader.read(template) {
                Some(Event::TcpProbe(event)) => (event.src, event.dest),
                Some(Event::TcpRetransmitSkb(event)) => (event.src, event.dest),
                // An event whose connection is not known may be of any.
                None => {
                    filter = [u64::MAX; 4];
                    continue;
                }
            };
            let (word, bit) = connection_bit(connection_id(ends.0, ends.1));
            filter[word] |= bit;
        }
        filter
    }

    fn put_chunks(&self, out: &mut Vec<u8>) {
        put_varint(out, self.chunks.len() as u64);
        for &(cpu, rows) in &self.chunks {
            put_varint(out, u64::from(cpu));
            put_varint(out, u64::from(rows));
        }
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

    /// Each time as the difference to the one before it of the same CPU, the first to the block's earliest.
    fn put_times(&mut self, earliest: u64, out: &mut Vec<u8>) {
        self.scratch.clear();
        let mut last: Vec<(u32, u64)> = Vec::new();
        let mut times = self.times.iter();
        for &(cpu, rows) in &self.chunks {
            let place = last.iter().position(|&(known, _)| known == cpu).unwrap_or_else(|| {
                last.push((cpu, earliest));
                last.len() - 1
            });
            let mut before = last[place].1;
            for &time in times.by_ref().take(rows as usize) {
                self.scratch.push(time.wrapping_sub(before));
                before = time;
            }
            last[place].1 = before;
        }
        self.put_scratch(out);
    }

    /// The columns of one kind of event: for each the first value of each identity, and the differences behind it.
    fn put_rows(&mut self, index: usize, id: impl Fn(u64) -> u64, out: &mut Vec<u8>) {
        self.order_by_identity(index);
        let rows = std::mem::take(&mut self.rows[index]);
        for (part, values) in &rows.columns {
            match values {
                Values32Or64::Narrow(values) => {
                    self.put_differences(
                        values,
                        |from, to| zigzag(i64::from(to.wrapping_sub(from).cast_signed())),
                        out,
                    );
                }
                Values32Or64::Wide(values) if part.pointer => {
                    self.number_pointers(values);
                    self.put_pointers(&id, out);
                    self.put_scratch(out);
                }
                Values32Or64::Wide(values) => {
                    self.put_differences(values, |from, to| zigzag(to.wrapping_sub(from).cast_signed()), out);
                }
            }
        }
        self.rows[index] = rows;
    }

    /// Appends a column: what each identity begins with, told from the identity before; then, for all events but
    /// the first of each, what is told from the event before.
    fn put_differences<T: Copy + Default + PartialEq>(
        &mut self,
        values: &[T],
        difference: impl Fn(T, T) -> u64,
        out: &mut Vec<u8>,
    ) {
        self.scratch.clear();
        let mut before = T::default();
        for &start in &self.starts {
            let first = values[self.order[start as usize] as usize];
            self.scratch.push(difference(before, first));
            before = first;
        }
        self.put_scratch(out);
        self.scratch.clear();
        if values.iter().any(|&value| value != before) {
            let ends = self.starts.iter().skip(1).copied().chain([self.order.len() as u32]);
            for (&start, end) in self.starts.iter().zip(ends) {
                let group = &self.order[start as usize..end as usize];
                let mut before = values[group[0] as usize];
                self.scratch.extend(group[1..].iter().map(|&row| {
                    let value = values[row as usize];
                    let told = difference(before, value);
                    before = value;
                    told
                }));
            }
        }
        self.put_scratch(out);
    }

    /// Fills `scratch` with the numbers of the pointers among the distinct ones, by identity.
    fn number_pointers(&mut self, values: &[u64]) {
        self.scratch.clear();
        self.pointers.clear();
        let (mut last, mut number) = (None, 0);
        for &row in &self.order {
            let value = values[row as usize];
            if last != Some(value) {
                number = self.pointers.number(value);
                last = Some(value);
            }
            self.scratch.push(u64::from(number));
        }
    }

    /// The distinct pointers as ids, turned into planes of bytes.
    fn put_pointers(&mut self, id: impl Fn(u64) -> u64, out: &mut Vec<u8>) {
        let ids: Vec<[u8; 8]> = self.pointers.list().iter().map(|&pointer| id(pointer).to_le_bytes()).collect();
        let planes: Vec<u8> = (0..8).flat_map(|plane| ids.iter().map(move |id| id[plane])).collect();
        self.columns.encode_bytes(&planes, out);
    }

    /// Fills `order` with the rows of one kind, by identity, those of one identity in the order of arrival.
    fn order_by_identity(&mut self, index: usize) {
        let keys = &self.rows[index].keys;
        let mut next = vec![0u32; self.identities.keys.len()];
        let mut start = 0;
        self.starts.clear();
        for (place, key) in next.iter_mut().zip(&self.identities.keys) {
            if key.layout == index {
                *place = start;
                self.starts.push(start);
                start += key.rows;
            }
        }
        self.order.clear();
        self.order.resize(keys.len(), 0);
        for (row, &key) in keys.iter().enumerate() {
            let place = &mut next[key as usize];
            self.order[*place as usize] = row as u32;
            *place += 1;
        }
    }

    /// Appends the column in `scratch`, its length before it.
    fn put_scratch(&mut self, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend([0; 4]);
        self.columns.encode(&self.scratch, out);
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

impl Default for Rows {
    fn default() -> Self {
        Rows { reader: EventReader::Untyped, columns: Vec::new(), keys: Vec::new() }
    }
}

fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(seed, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    })
}
