//! Names of tasks: what the kernel remembers of those that caused events, and of those that live yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tcpprobe::buffer::saved_cmdlines;

use super::{Tracefs, TracefsError, file};

impl Tracefs {
    /// pid → comm of the tasks that the kernel remembers: `saved_cmdlines`.
    ///
    /// There is one table for all instances, at the top level only; of `saved_cmdlines_size` entries (6552 by default),
    /// the newest replacing the oldest. A full one takes about 3 ms to read, a single [`task_comm`] 6 µs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn saved_cmdlines(&self) -> Result<HashMap<i32, String>, TracefsError> {
        Ok(saved_cmdlines(&file::read_bytes(&self.root.join("saved_cmdlines"))?))
    }

    /// Whether the kernel notes the names of tasks that cause events (`options/record-cmd`, on by default).
    ///
    /// An instance inherits it when it is made and has no such option of its own.
    ///
    /// # Errors
    /// When the option cannot be read.
    pub fn records_cmdlines(&self) -> Result<bool, TracefsError> {
        file::read_flag(&self.root.join("options/record-cmd"))
    }
}

/// The present name of a task (`/proc/<pid>/comm`), `None` where there is no such task any more.
#[must_use]
pub fn task_comm(pid: i32) -> Option<String> {
    let path: PathBuf = Path::new("/proc").join(pid.to_string()).join("comm");
    let bytes = file::read_bytes(&path).ok()?;
    Some(String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_name() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(task_comm(own).is_some_and(|name| !name.is_empty()));
        assert_eq!(task_comm(-1), None);
    }
}
