//! The catalog may be lost in any way: what it knew is found again, and nothing is lost.

use std::fs;
use std::path::PathBuf;

use tcpprobed::store::{SegmentInfo, Store};

use crate::common::Site;

type Segments = Vec<(u32, SegmentInfo)>;

fn segments(store: &Store) -> Segments {
    (1..=2).flat_map(|run| store.closed_segments("web", run, None).unwrap()).collect()
}

/// The files of the catalog.
fn files(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.state().join("catalog")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

/// A store, and what is in it.
fn known() -> (Site, Segments) {
    let site = Site::with_runs(5);
    // Without a catalog.
    fs::remove_dir_all(site.state().join("catalog")).unwrap();
    let store = site.open();
    let segments = segments(&store);
    assert!(segments.len() >= 7 && segments.iter().all(|(_, info)| info.events > 0 && info.walls.is_some()));
    store.catalog().flush();
    (site, segments)
}

#[test]
fn deleted_under_its_feet() {
    let (site, expected) = known();
    let store = site.open();
    fs::remove_dir_all(site.state().join("catalog")).unwrap();
    assert_eq!(segments(&store), expected);
    store.catalog().flush();
    drop(store);
    assert_eq!(segments(&site.open()), expected);
}

#[test]
fn truncated() {
    let (site, expected) = known();
    for path in files(&site) {
        for divisor in [2, 3, 1000] {
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..whole.len() / divisor]).unwrap();
            let store = site.open();
            assert_eq!(segments(&store), expected, "{} cut to 1/{divisor}", path.display());
            store.catalog().flush();
        }
    }
}

#[test]
fn flipped() {
    let (site, expected) = known();
    let mut random = 1u32;
    let mut flipped = 0;
    for _ in 0..60 {
        let paths = files(&site);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let path = &paths[random as usize % paths.len()];
        let mut bytes = fs::read(path).unwrap();
        // Most of a database file is zeros behind its log.
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if used > 0 {
            let at = (random >> 8) as usize % used;
            bytes[at] ^= 1 << (random % 8);
            fs::write(path, bytes).unwrap();
            flipped += 1;
        }
        let store = site.open();
        assert_eq!(segments(&store), expected, "{} flipped", path.display());
        store.catalog().flush();
    }
    assert!(flipped > 30, "{flipped}: this shows little");
}

/// Somebody else has the database open.
#[test]
fn locked() {
    let (site, expected) = known();
    let path = site.state().join("catalog");
    // On a busy machine the one before still holds its lock for a moment.
    let mut opened = sled::open(&path);
    for _ in 0..500 {
        if opened.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        opened = sled::open(&path);
    }
    let other = opened.unwrap();
    let store = site.open();
    assert_eq!(segments(&store), expected);
    store.catalog().flush();
    drop((store, other));
    assert_eq!(segments(&site.open()), expected);
}

#[test]
fn something_else_in_its_place() {
    let (site, expected) = known();
    let path = site.state().join("catalog");
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "not a folder").unwrap();
    assert_eq!(segments(&site.open()), expected);
}

/// An entry is believed only of a file that has its length.
#[test]
fn a_segment_that_grew_or_went() {
    let (site, expected) = known();
    let path = site.run("00000002.tcpp");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let store = site.open();
    let cut = store.closed_segments("web", 1, None).unwrap();
    assert_eq!(cut[1].1.events + crate::common::BLOCK_EVENTS, expected[1].1.events);
    fs::remove_file(&path).unwrap();
    assert_eq!(store.closed_segments("web", 1, None).unwrap().len() + 1, cut.len());
    fs::write(&path, &bytes).unwrap();
    assert_eq!(segments(&store), expected);
}
