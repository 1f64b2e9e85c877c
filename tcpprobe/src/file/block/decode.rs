//! From a block back to records.

use std::ops::Range;
use std::sync::Arc;

use super::bits::Cursor;
use super::column::ColumnDecoder;
use super::column_group::{ColumnGroup, Events};
use super::deflate::inflate_bytes;
use super::projection::Projection;
use super::rows::GROUP;
use super::schema::{Layout, Schema};
use super::{BlockError, BlockHead, EVENTS_MAX};
use crate::event::Record;

/// Largest dynamic part of an identity: a record lies in a sub-buffer of at most 1 MiB.
const IDENTITY_BYTES_MAX: usize = 1 << 20;
/// Most bytes of all identities of a block together.
const IDENTITIES_BYTES_MAX: usize = 256 << 20;
/// Most values of all columns of a block together: a column that never changes takes no room in it, but in memory.
const VALUES_MAX: usize = 64 << 20;
/// Longest name of a task, with room to spare (`TASK_COMM_LEN` is 16).
const COMM_BYTES_MAX: usize = 256;

/// One event of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Nanoseconds in the trace's clock.
    pub time: u64,
    /// The CPU that recorded it.
    pub cpu: u32,
    /// Number of its identity.
    pub key: u32,
    /// Its place among the wanted events of its kind.
    pub(super) place: u32,
}

/// An identity of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub layout: u32,
    /// Its number among the identities of its kind.
    place: u32,
    pub rows: u32,
    /// Where its record is in the list of those, and how long: one with all columns 0.
    at: u32,
    length: u32,
}

impl Key {
    fn range(&self) -> Range<usize> {
        self.at as usize..self.at as usize + self.length as usize
    }
}

/// A decoded block.
#[derive(Debug)]
pub struct Block {
    /// Its head.
    pub head: BlockHead,
    schema: Arc<Schema>,
    tasks: Vec<(i32, Option<String>)>,
    pub(super) keys: Vec<Key>,
    /// The records of all identities.
    records: Vec<u8>,
    rows: Vec<Row>,
    /// By kind of event.
    pub(super) columns: Vec<Vec<ColumnGroup>>,
}

impl Block {
    /// Decodes a block's payload, or what is wanted of it.
    ///
    /// # Errors
    /// When it does not belong to `schema` or is not what the encoder writes.
    pub fn decode(payload: &[u8], schema: &Arc<Schema>, wanted: &Projection) -> Result<Self, BlockError> {
        let head = BlockHead::decode(payload)?;
        if head.schema != schema.id() {
            return Err(BlockError("of another schema"));
        }
        let mut cursor = Cursor(&payload[super::HEAD_BYTES..]);
        let mut decoder = ColumnDecoder::default();
        let chunks = read_chunks(&mut cursor, &mut decoder, head.events)?;
        let tasks = read_tasks(&mut cursor).ok_or(BlockError("bad list of tasks"))?;
        let bad = BlockError("bad list of identities");
        let (keys, records) = read_keys(&mut cursor, schema, head.events).ok_or(bad)?;
        let layouts = schema.layouts();
        let is_held = |key: &Key| wanted.holds(&layouts[key.layout as usize], &records[key.range()]);
        let held: Vec<bool> = keys.iter().map(is_held).collect();
        let (mut low, mut high) = (Vec::new(), Vec::new());
        decoder.decode(&mut cursor, head.events as usize, &mut low)?;
        decoder.decode(&mut cursor, head.events as usize, &mut high)?;
        let mut rows = times(&chunks, &low, &high, head.times.0);
        let numbers = &mut low;
        decoder.decode(&mut cursor, head.events as usize, numbers)?;
        let kinds = split(&mut rows, numbers, &keys, &held, layouts.len())?;
        let values = layouts.iter().zip(&kinds).map(|(layout, events)| layout.columns.len() * events.identities.len());
        if values.sum::<usize>() > VALUES_MAX {
            return Err(BlockError("more values than a block may have"));
        }
        if held.contains(&false) {
            rows.retain(|row| held[row.key as usize]);
        }

        let mut columns = Vec::new();
        for (layout, events) in layouts.iter().zip(&kinds) {
            let parts = if events.groups.is_empty() { &[] } else { &layout.columns[..] };
            let groups = parts.chunks(GROUP).map(|parts| {
                ColumnGroup::read(&mut cursor, &mut decoder, events, parts, wanted.columns(layout, parts))
            });
            columns.push(groups.collect::<Result<_, _>>()?);
        }
        Ok(Block { head, schema: Arc::clone(schema), tasks, keys, records, rows, columns })
    }

