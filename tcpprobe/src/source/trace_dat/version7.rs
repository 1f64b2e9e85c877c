//! Version 7: sections anywhere in the file, which options name.

use std::borrow::Cow;

use super::super::losses::Problem;
use super::super::part::Part;
use super::super::tracing_data::{Broken, TracingData, word};
use super::compression::Compression;
use super::options::{BufferOption, CMDLINES, DONE, EVENT_FORMATS, FTRACE_EVENTS, HEADER_INFO, Options};
use super::{Buffer, Found, pages};
use crate::file::block::Cursor;

/// The flag of a compressed section.
const COMPRESSED: u16 = 1;
/// Most sections of options, each of which names the next one; trace-cmd writes a few.
const OPTION_SECTIONS_MAX: usize = 64;

/// A section, where it begins and what it is.
struct Section {
    id: u16,
    is_compressed: bool,
    /// What follows its head.
    data: Part,
}

/// Reads a file from behind its head.
pub fn read(file: &Part, mut cursor: Cursor<'_>) -> Result<Found, Broken> {
    const CUT: Broken = Broken::Cut("the head");
    let name = word(&mut cursor).ok_or(CUT)?;
    let _version = word(&mut cursor).ok_or(CUT)?;
    let compression = Compression::named(&name);
    let first = cursor.u64().ok_or(CUT)?;
    let mut found = Found { options: options(file, first, &compression)?, ..Found::default() };
    if found.options.unread.is_some() {
        return Ok(found);
    }
    match data(file, &found.options, &compression, &mut found.notes)? {
        Some(data) => found.data = data,
        None => {
            found.options.unread = Some(compression.name());
            return Ok(found);
        }
    }
    for option in std::mem::take(&mut found.options.buffers) {
        buffer(file, option, &compression, &mut found)?;
    }
    Ok(found)
}

/// Reads all options.
fn options(file: &Part, first: u64, compression: &Compression) -> Result<Options, Broken> {
    const CUT: Broken = Broken::Cut("its options, which stand at the end");
    let mut options = Options::default();
    let mut next = first;
    for _ in 0..OPTION_SECTIONS_MAX {
        // 0 stands in the head until trace-cmd ends.
        let section = section(file, next).filter(|section| next > 0 && section.id == DONE).ok_or(CUT)?;
        let Some(bytes) = section.bytes(compression).map_err(|()| CUT)? else {
            options.unread = Some(compression.name());
            return Ok(options);
        };
        let mut cursor = Cursor(&bytes);
        next = loop {
            let id = cursor.take(2).and_then(|bytes| bytes.first_chunk()).map(|id| u16::from_le_bytes(*id));
            let (id, size) = id.zip(cursor.u32()).ok_or(CUT)?;
            let data = cursor.take(size as usize).ok_or(CUT)?;
            if id == DONE {
                break Cursor(data).u64().unwrap_or(0);
            }
            options.take(id, data);
        };
        if next == 0 {
            break;
        }
    }
    Ok(options)
}

/// Reads what the kernel says about its events; `None` where that is compressed in a way that is not read.
fn data(
    file: &Part,
    options: &Options,
    compression: &Compression,
    notes: &mut Vec<Problem>,
) -> Result<Option<TracingData>, Broken> {
    let mut data = TracingData::default();
    for (id, offset) in &options.sections {
        const CUT: Broken = Broken::Cut("the formats of events");
        let section = section(file, *offset).filter(|section| section.id == *id).ok_or(CUT)?;
        let Some(bytes) = section.bytes(compression).map_err(|()| CUT)? else { return Ok(None) };
        let mut cursor = Cursor(&bytes);
        match *id {
            HEADER_INFO => data.header_info(&mut cursor)?,
            FTRACE_EVENTS => data.ftrace_formats(&mut cursor)?,
            EVENT_FORMATS => data.event_formats(&mut cursor)?,
            CMDLINES => {
                // Names are not worth the events.
                if let Err(error) = data.cmdlines(&mut cursor) {
                    notes.push(Problem::Cut(format!("the file {error}; they are not known")));
                }
            }
            _ => {}
        }
    }
    Ok(Some(data))
}

/// Reads a buffer.
fn buffer(file: &Part, option: BufferOption, compression: &Compression, found: &mut Found) -> Result<(), Broken> {
    let BufferOption { offset, name, clock, cpus, is_text } = option;
    let Some(section) = section(file, offset) else {
        found.notes.push(Problem::Cut(format!("the file is cut; the buffer {name} is missing")));
        return Ok(());
    };
    if section.is_compressed && !compression.is_read() {
        found.options.unread = Some(compression.name());
        return Ok(());
    }
    if is_text {
        found.text = Some(match section.is_compressed {
            true => {
                let (bytes, damage) = compression.chunks(&section.data);
                found.notes.extend(damage.map(|damage| Problem::Cut(format!("{damage}; what came before is read"))));
                Part::whole(bytes)
            }
            false => section.data,
        });
        return Ok(());
    }
    let mut read = Buffer { name, clock, cpus: Vec::with_capacity(cpus.len()) };
    for (cpu, offset, size) in cpus {
        // The number of pieces is not counted in their size.
        let size = if section.is_compressed && size > 0 { size.saturating_add(4) } else { size };
        let mut part = pages(file, cpu, offset, size, &mut found.notes);
        if section.is_compressed && size > 0 {
            let (bytes, damage) = compression.chunks(&part);
            let told = |damage| Problem::BadPage(format!("CPU {cpu}: {damage}; what came before is read"));
            found.notes.extend(damage.map(told));
            part = Part::whole(bytes);
        }
        read.cpus.push((cpu, part));
    }
    found.buffers.push(read);
    Ok(())
}

/// The section at this place: number, flags, the name of what it is, size.
fn section(file: &Part, offset: u64) -> Option<Section> {
    let part = file.from(offset);
    let mut cursor = Cursor(part.as_slice());
    let head: &[u8; 4] = cursor.take(4)?.first_chunk()?;
    let (id, flags) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
    let _description = cursor.u32()?;
    let size = cursor.u64()?;
    Some(Section { id, is_compressed: flags & COMPRESSED != 0, data: part.of(16, size) })
}

impl Section {
    /// What is in it; `None` where that is compressed in a way that is not read.
    fn bytes(&self, compression: &Compression) -> Result<Option<Cow<'_, [u8]>>, ()> {
        let bytes = self.data.as_slice();
        if !self.is_compressed {
            return Ok(Some(bytes.into()));
        }
        if !compression.is_read() {
            return Ok(None);
        }
        let mut cursor = Cursor(bytes);
        let (packed, size) = cursor.u32().zip(cursor.u32()).ok_or(())?;
        let packed = cursor.take(packed as usize).ok_or(())?;
        let mut out = Vec::new();
        compression.unpack(packed, size, &mut out).map_err(drop)?;
        Ok(Some(out.into()))
    }
}
