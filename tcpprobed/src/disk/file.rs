//! A file that is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::fs_hook::{Change, OptionalHook};

/// A regular file, open for writing.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
    hook: OptionalHook,
    sync_asked: AtomicBool,
}

impl DiskFile {
    pub(super) fn new(file: File, path: PathBuf, hook: OptionalHook) -> Self {
        DiskFile { file, path, hook, sync_asked: AtomicBool::new(false) }
    }

    /// The path under which it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Those of the file system; some of the bytes may be written then.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.hook.make(Change::Write(&self.path, offset, bytes), || self.file.write_all_at(bytes, offset))
    }

    /// Cuts the file to this length.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn cut(&self, length: u64) -> io::Result<()> {
        self.hook.make(Change::Cut(&self.path, length), || self.file.set_len(length))
    }

    /// Asks for a sync. Says whether nobody had asked since the last one began.
    pub fn ask_sync(&self) -> bool {
        !self.sync_asked.swap(true, Ordering::AcqRel)
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync(&self) -> io::Result<()> {
        self.sync_asked.store(false, Ordering::Release);
        self.hook.make(Change::SyncFile(&self.path), || self.file.sync_data())
    }
}
