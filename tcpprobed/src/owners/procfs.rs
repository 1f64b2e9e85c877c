//! What `/proc` says of a process, which anybody may read: no more is needed, and no more looked at.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tcpprobe::event::Owner;

use super::cgroup::Group;
use crate::tracefs::{numbers_as_events, traced_comm};

/// Most bytes taken from one file.
const FILE_BYTES_MAX: u64 = 8 << 10;

/// Why it is not known whose a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unknown {
    /// It has ended, or another has its number by now.
    Ended,
    /// `/proc` does not show it to the daemon (`hidepid=`).
    Hidden,
    /// There were too many to look at all.
    TooMany,
}

/// A proc file system, whose root is a parameter.
#[derive(Debug, Clone)]
pub struct Procfs {
    root: PathBuf,
    /// Whether its numbers are those of events, which are the first PID namespace's.
    numbers_as_events: bool,
    ticks_per_second: u64,
}

impl Procfs {
    /// The one at this path.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
        Procfs { root: root.to_owned(), numbers_as_events: numbers_as_events(root), ticks_per_second }
    }

    /// The process of a thread that did something at `time`, nanoseconds since boot, and has not begun since.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn owner(&self, tid: i32, time: u64) -> Result<Owner, Unknown> {
        if !self.numbers_as_events {
            // Whoever has the number here is another one. The kernel's own list is right.
            return Err(Unknown::Ended);
        }
        let status = self.read(tid, "status")?;
        let word = |label: &[u8], at: usize| -> Option<u32> {
            let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(label))?;
            std::str::from_utf8(line).ok()?.split_whitespace().nth(at)?.parse().ok()
        };
        let pid = word(b"Tgid:", 0).and_then(|pid| i32::try_from(pid).ok()).ok_or(Unknown::Ended)?;
        let comm = self.read(pid, "comm")?;
        // Of a kernel thread and of one that has just ended it is empty.
        let cmdline = self.read(pid, "cmdline")?;
        let group = Group::of(&self.read(pid, "cgroup")?);
        let owner = Owner {
            pid,
            uid: word(b"Uid:", 1).unwrap_or(tcpprobe::event::owner::UNKNOWN_UID),
            comm: traced_comm(comm.strip_suffix(b"\n").unwrap_or(&comm)).to_vec(),
            exe: first_word(&cmdline).to_vec(),
            cgroup: group.path.into_bytes(),
            unit: group.unit.into_bytes(),
            container: group.container.into_bytes(),
            pod: group.pod.into_bytes(),
        };
        // Last: then it was the same all the time.
        let start = start_ticks(&self.read(tid, "stat")?).ok_or(Unknown::Ended)?;
        let start = u128::from(start) * 1_000_000_000 / u128::from(self.ticks_per_second);
        if start > u128::from(time) { Err(Unknown::Ended) } else { Ok(owner) }
    }

    fn read(&self, pid: i32, name: &str) -> Result<Vec<u8>, Unknown> {
        let mut bytes = Vec::new();
        let path = self.root.join(pid.to_string()).join(name);
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Unknown::Hidden),
            Err(_) => Err(Unknown::Ended),
        }
    }

    /// Whether its numbers are those of events.
    #[must_use]
    pub fn numbers_as_events(&self) -> bool {
        self.numbers_as_events
    }

    /// Whether it shows what is needed of other people's processes: of the first one.
    #[must_use]
    pub fn shows_others(&self) -> bool {
        ["status", "comm", "cmdline", "cgroup", "stat"].iter().all(|name| self.read(1, name).is_ok())
    }
}

/// What a command line begins with. Some programs write words of their own over it, with blanks between (`nginx: worker process`).
fn first_word(cmdline: &[u8]) -> &[u8] {
    cmdline.split(|byte| matches!(byte, 0 | b' ' | b'\n')).next().unwrap_or_default()
}

