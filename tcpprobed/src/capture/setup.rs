//! What a capture is started with.

use std::sync::Arc;

use tcpprobe::file::block::{PointerKey, Schema};
use tcpprobe::kernel::format::PageLayout;

use super::own_events::OwnEvents;
use super::residual::Residuals;
use super::seen::{Lookout, Snapshots};
use super::staging::Staging;
use crate::store::{LedgerByCpu, RunWriter};
use crate::tracefs::{Instance, Tracefs};

/// Everything that a capture needs.
pub struct Setup {
    /// The kernel instance, recording.
    pub instance: Instance,
    /// Where it is.
    pub tracefs: Tracefs,
    /// Of its pages.
    pub layout: PageLayout,
    /// Of its events, and behind them of those of our own.
    pub schema: Arc<Schema>,
    /// What the kernel's filter leaves to be decided.
    pub residuals: Residuals,
    /// Where blocks go.
    pub run: RunWriter,
    /// Where pages go before.
    pub staging: Staging,
    /// Number of the first staged page that is not accounted for.
    pub pages_end: u64,
    /// Where the accounting begins, in the trace's clock: when recording did, or where the account of an earlier process ends.
    pub since: u64,
    /// Up to when it is known what the kernel recorded, in the trace's clock.
    pub sure_until: u64,
    /// Since when nobody knows what the kernel recorded, in the trace's clock, up to now.
    pub unknown_since: Option<u64>,
    /// What was booked since the instance was made, by CPU.
    pub booked: LedgerByCpu,
    /// Where events of our own come from.
    pub own_events: OwnEvents,
    /// Who wants to know whom it saw, and for what snapshots.
    pub lookout: Option<(Lookout, Arc<Snapshots>)>,
    /// Makes pointers opaque.
    pub pointer_key: PointerKey,
}
