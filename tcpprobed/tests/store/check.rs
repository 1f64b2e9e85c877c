//! `tcpprobed check`: finds whatever is wrong with a store, changes nothing unless it is told to, and deletes nothing.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tcpprobe::file::{FRAME_HEAD_BYTES, Header, Kind, frame_head, put_frame};
use tcpprobed::check::Summary;

use crate::common::{BLOCK_EVENTS, Recording, Site, count_events};

fn look(site: &Site) -> Summary {
    site.check(false)
}

/// The findings, as lines.
fn lines(summary: &Summary) -> Vec<String> {
    let line = |found: &tcpprobed::check::Finding| format!("{} {}", found.path.display(), found.what);
    summary.findings.iter().map(line).collect()
}

#[test]
fn a_store_without_a_flaw() {
    let site = Site::with_runs(4);
    let before = site.files();
    let summary = look(&site);
    assert_eq!(lines(&summary), Vec::<String>::new());
    assert_eq!((summary.jobs, summary.runs), (1, 2));
    assert!(summary.segments >= 6 && summary.blocks > 10, "{summary:?}");
    assert_eq!(summary.events, summary.blocks * BLOCK_EVENTS);
    assert!(site.files() == before, "a check changes nothing");
    assert_eq!(look(&site), summary);
}

/// The frames of a segment: kind, and where they begin and end.
fn frames(path: &Path) -> Vec<(Kind, u64, u64)> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut frames) = (0, Vec::new());
    while at < bytes.len() {
        let head = frame_head(&bytes[at..]).unwrap();
        let end = at + FRAME_HEAD_BYTES + head.payload_bytes;
        frames.push((head.kind, at as u64, end as u64));
        at = end;
    }
    frames
}

/// The nth frame of a kind in a segment.
fn frame(path: &Path, kind: Kind, nth: usize) -> (u64, u64) {
    let (_, start, end) = frames(path).into_iter().filter(|frame| frame.0 == kind).nth(nth).unwrap();
    (start, end)
}

fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], at).unwrap();
}

/// Damages the second of four segments; what a check then finds, what a repair leaves of its events, and that the next
/// check finds nothing.
#[track_caller]
fn damaged(damage: impl Fn(&Path), expected: &[&str], blocks_lost: u64) {
    let site = Site::with_runs(4);
    let path = site.run("00000002.tcpp");
    let events = count_events(&path);
    damage(&path);
    let broken = site.files();
    let summary = look(&site);
    let found = lines(&summary);
    for words in expected {
        assert!(found.iter().any(|line| line.contains(words)), "without {words:?}: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(found.iter().all(|line| line.starts_with("jobs/web/000001/")), "{found:#?}");
    assert!(site.files() == broken, "a check changes nothing");

    let repaired = site.check(true);
    assert_eq!(lines(&repaired), found);
    assert!(repaired.findings.iter().all(|found| found.repair.is_some()), "{repaired:#?}");
    let after = site.files();
    for (path, bytes) in &broken {
        let is_kept = after.get(path) == Some(bytes) || after.values().any(|kept| kept == bytes);
        assert!(is_kept || path.ends_with("lock"), "{} is deleted", path.display());
    }
    if blocks_lost * BLOCK_EVENTS < events {
        assert_eq!(count_events(&path), events - blocks_lost * BLOCK_EVENTS);
    } else {
        assert!(!path.exists());
    }
    assert_eq!(lines(&look(&site)), Vec::<String>::new(), "after the repair");
}

#[test]
fn a_flipped_bit_in_a_block() {
    let damage = |path: &Path| flip(path, frame(path, Kind::Block, 1).0 + 200);
    damaged(damage, &["checksum is wrong", "whose block is gone", "run.toml tells of"], 1);
}

#[test]
fn a_flipped_bit_in_a_ledger() {
    let damage = |path: &Path| flip(path, frame(path, Kind::Ledger, 1).0 + 20);
    damaged(damage, &["checksum is wrong", "that no ledger follows"], 0);
}

#[test]
fn a_flipped_bit_in_the_first_header() {
    damaged(|path| flip(path, 30), &["checksum is wrong"], 0);
}

#[test]
fn a_tail_that_is_cut_off() {
    let cut = |path: &Path| {
        let (start, _) = frame(path, Kind::Ledger, 1);
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(start + 5).unwrap();
    };
    let site = Site::with_runs(4);
    let path = site.run("00000002.tcpp");
    let blocks = frames(&path).iter().filter(|frame| frame.0 == Kind::Block).count() as u64;
    damaged(cut, &["cut short", "that no ledger follows", "run.toml tells of"], blocks - 2);
}

/// Whole frames that are gone, with every checksum right.
#[test]
fn blocks_that_are_missing() {
    let remove = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let (start, end) = (frame(path, Kind::Block, 1).0, frame(path, Kind::Ledger, 1).1);
        fs::write(path, [&bytes[..start as usize], &bytes[end as usize..]].concat()).unwrap();
    };
    damaged(remove, &["are missing before it", "run.toml tells of"], 1);
}

#[test]
fn a_block_that_comes_twice() {
    let repeat = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let (start, end) = (frame(path, Kind::Block, 1).0, frame(path, Kind::Ledger, 1).1);
        let twice = &bytes[start as usize..end as usize];
        fs::write(path, [&bytes[..end as usize], twice, &bytes[end as usize..]].concat()).unwrap();
    };
    damaged(repeat, &["comes once more"], 0);
}

/// A block whose checksum is right and whose content is none.
#[test]
fn a_block_that_cannot_be_decoded() {
    let spoil = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let (start, end) = frame(path, Kind::Block, 0);
        let (start, end) = (start as usize, end as usize);
        let mut payload = bytes[start + FRAME_HEAD_BYTES..end].to_vec();
        payload[88..].fill(0xff);
        let mut spoilt = bytes[..start].to_vec();
        put_frame(Kind::Block, &mut spoilt, |out| out.extend(payload));
        spoilt.extend(&bytes[end..]);
        fs::write(path, spoilt).unwrap();
    };
    damaged(spoil, &["block: bad list", "run.toml tells of"], 1);
}

