//! The API's socket.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::groups::GroupFile;

/// Listens at `path`, for the owner and `group` alone, whatever the umask is.
///
/// # Errors
/// When another daemon listens there, something else is there, or the file system refuses.
pub fn listen(path: &Path, group: &str) -> Result<UnixListener> {
    clear(path)?;
    // Nobody may connect before the socket has its mode.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(umask);
    let listener = bound.with_context(|| format!("the socket {} cannot be made", path.display()))?;
    match GroupFile::read().id(group) {
        Some(gid) => {
            // A daemon whose own group it is needs no right to chgrp, and has none under systemd.
            if std::fs::metadata(path).is_ok_and(|socket| socket.gid() != gid) {
                chown(path, None, Some(gid)).with_context(|| format!("{}: chgrp {group}", path.display()))?;
            }
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o660))
                .with_context(|| format!("{}: chmod 660", path.display()))?;
        }
        None => tracing::warn!(group, "there is no such group: only root and the daemon's own user may connect"),
    }
    Ok(listener)
}

/// Removes the socket that a daemon left behind which is gone.
fn clear(path: &Path) -> Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.with_context(|| path.display().to_string())?,
    };
    if !found.file_type().is_socket() {
        bail!("{} is there and is no socket; remove it, or choose another --socket", path.display());
    }
    if UnixStream::connect(path).is_ok() {
        bail!("another daemon listens at {}; stop it, or choose another --socket", path.display());
    }
    std::fs::remove_file(path).with_context(|| path.display().to_string())
}
