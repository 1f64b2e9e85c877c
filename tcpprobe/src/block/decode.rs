//! From a block back to records.

use std::sync::Arc;

use super::bits::Cursor;
use super::column::{ColumnDecoder, inflate_bytes, unzigzag};
use super::schema::{Layout, Schema};
use super::{BlockError, BlockHead, EVENTS_MAX};
use crate::event::Record;

/// Largest dynamic part of an identity: a record lies in a sub-buffer of at most 1 MiB.
const IDENTITY_BYTES_MAX: usize = 1 << 20;
/// Most bytes of all identities of a block together.
const IDENTITIES_BYTES_MAX: usize = 256 << 20;
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
    /// Its place in the columns of its kind.
    place: u32,
}

/// An identity: the record of an event with all columns 0.
#[derive(Debug)]
struct Key {
    layout: usize,
    rows: u32,
    /// Its number among the identities of its kind.
    place: usize,
    record: Vec<u8>,
}

/// The values of one field.
#[derive(Debug)]
enum Column {
    /// One value for each identity of the kind.
    Constant(Vec<u64>),
    /// One for each event, in the order of the identities.
    Each(Vec<u64>),
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
    /// By kind of event, then by column.
    columns: Vec<Vec<Column>>,
}

impl Block {
    /// Decodes a block's payload.
    ///
    /// # Errors
    /// When it does not belong to `schema` or is not what the encoder writes.
    pub fn decode(payload: &[u8], schema: &Arc<Schema>) -> Result<Self, BlockError> {
        let head = BlockHead::decode(payload)?;
        if head.schema != schema.id() {
            return Err(BlockError("of another schema"));
        }
        let mut cursor = Cursor(&payload[super::HEAD_BYTES..]);
        let chunks = read_chunks(&mut cursor, head.events).ok_or(BlockError("bad list of CPUs"))?;
        let tasks = read_tasks(&mut cursor).ok_or(BlockError("bad list of tasks"))?;
        let keys = read_keys(&mut cursor, schema, head.events).ok_or(BlockError("bad list of identities"))?;
        let mut decoder = ColumnDecoder::default();
        let mut values = Vec::new();
        column(&mut cursor, &mut decoder, head.events as usize, &mut values)?;
        let mut rows = times(&chunks, &values, head.times.0);
        column(&mut cursor, &mut decoder, head.events as usize, &mut values)?;
        place(&mut rows, &values, &keys)?;

        let mut columns = Vec::new();
        for (index, layout) in schema.layouts().iter().enumerate() {
            let groups: Vec<u32> = keys.iter().filter(|key| key.layout == index).map(|key| key.rows).collect();
            columns.push(match groups.is_empty() {
                true => Vec::new(),
                false => read_columns(&mut cursor, &mut decoder, layout, &groups)?,
            });
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
        for (part, column) in layout.columns.iter().zip(&self.columns[key.layout]) {
            let value = match column {
                Column::Constant(values) => values[key.place],
                Column::Each(values) => values[row.place as usize],
            };
            put(&mut buffer[part.offset..], part.size, value);
        }
        let pid = buffer.get(4..8).and_then(|b| b.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b));
        let task = self.tasks.binary_search_by_key(&pid, |task| task.0).ok();
        let comm = task.and_then(|place| self.tasks[place].1.as_deref());
        Record { time: row.time, cpu: row.cpu, comm, format: &layout.format, bytes: buffer }
    }
}

/// Writes the low `size` bytes of `value`, of 1, 2, 4 or 8; each size on its own, for a copy of any length is a call.
#[inline]
fn put(out: &mut [u8], size: usize, value: u64) {
    let bytes = value.to_le_bytes();
    match size {
        8 => out[..8].copy_from_slice(&bytes),
        4 => out[..4].copy_from_slice(&bytes[..4]),
        2 => out[..2].copy_from_slice(&bytes[..2]),
        _ => out[0] = bytes[0],
    }
}

fn read_chunks(cursor: &mut Cursor<'_>, events: u32) -> Option<Vec<(u32, u32)>> {
    let count = cursor.count(EVENTS_MAX)?;
    let mut chunks = Vec::new();
    let mut total = 0u32;
    for _ in 0..count {
        let cpu = u32::try_from(cursor.varint()?).ok()?;
        let rows = u32::try_from(cursor.varint()?).ok()?;
        total = total.checked_add(rows)?;
        chunks.push((cpu, rows));
    }
    (total == events).then_some(chunks)
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
    let mut places = vec![0; schema.layouts().len()];
    let mut total = 0u32;
    for _ in 0..count {
        let index = cursor.count(usize::from(u8::MAX))?;
        let layout = schema.layouts().get(index)?;
        let rows = u32::try_from(cursor.varint()?).ok().filter(|&rows| rows > 0)?;
        total = total.checked_add(rows)?;
        let place = places[index];
        places[index] += 1;
        let mut record = vec![0; layout.size];
        record[..2].copy_from_slice(&layout.format.id.to_le_bytes());
        if layout.dynamic {
            record.extend_from_slice(cursor.bytes().filter(|tail| tail.len() <= IDENTITY_BYTES_MAX)?);
        }
        keys.push(Key { layout: index, rows, place, record });
    }
    let bytes = inflate_bytes(cursor, IDENTITIES_BYTES_MAX)?;
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

/// The next column of `count` values.
fn column(
    cursor: &mut Cursor<'_>,
    decoder: &mut ColumnDecoder,
    count: usize,
    values: &mut Vec<u64>,
) -> Result<(), BlockError> {
    Ok(decoder.decode(column_bytes(cursor)?, count, values)?)
}

/// The bytes of the next column.
fn column_bytes<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], BlockError> {
    cursor.u32().and_then(|length| cursor.take(length as usize)).ok_or(BlockError("column cut short"))
}

