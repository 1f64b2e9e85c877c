//! From a block back to records.

use std::sync::Arc;

use super::bits::Cursor;
use super::column::ColumnDecoder;
use super::deflate::inflate_bytes;
use super::matrix::{Events, Matrix};
use super::rows::GROUP;
use super::schema::{Layout, Part, Schema};
use super::{BlockError, BlockHead, EVENTS_MAX, connection_id};
use crate::event::{EventReader, Record};

/// Largest dynamic part of an identity: a record lies in a sub-buffer of at most 1 MiB.
const IDENTITY_BYTES_MAX: usize = 1 << 20;
/// Most bytes of all identities of a block together.
const IDENTITIES_BYTES_MAX: usize = 256 << 20;
/// Most values of all columns of a block together: a column that never changes takes no room in it, but in memory.
const VALUES_MAX: usize = 64 << 20;
/// Longest name of a task, with room to spare (`TASK_COMM_LEN` is 16).
const COMM_BYTES_MAX: usize = 256;

/// What is wanted of a block: nothing else is decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Names of fields; others are 0 in the records, but for those that tell what an event is about (addresses, ports,
    /// cookie), which are always there. `None` for all.
    pub fields: Option<Arc<[String]>>,
    /// Only events of the connection of this id ([`connection_id`]), and those whose connection is not known.
    pub connection: Option<u64>,
}

impl Projection {
    /// These fields, of all connections.
    #[must_use]
    pub fn fields<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Projection { fields: Some(names.into_iter().map(Into::into).collect()), connection: None }
    }

    /// A bit for each column that is wanted.
    fn columns(&self, layout: &Layout, parts: &[Part]) -> u32 {
        let Some(names) = &self.fields else { return u32::MAX };
        let wanted = |part: &Part| {
            let fields = &layout.format.fields;
            let field = fields.iter().find(|f| (f.offset..f.offset + f.size).contains(&(part.offset as u32)));
            // The dynamic part of a record is found by its column, and its task by pid.
            field.is_none_or(|f| names.contains(&f.name) || f.name == "common_pid" || f.kind.is_dynamic())
        };
        parts.iter().enumerate().fold(0, |set, (at, part)| set | u32::from(wanted(part)) << at)
    }

    /// Whether events of this identity are.
    fn holds(&self, layout: &Layout, record: &[u8]) -> bool {
        let Some(connection) = self.connection else { return true };
        let event = EventReader::new(&layout.format).read(record);
        event.is_none_or(|event| {
            let (local, peer) = event.ends();
            connection_id(local, peer) == connection
        })
    }
}

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
    place: u32,
}

/// An identity: the record of an event with all columns 0.
#[derive(Debug)]
struct Key {
    layout: usize,
    rows: u32,
    /// Its number among the identities of its kind.
    place: u32,
    record: Vec<u8>,
}

/// A decoded block.
#[derive(Debug)]
pub struct Block {
    /// Its head.
    pub head: BlockHead,
    schema: Arc<Schema>,
    tasks: Vec<(i32, Option<String>)>,
    keys: Vec<Key>,
    rows: Vec<Row>,
    /// By kind of event.
    columns: Vec<Vec<Matrix>>,
}

