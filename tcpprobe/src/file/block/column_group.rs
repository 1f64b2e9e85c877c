//! The columns of one kind of event, decoded: a row of values for each event.

use super::BlockError;
use super::bits::Cursor;
use super::column::{ColumnDecoder, unzigzag};
use super::deflate::{inflate_bytes, skip_bytes};
use super::rows::{GROUP, NULL};
use super::schema::Part;

/// The events of one kind in a block, in order of arrival.
#[derive(Debug, Default)]
pub struct Events {
    /// How many events each identity of the kind has.
    pub groups: Vec<u32>,
    /// The identity of each event, by its number among those of the kind; of each as many as `groups` says.
    pub identities: Vec<u32>,
    /// Which identities are wanted: only their events become rows.
    pub wanted: Vec<bool>,
}

/// Up to [`GROUP`] columns, of which some are decoded: the *lanes* of a row.
#[derive(Debug, Default)]
pub struct ColumnGroup {
    /// The column of each lane.
    parts: Vec<Part>,
    /// The lane of each column; beyond the last where it is not decoded.
    lanes: Vec<usize>,
    /// The values of all wanted events, row by row, and zeros behind them for [`ColumnGroup::row_and_more`].
    values: Vec<u32>,
    rows: usize,
    /// By lane, what the values of a pointer number.
    pointers: Vec<Vec<u64>>,
}

/// What is stored of one column, and how much of it was used.
#[derive(Debug, Default)]
struct Told {
    values: Vec<u32>,
    used: usize,
    lane: usize,
    /// The bits that values have.
    mask: u32,
    pointer: bool,
}

impl Told {
    /// The value behind `last`.
    #[inline]
    fn next(&mut self, last: u32) -> Option<u32> {
        let told = *self.values.get(self.used)?;
        self.used += 1;
        Some(if self.pointer { told } else { last.wrapping_add(unzigzag(told)) & self.mask })
    }
}

