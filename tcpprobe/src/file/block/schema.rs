//! What a trace's events look like, and how each is split into identity and columns.
//!
//! The fields that stay the same for a socket (addresses, ports, cookie) are its *identity*: a block lists each
//! identity once and events name it by number. Every other field is a column. The split is made from field names
//! and types alone, so that an event that nobody has heard of is stored as well as the known ones.

use std::sync::Arc;

use super::bits::{Cursor, put_bytes, put_varint};
use super::deflate::{deflate_bytes, inflate_bytes};
use crate::event::{EventKind, EventReader};
use crate::kernel::format::{Field, Format, Kind};

/// Scalar fields that belong to a socket. Arrays do too.
const IDENTITY: [&str; 7] = ["sport", "dport", "family", "protocol", "sock_cookie", "skaddr", "net_cookie"];
/// Fields whose value alone tells sockets apart well enough to hash by.
const HASHED: [&str; 2] = ["sock_cookie", "skaddr"];
/// Most events in a schema; the kernel has some twenty of tcp.
const FORMATS_MAX: usize = 255;
/// Kernels number their events from some twenty on, and have two or three thousand. Higher numbers are looked for one by one.
const LISTED_IDS: usize = 8 << 10;
/// Largest text of all formats together, far above any kernel's.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Bytes of a word of a record.
pub const WORD: usize = 8;

/// One field, or half of one, as a block stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Offset in the record.
    pub offset: usize,
    /// Bytes: any number in an identity; 1, 2 or 4 in a column, or 8 of a pointer.
    pub size: usize,
    /// A kernel pointer, stored as an opaque id.
    pub pointer: bool,
}

impl Part {
    fn of(field: &Field) -> Self {
        let size = field.size as usize;
        Part { offset: field.offset as usize, size, pointer: field.kind == Kind::Pointer && size == 8 }
    }

    /// The columns of a field, each whole in a word: one, the low and the high half of a number of 64 bits, or, where
    /// it does not lie as a C compiler lays it, one for each byte.
    fn columns(field: &Field) -> Vec<Self> {
        let part = Part::of(field);
        let pieces = |size| {
            (part.offset..part.offset + part.size).step_by(size).map(move |offset| Part { offset, size, ..part })
        };
        match part.size {
            _ if part.offset % WORD + part.size > WORD => pieces(1).collect(),
            8 if !part.pointer => pieces(4).collect(),
            _ => vec![part],
        }
    }
}

/// How the records of one event are stored.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The event.
    pub format: Arc<Format>,
    /// Which event it is.
    pub kind: EventKind,
    /// Makes typed events of its records, and tells the sockets of identities.
    pub reader: EventReader,
    /// Identity fields, in the order of their offsets.
    pub identity: Vec<Part>,
    /// The same as ranges of bytes, neighbours joined: what makes two records the same socket.
    pub spans: Vec<std::ops::Range<usize>>,
    /// The same as masks of the words of a record, quicker to compare.
    pub masks: Vec<u64>,
    /// The words to hash an identity by; where there are none, all of it is hashed.
    pub hashed: Vec<usize>,
    /// All other fields but `common_type`, in the order of their offsets, those of 64 bits as two halves.
    pub columns: Vec<Part>,
    /// Bytes of a record without its dynamic part.
    pub size: usize,
    /// Whether records go on behind their fixed fields (`__data_loc`). That part is identity too.
    pub dynamic: bool,
}

impl Layout {
    fn new(format: Arc<Format>) -> Self {
        let mut fields: Vec<&Field> = format.fields.iter().filter(|f| f.name != "common_type" && f.size > 0).collect();
        fields.sort_by_key(|field| field.offset);
        let is_identity =
            |field: &&Field| field.kind == Kind::Array || IDENTITY.contains(&field.name.as_str()) && !field.is_common();
        let (identity, columns): (Vec<&Field>, Vec<&Field>) = fields.iter().partition(|field| is_identity(field));
        let mut spans: Vec<std::ops::Range<usize>> = Vec::new();
        for part in identity.iter().map(|f| Part::of(f)) {
            match spans.last_mut() {
                Some(span) if span.end == part.offset => span.end += part.size,
                _ => spans.push(part.offset..part.offset + part.size),
            }
        }
        let size = format.record_size().max(8);
        let hashed = identity.iter().filter(|f| f.size == 8 && HASHED.contains(&f.name.as_str()));
        Layout {
            hashed: hashed.map(|f| f.offset as usize / WORD).collect(),
            identity: identity.into_iter().map(Part::of).collect(),
            columns: columns.into_iter().flat_map(Part::columns).collect(),
            masks: masks(&spans, size),
            spans,
            size,
            dynamic: format.fields.iter().any(|f| f.kind.is_dynamic()),
            kind: EventKind::of(&format.name),
            reader: EventReader::new(&format),
            format,
        }
    }
}

/// For each word of a record of `size` bytes, the bits that lie in one of the spans.
fn masks(spans: &[std::ops::Range<usize>], size: usize) -> Vec<u64> {
    let mut masks = vec![0; size.div_ceil(WORD)];
    for at in spans.iter().flat_map(Clone::clone) {
        masks[at / WORD] |= 0xff << (8 * (at % WORD));
    }
    masks
}

