//! Another configuration while jobs run.

use std::sync::Arc;

use super::Jobs;
use crate::config::Config;
use crate::lock::lock;

impl Jobs {
    /// Follows another configuration from now on; no capture is touched. Gives the names of those settings that changed and
    /// wait for the next start of the daemon.
    #[must_use]
    pub fn configure(&self, new: Config) -> Vec<&'static str> {
        let mut config = lock(&self.config);
        let (new, waiting) = config.followed_by(new);
        self.store.configure(&new.upkeep());
        if let Ok(sock_diag) = &self.sock_diag {
            sock_diag.set_cost(new.snapshots.cost());
        }
        *config = Arc::new(new);
        waiting
    }
}