impl ColumnGroup {
    /// Reads the columns `parts`, of which only those with their bit in `fields` are decoded.
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
        let fields = fields & (u32::MAX >> (GROUP - parts.len()));
        let mut changes = Vec::new();
        decoder.decode(cursor, events.identities.len(), &mut changes)?;
        let mut told: Vec<Told> = Vec::with_capacity(parts.len());
        let mut group = ColumnGroup::default();
        for (at, part) in parts.iter().enumerate() {
            let wanted = fields >> at & 1 != 0;
            group.lanes.push(if wanted { group.parts.len() } else { usize::MAX });
            if wanted {
                told.push(group.add(cursor, decoder, events.identities.len(), part)?);
            } else {
                skip(cursor, events.identities.len(), part)?;
                told.push(Told::default());
            }
        }
        group.fill(events, &mut changes, &mut told, fields).ok_or(BlockError("a column is cut short"))?;
        Ok(group)
    }

    /// Reads the next column, one of at most `count` changes, which becomes a lane.
    fn add(
        &mut self,
        cursor: &mut Cursor<'_>,
        decoder: &mut ColumnDecoder,
        count: usize,
        part: &Part,
    ) -> Result<Told, BlockError> {
        let pointers = if part.pointer { read_pointers(cursor, count)? } else { Vec::new() };
        let length = cursor.count(count).ok_or(BlockError("bad length of a column"))?;
        let mask = u32::MAX >> (32 - 8 * part.size.min(4));
        let mut told = Told { pointer: part.pointer, lane: self.parts.len(), mask, ..Told::default() };
        decoder.decode(cursor, length, &mut told.values)?;
        if part.pointer && told.values.iter().any(|&number| number as usize >= pointers.len()) {
            return Err(BlockError("a pointer that is not listed"));
        }
        self.parts.push(*part);
        self.pointers.push(pointers);
        Ok(told)
    }

    /// Makes rows of what changed; `None` where more did than is told.
    fn fill(&mut self, events: &Events, changes: &mut [u32], told: &mut [Told], fields: u32) -> Option<()> {
        let width = self.parts.len();
        // The first event of each identity is told from that of the identity before. Zeros behind them, as behind the values.
        let mut next = Vec::with_capacity(events.groups.len());
        let mut states = vec![0u32; width * events.groups.len() + GROUP];
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
        self.rows = rows.map(|(&rows, _)| rows as usize).sum();
        let rows =
            Rows { width, states: &mut states, next: &mut next, values: Vec::with_capacity(width * self.rows + GROUP) };
        // A copy of a length that is known beforehand is no call.
        self.values = match width {
            0..=8 => rows.fill::<8>(events, changes, told, fields)?,
            9..=16 => rows.fill::<16>(events, changes, told, fields)?,
            _ => rows.fill::<GROUP>(events, changes, told, fields)?,
        };
        Some(())
    }

    /// The lanes of the event `row`; empty where there is no such event.
    #[inline]
    pub fn row(&self, row: usize) -> &[u32] {
        let width = self.parts.len();
        if row < self.rows { &self.values[row * width..][..width] } else { &[] }
    }

    /// The lanes of the event `row`, and behind them anything: of a length that is known beforehand, so that no lane need be
    /// checked.
    #[inline]
    pub fn row_and_more(&self, row: usize) -> Option<&[u32; GROUP]> {
        self.values.get(row * self.parts.len()..)?.first_chunk()
    }

    /// The lane of the column `column`, beyond the last where it is not decoded.
    pub fn lane(&self, column: usize) -> usize {
        self.lanes.get(column).copied().unwrap_or(usize::MAX)
    }

    /// The pointer that the value `number` of `lane` stands for.
    #[inline]
    pub fn pointer(&self, lane: usize, number: u32) -> u64 {
        self.pointers.get(lane).and_then(|list| list.get(number as usize)).copied().unwrap_or(NULL)
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        let pointers: usize = self.pointers.iter().map(|list| 24 + 8 * list.len()).sum();
        4 * self.values.len() + pointers + 32 * self.lanes.len() + size_of::<Self>()
    }

    /// Writes the columns of the event `row` into its record.
    #[inline]
    pub fn put(&self, row: usize, record: &mut [u8]) {
        for ((lane, part), &value) in self.parts.iter().enumerate().zip(self.row(row)) {
            let out = &mut record[part.offset..];
            let bytes = value.to_le_bytes();
            // Each size on its own, for a copy of any length is a call.
            match part.size {
                4 => out[..4].copy_from_slice(&bytes),
                8 => out[..8].copy_from_slice(&self.pointer(lane, value).to_le_bytes()),
                2 => out[..2].copy_from_slice(&bytes[..2]),
                _ => out[0] = bytes[0],
            }
        }
    }
}

/// The rows of a group while they are made.
struct Rows<'a> {
    width: usize,
    /// The last values of each identity.
    states: &'a mut [u32],
    /// The place of the next change of each identity.
    next: &'a mut [usize],
    values: Vec<u32>,
}

impl Rows<'_> {
    /// Makes the rows; copies `N` values for each, at least the width.
    fn fill<const N: usize>(
        mut self,
        events: &Events,
        changes: &[u32],
        told: &mut [Told],
        fields: u32,
    ) -> Option<Vec<u32>> {
        let surplus = N - self.width;
        for &identity in &events.identities {
            let identity = identity as usize;
            let place = self.next.get_mut(identity)?;
            let changes = *changes.get(*place)?;
            *place += 1;
            let state = self.states[identity * self.width..].first_chunk_mut::<N>()?;
            step(changes & fields, state, told)?;
            if events.wanted[identity] {
                self.values.extend_from_slice(state);
                self.values.truncate(self.values.len() - surplus);
            }
        }
        self.values.resize(self.values.len() + GROUP, 0);
        Some(self.values)
    }
}

/// Moves over the next column, one of at most `count` changes.
fn skip(cursor: &mut Cursor<'_>, count: usize, part: &Part) -> Result<(), BlockError> {
    if part.pointer {
        skip_bytes(cursor).ok_or(BlockError("bad list of pointers"))?;
    }
    if cursor.count(count).ok_or(BlockError("bad length of a column"))? > 0 {
        ColumnDecoder::skip(cursor)?;
    }
    Ok(())
}

/// Brings the values of an identity from one event to the next.
#[inline]
fn step(mut changes: u32, state: &mut [u32], told: &mut [Told]) -> Option<()> {
    while changes != 0 {
        let told = &mut told[changes.trailing_zeros() as usize];
        let value = &mut state[told.lane];
        *value = told.next(*value)?;
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
