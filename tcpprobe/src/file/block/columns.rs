//! A block by its columns: the identities of its events, and the values of a field by its name.

use super::column_group::ColumnGroup;
use super::decode::{Block, Key, Row};
use super::rows::GROUP;
use super::schema::{Layout, Part};
use crate::event::{EventKind, Socket, Value};
use crate::kernel::format::{Field, Kind};

/// Most columns that a field of 64 bits is stored as: where it does not lie as a C compiler lays it, one for each byte.
const PIECES_MAX: usize = 8;

/// What the events of one identity have in common: their kind, and the socket that they are about.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The place of its event in the schema.
    pub layout: usize,
    /// Which event it is.
    pub kind: EventKind,
    /// Number of its events in the block, those that are not wanted too.
    pub events: u32,
    /// A record of it, with all columns 0.
    pub record: &'a [u8],
    described: &'a Layout,
}

impl Identity<'_> {
    /// What its events say about their socket; `None` where they are of no event of the table, or about no socket. Worked out
    /// at each call: readers of many events ask once a block.
    #[must_use]
    pub fn socket(&self) -> Option<Socket> {
        self.described.reader.read(self.record).map(|event| event.socket())
    }
}

/// A column, or a part of a field that is several.
#[derive(Debug, Clone, Copy)]
struct Piece {
    group: usize,
    lane: usize,
    part: Part,
}

/// Where the values of a field are.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// In the record of the identity.
    Identity,
    /// In columns, so many.
    Columns(usize, [Option<Piece>; PIECES_MAX]),
    /// Behind the fixed fields, where the number in these columns says.
    Dynamic([Option<Piece>; PIECES_MAX]),
}

/// The values of one field of one kind of event. See [`Block::column`].
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    block: &'a Block,
    field: &'a Field,
    source: Source,
}

impl<'a> Column<'a> {
    /// The field.
    #[must_use]
    pub fn field(&self) -> &'a Field {
        self.field
    }

    /// The integer or pointer of `row`, zero-extended; 0 of any other field, and where the field was not decoded. `row` must be
    /// of the event that the column is of.
    #[must_use]
    #[inline]
    pub fn get(&self, row: &Row) -> u64 {
        match &self.source {
            Source::Columns(1, [Some(piece), ..]) => self.piece(piece, row),
            Source::Columns(_, pieces) => self.pieces(pieces, row),
            Source::Identity => self.field.unsigned(self.template(row)).unwrap_or(0),
            Source::Dynamic(_) => 0,
        }
    }

    /// The value of `row`, as [`Record::value`](crate::event::Record::value) gives it; of the bytes of an array the same, as long
    /// as it is no damaged record in which they lie on its other fields.
    #[must_use]
    pub fn value(&self, row: &Row) -> Option<Value<'a>> {
        match self.field.kind {
            Kind::Pointer => Some(Value::Pointer(self.get(row))),
            Kind::Integer if self.field.signed => {
                let unused = 64 - 8 * self.field.size;
                Some(Value::Signed((self.get(row) << unused).cast_signed() >> unused))
            }
            Kind::Integer => Some(Value::Unsigned(self.get(row))),
            Kind::Array => Value::of(self.field, self.template(row)),
            Kind::DataLoc | Kind::RelLoc => self.dynamic(row),
        }
    }

    /// The bytes behind the fixed fields that the column names.
    fn dynamic(&self, row: &Row) -> Option<Value<'a>> {
        let Source::Dynamic(pieces) = &self.source else { return None };
        let named = self.pieces(pieces, row);
        let (offset, length) = (named as usize & 0xffff, named as usize >> 16);
        let base = if self.field.kind == Kind::RelLoc { self.field.offset as usize + 4 } else { 0 };
        let bytes = self.template(row).get(base + offset..)?.get(..length)?;
        Some(match self.field.is_string() {
            true => Value::Text(&bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]),
            false => Value::Bytes(bytes),
        })
    }

    fn template(&self, row: &Row) -> &'a [u8] {
        self.block.template(&self.block.keys[row.key as usize])
    }

    fn pieces(&self, pieces: &[Option<Piece>], row: &Row) -> u64 {
        pieces.iter().flatten().fold(0, |value, piece| {
            let shift = 8 * (piece.part.offset - self.field.offset as usize);
            value | self.piece(piece, row) << shift
        })
    }

    #[inline]
    fn piece(&self, piece: &Piece, row: &Row) -> u64 {
        let key = &self.block.keys[row.key as usize];
        let Some(group) = self.block.columns[key.layout as usize].get(piece.group) else { return 0 };
        let value = group.row(row.place as usize).get(piece.lane).copied().unwrap_or(0);
        if piece.part.pointer { group.pointer(piece.lane, value) } else { u64::from(value) }
    }
}

