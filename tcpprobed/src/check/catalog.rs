//! The catalog, against what the segments really are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreCheck;
use crate::disk::Folder;
use crate::store::{Catalog, SegmentInfo, StoreError, at, segment_name};

/// What a segment really is.
pub struct RealSegment {
    pub run: String,
    pub folder: Folder,
    pub number: u32,
    pub length: u64,
    pub info: SegmentInfo,
    /// Whether something is wrong with it, so that others may see it otherwise.
    pub is_damaged: bool,
}

impl StoreCheck {
    /// Compares the catalog with the segments. That it lacks some, or knows some that are gone, is usual after a daemon was
    /// killed, and costs nothing; what it says of one that is there must be true.
    pub(super) fn catalog(&mut self, state: &Folder) -> Result<(), StoreError> {
        let path = state.path_of("catalog");
        if let Some(wrong) = self.wrong_entries(&path)? {
            let repair = self.quarantine.is_some().then(|| "built anew".to_owned());
            for what in wrong {
                self.found(&path, None, what, repair.clone());
            }
        }
        if self.quarantine.is_some() {
            if fs::symlink_metadata(&path).is_ok() {
                self.put_aside(state, "catalog")?;
            }
            let catalog = Catalog::open(path);
            for segment in &self.segments {
                let info = catalog.info(&segment.run, &segment.folder, segment.number);
                at(segment.folder.path_of(&segment_name(segment.number)), info)?;
            }
            catalog.close();
        }
        Ok(())
    }

    /// What is wrong in the catalog at `path`, if there is one.
    fn wrong_entries(&self, path: &Path) -> Result<Option<Vec<String>>, StoreError> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path: path.to_owned(), source }),
            Ok(found) if !found.is_dir() => return Ok(Some(vec!["is not a directory".to_owned()])),
            Ok(_) => {}
        }
        let copy = at(path, Copy::of(path))?;
        let Some(entries) = Catalog::read(&copy.0) else {
            return Ok(Some(vec!["cannot be read; the daemon makes it anew".to_owned()]));
        };
        let real: BTreeMap<_, _> =
            self.segments.iter().map(|segment| ((&segment.run[..], segment.number), segment)).collect();
        let mut wrong = Vec::new();
        for entry in entries {
            let segment = real.get(&(&entry.run[..], entry.number));
            let is_meant = |segment: &&&RealSegment| !segment.is_damaged && segment.length == entry.length;
            if segment.filter(is_meant).is_some_and(|segment| segment.info != entry.info) {
                let name = segment_name(entry.number);
                wrong.push(format!("is wrong about jobs/{}/{name}, which holds something else", entry.run));
            }
        }
        Ok(Some(wrong))
    }
}

/// A copy of the catalog, which goes when this does.
struct Copy(PathBuf);

impl Copy {
    fn of(catalog: &Path) -> io::Result<Self> {
        let copy = Copy(std::env::temp_dir().join(format!(
            "tcpprobed-check-{}-{}",
            std::process::id(),
            crate::clock::boot_ns()
        )));
        copy_files(catalog, &copy.0)?;
        Ok(copy)
    }
}

/// sled has files, and folders of files.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_files(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
