//! What every run of a store is written with.

use super::catalog::Catalog;
use super::limits::SharedLimits;
use super::syncer::Syncer;

/// Handles to what all runs of a store share.
#[derive(Debug, Clone)]
pub struct StoreHandles {
    /// Notes closed segments.
    pub catalog: Catalog,
    /// Makes what is written durable.
    pub syncer: Syncer,
    /// When segments are closed.
    pub limits: SharedLimits,
}