/// The values of `N` fields of one kind of event, a row at a time. See [`Block::columns`].
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a, const N: usize> {
    group: Option<&'a ColumnGroup>,
    /// The lanes of the group, where all fields are in it.
    lanes: [u8; N],
    /// The columns, where one is elsewhere, or nowhere.
    others: Option<[Option<Column<'a>>; N]>,
}

impl<const N: usize> Columns<'_, N> {
    /// The values of `row`, which must be of the event that the columns are of: those of integers and pointers,
    /// zero-extended, 0 for anything else and for fields that there are not, or that were not decoded.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, row: &Row) -> [u64; N] {
        if let Some(columns) = &self.others {
            return from_elsewhere(columns, row);
        }
        let Some(values) = self.group.and_then(|group| group.row_and_more(row.place as usize)) else {
            return [0; N];
        };
        self.lanes.map(|lane| u64::from(values[usize::from(lane) % GROUP]))
    }
}

/// The values of `row` of columns that lie anywhere.
#[inline(never)]
fn from_elsewhere<const N: usize>(columns: &[Option<Column<'_>>; N], row: &Row) -> [u64; N] {
    columns.map(|column| column.map_or(0, |column| column.get(row)))
}

impl Block {
    /// The identities of its events, which [`Row::key`] numbers.
    pub fn identities(&self) -> impl ExactSizeIterator<Item = Identity<'_>> {
        self.keys.iter().map(|key| self.identity_of(key))
    }

    /// The identity `key`.
    ///
    /// # Panics
    /// Where the block has no such identity.
    #[must_use]
    pub fn identity(&self, key: u32) -> Identity<'_> {
        self.identity_of(&self.keys[key as usize])
    }

    fn identity_of(&self, key: &Key) -> Identity<'_> {
        let layout = key.layout as usize;
        let described = &self.schema().layouts()[layout];
        Identity { layout, kind: described.kind, events: key.rows, record: self.template(key), described }
    }

    /// The place in the schema of the event in `row`.
    #[must_use]
    #[inline]
    pub fn layout_of(&self, row: &Row) -> usize {
        self.keys[row.key as usize].layout as usize
    }

    /// The column of the field `name` of the events at the place `layout` of the schema; `None` where there is no such field.
    ///
    /// ```
    /// # use tcpprobe::file::block::{Block, Row};
    /// /// The largest congestion window of all tcp_probe events.
    /// fn largest(block: &Block) -> Option<u64> {
    ///     let layout = block.schema().formats().position(|format| format.name == "tcp_probe")?;
    ///     let snd_cwnd = block.column(layout, "snd_cwnd")?;
    ///     let rows = block.rows().iter().filter(|row| block.layout_of(row) == layout);
    ///     rows.map(|row| snd_cwnd.get(row)).max()
    /// }
    /// ```
    #[must_use]
    pub fn column(&self, layout: usize, name: &str) -> Option<Column<'_>> {
        let described = self.schema().layouts().get(layout)?;
        let field = described.format.field(name)?;
        Some(Column { block: self, field, source: self.source(layout, described, field) })
    }

    fn source(&self, layout: usize, described: &Layout, field: &Field) -> Source {
        let mut pieces = [None; PIECES_MAX];
        let range = field.offset as usize..(field.offset + field.size) as usize;
        let parts = described.columns.iter().enumerate().filter(|(_, part)| range.contains(&part.offset));
        let mut count = 0;
        for ((at, part), piece) in parts.zip(&mut pieces) {
            let (group, column) = (at / GROUP, at % GROUP);
            let lane = self.columns[layout].get(group).map_or(usize::MAX, |group| group.lane(column));
            *piece = Some(Piece { group, lane, part: *part });
            count += 1;
        }
        match count {
            0 => Source::Identity,
            _ if field.kind.is_dynamic() => Source::Dynamic(pieces),
            _ => Source::Columns(count, pieces),
        }
    }

    /// Several fields of the events at the place `layout` of the schema, to be read a row at a time: the quickest way to look at
    /// some fields of many events. A field that there is not reads as 0.
    #[must_use]
    pub fn columns<const N: usize>(&self, layout: usize, names: [&str; N]) -> Columns<'_, N> {
        let columns = names.map(|name| self.column(layout, name));
        let lane = |column: &Option<Column<'_>>| match column.as_ref().map(|column| &column.source) {
            Some(Source::Columns(1, [Some(Piece { group: 0, lane, part }), ..])) if !part.pointer => {
                u8::try_from(*lane).ok()
            }
            _ => None,
        };
        let lanes = columns.each_ref().map(lane);
        let others = lanes.contains(&None).then_some(columns);
        let group = self.columns.get(layout).and_then(|groups| groups.first());
        Columns { group, lanes: lanes.map(|lane| lane.unwrap_or(0)), others }
    }
}
