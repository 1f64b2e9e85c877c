//! The runtime folder: what outlives the daemon and not the machine. Several daemons cannot share one.
//!
//! ```text
//! <runtime>/lock              held by the daemon that uses it
//! <runtime>/tcpprobed.sock    the API, unless it is elsewhere
//! <runtime>/<job>.instance    how its kernel instance was left
//! <runtime>/<job>.staging     pages that were read from the kernel and are in no block yet
//! ```

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::disk::{Folder, FolderLock, OptionalHook};

/// Others may enter: the socket in it says who may connect.
const MODE: u32 = 0o755;

/// The runtime folder of this daemon.
#[derive(Debug)]
pub struct RuntimeFolder {
    folder: Folder,
    _lock: FolderLock,
}

impl RuntimeFolder {
    /// Takes the folder, and makes it where there is none.
    ///
    /// # Errors
    /// When another daemon has it, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = || path.display().to_string();
        if !path.is_dir() {
            std::fs::create_dir_all(path).with_context(shown)?;
            std::fs::set_permissions(path, Permissions::from_mode(MODE)).with_context(shown)?;
        }
        let folder = Folder::open(path, OptionalHook::default()).with_context(shown)?;
        match folder.lock().with_context(|| folder.path_of("lock").display().to_string())? {
            Some(lock) => Ok(RuntimeFolder { folder, _lock: lock }),
            None => bail!("{} is in use by another tcpprobed; give this one another --runtime", path.display()),
        }
    }

    /// The file of a job's staging area.
    ///
    /// # Errors
    /// Those of the file system, also where it is a symbolic link.
    pub fn staging(&self, job: &str) -> io::Result<File> {
        self.folder.scratch(&staging_name(job))
    }

    /// How the kernel instance of a job was left.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn instance(&self, job: &str) -> io::Result<String> {
        self.folder.read(&instance_name(job))
    }

    /// Keeps how the kernel instance of a job was left.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep_instance(&self, job: &str, text: &str) -> io::Result<()> {
        self.folder.replace(&instance_name(job), text.as_bytes())
    }

    /// The job has no kernel instance any more.
    pub fn forget_instance(&self, job: &str) {
        let _ = self.folder.remove(&instance_name(job));
    }

    /// Where the staging area of a job is.
    #[must_use]
    pub fn staging_path(&self, job: &str) -> PathBuf {
        self.folder.path_of(&staging_name(job))
    }

    /// Removes the staging area of a job: all that was in it is stored.
    pub fn remove_staging(&self, job: &str) {
        let _ = self.folder.remove(&staging_name(job));
    }
}

fn instance_name(job: &str) -> String {
    format!("{job}.instance")
}

fn staging_name(job: &str) -> String {
    format!("{job}.staging")
}
