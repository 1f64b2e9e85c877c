//! The store: what was recorded, on disk.
//!
//! ```text
//! <state>/lock                        held by the daemon that owns the store
//! <state>/catalog/                    sled; may be deleted at any time
//! <state>/jobs/<job>/job.toml         what the job records, and who made it
//! <state>/jobs/<job>/<run>/run.toml   when the run was, and its ledger up to one of the last segments
//! <state>/jobs/<job>/<run>/<n>.tcpp   its segments
//! <state>/removed/                    jobs on their way out
//! <state>/quarantine/                 what `tcpprobed check --repair` put aside
//! ```
//!
//! A segment is append-only, and what has no valid checksum never existed. Small files are replaced, never changed.
//! What run.toml tells of segments is true whatever happens: they are made durable before.

mod catalog;
mod error;
mod head_index;
mod ledger;
mod limits;
mod meta_file;
mod names;
mod progress;
mod resume;
mod retention;
mod run;
mod run_meta;
mod scan;
mod segment;
mod segment_writer;
mod store_handles;
mod syncer;
mod toml_file;
mod upkeep;
mod walk;

use std::io;
use std::path::Path;

pub use catalog::{Catalog, CatalogEntry, Sum};
pub use error::{StoreError, at};
pub use ledger::{LedgerByCpu, from_toml, to_toml};
pub use limits::{SEGMENT_AGE, SEGMENT_BYTES, SegmentLimits, SharedLimits};
pub use meta_file::MetaFile;
pub use names::{JOB_FILE, RUN_FILE, run_name, run_number, segment_name, segment_number};
pub use progress::Progress;
pub use resume::Resumed;
pub use retention::{Capacity, Keep, enforce};
pub use run::{RunTarget, RunWriter};
pub use run_meta::RunMeta;
pub use scan::{Scan, events_by_cpu, scan};
pub use segment::{SegmentInfo, join, segments};
pub use store_handles::StoreHandles;
pub use syncer::Syncer;
pub use toml_file::{load_toml, save_toml};
pub use upkeep::{SYNC_INTERVAL, Upkeep};
pub use walk::{LedgerFrame, Step, StoredFrame, Walk};

use crate::disk::{EntryKind, Folder, FolderLock};

/// The store in a state directory.
#[derive(Debug)]
pub struct Store {
    jobs: Folder,
    removed: Folder,
    handles: StoreHandles,
    /// Held while the daemon lives.
    _lock: FolderLock,
}

impl Store {
    /// Opens the store, makes it where there is none.
    ///
    /// # Errors
    /// When another daemon has it, or the file system refuses.
    pub fn open(state: &Path, upkeep: Upkeep) -> Result<Self, StoreError> {
        let folder = at(state, Folder::open_or_make(state, upkeep.hook))?;
        let lock = at(folder.path_of("lock"), folder.lock())?.ok_or_else(|| StoreError::Locked(state.to_owned()))?;
        let inner = |name: &str| at(folder.path_of(name), folder.make_folder(name));
        let (jobs, removed) = (inner("jobs")?, inner("removed")?);
        empty(&removed);
        let catalog = Catalog::open(folder.path_of("catalog"));
        let syncer = at(state, Syncer::start(upkeep.sync_interval))?;
        let limits = SharedLimits::new(upkeep.limits);
        Ok(Store { jobs, removed, handles: StoreHandles { catalog, syncer, limits }, _lock: lock })
    }

    /// Keeps the store in another way from now on; who sees what is written stays.
    pub fn configure(&self, upkeep: &Upkeep) {
        self.handles.limits.set(upkeep.limits);
        self.handles.syncer.set_interval(upkeep.sync_interval);
    }

    /// What runs are written with.
    #[must_use]
    pub fn handles(&self) -> StoreHandles {
        self.handles.clone()
    }