    /// The events in the order of arrival: per CPU that of the ring buffer.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The schema that explains the records.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Number of identities, which [`Row::key`] counts.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The record of the identity `key`, with all columns 0.
    pub(super) fn template(&self, key: &Key) -> &[u8] {
        &self.records[key.range()]
    }

    /// The name of the task `pid`, where the kernel knew it.
    #[must_use]
    pub fn comm(&self, pid: i32) -> Option<&str> {
        let task = self.tasks.binary_search_by_key(&pid, |task| task.0).ok()?;
        self.tasks[task].1.as_deref()
    }

    /// The record of `row`, built in `buffer`. The bytes between fields, which no field describes, are 0.
    #[must_use]
    pub fn record<'a>(&'a self, row: &Row, buffer: &'a mut Vec<u8>) -> Record<'a> {
        let key = &self.keys[row.key as usize];
        let index = key.layout as usize;
        let layout = &self.schema.layouts()[index];
        buffer.clear();
        buffer.extend_from_slice(self.template(key));
        self.columns[index].iter().for_each(|columns| columns.put(row.place as usize, buffer));
        let pid = buffer.get(4..8).and_then(|b| b.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b));
        let (comm, kind) = (self.comm(pid), layout.kind);
        Record { time: row.time, cpu: row.cpu, comm, kind, index, format: &layout.format, bytes: buffer }
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tasks: usize = self.tasks.iter().map(|(_, name)| 32 + name.as_ref().map_or(0, String::len)).sum();
        let groups: usize = self.columns.iter().flatten().map(ColumnGroup::memory_bytes).sum();
        let rows = self.rows.capacity() * size_of::<Row>() + self.keys.capacity() * size_of::<Key>();
        size_of::<Self>() + 24 * self.columns.len() + tasks + rows + self.records.capacity() + groups
    }
}

/// Runs of events of one CPU.
fn read_chunks(
    cursor: &mut Cursor<'_>,
    decoder: &mut ColumnDecoder,
    events: u32,
) -> Result<Vec<(u32, u32)>, BlockError> {
    let bad = BlockError("bad list of CPUs");
    let count = cursor.count(events as usize).ok_or(bad)?;
    let (mut cpus, mut rows) = (Vec::new(), Vec::new());
    decoder.decode(cursor, count, &mut cpus)?;
    decoder.decode(cursor, count, &mut rows)?;
    let total = rows.iter().try_fold(0u32, |total, &rows| total.checked_add(rows));
    if total == Some(events) { Ok(cpus.into_iter().zip(rows).collect()) } else { Err(bad) }
}

fn read_tasks(cursor: &mut Cursor<'_>) -> Option<Vec<(i32, Option<String>)>> {
    let count = cursor.count(EVENTS_MAX)?;
    let mut tasks = Vec::new();
    for _ in 0..count {
        let pid = u32::try_from(cursor.varint()?).ok()?.cast_signed();
        let name = match cursor.count(COMM_BYTES_MAX)? {
            0 => None,
            length => Some(String::from_utf8_lossy(cursor.take(length - 1)?).into_owned()),
        };
        tasks.push((pid, name));
    }
    tasks.sort_by_key(|task| task.0);
    Some(tasks)
}