#[test]
fn a_segment_that_is_none() {
    let rubbish = |path: &Path| fs::write(path, "no trace at all".repeat(1000)).unwrap();
    damaged(rubbish, &["does not say which run", "not a frame", "run.toml tells of"], u64::MAX / BLOCK_EVENTS);
}

/// A segment of another run, put here by hand.
#[test]
fn a_segment_of_another_run() {
    let foreign = |path: &Path| {
        let other = path.parent().unwrap().with_file_name("000002").join("00000001.tcpp");
        fs::copy(other, path).unwrap();
    };
    damaged(foreign, &["is of another run, web-2", "run.toml tells of"], u64::MAX / BLOCK_EVENTS);
}

/// Retention removes whole segments, the oldest first: nothing is wrong with that.
#[test]
fn what_retention_removed() {
    let site = Site::with_runs(4);
    fs::remove_file(site.run("00000001.tcpp")).unwrap();
    fs::remove_file(site.run("00000002.tcpp")).unwrap();
    assert_eq!(lines(&look(&site)), Vec::<String>::new());
    fs::remove_file(site.run("00000003.tcpp")).unwrap();
    fs::remove_file(site.run("00000004.tcpp")).unwrap();
    assert_eq!(lines(&look(&site)), Vec::<String>::new());
}

#[test]
fn a_segment_of_a_newer_version_is_left_alone() {
    let site = Site::with_runs(2);
    let path = site.run("00000002.tcpp");
    let mut newer = Vec::new();
    put_frame(Kind::Header, &mut newer, |out| Header::default().with("version", 999).encode(out));
    newer.extend(b"something new");
    fs::write(&path, &newer).unwrap();
    for repair in [false, true] {
        let found = lines(&site.check(repair));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("newer tcpprobed"), "{found:#?}");
        assert_eq!(fs::read(&path).unwrap(), newer);
    }
}

#[test]
fn small_files_and_strangers() {
    let site = Site::with_runs(2);
    let jobs = site.state().join("jobs");
    fs::write(jobs.join("web/job.toml"), "owner_uid = [\n").unwrap();
    fs::write(jobs.join("web/000002/run.toml"), "started_ns = \"yesterday\"\n").unwrap();
    fs::write(jobs.join("web/notes.txt"), "mine").unwrap();
    fs::write(jobs.join("stray"), "").unwrap();
    fs::create_dir(jobs.join("-bad name")).unwrap();
    fs::create_dir_all(jobs.join("half/000001")).unwrap();
    fs::create_dir(jobs.join("nothing")).unwrap();
    symlink("/etc", jobs.join("link")).unwrap();
    symlink("/etc/passwd", site.run("00000009.tcpp")).unwrap();
    fs::write(site.run("run.new"), "torn").unwrap();
    let found = lines(&look(&site));
    let expected = [
        "jobs/-bad name has a name that no job can have",
        "jobs/half/job.toml is missing",
        "jobs/link is neither file nor folder; a symbolic link",
        "jobs/stray is a file",
        "jobs/web/job.toml cannot be read: job.toml, line 1",
        "jobs/web/000001/00000009.tcpp is neither file nor folder; a symbolic link",
        "jobs/web/000002 run.toml cannot be read, so the run cannot be served: run.toml, line 1",
        "jobs/web/notes.txt is a file, and nothing of a job's",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, words) in found.iter().zip(expected) {
        assert!(line.starts_with(words) && !line.contains('\n'), "{line:?}: {words:?}");
    }
    site.check(true);
    let quarantine = site.state().join("quarantine/jobs");
    assert_eq!(fs::read_to_string(quarantine.join("web/notes.txt")).unwrap(), "mine");
    assert!(quarantine.join("web/000002/00000001.tcpp").is_file());
    assert_eq!(fs::read_link(quarantine.join("link")).unwrap(), Path::new("/etc"));
    // What is left is to be decided by people.
    let left = lines(&look(&site));
    assert!(left.len() == 2 && left.iter().all(|line| line.contains("job.toml is missing")), "{left:#?}");
    // Twice the same name.
    fs::write(jobs.join("web/notes.txt"), "mine too").unwrap();
    site.check(true);
    assert_eq!(fs::read_to_string(quarantine.join("web/notes.txt.1")).unwrap(), "mine too");
}

