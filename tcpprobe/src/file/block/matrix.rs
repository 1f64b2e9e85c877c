//! The columns of one kind of event, decoded: a row of values for each event.

use super::BlockError;
use super::bits::Cursor;
use super::column::{ColumnDecoder, unzigzag};
use super::deflate::inflate_bytes;
use super::rows::{GROUP, NULL};
use super::schema::Part;

/// The events of one kind in a block, in order of arrival.
#[derive(Debug)]
pub struct Events {
    /// How many events each identity of the kind has.
    pub groups: Vec<u32>,
    /// The identity of each event, by its number among those of the kind; of each as many as `groups` says.
    pub identities: Vec<u32>,
    /// Which identities are wanted: only their events become rows.
    pub wanted: Vec<bool>,
}

/// Up to [`GROUP`] columns.
#[derive(Debug)]
pub struct Matrix {
    /// Number of columns.
    width: usize,
    /// Those that are decoded, with their number.
    parts: Vec<(usize, Part)>,
    /// The values of all wanted events, row by row.
    values: Vec<u32>,
    /// By column, what the values of a pointer number.
    pointers: Vec<Vec<u64>>,
}

/// What is stored of one column, and how much of it was used.
#[derive(Debug, Default)]
struct Told {
    values: Vec<u32>,
    used: usize,
    pointer: bool,
}

impl Told {
    /// The value behind `last`.
    #[inline]
    fn next(&mut self, last: u32) -> Option<u32> {
        let told = *self.values.get(self.used)?;
        self.used += 1;
        Some(if self.pointer { told } else { last.wrapping_add(unzigzag(told)) })
    }
}

impl Matrix {
    /// Reads the columns `parts`, of which only those with their bit in `fields` are decoded; others are 0.
    ///
    /// # Errors
    /// When they are not what the encoder writes.
    pub fn read(
        cursor: &mut Cursor<'_>,
        decoder: &mut ColumnDecoder,
        events: &Events,
        parts: &[Part],
        fields: u32,
    ) -> Result<Self, BlockError> {
        let mut changes = Vec::new();
        decoder.decode(cursor, events.identities.len(), &mut changes)?;
        let mut told: Vec<Told> = Vec::with_capacity(parts.len());
        let mut pointers = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let wanted = fields >> at & 1 != 0;
            pointers.push(match part.pointer {
                true => read_pointers(cursor, events.identities.len())?,
                false => Vec::new(),
            });
            let count = cursor.count(events.identities.len()).ok_or(BlockError("bad length of a column"))?;
            let mut column = Told { pointer: part.pointer, ..Told::default() };
            if wanted {
                decoder.decode(cursor, count, &mut column.values)?;
            } else if count > 0 {
                ColumnDecoder::skip(cursor)?;
            }
            if part.pointer && column.values.iter().any(|&number| number as usize >= pointers[at].len()) {
                return Err(BlockError("a pointer that is not listed"));
            }
            told.push(column);
        }
        let decoded = parts.iter().cloned().enumerate().filter(|(at, _)| fields >> at & 1 != 0).collect();
        let mut matrix = Matrix { width: parts.len(), parts: decoded, values: Vec::new(), pointers };
        matrix.fill(events, &mut changes, &mut told, fields).ok_or(BlockError("a column is cut short"))?;
        Ok(matrix)
    }

    /// Makes rows of what changed; `None` where more did than is told.
    fn fill(&mut self, events: &Events, changes: &mut [u32], told: &mut [Told], fields: u32) -> Option<()> {
        let width = self.width;
        let fields = fields & (u32::MAX >> (GROUP - width));
        // The first event of each identity is told from that of the identity before.
        let mut next = Vec::with_capacity(events.groups.len());
        let mut states = vec![0u32; width * events.groups.len()];
        let mut start = 0;
        for (identity, &events) in events.groups.iter().enumerate() {
            if identity > 0 {
                states.copy_within((identity - 1) * width..identity * width, identity * width);
            }
            let state = &mut states[identity * width..][..width];
            let first = changes.get_mut(start)?;
            step(*first & fields, state, told)?;
            *first = 0;
            next.push(start);
            start += events as usize;
        }
        let rows = events.groups.iter().zip(&events.wanted).filter(|(_, wanted)| **wanted);
        self.values.reserve_exact(width * rows.map(|(&rows, _)| rows as usize).sum::<usize>());
        for &identity in &events.identities {
            let identity = identity as usize;
            let place = next.get_mut(identity)?;
            let changes = *changes.get(*place)?;
            *place += 1;
            let state = &mut states[identity * width..][..width];
            step(changes & fields, state, told)?;
            if events.wanted[identity] {
                self.values.extend_from_slice(state);
            }
        }
        Some(())
    }

    /// Writes the columns of the event `row` into its record.
    #[inline]
    pub fn put(&self, row: usize, record: &mut [u8]) {
        let row = &self.values[row * self.width..][..self.width];
        for (at, part) in &self.parts {
            let value = row[*at];
            let out = &mut record[part.offset..];
            let bytes = value.to_le_bytes();
            // Each size on its own, for a copy of any length is a call.
            match part.size {
                4 => out[..4].copy_from_slice(&bytes),
                8 => out[..8].copy_from_slice(&self.pointers[*at][value as usize].to_le_bytes()),
                2 => out[..2].copy_from_slice(&bytes[..2]),
                _ => out[0] = bytes[0],
            }
        }
    }
}

/// Brings the values of an identity from one event to the next.
#[inline]
fn step(mut changes: u32, state: &mut [u32], told: &mut [Told]) -> Option<()> {
    while changes != 0 {
        let at = changes.trailing_zeros() as usize;
        state[at] = told[at].next(state[at])?;
        changes &= changes - 1;
    }
    Some(())
}

/// The list of the distinct pointers of a column of `count` values.
fn read_pointers(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<u64>, BlockError> {
    let planes = inflate_bytes(cursor, count * 8).ok_or(BlockError("bad list of pointers"))?;
    let distinct = planes.len() / 8;
    let pointer =
        |number: usize| (0..8).fold(0, |id, plane| id | u64::from(planes[plane * distinct + number]) << (8 * plane));
    Ok(std::iter::once(NULL).chain((0..distinct).map(pointer)).collect())
}
