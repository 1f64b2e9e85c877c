//! A folder held against other daemons.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::Folder;

/// The name of the file that is locked.
const LOCK_FILE: &str = "lock";

/// Holds a folder against other daemons as long as it lives.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl Folder {
    /// Holds the folder against daemons like [`Folder::lock`], and writes nothing: there must be a lock file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn lock_to_look(&self) -> io::Result<Option<FolderLock>> {
        flock(self.file(LOCK_FILE)?)
    }

    /// Holds the folder against other daemons, by a file `lock` in it; `None` where another one holds it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn lock(&self) -> io::Result<Option<FolderLock>> {
        let locked = flock(self.scratch(LOCK_FILE)?)?;
        if let Some(FolderLock { file }) = &locked {
            // For whoever wonders who it is; the lock is what counts.
            let _ = file.set_len(0).and_then(|()| writeln!(&*file, "{}", std::process::id()));
        }
        Ok(locked)
    }
}

fn flock(file: File) -> io::Result<Option<FolderLock>> {
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(FolderLock { file })),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OptionalHook;

    #[test]
    fn a_folder_is_held_once() {
        let keep = tempfile::tempdir().unwrap();
        let open = || Folder::open(keep.path(), OptionalHook::default()).unwrap();
        let (folder, second) = (open(), open());
        assert_eq!(folder.lock_to_look().unwrap_err().kind(), io::ErrorKind::NotFound);
        let held = folder.lock().unwrap();
        assert!(held.is_some());
        assert!(second.lock().unwrap().is_none() && second.lock_to_look().unwrap().is_none());
        drop(held);
        assert!(second.lock_to_look().unwrap().is_some());
        assert!(second.lock().unwrap().is_some());
    }
}
