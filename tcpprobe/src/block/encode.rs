//! From records to a block.

use std::sync::Arc;

use super::bits::{put_bytes, put_varint};
use super::column::{ColumnEncoder, zigzag};
use super::opaque::PointerKey;
use super::schema::{Layout, Part, Schema};
use super::table::{Numbering, Values, mix};
use super::{BlockHead, connection_bit, connection_id};
use crate::event::{Event, EventReader};

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

    /// Takes the columns out of `record`, which has all fixed fields.
    #[inline]
    fn push(&mut self, record: &[u8], key: u32) {
        self.keys.push(key);
        for (part, values) in &mut self.columns {
            let bytes = &record[part.offset..part.offset + part.size];
            match values {
                Values32Or64::Narrow(values) => values.push(match *bytes {
                    [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
                    [a, b] => u32::from(u16::from_le_bytes([a, b])),
                    [a] => u32::from(a),
                    _ => 0,
                }),
                Values32Or64::Wide(values) => values.push(bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))),
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
#[derive(Debug, Clone, Copy)]
struct Key {
    layout: u32,
    /// Where its bytes end in [`BlockBuilder::identities`]; they begin where the one before ends.
    end: u32,
    rows: u32,
}

/// What only the capture knows about a block.
#[derive(Debug, Clone, Default)]
pub struct Seal {
    /// Counts the blocks of the run.
    pub sequence: u64,
    /// See [`BlockHead::complete_until`].
    pub complete_until: u64,
    /// See [`BlockHead::pages`].
    pub pages: std::ops::Range<u64>,
}

/// Gathers records until they are sealed into a block; keeps its memory from block to block.
#[derive(Debug)]
pub struct BlockBuilder {
    schema: Arc<Schema>,
    rows: Vec<Rows>,
    numbering: Numbering,
    keys: Vec<Key>,
    identities: Vec<u8>,
    times: Vec<u64>,
    row_keys: Vec<u32>,
    /// Runs of rows of one CPU.
    chunks: Vec<(u32, u32)>,
    pids: Values,
    pid_last: u64,
    columns: ColumnEncoder,
    pointers: Values,
    scratch: Vec<u64>,
    order: Vec<u32>,
}

impl BlockBuilder {
    /// For records of this schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        BlockBuilder {
            rows: schema.layouts().iter().map(Rows::new).collect(),
            schema,
            numbering: Numbering::default(),
            keys: Vec::new(),
            identities: Vec::new(),
            times: Vec::new(),
            row_keys: Vec::new(),
            chunks: Vec::new(),
            pids: Values::default(),
            pid_last: u64::MAX,
            columns: ColumnEncoder::default(),
            pointers: Values::default(),
            scratch: Vec::new(),
            order: Vec::new(),
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

    /// Adds a record of `cpu`; `false` where the schema does not know its kind or it is too short for it.
    #[inline]
    pub fn push(&mut self, cpu: u32, time: u64, record: &[u8]) -> bool {
        let Some(head) = record.first_chunk::<8>() else { return false };
        let schema = Arc::clone(&self.schema);
        let Some(index) = schema.index_of(u16::from_le_bytes([head[0], head[1]])) else { return false };
        let layout = &schema.layouts()[index];
        if record.len() < layout.size {
            return false;
        }
        let key = self.key(index, layout, record);
        self.keys[key as usize].rows += 1;
        self.rows[index].push(record, key);
        self.times.push(time);
        self.row_keys.push(key);
        match self.chunks.last_mut() {
            Some((last, rows)) if *last == cpu => *rows += 1,
            _ => self.chunks.push((cpu, 1)),
        }
        let pid = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        if pid != self.pid_last {
            self.pids.number(pid);
            self.pid_last = pid;
        }
        true
    }

    /// The number of the record's identity.
    #[inline]
    fn key(&mut self, index: usize, layout: &Layout, record: &[u8]) -> u32 {
        let tail = if layout.dynamic { &record[layout.size..] } else { &[] };
        let mut hash = mix(index as u64);
        if layout.hashed.is_empty() || layout.dynamic {
            for span in &layout.spans {
                hash = hash_bytes(hash, &record[span.clone()]);
            }
            hash = hash_bytes(hash, tail);
        } else {
            for &at in &layout.hashed {
                let word = record[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
                hash = mix(hash ^ word);
            }
        }
        let (keys, identities) = (&self.keys, &self.identities);
        let is = |number: u32| {
            let key = keys[number as usize];
            let start = if number == 0 { 0 } else { keys[number as usize - 1].end };
            let mut known = &identities[start as usize..key.end as usize];
            key.layout == index as u32
                && layout.spans.iter().all(|span| {
                    let (head, rest) = known.split_at(span.len());
                    known = rest;
                    head == &record[span.clone()]
                })
                && known == tail
        };
        let (number, new) = self.numbering.number(hash, is);
        if new {
            layout.spans.iter().for_each(|span| self.identities.extend_from_slice(&record[span.clone()]));
            self.identities.extend_from_slice(tail);
            self.keys.push(Key { layout: index as u32, end: self.identities.len() as u32, rows: 0 });
        }
        number
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
        self.numbering.clear();
        self.keys.clear();
        self.identities.clear();
        self.times.clear();
        self.row_keys.clear();
        self.chunks.clear();
        self.pids.clear();
        self.pid_last = u64::MAX;
    }

    /// A record of each identity with everything else 0, its dynamic part behind it, pointers as ids.
    fn templates(&self, id: impl Fn(u64) -> u64) -> Vec<Vec<u8>> {
        let mut start = 0;
        let mut template = |key: &Key| {
            let layout = &self.schema.layouts()[key.layout as usize];
            let mut record = vec![0; layout.size];
            let mut known = &self.identities[start..key.end as usize];
            start = key.end as usize;
            for span in &layout.spans {
                let (head, rest) = known.split_at(span.len());
                record[span.clone()].copy_from_slice(head);
                known = rest;
            }
            record.extend_from_slice(known);
            for part in layout.identity.iter().filter(|part| part.pointer) {
                let field = &mut record[part.offset..part.offset + 8];
                let pointer = field.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
                field.copy_from_slice(&id(pointer).to_le_bytes());
            }
            record
        };
        self.keys.iter().map(&mut template).collect()
    }

    fn connections(&self, templates: &[Vec<u8>]) -> [u64; 4] {
        let mut filter = [0; 4];
        for (key, template) in self.keys.iter().zip(templates) {
            let ends = match self.rows[key.layout as usize].reader.read(template) {
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
        put_varint(out, self.keys.len() as u64);
        for (key, template) in self.keys.iter().zip(templates) {
            let layout = &self.schema.layouts()[key.layout as usize];
            put_varint(out, u64::from(key.layout));
            put_varint(out, u64::from(key.rows));
            if layout.dynamic {
                put_bytes(out, &template[layout.size..]);
            }
        }
        let mut bytes = Vec::with_capacity(self.identities.len());
        for (index, layout) in self.schema.layouts().iter().enumerate() {
            let of_kind = || self.keys.iter().zip(templates).filter(|(key, _)| key.layout as usize == index);
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

    /// The columns of one kind of event.
    fn put_rows(&mut self, index: usize, id: impl Fn(u64) -> u64, out: &mut Vec<u8>) {
        self.order_by_identity(index);
        let rows = std::mem::take(&mut self.rows[index]);
        for (part, values) in &rows.columns {
            self.scratch.clear();
            match values {
                Values32Or64::Narrow(values) => {
                    let mut last = 0;
                    self.scratch.extend(self.order.iter().map(|&row| {
                        let value = values[row as usize];
                        let delta = value.wrapping_sub(last).cast_signed();
                        last = value;
                        zigzag(i64::from(delta))
                    }));
                }
                Values32Or64::Wide(values) if part.pointer => {
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
                    self.put_pointers(&id, out);
                }
                Values32Or64::Wide(values) => {
                    let mut last = 0;
                    self.scratch.extend(self.order.iter().map(|&row| {
                        let value = values[row as usize];
                        let delta = value.wrapping_sub(last).cast_signed();
                        last = value;
                        zigzag(delta)
                    }));
                }
            }
            self.put_scratch(out);
        }
        self.rows[index] = rows;
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
        let mut next = vec![0u32; self.keys.len()];
        let mut start = 0;
        for (place, key) in next.iter_mut().zip(&self.keys) {
            if key.layout as usize == index {
                *place = start;
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