/// When a task began, in clock ticks since boot: the 22nd field of proc_pid_stat(5). The name before may hold anything.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            let fake = Fake(tempfile::tempdir().unwrap());
            // A thread of a process, which may be named after anything.
            fake.put("71", "status", b"Name:\tworker\nTgid:\t70\nPid:\t71\nUid:\t0\t33\t33\t33\n");
            fake.put("71", "stat", &stat("worker ) (", 500));
            fake.put("70", "comm", b"a\xffb) (\n");
            fake.put("70", "cmdline", b"/usr/sbin/nginx\0-g\0secret\0");
            fake.put("70", "cgroup", b"0::/system.slice/nginx.service\n");
            fake
        }

        fn put(&self, pid: &str, name: &str, content: &[u8]) {
            let folder = self.0.path().join(pid);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), content).unwrap();
        }

        fn owner(&self, time: u64) -> Result<Owner, Unknown> {
            let root = self.0.path().to_owned();
            Procfs { root, numbers_as_events: true, ticks_per_second: 100 }.owner(71, time)
        }
    }

    fn stat(name: &str, start: u64) -> Vec<u8> {
        let before: Vec<String> = (4..22).map(|number| number.to_string()).collect();
        format!("71 ({name}) S {} {start} 23 24\n", before.join(" ")).into_bytes()
    }

    #[test]
    fn a_thread_is_of_its_process() {
        let expected = Owner {
            pid: 70,
            uid: 33,
            comm: b"a\xffb) (".to_vec(),
            exe: b"/usr/sbin/nginx".to_vec(),
            cgroup: b"/system.slice/nginx.service".to_vec(),
            unit: b"nginx.service".to_vec(),
            ..Owner::default()
        };
        assert_eq!(Fake::new().owner(5_000_000_000), Ok(expected));
    }

    #[test]
    fn one_that_has_the_number_by_now_is_another() {
        assert_eq!(Fake::new().owner(4_999_999_999), Err(Unknown::Ended));
    }

    #[test]
    fn what_ends_meanwhile_is_not_known() {
        for (pid, name) in [("71", "status"), ("70", "comm"), ("70", "cgroup"), ("71", "stat")] {
            let fake = Fake::new();
            fs::remove_file(fake.0.path().join(pid).join(name)).unwrap();
            assert_eq!(fake.owner(u64::MAX), Err(Unknown::Ended), "{name}");
        }
        let fake = Fake::new();
        fake.put("71", "status", b"");
        assert_eq!(fake.owner(u64::MAX), Err(Unknown::Ended));
    }

    #[test]
    fn where_numbers_are_others_nobody_is_looked_at() {
        let fake = Fake::new();
        let procfs = |namespace: &str| {
            let own = fake.0.path().join("self/ns");
            let _ = fs::remove_dir_all(&own);
            fs::create_dir_all(&own).unwrap();
            std::os::unix::fs::symlink(namespace, own.join("pid")).unwrap();
            Procfs::at(fake.0.path()).owner(71, u64::MAX).map(|owner| owner.pid)
        };
        assert_eq!(procfs("pid:[4026531836]"), Ok(70));
        assert_eq!(procfs("pid:[4026532201]"), Err(Unknown::Ended));
        fs::remove_dir_all(fake.0.path().join("self")).unwrap();
        assert!(!Procfs::at(fake.0.path()).numbers_as_events(), "nobody says so");
    }

    #[test]
    fn files_are_read_to_a_limit() {
        let fake = Fake::new();
        fake.put("70", "cmdline", &vec![b'x'; 1 << 20]);
        assert_eq!(fake.owner(u64::MAX).unwrap().exe.len() as u64, FILE_BYTES_MAX);
    }

    #[test]
    fn words() {
        assert_eq!(first_word(b"nginx: worker process\0"), b"nginx:");
        assert_eq!(first_word(b""), b"");
        assert_eq!(start_ticks(b"1 (a"), None);
    }

    #[test]
    fn this_process() {
        let own = std::process::id().cast_signed();
        let owner = Procfs::at(Path::new("/proc")).owner(own, crate::clock::boot_ns()).unwrap();
        assert_eq!((owner.pid, owner.uid), (own, rustix::process::geteuid().as_raw()));
        assert!(!owner.comm.is_empty() && !owner.exe.is_empty());
    }
}