/// The identities, and their records one behind the other.
fn read_keys(cursor: &mut Cursor<'_>, schema: &Schema, events: u32) -> Option<(Vec<Key>, Vec<u8>)> {
    let layouts = schema.layouts();
    let count = cursor.count(events as usize)?;
    let (mut keys, mut records) = (Vec::new(), Vec::new());
    // Where the records are of the identities of each kind.
    let mut starts: Vec<Vec<u32>> = vec![Vec::new(); layouts.len()];
    let mut total = 0u32;
    for _ in 0..count {
        let index = cursor.count(usize::from(u8::MAX))?;
        let layout = layouts.get(index)?;
        let rows = u32::try_from(cursor.varint()?).ok().filter(|&rows| rows > 0)?;
        total = total.checked_add(rows)?;
        let tail = if layout.dynamic { cursor.bytes().filter(|tail| tail.len() <= IDENTITY_BYTES_MAX)? } else { &[] };
        let (at, length) = (records.len(), layout.size + tail.len());
        if at + length > IDENTITIES_BYTES_MAX {
            return None;
        }
        records.resize(at + layout.size, 0);
        records[at..at + 2].copy_from_slice(&layout.format.id.to_le_bytes());
        records.extend_from_slice(tail);
        let (at, place) = (at as u32, starts[index].len() as u32);
        starts[index].push(at);
        keys.push(Key { layout: index as u32, place, rows, at, length: length as u32 });
    }
    let identity_bytes = |layout: &Layout| layout.spans.iter().map(ExactSizeIterator::len).sum::<usize>();
    let sizes = layouts.iter().zip(&starts).map(|(layout, starts)| identity_bytes(layout) * starts.len());
    let bytes = inflate_bytes(cursor, sizes.sum())?;
    let mut bytes = &bytes[..];
    for (layout, starts) in layouts.iter().zip(&starts).filter(|(_, starts)| !starts.is_empty()) {
        for at in layout.spans.iter().flat_map(Clone::clone) {
            let (column, rest) = bytes.split_at_checked(starts.len())?;
            starts.iter().zip(column).for_each(|(&start, &byte)| records[start as usize + at] = byte);
            bytes = rest;
        }
    }
    (total == events && bytes.is_empty()).then_some((keys, records))
}

/// Rows with their times and CPUs, from the halves of the differences per CPU.
fn times(chunks: &[(u32, u32)], low: &[u32], high: &[u32], earliest: u64) -> Vec<Row> {
    let mut rows = Vec::with_capacity(low.len());
    let mut last: Vec<(u32, u64)> = Vec::new();
    let mut halves = low.iter().zip(high);
    for &(cpu, count) in chunks {
        let place = last.iter().position(|&(known, _)| known == cpu).unwrap_or_else(|| {
            last.push((cpu, earliest));
            last.len() - 1
        });
        let mut time = last[place].1;
        rows.extend(halves.by_ref().take(count as usize).map(|(&low, &high)| {
            time = time.wrapping_add(u64::from(high) << 32 | u64::from(low));
            Row { time, cpu, key: 0, place: 0 }
        }));
        last[place].1 = time;
    }
    rows
}

/// What is left of an identity while its events are found.
struct Left {
    rows: u32,
    kind: u32,
    place: u32,
    /// 1 where its events are wanted.
    held: u32,
}

/// The events of a kind while they are found.
struct Split {
    identities: Vec<u32>,
    /// How many were found, and how many of them are wanted.
    events: usize,
    wanted: u32,
}

impl Split {
    fn new(events: &Events) -> Self {
        let count = events.groups.iter().map(|&rows| rows as usize).sum();
        Split { identities: vec![0; count], events: 0, wanted: 0 }
    }
}

impl Left {
    fn new(key: &Key, held: bool) -> Self {
        Left { rows: key.rows, kind: key.layout, place: key.place, held: u32::from(held) }
    }
}

/// Gives each row its identity and its place among the wanted rows of its kind, and splits the identities of all events by
/// kind.
fn split(
    rows: &mut [Row],
    numbers: &[u32],
    keys: &[Key],
    held: &[bool],
    kinds: usize,
) -> Result<Vec<Events>, BlockError> {
    let mut split: Vec<Events> = Vec::new();
    split.resize_with(kinds, Events::default);
    for (key, &held) in keys.iter().zip(held) {
        let events = &mut split[key.layout as usize];
        events.groups.push(key.rows);
        events.wanted.push(held);
    }
    let mut left: Vec<Left> = keys.iter().zip(held).map(|(key, &held)| Left::new(key, held)).collect();
    let mut kinds: Vec<Split> = split.iter().map(Split::new).collect();
    for (row, &number) in rows.iter_mut().zip(numbers) {
        let left = left.get_mut(number as usize).ok_or(BlockError("an event of an identity that is not listed"))?;
        let kind = &mut kinds[left.kind as usize];
        // The list is as long as its identities have events, in all.
        let Some(identity) = kind.identities.get_mut(kind.events).filter(|_| left.rows > 0) else {
            return Err(BlockError("more events of an identity than it has"));
        };
        left.rows -= 1;
        *identity = left.place;
        kind.events += 1;
        (row.key, row.place) = (number, kind.wanted);
        kind.wanted += left.held;
    }
    split.iter_mut().zip(kinds).for_each(|(events, kind)| events.identities = kind.identities);
    Ok(split)
}
