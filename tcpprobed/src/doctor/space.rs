//! Kernel memory, disk, and the folder for pages on their way.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{statfs, statvfs};

use super::{Check, Level};
use crate::capture::STAGING_BYTES;
use crate::config::Config;
use crate::jobs::{Jobs, Memory};
use crate::wording::human_bytes;

/// `TMPFS_MAGIC`, `include/uapi/linux/magic.h`.
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// With less than this free, the next block may not fit.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// A disk that takes longer than this to sync a few bytes is in trouble: blocks are synced every 5 s.
const SYNC_SLOW: Duration = Duration::from_secs(1);

/// Whether another job's buffers fit.
pub fn memory(jobs: &Jobs) -> Check {
    let cpus = crate::tracefs::possible_cpus().map_or(1, |cpus| cpus.len().max(1) as u64);
    match jobs.memory() {
        Ok(memory) => memory_check(memory, &jobs.config(), cpus),
        Err(error) => Check::error("memory", &error),
    }
}

fn memory_check(memory: Memory, config: &Config, cpus: u64) -> Check {
    let Memory { used_kb, fits_kb } = memory;
    let default_kb = config.job.buffer_kb_per_cpu * cpus;
    let (used, fits, default) = (human_bytes(used_kb << 10), human_bytes(fits_kb << 10), human_bytes(default_kb << 10));
    if fits_kb < default_kb {
        return Check::failure(
            "memory",
            format!("{fits} are left for jobs, which hold {used}; a job takes {default} by default"),
            "stop a job, start with a smaller --buffer, or raise limits.kernel_memory_percent",
        );
    }
    Check::ok("memory", format!("jobs hold {used} of kernel memory, {fits} more fit; a job takes {default} by default"))
}

/// Whether the store can be written, and for how long.
pub fn store(jobs: &Jobs) -> Check {
    let config = jobs.config();
    let state = &config.state;
    let used: u64 = jobs.list().iter().map(|job| jobs.stored_bytes(&job.name)).sum();
    let written = write_and_sync(state);
    let free = statvfs(state).map(|found| found.f_bavail * found.f_frsize).map_err(io::Error::from);
    match written.and_then(|took| Ok((took, free?))) {
        Ok((took, free)) => store_check(state, &config, Disk { used, free, took }),
        Err(error) => Check::failure(
            "store",
            format!("{} cannot be written: {error}", state.display()),
            "free space there, or give another folder as `state`",
        ),
    }
}

/// What is wrong with the room for traces, if anything is: looked at without writing.
pub fn small_store(jobs: &Jobs) -> Option<Check> {
    let config = jobs.config();
    let free = statvfs(&config.state).map(|found| found.f_bavail * found.f_frsize).ok()?;
    let used: u64 = jobs.list().iter().map(|job| jobs.stored_bytes(&job.name)).sum();
    let check = store_check(&config.state, &config, Disk { used, free, took: Duration::ZERO });
    (check.level > Level::Ok).then_some(check)
}

/// What was found on the disk.
struct Disk {
    used: u64,
    free: u64,
    took: Duration,
}

fn store_check(state: &Path, config: &Config, disk: Disk) -> Check {
    let Disk { used, free, took } = disk;
    let at = state.display();
    let space = format!(
        "{at}: traces have {} of at most {}, {} are free",
        human_bytes(used),
        human_bytes(config.store.max_size),
        human_bytes(free)
    );
    let floor = config.store.free_min;
    if free < FREE_BYTES_MIN {
        return Check::failure("store", space, format!("free space on the file system of {at}"));
    }
    if free < floor {
        let finding =
            format!("{space}, less than store.free_min ({}): the oldest are being removed", human_bytes(floor));
        return Check::warning(
            "store",
            finding,
            format!("free space on the file system of {at}, or lower store.free_min"),
        );
    }
    if took > SYNC_SLOW {
        let finding = format!("{space}; it took {:.1} s to sync a few bytes", took.as_secs_f64());
        return Check::warning("store", finding, "see the disk's health and load: dmesg, iostat");
    }
    Check::ok("store", space)
}

/// How long it takes until a few bytes are on the disk.
fn write_and_sync(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let began = Instant::now();
    let written = File::create(&path).and_then(|mut file| file.write_all(b"tcpprobed").and_then(|()| file.sync_data()));
    let took = began.elapsed();
    let removed = fs::remove_file(&path);
    written.and(removed).map(|()| took)
}

/// Whether what is read from the kernel has a place until it is stored.
pub fn staging(runtime: &Path) -> Check {
    let found = statfs(runtime).and_then(|found| Ok((found, statvfs(runtime)?)));
    let (kind, room) = match found {
        Ok(found) => found,
        Err(error) => {
            return Check::failure("staging", format!("{}: {error}", runtime.display()), "make the folder `runtime`");
        }
    };
    let is_tmpfs = u64::try_from(kind.f_type).is_ok_and(|magic| magic == TMPFS_MAGIC);
    staging_check(runtime, is_tmpfs, room.f_bavail * room.f_frsize)
}

fn staging_check(runtime: &Path, is_tmpfs: bool, free: u64) -> Check {
    let at = runtime.display();
    let job = human_bytes(STAGING_BYTES as u64);
    if free < STAGING_BYTES as u64 {
        return Check::failure(
            "staging",
            format!("{at} has {} free, and a job needs {job}", human_bytes(free)),
            format!("free space in {at}"),
        );
    }
    if !is_tmpfs {
        let finding = format!("{at} is on no tmpfs: all that is recorded goes to its disk, and once more to the store");
        return Check::warning("staging", finding, "give a folder on a tmpfs as `runtime`, as /run/tcpprobed");
    }
    Check::ok("staging", format!("{at}: a tmpfs with {} free; a job needs {job}", human_bytes(free)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn memory_that_does_not_fit() {
        let check = |fits_kb, cpus| memory_check(Memory { used_kb: 1000, fits_kb }, &Config::default(), cpus);
        assert_eq!(check(1 << 20, 2).level, Level::Ok);
        assert_eq!(check(16_384, 2).level, Level::Ok);
        let failure = check(16_383, 2);
        assert_eq!(failure.level, Level::Failure);
        assert!(failure.finding.contains("17 MB by default"), "{}", failure.finding);
    }

    #[test]
    fn disks() {
        let check = |free, took_ms| {
            let disk = Disk { used: 5 << 30, free, took: Duration::from_millis(took_ms) };
            store_check(Path::new("/s"), &Config::default(), disk)
        };
        assert_eq!(
            check(50 << 30, 3),
            Check::ok("store", "/s: traces have 5.4 GB of at most 21.5 GB, 53.7 GB are free")
        );
        assert_eq!(check(50 << 30, 3000).level, Level::Warning);
        let low = check(1 << 29, 3);
        assert_eq!(low.level, Level::Warning);
        assert!(low.finding.ends_with("less than store.free_min (1.1 GB): the oldest are being removed"), "{low:?}");
        assert_eq!(check(1 << 20, 3).level, Level::Failure);
    }

    #[test]
    fn a_store_that_is_not_there_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_and_sync(folder.path()).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(write_and_sync(&folder.path().join("nowhere")).is_err());
        assert_eq!(staging(&folder.path().join("nowhere")).level, Level::Failure);
    }

    #[test]
    fn staging_areas() {
        let level = |is_tmpfs, free| staging_check(Path::new("/r"), is_tmpfs, free).level;
        assert_eq!(level(true, 8 << 20), Level::Ok);
        assert_eq!(level(false, 8 << 20), Level::Warning);
        assert_eq!(level(true, 7 << 20), Level::Failure);
    }
}