impl Block {
    /// Decodes a block's payload, or what is wanted of it.
    ///
    /// # Errors
    /// When it does not belong to `schema` or is not what the encoder writes.
    pub fn decode(payload: &[u8], schema: &Arc<Schema>, wanted: Projection) -> Result<Self, BlockError> {
        let head = BlockHead::decode(payload)?;
        if head.schema != schema.id() {
            return Err(BlockError("of another schema"));
        }
        let mut cursor = Cursor(&payload[super::HEAD_BYTES..]);
        let mut decoder = ColumnDecoder::default();
        let chunks = read_chunks(&mut cursor, &mut decoder, head.events)?;
        let tasks = read_tasks(&mut cursor).ok_or(BlockError("bad list of tasks"))?;
        let keys = read_keys(&mut cursor, schema, head.events).ok_or(BlockError("bad list of identities"))?;
        let layouts = schema.layouts();
        let held: Vec<bool> = keys.iter().map(|key| wanted.holds(&layouts[key.layout], &key.record)).collect();
        let (mut low, mut high) = (Vec::new(), Vec::new());
        decoder.decode(&mut cursor, head.events as usize, &mut low)?;
        decoder.decode(&mut cursor, head.events as usize, &mut high)?;
        let mut rows = times(&chunks, &low, &high, head.times.0);
        let numbers = &mut low;
        decoder.decode(&mut cursor, head.events as usize, numbers)?;
        let kinds = split(numbers, &keys, &held, layouts.len())?;
        let values = layouts.iter().zip(&kinds).map(|(layout, events)| layout.columns.len() * events.identities.len());
        if values.sum::<usize>() > VALUES_MAX {
            return Err(BlockError("more values than a block may have"));
        }
        place(&mut rows, numbers, &keys, &held);

        let mut columns = Vec::new();
        for (layout, events) in layouts.iter().zip(&kinds) {
            let groups = if events.groups.is_empty() { &[] } else { &layout.columns[..] };
            let matrices = groups
                .chunks(GROUP)
                .map(|parts| Matrix::read(&mut cursor, &mut decoder, events, parts, wanted.columns(layout, parts)));
            columns.push(matrices.collect::<Result<_, _>>()?);
        }
        Ok(Block { head, schema: Arc::clone(schema), tasks, keys, rows, columns })
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

    /// The record of `row`, built in `buffer`. The bytes between fields, which no field describes, are 0.
    #[must_use]
    pub fn record<'a>(&'a self, row: &Row, buffer: &'a mut Vec<u8>) -> Record<'a> {
        let key = &self.keys[row.key as usize];
        let layout = &self.schema.layouts()[key.layout];
        buffer.clear();
        buffer.extend_from_slice(&key.record);
        self.columns[key.layout].iter().for_each(|columns| columns.put(row.place as usize, buffer));
        let pid = buffer.get(4..8).and_then(|b| b.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b));
        let task = self.tasks.binary_search_by_key(&pid, |task| task.0).ok();
        let comm = task.and_then(|place| self.tasks[place].1.as_deref());
        let (kind, index) = (layout.kind, key.layout);
        Record { time: row.time, cpu: row.cpu, comm, kind, index, format: &layout.format, bytes: buffer }
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

fn read_keys(cursor: &mut Cursor<'_>, schema: &Schema, events: u32) -> Option<Vec<Key>> {
    let count = cursor.count(events as usize)?;
    let mut keys = Vec::new();
    let mut places = vec![0u32; schema.layouts().len()];
    let mut total = 0u32;
    let mut room = IDENTITIES_BYTES_MAX;
    for _ in 0..count {
        let index = cursor.count(usize::from(u8::MAX))?;
        let layout = schema.layouts().get(index)?;
        let rows = u32::try_from(cursor.varint()?).ok().filter(|&rows| rows > 0)?;
        total = total.checked_add(rows)?;
        let place = places[index];
        places[index] += 1;
        let tail = if layout.dynamic { cursor.bytes().filter(|tail| tail.len() <= IDENTITY_BYTES_MAX)? } else { &[] };
        room = room.checked_sub(layout.size + tail.len())?;
        let mut record = vec![0; layout.size];
        record[..2].copy_from_slice(&layout.format.id.to_le_bytes());
        record.extend_from_slice(tail);
        keys.push(Key { layout: index, rows, place, record });
    }
    let identity_bytes =
        |key: &Key| schema.layouts()[key.layout].spans.iter().map(ExactSizeIterator::len).sum::<usize>();
    let bytes = inflate_bytes(cursor, keys.iter().map(identity_bytes).sum())?;
    let mut bytes = bytes.into_iter();
    for (index, layout) in schema.layouts().iter().enumerate() {
        if keys.iter().any(|key| key.layout == index) {
            for at in layout.spans.iter().flat_map(Clone::clone) {
                for key in keys.iter_mut().filter(|key| key.layout == index) {
                    key.record[at] = bytes.next()?;
                }
            }
        }
    }
    (total == events && bytes.next().is_none()).then_some(keys)
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

/// Splits the identities of all events by kind of event.
fn split(numbers: &[u32], keys: &[Key], held: &[bool], kinds: usize) -> Result<Vec<Events>, BlockError> {
    let mut split: Vec<Events> = Vec::new();
    split.resize_with(kinds, || Events { groups: Vec::new(), identities: Vec::new(), wanted: Vec::new() });
    for (key, &held) in keys.iter().zip(held) {
        let events = &mut split[key.layout];
        events.groups.push(key.rows);
        events.wanted.push(held);
    }
    for events in &mut split {
        events.identities.reserve_exact(events.groups.iter().map(|&rows| rows as usize).sum());
    }
    let mut left: Vec<u32> = keys.iter().map(|key| key.rows).collect();
    for &number in numbers {
        let left = left.get_mut(number as usize).ok_or(BlockError("an event of an identity that is not listed"))?;
        *left = left.checked_sub(1).ok_or(BlockError("more events of an identity than it has"))?;
        let key = &keys[number as usize];
        split[key.layout].identities.push(key.place);
    }
    Ok(split)
}

/// Gives each row its identity and its place among the wanted rows of its kind; drops those that are not wanted.
fn place(rows: &mut Vec<Row>, numbers: &[u32], keys: &[Key], held: &[bool]) {
    let mut next = vec![0u32; keys.iter().map(|key| key.layout + 1).max().unwrap_or(0)];
    for (row, &number) in rows.iter_mut().zip(numbers) {
        row.key = number;
        if held[number as usize] {
            let next = &mut next[keys[number as usize].layout];
            row.place = *next;
            *next += 1;
        }
    }
    if held.contains(&false) {
        rows.retain(|row| held[row.key as usize]);
    }
}
