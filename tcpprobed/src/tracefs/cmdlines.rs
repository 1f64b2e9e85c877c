//! Names of tasks: what the kernel remembers of those that caused events, and of those that live yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tcpprobe::kernel::ring::saved_cmdlines;

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

    /// The same as bytes, as the kernel has them: a name need not be UTF-8.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn saved_comms(&self) -> Result<HashMap<i32, Vec<u8>>, TracefsError> {
        let bytes = file::read_bytes(&self.root.join("saved_cmdlines"))?;
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
            let (pid, comm) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
            let comm = comm.get(1..)?;
            Some((std::str::from_utf8(pid).ok()?.trim().parse().ok()?, comm[..comm.len().min(COMM_BYTES)].to_vec()))
        });
        Ok(lines.collect())
    }

    /// Thread → process of the threads that the kernel remembers, also of those that ended: `saved_tgids`, at the top level only,
    /// filled while an instance is told to ([`super::Instance::record_tgids`]).
    ///
    /// The kernel looks at every number that a thread may have (`kernel.pid_max`, up to four million): it may take long.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn saved_tgids(&self) -> Result<HashMap<i32, i32>, TracefsError> {
        let bytes = file::read_bytes(&self.root.join("saved_tgids"))?;
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
            let (tid, tgid) = std::str::from_utf8(line).ok()?.trim().split_once(' ')?;
            Some((tid.parse().ok()?, tgid.trim().parse().ok()?))
        });
        Ok(lines.collect())
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

/// The number of the first PID namespace (`PROC_PID_INIT_INO`, `include/linux/proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether tasks have the numbers in the proc file system at `root` that they have in events, which are those of the first PID
/// namespace. In a container of its own namespace, what has the number there is another task.
#[must_use]
pub fn numbers_as_events(root: &Path) -> bool {
    std::fs::read_link(root.join("self/ns/pid")).is_ok_and(|name| name.as_os_str() == FIRST_PID_NAMESPACE)
}

/// Bytes of a name in the kernel, less the one that ends it (`TASK_COMM_LEN`).
const COMM_BYTES: usize = 15;

/// The present name of a task (`/proc/<pid>/comm`) as events have it, `None` where there is no such task any more.
#[must_use]
pub fn task_comm(pid: i32) -> Option<String> {
    let path: PathBuf = Path::new("/proc").join(pid.to_string()).join("comm");
    let bytes = file::read_bytes(&path).ok()?;
    let name = traced_comm(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Of kernel threads, `/proc` tells more than their name: all of a long one, and behind a worker's what it works on,
/// after a `+` or `-` (`proc_task_name` in `fs/proc/array.c`, `wq_worker_comm` in `kernel/workqueue.c`). A rescuer's
/// (`kworker/R-`) has a `-` of its own.
#[must_use]
pub fn traced_comm(told: &[u8]) -> &[u8] {
    let is_worker = told.starts_with(b"kworker/") && !told.starts_with(b"kworker/R");
    let end = told.iter().position(|byte| is_worker && matches!(byte, b'+' | b'-')).unwrap_or(told.len());
    &told[..end.min(COMM_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kernel_threads() {
        for (told, traced) in [
            ("iperf3", "iperf3"),
            ("kworker/1:1-events_power_efficient", "kworker/1:1"),
            ("kworker/u8:2+ext4-rsv-conversion", "kworker/u8:2"),
            ("kworker/0:0H", "kworker/0:0H"),
            ("kworker/R-mm_percpu_wq", "kworker/R-mm_pe"),
            ("ext4-rsv-conversion", "ext4-rsv-conver"),
            ("a-b+c", "a-b+c"),
        ] {
            assert_eq!(traced_comm(told.as_bytes()), traced.as_bytes());
        }
    }

    #[test]
    fn own_name() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(task_comm(own).is_some_and(|name| !name.is_empty()));
        assert_eq!(task_comm(-1), None);
    }
}
