//! Where what is damaged is put aside.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Folder;
use crate::store::{StoreError, at};

/// `<state>/quarantine`, in which everything keeps its path.
pub struct Quarantine {
    state: Folder,
}

impl Quarantine {
    /// That of the store in `state`. It is made when something comes into it.
    pub fn new(state: Folder) -> Self {
        Quarantine { state }
    }

    /// Moves an entry of a folder of the store here; says to where.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn take(&self, folder: &Folder, name: &str) -> Result<PathBuf, StoreError> {
        self.receive(folder, name, |place, free| folder.rename(name, place, free))
    }

    /// Keeps a file of the store here too.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn take_copy(&self, folder: &Folder, name: &str) -> Result<PathBuf, StoreError> {
        self.receive(folder, name, |place, free| folder.link(name, place, free))
    }

    fn receive(
        &self,
        folder: &Folder,
        name: &str,
        put: impl FnOnce(&Folder, &str) -> io::Result<()>,
    ) -> Result<PathBuf, StoreError> {
        let below = folder.path().strip_prefix(self.state.path()).unwrap_or(Path::new(""));
        let received = (|| {
            let mut place = self.state.make_folder("quarantine")?;
            for part in below.iter() {
                place = place.make_folder(&part.to_string_lossy())?;
            }
            let free = place.free_name(name)?;
            put(&place, &free)?;
            place.sync()?;
            folder.sync()?;
            Ok(place.path_of(&free))
        })();
        at(folder.path_of(name), received)
    }
}
