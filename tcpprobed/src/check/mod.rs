//! `tcpprobed check`: verifies a whole store while no daemon has it, and says what is wrong.
//!
//! Everything is read: every small file, every frame's checksum, every block down to its last event, every account.
//! With `--repair`, what is damaged is put aside under `<state>/quarantine/`, never deleted, what is whole of it goes on
//! being served, and the catalog is built anew.

mod catalog;
mod inspect;
mod job;
mod quarantine;
mod report;
mod run;
mod salvage;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use report::report;

use crate::disk::{EntryKind, Folder, FolderLock, OptionalHook};
use crate::store::{StoreError, at};
use quarantine::Quarantine;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of the file or folder, below the state directory.
    pub path: PathBuf,
    /// Where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong there, in one line.
    pub what: String,
    /// What was done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Jobs.
    pub jobs: u64,
    /// Their runs.
    pub runs: u64,
    /// Segments of these.
    pub segments: u64,
    /// Blocks that could be decoded.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks the store in `state`, and repairs it, if that is wanted.
///
/// # Errors
/// When there is no store, a daemon has it, or the file system refuses. What is wrong with the store is no error.
pub fn check(state: &Path, repair: bool) -> Result<Summary, StoreError> {
    let folder = at(state, Folder::open(state, OptionalHook::default()))?;
    let jobs = at(folder.path_of("jobs"), folder.folder("jobs"))?;
    let _lock = hold(&folder, repair)?;
    let mut check =
        StoreCheck { state: state.to_owned(), summary: Summary::default(), quarantine: None, segments: Vec::new() };
    if repair {
        check.quarantine = Some(Quarantine::new(folder.clone()));
    }
    for (name, kind) in at(jobs.path(), jobs.entries())? {
        check.job(&jobs, &name, kind)?;
    }
    check.catalog(&folder)?;
    Ok(check.summary)
}

/// Keeps daemons away, without writing where nothing is to be repaired.
fn hold(folder: &Folder, repair: bool) -> Result<Option<FolderLock>, StoreError> {
    let locked = if repair { folder.lock() } else { folder.lock_to_look() };
    match locked {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(StoreError::Locked(folder.path().to_owned())),
        // No daemon ever had it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { path: folder.path_of("lock"), source }),
    }
}

/// A check that goes on.
struct StoreCheck {
    state: PathBuf,
    summary: Summary,
    /// Where what is damaged goes, if it is to be repaired.
    quarantine: Option<Quarantine>,
    /// What the segments really are, for the catalog.
    segments: Vec<catalog::RealSegment>,
}

impl StoreCheck {
    /// Notes what is wrong with the file or folder at `path`.
    fn found(&mut self, path: &Path, offset: Option<u64>, what: impl Into<String>, repair: Option<String>) {
        let path = path.strip_prefix(&self.state).unwrap_or(path).to_owned();
        let what = what.into().replace('\n', " ");
        self.summary.findings.push(Finding { path, offset, what, repair });
    }

    /// Notes that something should not be where it is, and puts it aside.
    fn found_misplaced(&mut self, folder: &Folder, name: &str, what: impl Into<String>) -> Result<(), StoreError> {
        let repair = self.put_aside(folder, name)?;
        self.found(&folder.path_of(name), None, what, repair);
        Ok(())
    }

    /// Moves an entry into the quarantine, if things are to be repaired; says so.
    fn put_aside(&mut self, folder: &Folder, name: &str) -> Result<Option<String>, StoreError> {
        let Some(quarantine) = &self.quarantine else { return Ok(None) };
        quarantine.take(folder, name).map(|place| Some(format!("moved to {}", self.shown(&place))))
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.state).unwrap_or(path).display().to_string()
    }
}

/// What an entry is, for people.
fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Folder => "a folder",
        EntryKind::File => "a file",
        EntryKind::Other => "neither file nor folder; a symbolic link is not followed here",
    }
}
