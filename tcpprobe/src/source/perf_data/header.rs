//! What a `perf.data` says before and behind its records.
//!
//! Source: `tools/perf/Documentation/perf.data-file-format.txt` and `tools/perf/util/header.h`, of Linux.

use super::super::part::Part;
use super::super::tracing_data::{self, Broken, TracingData};
use super::attr::{Attr, Attrs};
use crate::file::block::Cursor;

/// What begins a file.
pub const MAGIC: &[u8] = b"PERFILE2";
/// The size of the head of what went through a pipe.
const PIPE_HEAD_BYTES: u64 = 16;
/// Features, by number.
const TRACING_DATA: usize = 1;
const HOSTNAME: usize = 3;
const OSRELEASE: usize = 4;
const CLOCK_DATA: usize = 29;
const FEATURES: usize = 256;

/// What a file says of its records.
#[derive(Debug, Default)]
pub struct Header {
    /// The records.
    pub data: Part,
    /// Where they begin in the file.
    pub offset: u64,
    /// Bytes of the file that should be there, and are not.
    pub missing: u64,
    /// Whether perf ended before it wrote what belongs into the head.
    pub is_unfinished: bool,
    pub told: Told,
}

/// What is told in sections of a file, or by records in a pipe.
#[derive(Debug, Default)]
pub struct Told {
    pub attrs: Attrs,
    /// What describes the events.
    pub tracing: Option<TracingData>,
    pub host: String,
    pub kernel: String,
    /// UTC (nanoseconds since 1970) minus the clock of the records.
    pub utc_offset_ns: Option<i64>,
}

impl Header {
    /// Reads the head of a file, and what it points at.
    pub fn read(file: &Part) -> Result<Self, Broken> {
        const CUT: Broken = Broken::Cut("its head");
        let mut cursor = Cursor(file.as_slice());
        if cursor.take(MAGIC.len()).is_none_or(|magic| magic != MAGIC) {
            return Err(Broken::Other("its head"));
        }
        let size = cursor.u64().ok_or(CUT)?;
        if size == PIPE_HEAD_BYTES {
            return Ok(Header { data: file.from(size), offset: size, ..Header::default() });
        }
        let section = |cursor: &mut Cursor<'_>| cursor.u64().zip(cursor.u64()).ok_or(CUT);
        let attr_bytes = cursor.u64().ok_or(CUT)?;
        let (attrs_at, attrs_bytes) = section(&mut cursor)?;
        let (data_at, data_bytes) = section(&mut cursor)?;
        let _event_types = section(&mut cursor)?;
        let flags = cursor.take(FEATURES / 8).ok_or(CUT)?;
        let is_unfinished = data_bytes == 0;
        let data = if is_unfinished { file.from(data_at) } else { file.of(data_at, data_bytes) };
        let missing = data_bytes.saturating_sub(data.as_slice().len() as u64);
        let mut header = Header { offset: data_at, missing, is_unfinished, data, told: Told::default() };
        header.told.attrs(file, &file.of(attrs_at, attrs_bytes), attr_bytes);
        if is_unfinished {
            // What would be read there is records.
            return Ok(header);
        }
        let behind = file.from(data_at.saturating_add(data_bytes));
        let mut features = Cursor(behind.as_slice());
        for feature in (0..FEATURES).filter(|bit| flags[bit / 8] & 1 << (bit % 8) != 0) {
            let Ok((offset, size)) = section(&mut features) else {
                return Err(Broken::Cut("the list of what stands behind its records"));
            };
            let part = file.of(offset, size);
            header.missing = header.missing.saturating_add(size - part.as_slice().len() as u64);
            header.told.feature(feature, part.as_slice())?;
        }
        Ok(header)
    }
}

impl Told {
    /// Takes the attributes of a file, each with the place of its ids behind it.
    fn attrs(&mut self, file: &Part, attrs: &Part, attr_bytes: u64) {
        // The file may be of a newer perf, whose attributes are longer.
        let Some(attr_bytes) = usize::try_from(attr_bytes).ok().filter(|bytes| *bytes > 16) else { return };
        for bytes in attrs.as_slice().chunks_exact(attr_bytes) {
            let Some(attr) = Attr::read(&bytes[..attr_bytes - 16]) else { continue };
            let mut cursor = Cursor(&bytes[attr_bytes - 16..]);
            let (Some(offset), Some(size)) = (cursor.u64(), cursor.u64()) else { continue };
            self.attrs.add(attr, words(file.of(offset, size).as_slice()));
        }
    }

    /// Takes an attribute that came as a record.
    pub fn attr(&mut self, body: &[u8]) {
        let size = Attr::size(body).filter(|size| *size <= body.len());
        if let Some((attr, ids)) = size.and_then(|size| Some((Attr::read(&body[..size])?, &body[size..]))) {
            self.attrs.add(attr, words(ids));
        }
    }

    /// Takes what describes the events.
    pub fn tracing(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut cursor = Cursor(bytes);
        if tracing_data::head(&mut cursor)?.is_big_endian {
            return Err(Broken::Other("little-endian numbers"));
        }
        self.tracing = Some(TracingData::read(&mut cursor)?);
        Ok(())
    }

    /// Takes a feature; one that is not used, or cut, is passed over, but for what describes the events.
    pub fn feature(&mut self, feature: usize, bytes: &[u8]) -> Result<(), Broken> {
        match feature {
            TRACING_DATA => self.tracing(bytes)?,
            HOSTNAME => self.host = text(bytes).unwrap_or_default(),
            OSRELEASE => self.kernel = text(bytes).unwrap_or_default(),
            CLOCK_DATA => self.utc_offset_ns = utc_offset(bytes),
            _ => {}
        }
        Ok(())
    }
}

/// A length, and a text that NULs end.
fn text(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor(bytes);
    let length = cursor.u32()?;
    let text = String::from_utf8_lossy(cursor.take(length as usize)?);
    Some(text.split('\0').next().unwrap_or_default().to_owned())
}

/// One moment in both clocks.
fn utc_offset(bytes: &[u8]) -> Option<i64> {
    let mut cursor = Cursor(bytes);
    let (_version, _clock) = (cursor.u32()?, cursor.u32()?);
    let (wall, time) = (cursor.u64()?, cursor.u64()?);
    Some(wall.wrapping_sub(time).cast_signed())
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).filter_map(|word| word.first_chunk().map(|word| u64::from_le_bytes(*word)))
}
