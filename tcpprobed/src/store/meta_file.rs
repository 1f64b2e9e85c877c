//! `run.toml` of a run that is being written: saved by whoever has newer figures.

use std::io;
use std::sync::Mutex;

use super::run_meta::RunMeta;
use crate::disk::Folder;
use crate::lock::lock;

/// `run.toml` of a run that is being written, by whoever has newer figures.
#[derive(Debug)]
pub struct MetaFile {
    folder: Folder,
    /// The first segment that is not in the figures on disk; `None` when nothing more is to be saved.
    saved: Mutex<Option<u32>>,
}

impl MetaFile {
    /// That of a run in `folder`, with these figures.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(folder: Folder, meta: &RunMeta) -> io::Result<Self> {
        meta.save(&folder)?;
        Ok(MetaFile { folder, saved: Mutex::new(Some(meta.segment)) })
    }

    /// Saves figures, if they are newer.
    pub fn advance(&self, meta: &RunMeta) {
        let mut saved = lock(&self.saved);
        if saved.is_none_or(|saved| saved >= meta.segment) {
            return;
        }
        match meta.save(&self.folder) {
            Ok(()) => *saved = Some(meta.segment),
            Err(error) => tracing::error!(folder = %self.folder.path().display(), %error, "run.toml cannot be saved"),
        }
    }

    /// Saves the figures of a run that ended.
    ///
    /// # Errors
    /// Those of the file system; it can be tried again.
    pub fn end(&self, meta: &RunMeta) -> io::Result<()> {
        let mut saved = lock(&self.saved);
        meta.save(&self.folder)?;
        *saved = None;
        Ok(())
    }

    /// Has nothing more saved.
    pub fn leave(&self) {
        *lock(&self.saved) = None;
    }

    /// The first segment that is not in the figures on disk: from it on, segments are needed to resume the run.
    #[must_use]
    pub fn first_needed(&self) -> u32 {
        lock(&self.saved).unwrap_or(u32::MAX)
    }
}
