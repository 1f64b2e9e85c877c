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
    /// By kind of event, then by column, all values in the order of the identities.
    columns: Vec<Vec<Vec<u64>>>,
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

        let mut columns: Vec<Vec<Vec<u64>>> = schema.layouts().iter().map(|_| Vec::new()).collect();
        for (index, layout) in schema.layouts().iter().enumerate() {
            let count: usize = keys.iter().filter(|key| key.layout == index).map(|key| key.rows as usize).sum();
            if count > 0 {
                columns[index] = read_columns(&mut cursor, &mut decoder, layout, count)?;
            }
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
        for (part, values) in layout.columns.iter().zip(&self.columns[key.layout]) {
            let bytes = values[row.place as usize].to_le_bytes();
            buffer[part.offset..part.offset + part.size].copy_from_slice(&bytes[..part.size]);
        }
        let pid = buffer.get(4..8).and_then(|b| b.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b));
        let comm = self.tasks.iter().find(|task| task.0 == pid).and_then(|task| task.1.as_deref());
        Record { time: row.time, cpu: row.cpu, comm, format: &layout.format, bytes: buffer }
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
    Some(tasks)
}

fn read_keys(cursor: &mut Cursor<'_>, schema: &Schema, events: u32) -> Option<Vec<Key>> {
    let count = cursor.count(events as usize)?;
    let mut keys = Vec::new();
    let mut total = 0u32;
    for _ in 0..count {
        let index = cursor.count(usize::from(u8::MAX))?;
        let layout = schema.layouts().get(index)?;
        let rows = u32::try_from(cursor.varint()?).ok()?;
        total = total.checked_add(rows)?;
        let mut record = vec![0; layout.size];
        record[..2].copy_from_slice(&layout.format.id.to_le_bytes());
        if layout.dynamic {
            record.extend_from_slice(cursor.bytes().filter(|tail| tail.len() <= IDENTITY_BYTES_MAX)?);
        }
        keys.push(Key { layout: index, rows, record });
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
    let bytes = cursor.u32().and_then(|length| cursor.take(length as usize)).ok_or(BlockError("column cut short"))?;
    Ok(decoder.decode(bytes, count, values)?)
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

fn read_columns(
    cursor: &mut Cursor<'_>,
    decoder: &mut ColumnDecoder,
    layout: &Layout,
    count: usize,
) -> Result<Vec<Vec<u64>>, BlockError> {
    let mut columns = Vec::with_capacity(layout.columns.len());
    for part in &layout.columns {
        let mut values = Vec::new();
        if part.pointer && part.size == 8 {
            let planes = inflate_bytes(cursor, count * 8).ok_or(BlockError("bad list of pointers"))?;
            let distinct = planes.len() / 8;
            let pointer = |number: usize| {
                (0..8).fold(0u64, |id, plane| id | u64::from(planes[plane * distinct + number]) << (8 * plane))
            };
            let pointers: Vec<u64> = (0..distinct).map(pointer).collect();
            column(cursor, decoder, count, &mut values)?;
            for value in &mut values {
                *value = usize::try_from(*value)
                    .ok()
                    .and_then(|number| pointers.get(number).copied())
                    .ok_or(BlockError("a pointer that is not listed"))?;
            }
        } else {
            column(cursor, decoder, count, &mut values)?;
            let mut last = 0i64;
            for value in &mut values {
                last = last.wrapping_add(unzigzag(*value));
                *value = last.cast_unsigned();
            }
        }
        columns.push(values);
    }
    Ok(columns)
}
