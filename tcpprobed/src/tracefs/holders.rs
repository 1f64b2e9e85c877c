//! Who holds files open, as far as this process may see.

use std::fs;

/// Most holders that are named.
const HOLDERS_MAX: usize = 4;

/// Processes that hold a file open whose path `is_meant`, as `pid (comm)`; at most four.
pub(super) fn holders(is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let holding = processes.filter_map(|process| {
        let pid: i32 = process.file_name().to_str()?.parse().ok()?;
        let files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| is_meant(&target.to_string_lossy())).then(|| {
            let comm = super::task_comm(pid).unwrap_or_else(|| "?".to_owned());
            format!("{pid} ({comm})")
        })
    });
    holding.take(HOLDERS_MAX).collect()
}
