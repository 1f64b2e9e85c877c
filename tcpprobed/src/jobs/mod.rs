//! The control plane: which jobs there are, who owns them, and what state they are in.
//!
//! Everything here may block (tracefs, disk, a thread that drains) and is called from threads that may. Each job has
//! one lock for what changes it, and one for looking at it that is only ever held for a moment.
//!
//! `state` owns the states of a job and every way from one to another. The verbs are in files of their own, each a part of
//! `impl Jobs`: `load`, `resume`, `start` and `begin`, `stop`, `let_go`, `remove`, `maintenance`, `instance_check`, `configure`, `preflight`, `sample`, `snapshots`.

mod begin;
mod configure;
mod error;
mod instance_check;
mod job;
mod kept_instance;
mod let_go;
mod load;
mod maintenance;
mod memory;
mod plan;
mod preflight;
mod readable_run;
mod record;
mod remove;
mod resume;
mod running;
mod sample;
mod scratch_instance;
mod snapshots;
mod spec;
mod start;
mod state;
mod stop;
mod unclosed;
mod up_to_now;
mod view;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

pub use error::JobError;
pub use memory::Memory;
pub use plan::{EventPlan, Plan};
pub use readable_run::ReadableRun;
pub use sample::Sample;
pub use snapshots::{SnapshotPlan, SnapshotView};
pub use spec::{JobFile, Spec, check_name};
pub use start::{How, Started};
pub use view::{JobView, RunView, State};

use crate::config::Config;
use crate::lock::lock;
use crate::owners::Owners;
use crate::runtime_folder::RuntimeFolder;
use crate::sockdiag::SockDiag;
use crate::store::{Store, StoreError};
use crate::tracefs::Tracefs;
use crate::user::User;
use job::Job;

/// All jobs of a daemon.
pub struct Jobs {
    config: Mutex<Arc<Config>>,
    tracefs: Tracefs,
    store: Store,
    runtime: RuntimeFolder,
    /// Beginning of the names of this daemon's kernel instances.
    prefix: String,
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    /// Counts changes, for watchers.
    changes: watch::Sender<u64>,
    stopping: AtomicBool,
    /// Kernel memory of jobs that are starting.
    promised: Mutex<memory::MemoryByUser>,
    /// Held by whoever uses the scratch instance.
    scratch: Mutex<()>,
    /// Who takes snapshots, or why nobody does.
    sock_diag: Result<Arc<SockDiag>, String>,
    owners: Owners,
}

/// Who asks: for the log, and for the rules about owners.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// Process id, 0 where it is not known.
    pub pid: i32,
    /// Whether other people's jobs may be changed.
    pub is_admin: bool,
}

impl Jobs {
    /// Loads the jobs of a store, and resumes those that were running. Where there is no `sock_diag`, runs have no snapshots, for the
    /// reason that it gives.
    ///
    /// # Errors
    /// When the store cannot be listed. A job that cannot be resumed is there as failed.
    pub fn open(
        config: Config,
        tracefs: Tracefs,
        store: Store,
        runtime: RuntimeFolder,
        prefix: String,
        sock_diag: Result<Arc<SockDiag>, String>,
    ) -> Result<Arc<Self>, StoreError> {
        let (changes, stopping) = (watch::Sender::new(0), AtomicBool::new(false));
        let (config, by_name) = (Mutex::new(Arc::new(config)), Mutex::default());
        let (promised, scratch) = (Mutex::default(), Mutex::default());
        let owners = Owners::new(tracefs.clone(), &prefix);
        let jobs = Jobs {
            config,
            tracefs,
            store,
            runtime,
            prefix,
            jobs: by_name,
            changes,
            stopping,
            promised,
            scratch,
            sock_diag,
            owners,
        };
        let mut unread = Vec::new();
        for name in jobs.store.jobs()? {
            if let Err(error) = jobs.load(&name) {
                tracing::error!(job = name, %error, "a job cannot be read; it is left alone");
                unread.push(name);
            }
        }
        jobs.remove_leftovers(&unread);
        for job in jobs.all() {
            if jobs.is_to_resume(&job) {
                let _change = job.change();
                jobs.resume_or_say(&job);
            }
        }
        Ok(Arc::new(jobs))
    }

    fn all(&self) -> Vec<Arc<Job>> {
        lock(&self.jobs).values().cloned().collect()
    }

    fn job(&self, name: &str) -> Result<Arc<Job>, JobError> {
        lock(&self.jobs).get(name).cloned().ok_or_else(|| JobError::NotFound(name.to_owned()))
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
        self.all().iter().map(|job| self.view(job, false)).collect()
    }

    /// One job with all its runs, and its bytes on disk.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub fn get(&self, name: &str) -> Result<JobView, JobError> {
        Ok(self.view(&*self.job(name)?, true))
    }

    /// Refuses jobs that the caller did not make, and those that are not there.
    ///
    /// # Errors
    /// For the first of them.
    pub fn check_own(&self, names: &[String], caller: &Caller) -> Result<(), JobError> {
        names.iter().try_for_each(|name| self.job(name)?.check_own(caller))
    }

    /// Whether the daemon is about to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn view(&self, job: &Job, all_runs: bool) -> JobView {
        let view = job.now().view(&job.name, all_runs, self.store.catalog());
        let finals = view.snapshots.and_then(|_| self.finals());
        JobView { owners: self.owners.standing(&job.name), finals, ..view }
    }

    /// Tells jobs whose the sockets are that they record, until the daemon stops.
    pub fn tell_owners(&self) {
        self.owners.run();
    }

    /// Bytes on disk of a job.
    #[must_use]
    pub fn stored_bytes(&self, name: &str) -> u64 {
        self.job(name).map_or(0, |job| job.now().stored_bytes(name, self.store.catalog()))
    }
}
