//! Version 6: one part behind the other.

use super::super::losses::Problem;
use super::super::part::Part;
use super::super::tracing_data::{Broken, TracingData};
use super::options::{BufferOption, DONE, Options};
use super::{Buffer, Found, pages};
use crate::file::block::Cursor;

const CUT: Broken = Broken::Cut("the list of CPUs");
/// More CPUs than any kernel has (`NR_CPUS` is at most 8192).
const CPUS_MAX: u32 = 1 << 16;

/// Reads a file from behind its head.
pub fn read(file: &Part, mut cursor: Cursor<'_>) -> Result<Found, Broken> {
    let mut data = TracingData::read(&mut cursor)?;
    data.cmdlines(&mut cursor)?;
    let cpus = cursor.u32().ok_or(CUT)?;
    let mut found = Found { data, ..Found::default() };
    let top = kind(&mut cursor, &mut found.options)?;
    if top == Kind::Text {
        let at = file.as_slice().len() - cursor.0.len();
        found.text = Some(file.from(at as u64));
        return Ok(found);
    }
    let cpus = found.options.cpus.unwrap_or(cpus);
    let top = buffer(file, &mut cursor, String::new(), cpus, &mut found.notes)?;
    found.buffers.push(top);
    for BufferOption { offset, name, .. } in std::mem::take(&mut found.options.buffers) {
        let part = file.from(offset);
        let mut cursor = Cursor(part.as_slice());
        // It may have options too, which are those of the file.
        let read = match kind(&mut cursor, &mut Options::default()) {
            Ok(Kind::Pages) => buffer(file, &mut cursor, name.clone(), cpus, &mut found.notes).ok(),
            _ => None,
        };
        match read {
            Some(read) => found.buffers.push(read),
            None => found.notes.push(Problem::Cut(format!("the file is cut; the buffer {name} is missing"))),
        }
    }
    Ok(found)
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Pages,
    Text,
}

/// Reads options, where there are some, and what follows them.
fn kind(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<Kind, Broken> {
    let mut name = cursor.take(10).ok_or(CUT)?;
    if name.starts_with(b"options") {
        loop {
            const CUT: Broken = Broken::Cut("its options");
            let id = cursor.take(2).and_then(|bytes| bytes.first_chunk()).map(|id| u16::from_le_bytes(*id));
            let id = id.ok_or(CUT)?;
            if id == DONE {
                break;
            }
            let size = cursor.u32().ok_or(CUT)?;
            options.take(id, cursor.take(size as usize).ok_or(CUT)?);
        }
        name = cursor.take(10).ok_or(CUT)?;
    }
    match name {
        name if name.starts_with(b"flyrecord") => Ok(Kind::Pages),
        name if name.starts_with(b"latency") => Ok(Kind::Text),
        _ => Err(Broken::Other("the list of CPUs")),
    }
}

/// Reads where the pages of each CPU are.
fn buffer(
    file: &Part,
    cursor: &mut Cursor<'_>,
    name: String,
    cpus: u32,
    notes: &mut Vec<Problem>,
) -> Result<Buffer, Broken> {
    if cpus > CPUS_MAX {
        return Err(Broken::Other("the number of CPUs"));
    }
    let mut buffer = Buffer { name, ..Buffer::default() };
    for cpu in 0..cpus {
        let (offset, size) = cursor.u64().zip(cursor.u64()).ok_or(CUT)?;
        buffer.cpus.push((cpu, pages(file, cpu, offset, size, notes)));
    }
    Ok(buffer)
}