/// A catalog that says what is not so is found out, by its content and not by its checksum.
#[test]
fn a_catalog_that_is_wrong() {
    let site = Site::with_runs(3);
    let path = site.run("00000001.tcpp");
    let bytes = fs::read(&path).unwrap();
    // Another segment of the same length: half of the blocks, and something that no version knows.
    let keep = frame(&path, Kind::Ledger, 0).1 as usize;
    let mut other = bytes[..keep].to_vec();
    put_frame(Kind::Unknown(99), &mut other, |out| out.resize(out.len() + bytes.len() - keep - FRAME_HEAD_BYTES, 0));
    assert_eq!(other.len(), bytes.len());
    fs::write(&path, other).unwrap();
    let found = lines(&look(&site));
    assert!(found.iter().any(|line| line.starts_with("catalog is wrong about jobs/web/000001/00000001")), "{found:#?}");
    site.check(true);
    assert_eq!(lines(&look(&site)), Vec::<String>::new());

    let database = site.state().join("catalog/db");
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    let found = lines(&look(&site));
    assert!(matches!(&found[..], [line] if line.starts_with("catalog cannot be read")), "{found:#?}");
    site.check(true);
    assert_eq!(lines(&look(&site)), Vec::<String>::new());
    assert!(site.state().join("quarantine/catalog.1/db").is_dir());
}

fn run(state: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpprobed"));
    command.arg("check").arg("--state").arg(state).args(more).output().unwrap()
}

/// The same for a store that nobody has open; see `unlocked`.
fn run_unlocked(state: &Path, more: &[&str]) -> Output {
    let outputs = std::iter::repeat_with(|| run(state, more)).take(100);
    outputs.into_iter().find(|output| !text(&output.stderr).contains("in use by")).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_program() {
    let site = Site::with_runs(3);
    let clean = run_unlocked(&site.state(), &[]);
    assert_eq!((clean.status.code(), text(&clean.stdout)), (Some(0), ""));
    assert!(text(&clean.stderr).contains("1 jobs, 2 runs") && text(&clean.stderr).contains("all is well"));

    let path = site.run("00000002.tcpp");
    flip(&path, frame(&path, Kind::Ledger, 0).0 + 20);
    let found = run_unlocked(&site.state(), &[]);
    assert_eq!(found.status.code(), Some(1));
    let lines: Vec<&str> = text(&found.stdout).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("jobs/web/000001/00000002.tcpp, byte ")), "{lines:#?}");
    assert!(text(&found.stderr).contains("2 findings"));

    let json = run_unlocked(&site.state(), &["--json"]);
    assert_eq!(json.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&value["jobs"], value["findings"].as_array().unwrap().len()), (&1.into(), 2));
    assert!(value["findings"][0]["offset"].is_u64(), "{value}");

    let repaired = run_unlocked(&site.state(), &["--repair"]);
    assert_eq!(repaired.status.code(), Some(1), "there was something to repair");
    assert!(
        text(&repaired.stdout).contains("[what is whole of it was kept; the file as it was is quarantine/jobs/web/")
    );
    assert_eq!(run_unlocked(&site.state(), &[]).status.code(), Some(0));
}

#[test]
fn what_it_refuses() {
    let site = Site::with_runs(1);
    let store = site.open();
    for arguments in [&[][..], &["--repair"]] {
        let locked = run(&site.state(), arguments);
        assert_eq!((locked.status.code(), text(&locked.stdout)), (Some(1), ""));
        assert!(text(&locked.stderr).contains("in use by another tcpprobed"), "{}", text(&locked.stderr));
    }
    drop(store);
    let nowhere = run(Path::new("/nonexistent"), &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("/nonexistent: No such file"), "{}", text(&nowhere.stderr));
    assert_eq!(run(&site.state(), &["--nosuch"]).status.code(), Some(2));
}

/// A check holds the store against a daemon that starts meanwhile, and takes what a killed daemon left as it is.
#[test]
fn a_run_that_was_interrupted() {
    let site = Site::new();
    let store = site.open();
    site.make_job(&store, "web");
    let mut recording = Recording::begin(&store, "web", 1);
    recording.segments(3);
    drop((recording, store));
    assert_eq!(lines(&look(&site)), Vec::<String>::new());
    // Torn in its last block.
    let path = site.run("00000003.tcpp");
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
    let found = lines(&look(&site));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|line| line.starts_with("jobs/web/000001/00000003.tcpp")), "{found:#?}");
}