/// The events of a trace.
#[derive(Debug, Clone)]
pub struct Schema {
    layouts: Vec<Layout>,
    /// Index of the layout by `common_type` below [`LISTED_IDS`], 255 where there is none.
    by_id: Vec<u8>,
    /// CRC32C of the encoded schema; blocks name their schema by it.
    id: u32,
}

/// A schema that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not what [`Schema::encode`] wrote.
    #[error("schema: damaged or not of this version")]
    Damaged,
    /// More than 255 events.
    #[error("schema: {0} events, at most 255 fit")]
    TooMany(usize),
    /// A pointer across two words, which could not be kept secret; no kernel has one.
    #[error("schema: {0}: the pointer {1} at offset {2}, which is no multiple of 8")]
    Astray(String, String, u32),
    /// A format that cannot be read.
    #[error("schema: {0}")]
    Format(#[from] crate::kernel::format::FormatError),
}

impl Schema {
    /// A schema of these events.
    ///
    /// # Errors
    /// When there are more than 255, or a pointer does not lie on a multiple of its size.
    pub fn new(formats: impl IntoIterator<Item = impl Into<Arc<Format>>>) -> Result<Arc<Self>, SchemaError> {
        let formats: Vec<Arc<Format>> = formats.into_iter().map(Into::into).collect();
        if formats.len() > FORMATS_MAX {
            return Err(SchemaError::TooMany(formats.len()));
        }
        for format in &formats {
            let astray = |field: &&Field| field.kind == Kind::Pointer && !(field.offset as usize).is_multiple_of(WORD);
            if let Some(field) = format.fields.iter().find(astray) {
                return Err(SchemaError::Astray(format.name.clone(), field.name.clone(), field.offset));
            }
        }
        let mut encoded = Vec::new();
        put_varint(&mut encoded, formats.len() as u64);
        for format in &formats {
            put_bytes(&mut encoded, format.system.as_bytes());
            put_bytes(&mut encoded, format.text.as_bytes());
        }
        let id = crc32c::crc32c(&encoded);
        let listed = |format: &Arc<Format>| Some(usize::from(format.id)).filter(|&id| id < LISTED_IDS);
        let mut by_id = vec![u8::MAX; formats.iter().filter_map(listed).max().unwrap_or(0) + 1];
        for (index, format) in formats.iter().enumerate() {
            if let Some(id) = listed(format) {
                by_id[id] = index as u8;
            }
        }
        Ok(Arc::new(Schema { layouts: formats.into_iter().map(Layout::new).collect(), by_id, id }))
    }

    /// The payload of a schema frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        put_varint(&mut plain, self.layouts.len() as u64);
        for layout in &self.layouts {
            put_bytes(&mut plain, layout.format.system.as_bytes());
            put_bytes(&mut plain, layout.format.text.as_bytes());
        }
        let mut out = Vec::new();
        deflate_bytes(&plain, &mut out);
        out
    }

    /// Reads the payload of a schema frame.
    ///
    /// # Errors
    /// When it is damaged or a format in it cannot be read.
    pub fn decode(payload: &[u8]) -> Result<Arc<Self>, SchemaError> {
        let plain = inflate_bytes(&mut Cursor(payload), TEXT_BYTES_MAX).ok_or(SchemaError::Damaged)?;
        let mut cursor = Cursor(&plain);
        let count = cursor.count(FORMATS_MAX).ok_or(SchemaError::Damaged)?;
        let mut formats = Vec::with_capacity(count);
        for _ in 0..count {
            let mut text = || cursor.bytes().and_then(|b| std::str::from_utf8(b).ok()).ok_or(SchemaError::Damaged);
            let (system, format) = (text()?, text()?);
            formats.push(Format::parse(system, format)?);
        }
        Schema::new(formats)
    }

    /// Names the schema in blocks.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How each event is stored, by its index.
    #[must_use]
    pub fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    /// The events.
    pub fn formats(&self) -> impl ExactSizeIterator<Item = &Format> {
        self.layouts.iter().map(|layout| &*layout.format)
    }

    /// The index of the event with this `common_type`.
    #[must_use]
    #[inline]
    pub fn index_of(&self, id: u16) -> Option<usize> {
        match self.by_id.get(usize::from(id)) {
            Some(&index) => (index != u8::MAX).then_some(usize::from(index)),
            None => self.index_of_high(id),
        }
    }

    #[cold]
    fn index_of_high(&self, id: u16) -> Option<usize> {
        let is_high = usize::from(id) >= LISTED_IDS;
        self.layouts.iter().rposition(|layout| layout.format.id == id).filter(|_| is_high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_finds_its_event() {
        let ids = [0, 7, 8191, 8192, 65534, 65535];
        let format =
            |id: &u16| Format::parse("test", &format!("name: e{id}\nID: {id}\nformat:\n\nprint fmt: \"\"\n")).unwrap();
        let schema = Schema::new(ids.iter().map(format)).unwrap();
        let found = ids.map(|id| schema.index_of(id));
        assert_eq!(found, [0, 1, 2, 3, 4, 5].map(Some));
        assert_eq!([1, 8190, 8193, 65533].map(|id| schema.index_of(id)), [None; 4]);
        assert_eq!(schema.by_id.len(), LISTED_IDS, "a schema stays small");
        assert_eq!(Schema::new(ids[3..4].iter().map(format)).unwrap().index_of(0), None);
    }
}
