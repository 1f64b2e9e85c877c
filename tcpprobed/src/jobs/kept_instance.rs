//! What the next daemon is to know of a kernel instance that outlives this one: `<runtime>/<job>.instance`.

use serde::{Deserialize, Serialize};

use super::JobError;
use crate::runtime_folder::RuntimeFolder;
use crate::tracefs::Condition;

/// How an instance was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptInstance {
    /// When it began to record, in the trace's clock.
    pub since: u64,
    /// Since when nobody knows what it recorded, while it is being replaced.
    pub unknown_since: Option<u64>,
    /// As it was when it began to record.
    pub condition: Condition,
}

impl KeptInstance {
    /// What an earlier daemon kept; `None` where it did not, or nobody understands it.
    pub fn load(runtime: &RuntimeFolder, job: &str) -> Option<Self> {
        toml::from_str(&runtime.instance(job).ok()?).ok()
    }

    /// Keeps it.
    pub fn save(&self, runtime: &RuntimeFolder, job: &str) -> Result<(), JobError> {
        let text = toml::to_string(self).map_err(std::io::Error::other);
        text.and_then(|text| runtime.keep_instance(job, &text))
            .map_err(|source| JobError::Io { doing: "noting how the kernel instance was left", source })
    }
}
