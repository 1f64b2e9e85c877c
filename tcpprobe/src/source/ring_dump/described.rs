//! The `events/` folder of a kernel: what it says about its pages and events.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::super::described::{Descriptions, Rejected};
use super::super::losses::Problem;
use super::folder::open_file;
use crate::Error;
use crate::kernel::format::{Format, PageLayout};

/// More than any file of `events/` that is read has: `header_page` of 64-bit kernels so far 205, `format` a page or two.
const FILE_BYTES_MAX: usize = 64 << 10;

/// What a kernel says about its events.
pub struct Events {
    /// As messages call the folder.
    pub name: String,
    /// Where things are in its pages.
    pub pages: PageLayout,
    /// What should be known of them.
    pub notes: Vec<Problem>,
    /// Its events.
    pub described: Descriptions,
}

impl Events {
    /// Reads `header_page`, if it is there, and every `SYSTEM/EVENT/format` in the folder at `path`, or in `events/` below it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let below = path.join("events");
        let path = if !path.join("header_page").exists() && below.is_dir() { &below } else { path };
        let name = path.display().to_string();
        let systems = folders(path).map_err(Error::read(&name))?;
        let header = match read_at_once(&path.join("header_page")) {
            Ok(header) => Ok(header),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            Err(source) => return Err(Error::Read { name: format!("{name}/header_page"), source }),
        };
        let pages = header.as_deref().map_or(Ok(PageLayout::default()), PageLayout::parse);
        let pages = pages.map_err(|source| Error::Format { name: name.clone(), source })?;
        let mut events = Events { name, pages, notes: Vec::new(), described: Descriptions::default() };
        for system in systems {
            for event in folders(&system).map_err(Error::read(&system.display().to_string()))? {
                events.add(&system, &event.join("format"))?;
            }
        }
        if let Err(error) = header {
            let what = format!("{}/header_page: {error}", events.name);
            if events.described.is_empty() {
                let hint = "--formats takes the whole events/ folder of the kernel that wrote the pages";
                return Err(Error::RingDump { what, hint });
            }
            events.note(format!("{what}; pages are read as those of all 64-bit kernels so far"));
        }
        events.described.number();
        Ok(events)
    }

    fn add(&mut self, system: &Path, path: &Path) -> Result<(), Error> {
        // Beside the events lie `enable` and `filter` of the whole system, and folders may be left from something else.
        if !path.exists() {
            return Ok(());
        }
        let system = system.file_name().unwrap_or_default().to_string_lossy();
        let text = read_at_once(path).map_err(Error::read(&path.display().to_string()))?;
        let place = path.display();
        let format = match Format::parse(&system, &text) {
            Ok(format) => format,
            Err(error) => {
                self.note(format!("{place}: {error}; it is not used"));
                return Ok(());
            }
        };
        match self.described.add(format) {
            Ok(()) => Ok(()),
            Err(Rejected::CommonFields) => {
                self.note(format!("{place}: the common fields are not where every kernel has them; it is not used"));
                Ok(())
            }
            Err(Rejected::Double(other)) => {
                let Format { id, system, name, .. } = &*other;
                let what = format!("{}: {system}:{name} and {place} have the same ID {id}", self.name);
                Err(Error::RingDump { what, hint: "give the events/ folder of one kernel" })
            }
        }
    }

    fn note(&mut self, words: String) {
        self.notes.push(Problem::Note(words));
    }
}

/// The text of a file of tracefs. Some of them, `header_page` for one, give all of it to the first read and nothing to
/// another (`show_header_page_file()`, kernel/trace/trace_events.c).
pub(super) fn read_at_once(path: &Path) -> io::Result<String> {
    let mut bytes = vec![0; FILE_BYTES_MAX];
    let mut file = open_file(path)?;
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// The folders in `path`, by name.
fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
