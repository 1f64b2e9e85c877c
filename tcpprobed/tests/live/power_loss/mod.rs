//! Power loss at every moment: a daemon's writes are recorded while it does real work, and replayed up to each of them,
//! whole and torn, on a disk that then forgets as much as it may. Whatever is left, the next daemon opens it.
//!
//! The writes are recorded where the daemon makes them, not by watching its system calls: all its changes of the store go
//! through one layer (`disk/`), except sled's, and the catalog may be lost at any time anyway.

mod disk;
mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use tcpprobe::file::block::BlockHead;
use tcpprobe::file::{Frames, Kind, Scanned};
use tcpprobed::check::check;
use tcpprobed::config::Config;
use tcpprobed::disk::OptionalHook;
use tcpprobed::jobs::{How, JobFile, Spec};
use tcpprobed::tracefs::Tracefs;

use self::disk::{Disk, Loss, Tree, unfold};
use self::log::{Log, Op, Told};
use crate::common::{Inside, ROOT, Site, read_run, tracefs, unlocked, wait_until};

/// Chances that each prefix takes.
const CHANCES: u64 = 2;

fn config() -> Config {
    let mut config = Config::default();
    (config.store.free_min, config.store.segment_bytes, config.store.sync_seconds) = (0, 8 << 10, 1);
    config
}

/// Everything a daemon does to its store: jobs made, stopped, gone on with and removed, segments closed and removed by
/// retention.
fn work(inside: &Inside, log: &Arc<Log>) {
    let jobs = inside.open(config(), OptionalHook::some(Arc::clone(log) as Arc<_>));
    let maintenance = Arc::clone(&jobs);
    let maintenance = std::thread::spawn(move || maintenance.maintain());
    let site = Site::v4();
    let told = |told| log.note(Op::Told(told));
    let start = |name: &'static str, spec: &Spec, no_clear| {
        jobs.start(name, spec.clone(), How { no_clear, ..How::default() }, ROOT).unwrap();
        told(Told::Job(name, true));
    };
    let stored = |name: &str| jobs.get(name).unwrap().runs.last().unwrap().ledger.stored;
    let blocks = |name: &str, count: u32| {
        let _sooner = jobs.readable_run(name, 0, true).unwrap();
        for _ in 0..count {
            let before = stored(name);
            site.ping_pong(40);
            wait_until("a block", || stored(name) > before);
        }
    };
    let spec = Spec { filter: site.filter(), max_size_bytes: 20_000, ..Spec::default() };
    start("web", &spec, false);
    blocks("web", 6);
    start("other", &spec, false);
    blocks("other", 2);
    jobs.stop("web", ROOT).unwrap();
    told(Told::Job("web", false));
    start("web", &spec, false);
    blocks("web", 3);
    jobs.stop("web", ROOT).unwrap();
    told(Told::Job("web", false));
    start("web", &spec, true);
    jobs.remove("other", true, ROOT).unwrap();
    told(Told::NoJob("other"));
    blocks("web", 2);
    // Retention looks every five seconds.
    let is_removal = |op: &Op| matches!(op, Op::Remove(path) if path.starts_with(inside.state().join("jobs/web")));
    wait_until("retention", || {
        blocks("web", 1);
        log.any(is_removal)
    });
    blocks("web", 2);
    jobs.suspend();
    maintenance.join().unwrap();
}

