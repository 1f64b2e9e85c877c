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
mod limits;
mod retention;
mod run;
mod run_meta;
mod scan;
mod segment;
mod skim;
mod syncer;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use catalog::{Catalog, CatalogEntry, Sum};
pub use limits::{SegmentLimits, SharedLimits};
pub use retention::{Keep, enforce};
pub use run::{Progress, RunPlace, RunWriter, SEGMENT_AGE, SEGMENT_BYTES, Workshop};
pub use run_meta::{LedgerByCpu, MetaFile, RUN_FILE, Resumed, RunMeta, from_toml, to_toml};
pub use scan::{Scan, events_by_cpu, scan};
pub use segment::{SegmentInfo, join, segment_name, segment_number, segments};
pub use syncer::Syncer;
pub use walk::{Ledger, Piece, Step, Walk};

use crate::disk::{Entry, Folder, FolderLock, Watched};

/// Power loss costs at most what was written in this time.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// The name of a job's own file in its folder.
pub const JOB_FILE: &str = "job.toml";

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

/// How a store is to be kept.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// When segments are closed.
    pub limits: SegmentLimits,
    /// Power loss costs at most what was written in this time.
    pub sync_interval: Duration,
    /// Sees what is written.
    pub watched: Watched,
}

/// The store in a state directory.
#[derive(Debug)]
pub struct Store {
    jobs: Folder,
    removed: Folder,
    workshop: Workshop,
    /// Held while the daemon lives.
    _lock: FolderLock,
}

impl Store {
    /// Opens the store, makes it where there is none.
    ///
    /// # Errors
    /// When another daemon has it, or the file system refuses.
    pub fn open(state: &Path, upkeep: Upkeep) -> Result<Self, StoreError> {
        let folder = at(state, Folder::open_or_make(state, upkeep.watched))?;
        let lock = at(folder.path_of("lock"), folder.lock())?.ok_or_else(|| StoreError::Locked(state.to_owned()))?;
        let inner = |name: &str| at(folder.path_of(name), folder.make_folder(name));
        let (jobs, removed) = (inner("jobs")?, inner("removed")?);
        empty(&removed);
        let catalog = Catalog::open(folder.path_of("catalog"));
        let syncer = at(state, Syncer::start(upkeep.sync_interval))?;
        let limits = SharedLimits::new(upkeep.limits);
        Ok(Store { jobs, removed, workshop: Workshop { catalog, syncer, limits }, _lock: lock })
    }

    /// Keeps the store in another way from now on; who sees what is written stays.
    pub fn configure(&self, upkeep: &Upkeep) {
        self.workshop.limits.set(upkeep.limits);
        self.workshop.syncer.set_interval(upkeep.sync_interval);
    }

    /// What runs are written with.
    #[must_use]
    pub fn workshop(&self) -> Workshop {
        self.workshop.clone()
    }

    /// The catalog of closed segments.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.workshop.catalog
    }

    /// Names of all jobs that have a `job.toml`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn jobs(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for (name, kind) in at(self.jobs.path(), self.jobs.entries())? {
            match kind {
                Entry::Folder if self.jobs.folder(&name).is_ok_and(|job| job.length(JOB_FILE).is_ok()) => {
                    names.push(name)
                }
                // A job that was made by halves, when nothing had begun.
                Entry::Folder if self.jobs.folder(&name).is_ok_and(|job| holds_nothing(&job)) => {
                    let _ = self.jobs.remove_folder(&name);
                }
                Entry::Folder => {}
                Entry::File | Entry::Other => {
                    let path = self.jobs.path_of(&name);
                    tracing::error!(path = %path.display(), "is no folder (a symbolic link is none here); it is left alone");
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
        Ok(holds_nothing(&self.run_folder(job, run)?))
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
        let folders = entries.into_iter().filter(|(_, kind)| *kind != Entry::File);
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
        at(&path, self.jobs.rename(job, &self.removed, &name))?;
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

/// Whether there is nothing in a folder but what interrupted replacements of small files left.
#[must_use]
pub fn holds_nothing(folder: &Folder) -> bool {
    folder.entries().is_ok_and(|entries| entries.iter().all(|(name, kind)| is_temporary(name, *kind)))
}

/// Whether it is what an interrupted replacement of a small file left; the next one replaces it.
#[must_use]
pub fn is_temporary(name: &str, kind: Entry) -> bool {
    kind == Entry::File && name.ends_with(".new")
}

/// The name of a run's folder.
#[must_use]
pub fn run_name(run: u32) -> String {
    format!("{run:06}")
}

/// The number of the run whose folder has this name.
#[must_use]
pub fn run_number(name: &str) -> Option<u32> {
    let number = name.parse().ok()?;
    (name == run_name(number)).then_some(number)
}

/// What a store may take, over all jobs.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Bytes of all segments.
    pub bytes_max: u64,
    /// Bytes that stay free on the file system.
    pub free_min: u64,
}
