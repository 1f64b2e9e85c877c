//! Where tracefs is, mounting it, and finding out what is wrong when there is none.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use super::{TracefsError, file};

/// `TRACEFS_MAGIC`, `include/uapi/linux/magic.h`.
const TRACEFS_MAGIC: u64 = 0x7472_6163;
/// Where the kernel makes a directory for it, if it has tracefs.
const MOUNT_POINT: &str = "/sys/kernel/tracing";
/// Looking here mounts it, where debugfs is mounted and the kernel does that yet.
const DEBUGFS_POINT: &str = "/sys/kernel/debug/tracing";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

pub(super) fn find_or_mount() -> Result<PathBuf, TracefsError> {
    let table = file::read_bytes(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let candidates = mounted_at(&table).into_iter().chain([MOUNT_POINT.into(), DEBUGFS_POINT.into()]);
    for candidate in candidates {
        if is_tracefs(&candidate) {
            return Ok(candidate);
        }
    }
    mount_tracefs(Path::new(MOUNT_POINT))
}

pub(super) fn is_tracefs(path: &Path) -> bool {
    statfs(path).is_ok_and(|s| u64::try_from(s.f_type).is_ok_and(|magic| magic == TRACEFS_MAGIC))
}

/// Mount points of tracefs in a `mountinfo` table (`proc_pid_mountinfo(5)`), the usual one first.
fn mounted_at(table: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in table.split(|b| *b == b'\n') {
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let Some(dash) = fields.iter().position(|f| *f == b"-") else { continue };
        // The fourth field is the part that is mounted: an instance bound elsewhere is not what we look for.
        if dash >= 6 && fields.get(dash + 1) == Some(&&b"tracefs"[..]) && fields[3] == b"/" {
            found.push(unescape(fields[4]));
        }
    }
    found.sort_by_key(|path| path != Path::new(MOUNT_POINT));
    found
}

/// `\040` and the like in a mount point.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

fn mount_tracefs(at: &Path) -> Result<PathBuf, TracefsError> {
    if !at.is_dir() {
        return Err(TracefsError::NoTracefs);
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match mount("tracefs", at, "tracefs", flags, None) {
        Ok(()) => Ok(at.to_owned()),
        // Somebody else was faster.
        Err(Errno::BUSY) if is_tracefs(at) => Ok(at.to_owned()),
        Err(Errno::PERM | Errno::ACCESS) => Err(TracefsError::MountDenied { path: at.to_owned() }),
        Err(Errno::NODEV) => Err(TracefsError::NoTracefs),
        Err(errno) => Err(TracefsError::io(at, "mount tracefs", errno)),
    }
}

/// Whether `root` is a tracefs that a capture can work with.
pub(super) fn check(root: &Path) -> Result<(), TracefsError> {
    let not = |reason: &str| TracefsError::NotTracefs { root: root.to_owned(), reason: reason.to_owned() };
    let mut entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) => {
            return Err(match Errno::from_io_error(&e) {
                Some(Errno::NOENT) => not("it does not exist"),
                Some(Errno::NOTDIR) => not("it is not a directory"),
                errno => TracefsError::io(root, "list", errno.unwrap_or(Errno::IO)),
            });
        }
    };
    if entries.next().is_none() {
        // Locked down at boot, the kernel makes no files (tracefs_create_file()).
        let sign = "it is empty";
        return Err(if is_tracefs(root) { TracefsError::Lockdown { path: root.to_owned(), sign } } else { not(sign) });
    }
    if !root.join("instances").is_dir() {
        let inner = root.join("tracing");
        return Err(match () {
            () if inner.join("instances").is_dir() => not(&format!("but {} is", inner.display())),
            () if root.join("trace_pipe").exists() => not("it is one instance"),
            () => not("it has no `instances`"),
        });
    }
    let events = root.join("events");
    if !events.is_dir() {
        return Err(not("it has no `events`"));
    }
    // The first file that is opened: shows a lockdown that was switched on late.
    file::read_bytes(&events.join("header_page"))?;
    if !events.join("tcp").is_dir() {
        return Err(TracefsError::NoTcpEvents { root: root.to_owned() });
    }
    if !events.join("tcp/tcp_probe").is_dir() {
        return Err(TracefsError::NoTcpProbe { root: root.to_owned() });
    }
    writable(&root.join("instances"))
}

/// Only `instances` must be writable: systemd can open just that in a read-only tracefs.
fn writable(instances: &Path) -> Result<(), TracefsError> {
    let vfs = statvfs(instances).map_err(|e| TracefsError::io(instances, "statvfs", e))?;
    if vfs.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(TracefsError::ReadOnly { path: instances.to_owned() });
    }
    Ok(())
}

/// Whether the kernel says that it is locked down to confidentiality; `false` where it does not say.
pub(super) fn confidentiality() -> bool {
    lockdown().is_some_and(|level| level == "confidentiality")
}

/// The level of lockdown; `None` where the kernel does not say.
pub(super) fn lockdown() -> Option<String> {
    lockdown_level(&fs::read_to_string(LOCKDOWN).ok()?).map(str::to_owned)
}

/// The level in brackets: `none integrity [confidentiality]`.
fn lockdown_level(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points() {
        let table = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            42 23 0:13 / /mnt/a\\040b rw,relatime shared:7 master:1 - tracefs none rw\n\
            43 23 0:13 /instances/x /mnt/x rw - tracefs tracefs rw\n\
            44 23 0:13 / /sys/kernel/tracing ro - tracefs tracefs rw\n\
            45 bad - tracefs\n\n";
        assert_eq!(mounted_at(table), [Path::new("/sys/kernel/tracing"), Path::new("/mnt/a b")]);
        assert!(mounted_at(b"").is_empty());
        assert!(mounted_at(b"- tracefs tracefs\n1 2 3:4 / - tracefs\n").is_empty());
    }

    #[test]
    fn escapes() {
        for (field, path) in [("/a\\040b\\134", "/a b\\"), ("/a\\", "/a\\"), ("/a\\9", "/a\\9"), ("/\\04", "/\\04")] {
            assert_eq!(unescape(field.as_bytes()), Path::new(path));
        }
    }

    #[test]
    fn lockdown_levels() {
        for (text, level) in [
            ("none integrity [confidentiality]\n", Some("confidentiality")),
            ("[none] integrity confidentiality", Some("none")),
            ("", None),
        ] {
            assert_eq!(lockdown_level(text), level);
        }
    }
}
