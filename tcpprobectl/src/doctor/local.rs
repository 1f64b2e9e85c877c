//! What can be seen of the machine without the daemon.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Check, Level};

/// Where tracefs belongs.
const MOUNT_POINT: &str = "/sys/kernel/tracing";

/// The kernel, tracefs, lockdown and the events, as far as anybody may look.
pub fn checks() -> Vec<Check> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    vec![
        Check::ok("kernel", read("/proc/sys/kernel/osrelease").trim()),
        tracefs(&read("/proc/self/mounts"), &read("/proc/filesystems")),
        lockdown(&read("/sys/kernel/security/lockdown")),
        events(Path::new(MOUNT_POINT)),
    ]
}

fn tracefs(mounts: &str, filesystems: &str) -> Check {
    let mounted = mounts.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [_, place, "tracefs", ..] => Some(place),
        _ => None,
    });
    if let Some(place) = mounted {
        return Check::ok("tracefs", format!("mounted at {place}"));
    }
    if !filesystems.lines().any(|line| line.ends_with("\ttracefs")) {
        let remedy = "a kernel with CONFIG_FTRACE and CONFIG_ENABLE_DEFAULT_TRACERS";
        return Check::new("tracefs", Level::Failure, "this kernel has no tracefs", remedy);
    }
    let remedy = format!("sudo mount -t tracefs tracefs {MOUNT_POINT}");
    Check::new("tracefs", Level::Warning, "it is not mounted; the daemon does that if it may", &remedy)
}

fn lockdown(text: &str) -> Check {
    match text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']')) {
        Some("confidentiality") => {
            let remedy = "boot with lockdown=integrity or lockdown=none; Secure Boot may set it";
            Check::new("lockdown", Level::Failure, "confidentiality, which forbids tracing", remedy)
        }
        level => Check::ok("lockdown", level.unwrap_or("none")),
    }
}

fn events(root: &Path) -> Check {
    match fs::metadata(root.join("events/tcp/tcp_probe")) {
        Ok(_) => Check::ok("events", "tcp:tcp_probe is there"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Check::skipped("events", "only root may look"),
        Err(_) => Check::skipped("events", format!("there is no tcp:tcp_probe in {}", root.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts() {
        let level = |mounts, filesystems| tracefs(mounts, filesystems).level;
        let known = "nodev\tproc\nnodev\ttracefs\n";
        assert_eq!(level("proc /proc proc rw 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\n", known), Level::Ok);
        assert_eq!(level("proc /proc proc rw 0 0\n", known), Level::Warning);
        assert_eq!(level("", "nodev\tproc\n"), Level::Failure);
    }

    #[test]
    fn lockdowns() {
        assert_eq!(lockdown("none integrity [confidentiality]\n").level, Level::Failure);
        assert_eq!(lockdown("[none] integrity confidentiality\n"), Check::ok("lockdown", "none"));
        assert_eq!(lockdown(""), Check::ok("lockdown", "none"));
    }
}
