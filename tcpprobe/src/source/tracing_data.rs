//! What trace-cmd and perf save of a kernel beside its events: the header of its pages, formats, names of tasks.
//!
//! Source: the manual pages trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5). perf has the same in a section of its own, whose version is
//! `0.6` and lower (`tools/perf/util/trace-event-read.c`). Each part has its length before it, which is never trusted: what claims
//! more than there is, is cut.

use std::collections::HashMap;

use super::described::Descriptions;
use crate::file::block::Cursor;
use crate::kernel::format::{Format, FormatError, PageLayout};
use crate::kernel::ring::saved_cmdlines;

/// What begins it, and a `trace.dat`.
pub const MAGIC: &[u8] = b"\x17\x08\x44tracing";
/// The system of what the kernel records beside events.
const FTRACE: &str = "ftrace";
/// Longest name or version that is looked at.
const WORD_BYTES_MAX: usize = 4096;

/// What was saved of a kernel.
#[derive(Debug, Default)]
pub struct TracingData {
    /// Where things are in its pages; `None` where that was not saved.
    pub pages: Option<PageLayout>,
    /// Its events.
    pub described: Descriptions,
    /// pid → comm.
    pub comms: HashMap<i32, String>,
}

/// What begins all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `6`, `7`, of perf `0.6`.
    pub version: String,
    /// Whether numbers are big-endian.
    pub is_big_endian: bool,
    /// Bytes of a page of memory.
    pub page_bytes: u32,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It ends too early, or claims more than there is.
    #[error("is cut within {0}")]
    Cut(&'static str),
    /// Something that no program writes.
    #[error("has something else where {0} should be")]
    Other(&'static str),
    /// A header of pages that is not understood.
    #[error(transparent)]
    Pages(#[from] FormatError),
}

/// Reads magic, version, endianness and sizes.
pub fn head(cursor: &mut Cursor<'_>) -> Result<Head, Broken> {
    const WHAT: &str = "the head";
    let cut = Broken::Cut(WHAT);
    if cursor.take(MAGIC.len()).is_none_or(|magic| magic != MAGIC) {
        return Err(Broken::Other(WHAT));
    }
    let version = word(cursor).ok_or(cut)?;
    let [endian, _long_bytes] = cursor.take(2).and_then(|bytes| bytes.first_chunk()).ok_or(Broken::Cut(WHAT))?;
    let page_bytes = cursor.u32().ok_or(Broken::Cut(WHAT))?;
    Ok(Head { version, is_big_endian: *endian != 0, page_bytes })
}

impl TracingData {
    /// Reads all parts as they follow the head; those at the end may be missing, as older versions have them.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, Broken> {
        let mut data = TracingData::default();
        data.header_info(cursor)?;
        data.ftrace_formats(cursor)?;
        data.event_formats(cursor)?;
        let skipped = |cursor: &mut Cursor<'_>| {
            let length = cursor.u32()?;
            cursor.take(length as usize).map(drop)
        };
        skipped(cursor).ok_or(Broken::Cut("the addresses of functions"))?;
        skipped(cursor).ok_or(Broken::Cut("the formats of trace_printk"))?;
        Ok(data)
    }

    /// `header_page` and `header_event`.
    pub fn header_info(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Broken> {
        for name in [&b"header_page\0"[..], b"header_event\0"] {
            const WHAT: &str = "the header of pages";
            if cursor.take(name.len()).ok_or(Broken::Cut(WHAT))? != name {
                return Err(Broken::Other(WHAT));
            }
            let text = text(cursor).ok_or(Broken::Cut(WHAT))?;
            // perf has it empty where it cannot read tracefs.
            if name.starts_with(b"header_page") && !text.is_empty() {
                self.pages = Some(PageLayout::parse(&text)?);
            }
        }
        Ok(())
    }

    /// The formats of what tracers record; of them only the IDs are kept.
    pub fn ftrace_formats(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Broken> {
        const CUT: Broken = Broken::Cut("the formats of tracers");
        for _ in 0..cursor.u32().ok_or(CUT)? {
            let text = text(cursor).ok_or(CUT)?;
            if let Ok(format) = Format::parse(FTRACE, &text) {
                self.described.pass_over(format.id);
            }
        }
        Ok(())
    }

    /// The formats of events, by system. One that is not understood is left out: then its events are such that nothing describes.
    pub fn event_formats(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Broken> {
        const CUT: Broken = Broken::Cut("the formats of events");
        for _ in 0..cursor.u32().ok_or(CUT)? {
            let system = word(cursor).ok_or(CUT)?;
            for _ in 0..cursor.u32().ok_or(CUT)? {
                let text = text(cursor).ok_or(CUT)?;
                if let Ok(format) = Format::parse(&system, &text) {
                    // perf saves a format for each event that was asked for.
                    let _ = self.described.add(format);
                }
            }
        }
        self.described.number();
        Ok(())
    }

    /// The names of tasks.
    pub fn cmdlines(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Broken> {
        self.comms = saved_cmdlines(sized(cursor).ok_or(Broken::Cut("the names of tasks"))?);
        Ok(())
    }
}

/// A length of 8 bytes, and as many bytes.
fn sized<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(cursor.u64()?).ok()?;
    cursor.take(length)
}

fn text(cursor: &mut Cursor<'_>) -> Option<String> {
    sized(cursor).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// What stands before the next NUL.
pub fn word(cursor: &mut Cursor<'_>) -> Option<String> {
    let length = cursor.0.iter().take(WORD_BYTES_MAX).position(|byte| *byte == 0)?;
    let bytes = cursor.take(length + 1)?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a kernel with one event, as perf and trace-cmd write it.
    fn data() -> Vec<u8> {
        let sized = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let format = include_str!("../../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_probe/format");
        let pages = include_str!("../../../fixtures/formats/6.18.44-fc-v669/events/header_page");
        let function = "name: function\nID: 1\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\nprint fmt: \"\"\n";
        [
            MAGIC,
            b"6\0\0\x08\0\x10\0\0header_page\0",
            &sized(pages),
            b"header_event\0",
            &sized("compressed"),
            &1u32.to_le_bytes(),
            &sized(function),
            &1u32.to_le_bytes(),
            b"tcp\0",
            &1u32.to_le_bytes(),
            &sized(format),
            &[0; 8],
            &sized("7 nginx\n"),
        ]
        .concat()
    }

    fn read(bytes: &[u8]) -> Result<TracingData, Broken> {
        let mut cursor = Cursor(bytes);
        assert_eq!(head(&mut cursor)?, Head { version: "6".to_owned(), is_big_endian: false, page_bytes: 4096 });
        let mut data = TracingData::read(&mut cursor)?;
        data.cmdlines(&mut cursor)?;
        Ok(data)
    }

    #[test]
    fn all_parts_are_read() {
        let data = read(&data()).unwrap();
        assert_eq!(data.pages, Some(PageLayout::default()));
        assert_eq!(data.described.formats().map(|format| &*format.name).collect::<Vec<_>>(), ["tcp_probe"]);
        assert!(data.described.is_beside(&[1, 0]) && !data.described.is_beside(&[2, 0]));
        assert_eq!(data.comms[&7], "nginx");
    }

    #[test]
    fn where_it_is_cut_is_said() {
        let whole = data();
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        let mut huge = whole.clone();
        let at = huge.windows(12).position(|bytes| bytes == b"header_page\0").unwrap() + 12;
        huge[at..at + 8].fill(0xff);
        assert_eq!(read(&huge).unwrap_err().to_string(), "is cut within the header of pages");
        assert_eq!(read(b"else").unwrap_err().to_string(), "has something else where the head should be");
    }
}
