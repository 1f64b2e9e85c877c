//! The control plane: which jobs there are, who owns them, and what state they are in.
//!
//! Everything here may block (tracefs, disk, a thread that drains) and is called from threads that may. Each job has
//! one lock for what changes it, and one for looking at it that is only ever held for a moment.
mod adopt;
mod begin;
mod care;
mod configure;
mod entry;
mod error;
mod memory;
mod plan;
mod record;
mod source;
mod spec;
mod start;
mod stop;
mod trial;
mod view;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

pub use error::JobError;
pub use memory::Memory;
pub use plan::{EventPlan, Plan};
pub use source::Source;
pub use spec::{JobFile, Spec, check_name};
pub use start::Started;
pub use trial::Sample;
pub use view::{JobView, RunView, State};

use entry::Entry;
pub use entry::lock;

use crate::config::Config;
use crate::runtime::Runtime;
use crate::store::{Store, StoreError};
use crate::tracefs::Tracefs;

/// All jobs of a daemon.
pub struct Jobs {
    config: Mutex<Arc<Config>>,
    tracefs: Tracefs,
    store: Store,
    runtime: Runtime,
    /// Beginning of the names of this daemon's kernel instances.
    prefix: String,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
    /// Counts changes, for watchers.
    changes: watch::Sender<u64>,
    stopping: AtomicBool,
    /// Kernel memory of jobs that are starting.
    promised_kb: Mutex<u64>,
    /// Held by whoever uses the instance for trials.
    trying: Mutex<()>,
}

/// Who asks: for the log, and for the rules about owners.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Process id, 0 where it is not known.
    pub pid: i32,
    /// Whether other people's jobs may be changed.
    pub is_admin: bool,
}

impl Jobs {
    /// Takes up the jobs of a store, and starts again those that were running.
    ///
    /// # Errors
    /// When the store cannot be listed. A job that cannot be taken up is there as failed.
    pub fn open(
        config: Config,
        tracefs: Tracefs,
        store: Store,
        runtime: Runtime,
        prefix: String,
    ) -> Result<Arc<Self>, StoreError> {
        let (changes, stopping) = (watch::Sender::new(0), AtomicBool::new(false));
        let (config, entries) = (Mutex::new(Arc::new(config)), Mutex::default());
        let (promised_kb, trying) = (Mutex::default(), Mutex::default());
        let jobs = Jobs { config, tracefs, store, runtime, prefix, entries, changes, stopping, promised_kb, trying };
        let mut unread = Vec::new();
        for name in jobs.store.jobs()? {
            if let Err(error) = jobs.load(&name) {
                tracing::error!(job = name, %error, "a job cannot be read; it is left alone");
                unread.push(name);
            }
        }
        jobs.remove_leftovers(&unread);
        for entry in jobs.all() {
            if jobs.goes_on(&entry) {
                let _change = lock(&entry.change);
                jobs.resume_or_say(&entry);
            }
        }
        Ok(Arc::new(jobs))
    }

    fn all(&self) -> Vec<Arc<Entry>> {
        lock(&self.entries).values().cloned().collect()
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>, JobError> {
        lock(&self.entries).get(name).cloned().ok_or_else(|| JobError::NotFound(name.to_owned()))
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Counts changes of any job.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// tracefs.
    #[must_use]
    pub fn tracefs(&self) -> &Tracefs {
        &self.tracefs
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Beginning of the names of this daemon's kernel instances.
    #[must_use]
    pub fn instance_prefix(&self) -> &str {
        &self.prefix
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.config))
    }

    /// All jobs, by name, each with its newest run.
    #[must_use]
    pub fn list(&self) -> Vec<JobView> {
        self.all().iter().map(|entry| lock(&entry.now).view(&entry.name, false, self.store.catalog())).collect()
    }

    /// One job with all its runs, and its bytes on disk.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub fn get(&self, name: &str) -> Result<JobView, JobError> {
        let entry = self.entry(name)?;
        let now = lock(&entry.now);
        Ok(now.view(name, true, self.store.catalog()))
    }

    /// Bytes on disk of a job.
    #[must_use]
    pub fn stored_bytes(&self, name: &str) -> u64 {
        self.entry(name).map_or(0, |entry| lock(&entry.now).stored_bytes(name, self.store.catalog()))
    }
}
