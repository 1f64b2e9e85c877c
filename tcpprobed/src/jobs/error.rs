//! What the control plane refuses, and why.

use tcpprobe::filter::FilterError;

use crate::store::StoreError;
use crate::tracefs::TracefsError;
use crate::user::User;

/// A request that was not carried out. Nothing was changed, and the message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A name that cannot be a job's.
    #[error("{0:?} cannot be the name of a job: 1 to 64 of a-z A-Z 0-9 . _ -, beginning with a letter or digit")]
    Name(String),
    /// A filter that is none.
    #[error("{0}")]
    Filter(#[from] FilterError),
    /// No events asked for, or none of that name.
    #[error("{0}")]
    Events(String),
    /// There is no such job.
    #[error("there is no job {0:?}; `tcpprobectl list` shows those there are")]
    NotFound(String),
    /// The job has no such run.
    #[error("job {job:?} has no run {run}; `tcpprobectl status {job}` shows those it has")]
    NoRun {
        /// The job.
        job: String,
        /// The run.
        run: u32,
    },
    /// The job runs already.
    #[error("job {0:?} is running; `tcpprobectl stop {0}` ends its run")]
    Running(String),
    /// The job does not run.
    #[error("job {0:?} is not running; `tcpprobectl start {0}` begins a new run")]
    NotRunning(String),
    /// Somebody else's job.
    #[error("job {job:?} belongs to {owner}; {}", not_own(*is_admin))]
    NotOwner {
        /// The job.
        job: String,
        /// Its owner.
        owner: User,
        /// Whether the caller could change it, and asked for a job of his own.
        is_admin: bool,
    },
    /// The kernel's buffers would take too much memory.
    #[error("a buffer of {asked_kb} KB is more than jobs may take of this machine's memory; {}", fitting(*fits_kb))]
    Memory {
        /// What was asked for, over all CPUs.
        asked_kb: u64,
        /// What would fit.
        fits_kb: u64,
    },
    /// No more jobs.
    #[error("there are {0} jobs already, the most that limits.jobs allows; `tcpprobectl rm NAME` removes one")]
    TooMany(usize),
    /// No more jobs of this user.
    #[error("you have {0} jobs already, the most that limits.jobs_per_user allows; `tcpprobectl rm NAME` removes one")]
    TooManyOwn(usize),
    /// The daemon is going.
    #[error("tcpprobed is stopping; try again when it is back")]
    Stopping,
    /// There is no staging area.
    #[error("{}: {source}; a running job needs 8 MiB there: make room, or start tcpprobed with another --runtime", path.display())]
    Staging {
        /// Its file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What it recorded was removed under it.
    #[error(
        "job {job:?} is stopped, but the folder of its run was removed, and {stored} stored events with it; `tcpprobectl rm {job}` removes the rest"
    )]
    FolderGone {
        /// The job.
        job: String,
        /// Events that were stored in its run.
        stored: u64,
    },
    /// The kernel refuses.
    #[error("{0}")]
    Tracefs(#[from] TracefsError),
    /// The store refuses.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The system refuses.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

fn not_own(is_admin: bool) -> &'static str {
    if is_admin { "take another name" } else { "only its owner or an administrator may change it" }
}

fn fitting(fits_kb: u64) -> String {
    match fits_kb {
        0 => "all that your jobs may take is taken: stop a job, or raise limits.kernel_memory_percent".to_owned(),
        kb => format!("up to {kb} KB fit: --buffer {kb}"),
    }
}