    /// The catalog of closed segments.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.handles.catalog
    }

    /// Names of all jobs that have a `job.toml`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn jobs(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for (name, kind) in at(self.jobs.path(), self.jobs.entries())? {
            match kind {
                EntryKind::Folder if self.jobs.folder(&name).is_ok_and(|job| job.length(JOB_FILE).is_ok()) => {
                    names.push(name)
                }
                // A job that was made by halves, when nothing had begun.
                EntryKind::Folder if self.jobs.folder(&name).is_ok_and(|job| job.holds_nothing()) => {
                    let _ = self.jobs.remove_folder(&name);
                }
                EntryKind::Folder => {}
                EntryKind::File | EntryKind::Other => {
                    let path = self.jobs.path_of(&name);
                    tracing::error!(path = %path.display(), "is not a directory (a symbolic link is none here); it is left alone");
                }
            }
        }
        Ok(names)
    }

    /// The folder of a job.
    ///
    /// # Errors
    /// Those of the file system, also where it is a symbolic link.
    pub fn job_folder(&self, job: &str) -> Result<Folder, StoreError> {
        at(self.jobs.path_of(job), self.jobs.folder(job))
    }

    /// Whether the folder of a run is not there.
    #[must_use]
    pub fn is_gone(&self, job: &str, run: u32) -> bool {
        matches!(self.run_folder(job, run), Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound)
    }

    /// Makes the folder of a job, if there is none.
    ///
    /// # Errors
    /// See [`Store::job_folder`].
    pub fn make_job_folder(&self, job: &str) -> Result<Folder, StoreError> {
        at(self.jobs.path_of(job), self.jobs.make_folder(job))
    }

    /// The folder of a run.
    ///
    /// # Errors
    /// Those of the file system, also where it is a symbolic link.
    pub fn run_folder(&self, job: &str, run: u32) -> Result<Folder, StoreError> {
        let (folder, name) = (self.job_folder(job)?, run_name(run));
        at(folder.path_of(&name), folder.folder(&name))
    }

    /// Makes the folder of a run, if there is none.
    ///
    /// # Errors
    /// See [`Store::run_folder`].
    pub fn make_run_folder(&self, job: &str, run: u32) -> Result<Folder, StoreError> {
        let (folder, name) = (self.job_folder(job)?, run_name(run));
        at(folder.path_of(&name), folder.make_folder(&name))
    }

    /// Whether a run never began: an interrupted start leaves its folder, and no more.
    ///
    /// # Errors
    /// See [`Store::run_folder`].
    pub fn has_not_begun(&self, job: &str, run: u32) -> Result<bool, StoreError> {
        Ok(self.run_folder(job, run)?.holds_nothing())
    }

    /// Removes a run that never began.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_run(&self, job: &str, run: u32) -> Result<(), StoreError> {
        let (folder, name) = (self.job_folder(job)?, run_name(run));
        at(folder.path_of(&name), folder.remove_folder(&name))
    }

    /// The run's folder below the jobs' folder: its name in the catalog.
    #[must_use]
    pub fn run_key(job: &str, run: u32) -> String {
        format!("{job}/{}", run_name(run))
    }

    /// Numbers of a job's runs, in order.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn runs(&self, job: &str) -> Result<Vec<u32>, StoreError> {
        let folder = self.job_folder(job)?;
        let entries = at(folder.path(), folder.entries())?;
        let folders = entries.into_iter().filter(|(_, kind)| *kind != EntryKind::File);
        let mut runs: Vec<u32> = folders.filter_map(|(name, _)| run_number(&name)).collect();
        runs.sort_unstable();
        Ok(runs)
    }

    /// The closed segments of a run: those before `live`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn closed_segments(
        &self,
        job: &str,
        run: u32,
        live: Option<u32>,
    ) -> Result<Vec<(u32, SegmentInfo)>, StoreError> {
        let folder = self.run_folder(job, run)?;
        let key = Self::run_key(job, run);
        let mut list = Vec::new();
        for number in
            at(folder.path(), segments(&folder))?.into_iter().filter(|&number| live.is_none_or(|live| number < live))
        {
            match self.catalog().info(&key, &folder, number) {
                Ok(info) => list.push((number, info)),
                // Retention may have been faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::Io { path: folder.path_of(&segment_name(number)), source }),
            }
        }
        Ok(list)
    }

    /// Removes a job and all that it recorded.
    ///
    /// # Errors
    /// Those of the file system. Once it is moved aside it is no job any more, however far the rest gets.
    pub fn remove_job(&self, job: &str) -> Result<(), StoreError> {
        let path = self.jobs.path_of(job);
        let name = at(self.removed.path(), self.removed.free_name(job))?;
        match self.jobs.rename(job, &self.removed, &name) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => at(&path, renamed)?,
        }
        at(&path, self.removed.sync().and_then(|()| self.jobs.sync()))?;
        self.catalog().forget_job(job);
        empty(&self.removed);
        Ok(())
    }
}

impl Drop for Store {
    /// The next to open the store may be this process.
    fn drop(&mut self) {
        self.catalog().close();
    }
}

/// Removes what is in a folder.
fn empty(folder: &Folder) {
    let removed = folder.entries().and_then(|all| all.iter().try_for_each(|(name, _)| folder.remove_folder(name)));
    if let Err(error) = removed {
        tracing::error!(folder = %folder.path().display(), %error, "what was removed is still there");
    }
}