/// Rows with their times and CPUs, from the differences per CPU.
fn times(chunks: &[(u32, u32)], deltas: &[u64], earliest: u64) -> Vec<Row> {
    let mut rows = Vec::with_capacity(deltas.len());
    let mut last: Vec<(u32, u64)> = Vec::new();
    let mut deltas = deltas.iter();
    for &(cpu, count) in chunks {
        let place = last.iter().position(|&(known, _)| known == cpu).unwrap_or_else(|| {
            last.push((cpu, earliest));
            last.len() - 1
        });
        let mut time = last[place].1;
        for delta in deltas.by_ref().take(count as usize) {
            time = time.wrapping_add(*delta);
            rows.push(Row { time, cpu, key: 0, place: 0 });
        }
        last[place].1 = time;
    }
    rows
}

/// Gives each row its identity and its place in the columns.
fn place(rows: &mut [Row], numbers: &[u64], keys: &[Key]) -> Result<(), BlockError> {
    let mut starts = vec![0u32; keys.iter().map(|key| key.layout + 1).max().unwrap_or(0)];
    let mut next: Vec<(u32, u32)> = keys
        .iter()
        .map(|key| {
            let start = starts[key.layout];
            starts[key.layout] += key.rows;
            (start, starts[key.layout])
        })
        .collect();
    for (row, &number) in rows.iter_mut().zip(numbers) {
        let (place, end) = usize::try_from(number)
            .ok()
            .and_then(|number| next.get_mut(number))
            .ok_or(BlockError("an event of an identity that is not listed"))?;
        if place == end {
            return Err(BlockError("more events of an identity than it has"));
        }
        (row.key, row.place) = (number as u32, *place);
        *place += 1;
    }
    Ok(())
}

/// The columns of one kind of event, whose identities have `groups` events each.
fn read_columns(
    cursor: &mut Cursor<'_>,
    decoder: &mut ColumnDecoder,
    layout: &Layout,
    groups: &[u32],
) -> Result<Vec<Column>, BlockError> {
    let count = groups.iter().map(|&rows| rows as usize).sum();
    layout
        .columns
        .iter()
        .map(|part| match part.pointer && part.size == 8 {
            true => read_pointers(cursor, decoder, count),
            false => read_differences(cursor, decoder, groups, count),
        })
        .collect()
}

fn read_pointers(cursor: &mut Cursor<'_>, decoder: &mut ColumnDecoder, count: usize) -> Result<Column, BlockError> {
    let planes = inflate_bytes(cursor, count * 8).ok_or(BlockError("bad list of pointers"))?;
    let distinct = planes.len() / 8;
    let pointer =
        |number: usize| (0..8).fold(0, |id, plane| id | u64::from(planes[plane * distinct + number]) << (8 * plane));
    let pointers: Vec<u64> = (0..distinct).map(pointer).collect();
    let mut values = Vec::new();
    column(cursor, decoder, count, &mut values)?;
    for value in &mut values {
        let known = usize::try_from(*value).ok().and_then(|number| pointers.get(number));
        *value = *known.ok_or(BlockError("a pointer that is not listed"))?;
    }
    Ok(Column::Each(values))
}

fn read_differences(
    cursor: &mut Cursor<'_>,
    decoder: &mut ColumnDecoder,
    groups: &[u32],
    count: usize,
) -> Result<Column, BlockError> {
    let mut firsts = Vec::new();
    column(cursor, decoder, groups.len(), &mut firsts)?;
    let mut last = 0i64;
    for first in &mut firsts {
        last = last.wrapping_add(unzigzag(*first));
        *first = last.cast_unsigned();
    }
    let bytes = column_bytes(cursor)?;
    if ColumnDecoder::is_zero(bytes) {
        return Ok(Column::Constant(firsts));
    }
    let mut told = Vec::new();
    decoder.decode(bytes, count - groups.len(), &mut told)?;
    let mut values = Vec::with_capacity(count);
    let mut told = &told[..];
    for (&first, &rows) in firsts.iter().zip(groups) {
        let (own, rest) = told.split_at(rows as usize - 1);
        told = rest;
        values.push(first);
        let mut last = first.cast_signed();
        values.extend(own.iter().map(|&difference| {
            last = last.wrapping_add(unzigzag(difference));
            last.cast_unsigned()
        }));
    }
    Ok(Column::Each(values))
}
