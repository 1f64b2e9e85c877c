//! What a job looks like from outside.

use tcpprobe::file::Totals;

use super::{SnapshotView, Spec};
use crate::owners::Standing;
use crate::sockdiag::Listening;
use crate::user::User;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has no kernel instance.
    Stopped,
    /// It records.
    Running,
    /// It drains what the kernel still holds.
    Stopping,
    /// Its capture ended by an error.
    Failed,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Counts from 1.
    pub number: u32,
    /// Nanoseconds since 1970; the end is 0 while the run goes on.
    pub started_ns: i64,
    /// See `started_ns`.
    pub ended_ns: i64,
    /// Why it ended.
    pub ended_why: String,
    /// Its account.
    pub ledger: Totals,
    /// Bytes on disk.
    pub bytes: u64,
    /// Files on disk.
    pub segments: u32,
    /// Wall clock of the earliest and the latest event on disk.
    pub walls: Option<(i64, i64)>,
}

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// Its name.
    pub name: String,
    /// What it records.
    pub spec: Spec,
    /// Its state.
    pub state: State,
    /// Who made it.
    pub owner: User,
    /// Nanoseconds since 1970.
    pub created_ns: i64,
    /// Oldest first.
    pub runs: Vec<RunView>,
    /// Events per second over the last seconds.
    pub events_per_s: f64,
    /// Kernel memory of its instance.
    pub kernel_buffer_kb: u64,
    /// Of the run that goes on, where it has any.
    pub snapshots: Option<SnapshotView>,
    /// How it stands with final snapshots of any job, where they are wanted and it has any.
    pub finals: Option<Result<Listening, String>>,
    /// A warning or error, in one line.
    pub message: String,
    /// Whose sockets are that the newest run recorded; none where that was not asked since the daemon was started.
    pub owners: Option<Standing>,
}
