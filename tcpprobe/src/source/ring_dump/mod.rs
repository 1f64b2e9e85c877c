//! A ring buffer that somebody saved without the daemon: a folder of pages, and the `events/` folder that explains them; or both in
//! one file, as trace-cmd has them.

mod contents;
mod described;
mod folder;
mod reading;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub use self::described::Events;
use self::folder::Pages;
pub use self::folder::{Folder, Place};
pub use self::reading::Reading;
use super::Wanted;
use super::times::{Between, Times};
use crate::Error;
use crate::file::block::PointerKey;
use crate::kernel::ring::Buffer;
use crate::kernel::text::Layout;

/// Wraps each file that is read: so reading can be interrupted.
pub type Guard = Arc<dyn Fn(Box<dyn Read>) -> Box<dyn Read>>;

/// A folder of pages that can be read, more than once.
///
/// Beside `cpuN.raw` (what `per_cpu/cpuN/trace_pipe_raw` gave, also with `.gz`) may lie `cpuN.stats`, `saved_cmdlines`,
/// `trace_clock` and `uname`.
///
/// ```
/// use tcpprobe::file::block::PointerKey;
/// use tcpprobe::source::{RingDump, Trace, Wanted};
///
/// let pages = "../fixtures/captures/6.18.44-fc-v669/ipv4-loss2";
/// let formats = "../fixtures/formats/6.18.44-fc-v669/events";
/// let dump = RingDump::open(pages, formats, PointerKey::new([7; 16]))?;
/// assert_eq!(Trace::ring_dump(dump, Wanted::default())?.events().count(), 2112);
/// # Ok::<(), tcpprobe::Error>(())
/// ```
pub struct RingDump {
    pub(super) name: String,
    pub(super) folder: Folder,
    pub(super) events: Events,
    pub(super) uname: Uname,
    pub(super) times: Times,
    /// What to do where there is no event that can be told: of no pages, and of other events.
    pub(super) hints: [&'static str; 2],
    /// Whether `stats` count since the first of the pages, and all that was overwritten is missing.
    pub(super) has_whole_stats: bool,
    /// Makes ids of the kernel's pointers.
    pub(super) key: PointerKey,
    pub(super) guard: Guard,
}

impl RingDump {
    /// Opens the folder `path`; `formats` is the `events/` folder of the kernel that wrote the pages. Pointers become ids under `key`,
    /// which should be random.
    ///
    /// # Errors
    /// When one of the folders cannot be read, or does not hold what it should.
    pub fn open(path: impl AsRef<Path>, formats: impl AsRef<Path>, key: PointerKey) -> Result<Self, Error> {
        let (path, formats) = (path.as_ref(), formats.as_ref());
        let name = path.display().to_string();
        if !path.is_dir() && path.exists() {
            return Err(Error::NotADirectory { name });
        }
        Ok(RingDump {
            folder: Folder::open(path)?,
            events: Events::open(formats)?,
            uname: Uname::find(path, formats),
            times: Times::default(),
            hints: [
                "cpuN.raw is what per_cpu/cpuN/trace_pipe_raw gives",
                "give the events/ folder of the kernel that wrote the pages",
            ],
            has_whole_stats: false,
            name,
            key,
            guard: Arc::new(|file| file),
        })
    }

    /// The same, with each file read through `guard`.
    #[must_use]
    pub fn guarded(mut self, guard: impl Fn(Box<dyn Read>) -> Box<dyn Read> + 'static) -> Self {
        self.guard = Arc::new(guard);
        self
    }

    /// The folder, as messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn read(self, wanted: Wanted) -> Result<Reading, Error> {
        let between = Between::of(&wanted.select, self.times.utc_offset_ns, &self.name)?;
        Reading::new(self, wanted.events, between)
    }

    fn buffer(&self) -> Result<Buffer<Pages>, Error> {
        Ok(Buffer::new(self.events.pages, self.folder.pages(&self.guard)?))
    }

    /// The layout of the kernel's text.
    fn layout(&self) -> Layout {
        Layout::told_by(&self.uname.release, self.events.described.formats().map(|format| &**format))
    }
}

/// Which kernel and machine the pages are of, as far as a file `uname` tells.
#[derive(Debug, Default, PartialEq)]
pub struct Uname {
    pub release: String,
    pub host: String,
}

impl Uname {
    /// Looks beside the pages, and beside and in the folder of events.
    fn find(pages: &Path, formats: &Path) -> Self {
        let places = [pages.join("uname"), formats.join("uname"), formats.join("../uname")];
        places
            .iter()
            .find_map(|place| described::read_at_once(place).ok())
            .map_or_else(Uname::default, |text| Uname::parse(&text))
    }

    /// What `uname -a` or `uname -r` prints.
    pub fn parse(text: &str) -> Self {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            [release] => Uname { release: release.to_owned(), host: String::new() },
            [_, host, release, ..] => Uname { release: release.to_owned(), host: host.to_owned() },
            _ => Uname::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_the_release_alone() {
        let check = |text, release: &str, host: &str| {
            assert_eq!(Uname::parse(text), Uname { release: release.to_owned(), host: host.to_owned() });
        };
        check("6.1.0-50-cloud-amd64\n", "6.1.0-50-cloud-amd64", "");
        check("Linux kbox 6.1.0-50-cloud-amd64 #1 SMP Debian x86_64 GNU/Linux\n", "6.1.0-50-cloud-amd64", "kbox");
        check("", "", "");
    }
}
