//! A small file of settings or figures, read and replaced whole.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::Folder;

/// Reads a small file.
///
/// # Errors
/// Those of the file system, and where it is not what [`save_toml`] wrote: then in one line.
pub fn load_toml<T: DeserializeOwned>(folder: &Folder, name: &str) -> io::Result<T> {
    let text = folder.read(name)?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).unwrap_or("").matches('\n').count() + 1;
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{name}, line {line}: {}", error.message().replace('\n', " ")),
        )
    })
}

/// Replaces a small file.
///
/// # Errors
/// Those of the file system; the old file is then still there.
pub fn save_toml(folder: &Folder, name: &str, value: &impl Serialize) -> io::Result<()> {
    let text = toml::to_string(value).map_err(io::Error::other)?;
    folder.replace(name, text.as_bytes())
}
