//! What a job records: as asked for, and as it is kept in `job.toml`.

use std::io;

use serde::{Deserialize, Serialize};
use tcpprobe::event::EventSet;

use super::JobError;
use crate::disk::Folder;
use crate::store::{JOB_FILE, load_toml, save_toml};
use crate::user::User;

/// What a job records and what it may use. Empty and 0 stand for defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// In the filter language.
    pub filter: String,
    /// Names, globs and sets.
    pub events: Vec<String>,
    /// Kernel buffer over all CPUs.
    pub buffer_kb: u64,
    /// Stop after so many seconds.
    pub duration_s: u64,
    /// Bytes kept.
    pub max_size_bytes: u64,
    /// Seconds kept.
    pub max_age_s: u64,
    /// Seconds from one snapshot of a socket to the next; 0 for no snapshots.
    pub snapshots_s: Option<u64>,
}

/// A job as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    /// Who made it.
    #[serde(rename = "owner_uid")]
    pub owner: User,
    /// Nanoseconds since 1970.
    pub created_ns: i64,
    /// Whether it should be running: a daemon that starts resumes it.
    pub running: bool,
    /// What it records.
    pub spec: Spec,
}

impl JobFile {
    /// Reads `job.toml` of a job's folder.
    ///
    /// # Errors
    /// Those of the file system, and when it is not what [`JobFile::save`] wrote.
    pub fn load(folder: &Folder) -> io::Result<Self> {
        let mut file: Self = load_toml(folder, JOB_FILE)?;
        if file.spec.events.is_empty() {
            // Of a daemon that had no sets: then no list was what the smallest set is.
            file.spec.events = vec![EventSet::Minimal.name().to_owned()];
        }
        Ok(file)
    }

    /// Writes `job.toml`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: &Folder) -> io::Result<()> {
        save_toml(folder, JOB_FILE, self)
    }
}

/// Checks a job's name: it becomes the name of a folder and of a kernel instance.
///
/// # Errors
/// [`JobError::Name`].
pub fn check_name(name: &str) -> Result<(), JobError> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = (1..=64).contains(&name.len())
        && name.chars().all(inside)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good { Ok(()) } else { Err(JobError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["web", "a", "9.x_y-Z", &"n".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", ".x", "a/b", "a b", "ä", "a\n", &"n".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
