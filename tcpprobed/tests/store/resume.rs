//! Resuming a run that was interrupted: what is whole counts once, what is torn is cut, and the account is exact.

use std::fs;
use std::path::Path;

use tcpprobe::file::Totals;
use tcpprobed::store::{Resumed, RunMeta, Store, from_toml};

use crate::common::{BLOCK_EVENTS, Recording, Site, count_events};

/// Stored events and all others of a ledger.
fn sums(meta: &RunMeta) -> (u64, u64) {
    let mut sum = Totals::default();
    from_toml(&meta.ledger).values().for_each(|totals| sum += *totals);
    (sum.stored, sum.filtered + sum.lost + sum.dropped)
}

fn resume(store: &Store) -> (RunMeta, Resumed) {
    let folder = store.run_folder("web", 1).unwrap();
    let mut meta = RunMeta::load(&folder).unwrap();
    let resumed = meta.resume(&folder, "web/000001", store.catalog()).unwrap();
    (meta, resumed)
}

/// A run of this many segments that nobody ended: the site, and its blocks.
fn interrupted(segments: u32) -> (Site, u64) {
    let site = Site::new();
    let store = site.open();
    site.make_job(&store, "web");
    let mut recording = Recording::begin(&store, "web", 1);
    recording.segments(segments);
    (0..3).for_each(|_| recording.block());
    let blocks = recording.writer.sequence();
    drop(recording);
    (site, blocks)
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn all_segments_that_run_toml_does_not_tell_of() {
    let (site, blocks) = interrupted(4);
    let store = site.open();
    // As if it had been saved when the run began, and as it was saved last.
    let folder = store.run_folder("web", 1).unwrap();
    let saved = RunMeta::load(&folder).unwrap();
    let first =
        RunMeta { segment: 1, sequence: 0, pages: 0, accounted: 0, ledger: Default::default(), ..saved.clone() };
    for meta in [saved, first] {
        meta.save(&folder).unwrap();
        let (taken, resumed) = resume(&store);
        assert_eq!(sums(&taken), (blocks * BLOCK_EVENTS, blocks));
        assert_eq!((taken.sequence, taken.segment, resumed.torn), (blocks, 5, 0));
        assert_eq!(resumed.damage, Vec::<String>::new());
    }
}

/// The run goes on behind, and a second interruption counts nothing twice.
#[test]
fn again_and_again() {
    let (site, mut blocks) = interrupted(2);
    for _ in 0..3 {
        let store = site.open();
        let (meta, _) = resume(&store);
        let mut recording = Recording::go_on(&store, "web", 1, meta);
        recording.block();
        blocks += 1;
        assert_eq!(recording.writer.sequence(), blocks);
    }
    let (meta, _) = resume(&site.open());
    assert_eq!(sums(&meta), (blocks * BLOCK_EVENTS, blocks));
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let (site, blocks) = interrupted(1);
    let path = site.run("00000001.tcpp");
    let whole = fs::read(&path).unwrap();
    let last = whole.windows(5).rposition(|bytes| bytes == b"TCPP\x04").unwrap();
    for length in (last + 1..whole.len()).step_by(97) {
        fs::write(&path, &whole[..length]).unwrap();
        let (meta, resumed) = resume(&site.open());
        assert_eq!(sums(&meta), ((blocks - 1) * BLOCK_EVENTS, blocks - 1), "cut at {length}");
        assert_eq!((meta.sequence, resumed.torn), (blocks - 1, (length - last) as u64), "cut at {length}");
        assert_eq!(fs::metadata(&path).unwrap().len(), last as u64);
        assert_eq!(count_events(&path), (blocks - 1) * BLOCK_EVENTS);
    }
}

/// A damaged ledger does not make the events of its block count as dropped, nor a damaged block its events as stored: what
/// the kernel counted and what is booked stay the same.
#[test]
fn damage_in_the_middle() {
    let (site, blocks) = interrupted(1);
    let path = site.run("00000001.tcpp");
    let whole = fs::read(&path).unwrap();
    let places = |kind: u8| -> Vec<usize> {
        let magic = [b'T', b'C', b'P', b'P', kind];
        whole.windows(5).enumerate().filter(|(_, bytes)| **bytes == magic).map(|(at, _)| at).collect()
    };
    let (block, ledger) = (places(4)[1], places(5)[1]);
    fs::write(&path, &whole).unwrap();
    edit(&path, |bytes| bytes[ledger + 18] ^= 1);
    let (meta, resumed) = resume(&site.open());
    assert_eq!(sums(&meta), (blocks * BLOCK_EVENTS, blocks - 1), "the ledger's filtered event is not known any more");
    assert_eq!((resumed.damage.len(), resumed.torn, meta.sequence), (1, 0, blocks));

    fs::write(&path, &whole).unwrap();
    edit(&path, |bytes| bytes[block + 150] ^= 1);
    let (meta, resumed) = resume(&site.open());
    assert_eq!(sums(&meta), ((blocks - 1) * BLOCK_EVENTS, blocks + BLOCK_EVENTS));
    assert_eq!((resumed.damage.len(), resumed.torn, meta.sequence), (1, 0, blocks));
}

/// What an attempt to begin a segment left behind, or a power loss: nothing is in it, and nothing stays of it.
#[test]
fn segments_with_nothing_in_them() {
    let (site, blocks) = interrupted(2);
    let header = fs::read(site.run("00000001.tcpp")).unwrap()[..600].to_vec();
    for rubbish in [Vec::new(), vec![0; 5000], header] {
        fs::write(site.run("00000003.tcpp"), &rubbish).unwrap();
        let store = site.open();
        let (meta, _) = resume(&store);
        assert_eq!((sums(&meta).0, meta.segment), (blocks * BLOCK_EVENTS, 3));
        assert!(!site.run("00000003.tcpp").exists());
    }
}

/// A file in the way of the next segment is left alone.
#[test]
fn something_in_the_way() {
    let site = Site::new();
    let store = site.open();
    site.make_job(&store, "web");
    let mut recording = Recording::begin(&store, "web", 1);
    fs::create_dir(site.run("00000002.tcpp")).unwrap();
    recording.segments(3);
    let blocks = recording.writer.sequence();
    drop(recording);
    let (meta, _) = resume(&store);
    assert_eq!(sums(&meta), (blocks * BLOCK_EVENTS, blocks));
    assert!(site.run("00000002.tcpp").is_dir());
}
