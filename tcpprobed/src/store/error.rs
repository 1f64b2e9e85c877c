//! A store that cannot be used, and why.

use std::io;
use std::path::{Path, PathBuf};

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("{0} is in use by another tcpprobed; stop it, or give this one another --state")]
    Locked(PathBuf),
}

/// Adds the path to an I/O error.
pub fn at<T>(path: impl AsRef<Path>, result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Io { path: path.as_ref().to_owned(), source })
}
