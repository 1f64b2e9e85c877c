//! A ring buffer that somebody saved without the daemon: a folder of pages, and the `events/` folder that explains them.

mod contents;
mod events;
mod folder;
mod visit;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tcpprobe::file::block::PointerKey;
use tcpprobe::kernel::ring::Buffer;
use tcpprobe::kernel::text::Layout;

use self::events::Events;
use self::folder::{Folder, Pages};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::random;

/// A folder of pages that can be read, more than once.
pub struct Saved {
    name: String,
    folder: Folder,
    events: Events,
    uname: Uname,
    /// Makes ids of the kernel's pointers.
    key: PointerKey,
    interrupt: Interrupt,
}

impl Saved {
    /// Opens the folder `path`; `formats` is the `events/` folder of the kernel that wrote the pages.
    pub fn open(path: &Path, formats: &Path, interrupt: Interrupt) -> Result<Self> {
        if !path.is_dir() && path.exists() {
            let what = format!("{} is no folder", path.display());
            return Err(Failure::new(Exit::Usage, what, "--formats goes with a folder of cpuN.raw").into());
        }
        Ok(Saved {
            name: path.display().to_string(),
            folder: Folder::open(path)?,
            events: Events::open(formats)?,
            uname: Uname::find(path, formats),
            key: PointerKey::new(random::bytes().context("random numbers")?),
            interrupt,
        })
    }

    fn buffer(&self) -> Result<Buffer<Pages>> {
        Ok(Buffer::new(self.events.pages, self.folder.pages(&self.interrupt)?))
    }

    /// The layout of the kernel's text.
    fn layout(&self) -> Layout {
        Layout::told_by(&self.uname.release, self.events.formats())
    }
}

/// Which kernel and machine the pages are of, as far as a file `uname` tells.
#[derive(Debug, Default, PartialEq)]
struct Uname {
    release: String,
    host: String,
}

impl Uname {
    /// Looks beside the pages, and beside and in the folder of events.
    fn find(pages: &Path, formats: &Path) -> Self {
        let places = [pages.join("uname"), formats.join("uname"), formats.join("../uname")];
        places
            .iter()
            .find_map(|place| fs::read_to_string(place).ok())
            .map_or_else(Uname::default, |text| Uname::parse(&text))
    }

    /// What `uname -a` or `uname -r` prints.
    fn parse(text: &str) -> Self {
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