/// A tracefs with all events in which no instance can be set up: jobs are resumed as far as their files go.
fn without_instances(tracefs: &Tracefs, folder: &Path) -> Tracefs {
    fs::create_dir_all(folder.join("instances")).unwrap();
    for entry in fs::read_dir(tracefs.root()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "instances" {
            std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    Tracefs::locate(Some(folder)).unwrap()
}

/// The numbers of the blocks in a file or a piece of one, as far as it is whole.
fn blocks_in(bytes: &[u8]) -> Vec<u64> {
    let mut frames = Frames::new(bytes);
    let mut blocks = Vec::new();
    let mut open = None;
    while let Some(found) = frames.next_frame().unwrap() {
        let Scanned::Frame(frame) = found else { continue };
        match frame.kind {
            Kind::Block => open = Some(BlockHead::decode(frame.payload()).unwrap().sequence),
            Kind::Ledger => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// `(job, run)` to the numbers of its blocks.
type Blocks = BTreeMap<(String, u32), Vec<u64>>;

/// The blocks that are certainly on the disk.
fn certain_blocks(disk: &Disk) -> Blocks {
    let mut blocks = Blocks::new();
    for (path, bytes) in disk.certain() {
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        if let ["jobs", job, run, file] = parts[..]
            && file.ends_with(".tcpp")
        {
            blocks.entry((job.to_owned(), run.parse().unwrap())).or_default().extend(blocks_in(&bytes));
        }
    }
    blocks
}

/// What is to be so, whatever was lost.
#[derive(Hash)]
struct Expected {
    blocks: Blocks,
    /// What people were told last of each job.
    told: Vec<Told>,
}

/// Opens what is left, with the daemon's own code, and checks it.
fn check_state(what: &str, tree: &Tree, is_orderly: bool, expected: &Expected, tracefs: &Tracefs) {
    let inside = Inside::new(tracefs.clone(), "none");
    fs::create_dir(inside.state()).unwrap();
    unfold(tree, &inside.state());
    let jobs = inside.open(config(), OptionalHook::default());
    let list: BTreeMap<String, _> = jobs.list().into_iter().map(|job| (job.name.clone(), job)).collect();
    for told in &expected.told {
        match *told {
            Told::NoJob(name) => assert!(!list.contains_key(name), "{what}: {name} is back"),
            Told::Job(name, running) => {
                assert!(list.contains_key(name), "{what}: {name} is gone");
                let file = fs::read_to_string(inside.state().join("jobs").join(name).join("job.toml")).unwrap();
                let file: JobFile = toml::from_str(&file).unwrap();
                assert_eq!(file.running, running, "{what}: {name}");
            }
        }
    }
    for name in list.keys() {
        for run in jobs.get(name).unwrap().runs {
            let bytes = read_run(&jobs, name, run.number);
            let found = blocks_in(&bytes);
            let unique: BTreeSet<u64> = found.iter().copied().collect();
            assert_eq!(unique.len(), found.len(), "{what}: {name} {}: blocks come twice: {found:?}", run.number);
            let certain = expected.blocks.get(&(name.clone(), run.number)).map_or(&[][..], |blocks| &blocks[..]);
            let lost: Vec<u64> = certain.iter().copied().filter(|block| !unique.contains(block)).collect();
            assert_eq!(lost, [0; 0], "{what}: {name} {}: synced and lost; found {found:?}", run.number);
        }
    }
    jobs.suspend();
    drop(jobs);
    // The catalog is made anew each time, and other tests look at it. On a busy machine nobody waited for its thread.
    wait_until("the catalog is let go of", || fs::remove_dir_all(inside.state().join("catalog")).is_ok());
    let summary = unlocked(|| check(&inside.state(), false));
    for finding in summary.findings {
        // Pieces that were written out of order are damage within a file; nothing can be done about them.
        // The header of a new file is a piece like any other.
        let is_damage = [
            "checksum",
            "not a frame",
            "is gone",
            "no ledger",
            "missing",
            "cut short",
            "longer than frames",
            "does not say which run",
            "without the schema that explains it",
            "the segments hold",
        ];
        let is_excused = !is_orderly && is_damage.iter().any(|words| finding.what.contains(words));
        assert!(is_excused, "{what}: {finding:?}");
    }
}

#[test]
fn at_every_moment() {
    let Some(tracefs) = tracefs() else { return };
    let log = Arc::new(Log::default());
    let inside = Inside::new(tracefs.clone(), "power");
    work(&inside, &log);
    let ops = log.take(&inside.state());
    drop(inside);
    let folder = tempfile::tempdir().unwrap();
    let tracefs = without_instances(&tracefs, folder.path());

    let mut disk = Disk::new();
    let mut told: Vec<Told> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut torn = 0;
    for (number, op) in ops.iter().enumerate() {
        let mut states = Vec::new();
        if let Op::Write(path, at, bytes) = op {
            for length in [1, bytes.len() / 2, bytes.len() - 1] {
                let mut disk = disk.clone();
                disk.apply(&Op::Write(path.clone(), *at, bytes[..length].to_vec()));
                states.push((disk.after(Loss::Nothing), true, format!("torn at byte {length}")));
                torn += 1;
            }
        }
        disk.apply(op);
        if let Op::Told(now) = op {
            told.retain(|known| job_of(*known) != job_of(*now));
            told.push(*now);
        }
        for loss in [Loss::Nothing, Loss::All, Loss::Content, Loss::Zeros, Loss::Names] {
            states.push((disk.after(loss), true, format!("{loss:?} lost")));
        }
        for chance in 0..CHANCES {
            let loss = Loss::Chance(number as u64 * CHANCES + chance);
            states.push((disk.after(loss), false, format!("{loss:?}")));
        }
        told.retain(|told| !changes(op, job_of(*told)));
        let expected = Expected { blocks: certain_blocks(&disk), told: told.clone() };
        for (tree, is_orderly, how) in states {
            if seen.insert(hash(&(&tree, &expected))) {
                let what = format!("after {number} of {} ({}), {how}", ops.len(), shown(op));
                check_state(&what, &tree, is_orderly, &expected, &tracefs);
            }
        }
    }
    let writes = ops.iter().filter(|op| matches!(op, Op::Write(..))).count();
    println!(
        "{} changes, {writes} of them writes, torn {torn} times: {} different states opened",
        ops.len(),
        seen.len()
    );
    assert!(ops.len() > 150 && seen.len() > 300, "this shows little");
}

fn job_of(told: Told) -> &'static str {
    match told {
        Told::Job(name, _) | Told::NoJob(name) => name,
    }
}

/// Whether a change makes something else of a job than what was told last.
fn changes(op: &Op, job: &str) -> bool {
    let folder = Path::new("jobs").join(job);
    matches!(op, Op::Rename(from, to) if *from == folder || *to == folder.join("job.toml"))
}

fn shown(op: &Op) -> String {
    match op {
        Op::Write(path, at, bytes) => format!("Write {} bytes at {at} of {}", bytes.len(), path.display()),
        op => format!("{op:?}"),
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
