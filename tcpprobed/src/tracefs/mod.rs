//! The kernel's tracefs: the only code of the daemon that touches it.
//!
//! Each type reads and writes files under a root that it was given, and nothing else: no policy, no threads, no
//! state of its own. What a file says is parsed strictly, what was written can be read back, and every error
//! names its file and what to do. In the order of a capture's life:
//!
//! [`Tracefs::locate`] → [`Tracefs::resolve`] the events → [`Instance::create`] or [`Instance::open`] →
//! [`Instance::configure`] → [`CpuReader`]s and [`CpuStats`] a CPU → [`Instance::remove`].
//!
//! The top-level buffer, its options and other people's instances are never written to.
//!
//! Facts about the kernel in these comments were seen on 6.18 unless another version is named, and are pinned by
//! `tests/tracefs.rs`; names of functions are the kernel's, in `kernel/trace/`.

mod cmdlines;
mod condition;
mod cpus;
mod error;
mod event_name;
mod event_pattern;
mod events;
mod file;
mod holders;
mod instance;
mod memory;
mod mount;
mod reader;
mod settings;
mod stats;
mod sub_buffer;
mod survey;

pub use cmdlines::{numbers_as_events, task_comm, traced_comm};
pub use condition::Condition;
pub use cpus::{online_cpus, possible_cpus};
pub use error::TracefsError;
pub use event_name::EventName;
pub use events::Chosen;
pub use instance::Instance;
pub use memory::MachineMemory;
pub use reader::{CpuReader, ReadOutcome};
pub use settings::Settings;
pub use stats::{CpuStats, StatsFile};
pub use sub_buffer::{fitting_kb, held_kb, page_kb, page_size};
pub use survey::{TopLevel, lockdown};

use std::path::{Path, PathBuf};

use tcpprobe::kernel::format::PageLayout;

/// A usable tracefs: it is one, it can be read, and it has the tcp events.
#[derive(Debug, Clone)]
pub struct Tracefs {
    root: PathBuf,
}

/// What this kernel can do beyond the least that a capture needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `buffer_subbuf_size_kb`: sub-buffers larger than a memory page (since 6.8).
    pub subbuf_size: bool,
    /// `buffer_percent`: poll wakes when a CPU's buffer is so full (since 5.0).
    pub buffer_percent: bool,
}

impl Tracefs {
    /// Of a folder that nothing is read from.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Tracefs { root: root.to_owned() }
    }

    /// Finds tracefs, or mounts it where the kernel wants it, and checks that it is usable.
    ///
    /// A given `root` is taken as it is: anything with tracefs' top-level files will do, mounted or not.
    ///
    /// # Errors
    /// Each with what to do: [`TracefsError::Permission`], [`TracefsError::MountDenied`],
    /// [`TracefsError::Lockdown`], [`TracefsError::NoTracefs`], [`TracefsError::NotTracefs`],
    /// [`TracefsError::NoTcpEvents`], [`TracefsError::NoTcpProbe`], [`TracefsError::ReadOnly`].
    pub fn locate(root: Option<&Path>) -> Result<Self, TracefsError> {
        let root = match root {
            Some(root) => root.to_owned(),
            None => mount::find_or_mount()?,
        };
        mount::check(&root)?;
        Ok(Tracefs { root })
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Which optional files the kernel has.
    #[must_use]
    pub fn features(&self) -> Features {
        let has = |name| self.root.join(name).exists();
        Features { subbuf_size: has("buffer_subbuf_size_kb"), buffer_percent: has("buffer_percent") }
    }

    /// Where things are in a ring-buffer page, from `events/header_page`.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn page_layout(&self) -> Result<PageLayout, TracefsError> {
        let path = self.root.join("events/header_page");
        PageLayout::parse(&file::read_text(&path)?).map_err(|source| TracefsError::Format { path, source })
    }
}

/// The running kernel's release, as `uname -r` prints it.
#[must_use]
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
