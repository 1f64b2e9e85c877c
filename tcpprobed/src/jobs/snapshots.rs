//! The snapshots of jobs: whether a run has any, and the events that they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tcpprobe::event::{owner, tcp_info};
use tcpprobe::kernel::format::Format;

use super::{JobError, Jobs, Plan, Spec};
use crate::capture::{Lookout, OwnEvents, Snapshots};
use crate::sockdiag::{Listening, SockDiag};
use crate::store::RunMeta;

/// The snapshots of a run that is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// From one of a socket to the next.
    pub interval: Duration,
    /// Bytes of tcp_info in each.
    pub info_bytes: usize,
}

/// What became of the snapshots of a run, since this daemon reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SnapshotView {
    /// Seconds from one of a socket to the next.
    pub interval_s: u64,
    /// Snapshots a second over the last seconds.
    pub per_s: f64,
    /// Taken.
    pub taken: u64,
    /// Not taken, for the budget was spent.
    pub left_out: u64,
    /// The kernel had no such socket.
    pub not_found: u64,
    /// The kernel gave no answer that is understood.
    pub failed: u64,
    /// Taken of sockets that closed.
    pub finals: u64,
    /// Sockets that closed of which the kernel had nothing left to tell.
    pub emptied: u64,
}

impl SnapshotView {
    /// As they stand now; a rate takes two looks.
    pub(super) fn of(snapshots: &Snapshots) -> Self {
        let counts = &snapshots.counts;
        SnapshotView {
            interval_s: snapshots.interval.as_secs(),
            per_s: 0.0,
            taken: counts.taken.load(Ordering::Relaxed),
            left_out: counts.left_out.load(Ordering::Relaxed),
            not_found: counts.not_found.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            finals: counts.finals.load(Ordering::Relaxed),
            emptied: counts.emptied.load(Ordering::Relaxed),
        }
    }
}

impl Jobs {
    /// What `spec` means here, with the events of our own.
    pub(super) fn plan(&self, spec: &Spec) -> Result<Plan, JobError> {
        let config = self.config();
        let mut plan = Plan::new(spec, &config, &self.tracefs)?;
        if config.owners.enabled {
            plan.own.push(owner::format().map_err(|error| JobError::Events(error.to_string()))?);
        }
        let seconds = spec.snapshots_s.unwrap_or(config.snapshots.interval_seconds);
        match &self.sock_diag {
            _ if seconds == 0 || config.snapshots.per_second == 0 => {}
            Ok(sock_diag) => {
                let info_bytes = sock_diag.info_bytes();
                plan.own.push(format(info_bytes)?);
                plan.snapshots = Some(SnapshotPlan { interval: Duration::from_secs(seconds), info_bytes });
            }
            // Whoever asks for them is told; doctor says it to all.
            Err(why) if spec.snapshots_s.is_some() => plan.warnings.push(format!("there will be no snapshots: {why}")),
            Err(_) => {}
        }
        Ok(plan)
    }

    /// The plan for a run that goes on: its snapshots are as it was begun, for it has the columns that it has. Only who asks for
    /// snapshots in a run without any gets them.
    pub(super) fn plan_on(&self, plan: &Plan, meta: &RunMeta, spec: &Spec) -> Result<Plan, JobError> {
        let mut plan = plan.clone();
        plan.own.retain(|format| format.id != tcp_info::ID);
        let is_asked = spec.snapshots_s.is_some();
        plan.snapshots = match plan.snapshots.take() {
            Some(snapshots) if meta.tcp_info_bytes > 0 => {
                Some(SnapshotPlan { info_bytes: meta.tcp_info_bytes, ..snapshots })
            }
            other => other.filter(|_| is_asked),
        };
        if let Some(snapshots) = plan.snapshots {
            plan.own.push(format(snapshots.info_bytes)?);
        }
        Ok(plan)
    }

    /// Where the capture of a plan says whom it saw, and where the snapshots go.
    pub(super) fn lookout(&self, plan: &Plan, own: &OwnEvents) -> Option<(Lookout, Arc<Snapshots>)> {
        let (SnapshotPlan { interval, info_bytes }, sock_diag) = (plan.snapshots?, self.sock_diag.as_ref().ok()?);
        let snapshots = Arc::new(Snapshots { own: own.clone(), interval, info_bytes, counts: Default::default() });
        sock_diag.lookout().begin(&snapshots);
        Some((sock_diag.lookout().clone(), snapshots))
    }

    /// How it stands with final snapshots, or why there are none; none where nobody wants them.
    #[must_use]
    pub fn finals(&self) -> Option<Result<Listening, String>> {
        match &self.sock_diag {
            Ok(sock_diag) => Some(sock_diag.listening()?.map_err(str::to_owned)),
            Err(why) => self.config().snapshots.r#final.then(|| Err(why.clone())),
        }
    }

    /// Who takes snapshots; else why nobody does.
    ///
    /// # Errors
    /// In words.
    pub fn sock_diag(&self) -> Result<&Arc<SockDiag>, &str> {
        self.sock_diag.as_ref().map_err(String::as_str)
    }
}

fn format(info_bytes: usize) -> Result<Format, JobError> {
    tcp_info::format(info_bytes).map_err(|error| JobError::Events(error.to_string()))
}
