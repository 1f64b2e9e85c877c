//! A hook before and after every change of the file system: none, or one by which a test records it or makes it fail.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// One change of the file system. Paths are those under which the file was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A folder is made.
    MakeFolder(&'a Path),
    /// A file is made, or emptied.
    Create(&'a Path),
    /// Bytes are written at an offset.
    Write(&'a Path, u64, &'a [u8]),
    /// The file is cut to this length.
    Cut(&'a Path, u64),
    /// The file's content is made durable.
    SyncFile(&'a Path),
    /// The names in a folder are made durable.
    SyncFolder(&'a Path),
    /// The first path becomes the second, and replaces what is there.
    Rename(&'a Path, &'a Path),
    /// A file or an empty folder goes.
    Remove(&'a Path),
}

/// Sees every change.
pub trait FsHook: Debug + Send + Sync {
    /// A change begins.
    ///
    /// # Errors
    /// Where it is not to be made: it fails with this error.
    fn before(&self, change: Change<'_>) -> io::Result<()>;

    /// The change was made.
    fn after(&self, change: Change<'_>);
}

/// The hook, if there is one.
#[derive(Debug, Clone, Default)]
pub struct OptionalHook(Option<Arc<dyn FsHook>>);

impl OptionalHook {
    /// This hook.
    #[must_use]
    pub fn some(hook: Arc<dyn FsHook>) -> Self {
        OptionalHook(Some(hook))
    }

    /// Makes a change, if the hook lets it happen.
    pub(super) fn make<T>(&self, change: Change<'_>, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Some(hook) = &self.0 else { return make() };
        hook.before(change)?;
        let made = make()?;
        hook.after(change);
        Ok(made)
    }
}
