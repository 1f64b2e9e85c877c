//! The store: what was recorded, on disk.
//!
//! ```text
//! <state>/lock                        held by the daemon that owns the store
//! <state>/catalog/                    sled; may be deleted at any time
//! <state>/jobs/<job>/job.toml         what the job records, and who made it
//! <state>/jobs/<job>/<run>/run.toml   when the run was, and its ledger up to the last segment
//! <state>/jobs/<job>/<run>/<n>.tcpp   its segments
//! ```
//!
//! A segment is append-only, and what has no valid checksum never existed. Small files are replaced, never changed.

mod catalog;
mod durable;
mod retention;
mod run;
mod segment;
mod syncer;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use catalog::Catalog;
pub use durable::{make_directory, replace};
pub use retention::{Keep, enforce};
pub use run::{
    LedgerByCpu, Progress, Resumed, RunMeta, RunWriter, SEGMENT_AGE, SEGMENT_BYTES, SegmentLimits, Workshop, from_toml,
    segment_path, segments, to_toml,
};
pub use segment::{Scan, SegmentInfo, scan};
pub use syncer::{SYNC_INTERVAL, Syncer};

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
pub fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// The store in a state directory.
#[derive(Debug)]
pub struct Store {
    jobs: PathBuf,
    workshop: Workshop,
    /// Held while the daemon lives.
    _lock: File,
}

impl Store {
    /// Opens the store, makes it where there is none.
    ///
    /// # Errors
    /// When another daemon has it, or the file system refuses.
    pub fn open(state: &Path, limits: SegmentLimits) -> Result<Self, StoreError> {
        if !state.is_dir() {
            at(state, fs::create_dir_all(state.parent().unwrap_or(Path::new("/"))))?;
            at(state, make_directory(state))?;
        }
        let lock_path = state.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = at(&lock_path, lock)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoreError::Locked(state.to_owned()))?;
        let jobs = state.join("jobs");
        at(&jobs, make_directory(&jobs))?;
        let (catalog, _) = Catalog::open(state.join("catalog"));
        let syncer = at(state, Syncer::start())?;
        Ok(Store { jobs, workshop: Workshop { catalog, syncer, limits }, _lock: lock })
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
        for entry in at(&self.jobs, fs::read_dir(&self.jobs))? {
            let entry = at(&self.jobs, entry)?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().join("job.toml").is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The folder of a job.
    #[must_use]
    pub fn job_folder(&self, job: &str) -> PathBuf {
        self.jobs.join(job)
    }

    /// The folder of a run.
    #[must_use]
    pub fn run_folder(&self, job: &str, run: u32) -> PathBuf {
        self.jobs.join(job).join(format!("{run:06}"))
    }

    /// The run's folder below the jobs' folder: its name in the catalog.
    #[must_use]
    pub fn run_key(job: &str, run: u32) -> String {
        format!("{job}/{run:06}")
    }

    /// Numbers of a job's runs, in order.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn runs(&self, job: &str) -> Result<Vec<u32>, StoreError> {
        let folder = self.job_folder(job);
        let mut runs = Vec::new();
        for entry in at(&folder, fs::read_dir(&folder))? {
            let name = at(&folder, entry)?.file_name();
            runs.extend(name.to_str().filter(|name| name.len() == 6).and_then(|name| name.parse::<u32>().ok()));
        }
        runs.sort_unstable();
        Ok(runs)
    }

    /// The closed segments of a run: all but `live`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn closed_segments(
        &self,
        job: &str,
        run: u32,
        live: Option<u32>,
    ) -> Result<Vec<(u32, SegmentInfo)>, StoreError> {
        let folder = self.run_folder(job, run);
        let key = Self::run_key(job, run);
        let mut list = Vec::new();
        for number in at(&folder, segments(&folder))?.into_iter().filter(|&number| Some(number) != live) {
            let path = segment_path(&folder, number);
            match self.catalog().info(&run::segment_key(&key, number), &path) {
                Ok(info) => list.push((number, info)),
                // Retention may have been faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::Io { path, source }),
            }
        }
        Ok(list)
    }

    /// Removes a job and all that it recorded.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_job(&self, job: &str) -> Result<(), StoreError> {
        let folder = self.job_folder(job);
        // Without its job.toml it is no job any more, however far the rest gets.
        at(&folder, fs::remove_file(folder.join("job.toml")))?;
        self.catalog().forget(&format!("{job}/"));
        at(&folder, fs::remove_dir_all(&folder))
    }
}

/// What a store may take, over all jobs.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Bytes of all segments.
    pub bytes_max: u64,
    /// Bytes that stay free on the file system.
    pub free_min: u64,
    /// How often it is looked at.
    pub interval: Duration,
}
