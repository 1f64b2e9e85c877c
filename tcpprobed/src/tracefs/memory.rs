//! The machine's memory: `/proc/meminfo`.

use std::path::Path;

use super::{TracefsError, file};

/// The machine's memory, in KB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineMemory {
    /// All of it.
    pub total_kb: u64,
    /// What could be had without swapping.
    pub available_kb: u64,
}

impl MachineMemory {
    /// As it is now.
    ///
    /// # Errors
    /// When `/proc/meminfo` cannot be read or understood.
    pub fn now() -> Result<Self, TracefsError> {
        let path = Path::new("/proc/meminfo");
        Self::parse(&file::read_text(path)?)
            .ok_or_else(|| TracefsError::content(path, 1, "no MemTotal, or no MemAvailable", ""))
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim_end().parse().ok()
        };
        Some(MachineMemory { total_kb: value("MemTotal:")?, available_kb: value("MemAvailable:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo() {
        let text = "MemTotal:       24000000 kB\nMemFree:  5 kB\nMemAvailable:   123456 kB\n";
        assert_eq!(MachineMemory::parse(text), Some(MachineMemory { total_kb: 24_000_000, available_kb: 123_456 }));
        assert_eq!(MachineMemory::parse("MemTotal: 7 kB\n"), None);
        assert!(MachineMemory::now().unwrap().available_kb > 1000);
    }
}
