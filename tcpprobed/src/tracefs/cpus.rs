//! Which CPUs there are.

use std::path::Path;

use super::{TracefsError, file};

/// Most CPUs that a list may name (`NR_CPUS` is at most 8192).
const CPUS_MAX: u32 = 1 << 16;

/// CPUs that are online now; they come and go.
///
/// # Errors
/// When `/sys/devices/system/cpu/online` cannot be read or understood.
pub fn online_cpus() -> Result<Vec<u32>, TracefsError> {
    read_cpu_list(Path::new("/sys/devices/system/cpu/online"))
}

/// CPUs that may ever be there; each has a directory under an instance's `per_cpu`.
///
/// # Errors
/// When `/sys/devices/system/cpu/possible` cannot be read or understood.
pub fn possible_cpus() -> Result<Vec<u32>, TracefsError> {
    read_cpu_list(Path::new("/sys/devices/system/cpu/possible"))
}

fn read_cpu_list(path: &Path) -> Result<Vec<u32>, TracefsError> {
    let text = file::read_text(path)?;
    parse_cpu_list(text.trim_end()).ok_or_else(|| TracefsError::content(path, 1, "not a list of CPUs", &text))
}

/// The CPUs of a list as `0-3,8,10-11`; `None` where it is not one.
fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= CPUS_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (text, cpus) in [
            ("0", Some(vec![0])),
            ("0-3,8", Some(vec![0, 1, 2, 3, 8])),
            ("", Some(vec![])),
            ("3-1", None),
            ("0-4294967295", None),
            ("0-x", None),
        ] {
            assert_eq!(parse_cpu_list(text), cpus, "{text}");
        }
    }
}
