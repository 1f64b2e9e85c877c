//! A store of a test's own, with runs in it that no kernel made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tcpprobe::file::block::{BlockBuilder, Schema, Seal};
use tcpprobe::file::{Account, Anchor, Header, Item, Kind, Reader, put_frame};
use tcpprobe::kernel::format::Format;
use tcpprobed::check::{Summary, check};
use tcpprobed::disk::OptionalHook;
use tcpprobed::jobs::{JobFile, Spec};
use tcpprobed::store::{RunMeta, RunTarget, RunWriter, SegmentLimits, Store, StoreError, Upkeep};
use tcpprobed::user::User;
use tempfile::TempDir;

/// Events of a block.
pub const BLOCK_EVENTS: u64 = 60;
/// Segments are closed at this length: a few blocks.
const SEGMENT_BYTES: u64 = 16 << 10;

/// A state directory.
pub struct Site {
    folder: TempDir,
}

impl Site {
    pub fn new() -> Self {
        Site { folder: tempfile::tempdir().unwrap() }
    }

    /// A state directory with a run of this many segments in it, ended, and a second, interrupted one.
    pub fn with_runs(segments: u32) -> Self {
        let site = Site::new();
        let store = site.open();
        site.make_job(&store, "web");
        let mut first = Recording::begin(&store, "web", 1);
        first.segments(segments);
        first.writer.finish(9, "stopped").unwrap();
        let mut second = Recording::begin(&store, "web", 2);
        second.segments(2);
        drop(second);
        store.handles().syncer.wait();
        drop(store);
        site
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A file or folder of the first run.
    pub fn run(&self, name: &str) -> PathBuf {
        self.state().join("jobs/web/000001").join(name)
    }

    /// Opens the store.
    pub fn open(&self) -> Store {
        self.open_with(SEGMENT_BYTES)
    }

    pub fn open_with(&self, segment_bytes: u64) -> Store {
        let limits = SegmentLimits { bytes: segment_bytes, age: Duration::from_secs(3600) };
        let upkeep = Upkeep { limits, sync_interval: Duration::from_secs(1), hook: OptionalHook::default() };
        unlocked(|| Store::open(&self.state(), upkeep.clone()))
    }

    /// What a check finds.
    pub fn check(&self, repair: bool) -> Summary {
        unlocked(|| check(&self.state(), repair))
    }

    pub fn make_job(&self, store: &Store, name: &str) {
        let file = JobFile { owner: User::of_uid(7), created_ns: 1, running: false, spec: Spec::default() };
        file.save(&store.make_job_folder(name).unwrap()).unwrap();
    }

    /// All files below the state directory but the catalog's, with what is in them.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.state(), &mut files);
        files.retain(|path, _| !path.starts_with(self.state().join("catalog")));
        files
    }
}

/// A process that another test is just starting may hold the lock of a store that is closed, for a moment.
fn unlocked<T>(mut open: impl FnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..500 {
        match open() {
            Err(StoreError::Locked(_)) => std::thread::sleep(Duration::from_millis(20)),
            opened => return opened.unwrap(),
        }
    }
    panic!("the store stays locked")
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), files);
        } else if entry.file_type().unwrap().is_file() {
            files.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
}

/// A run that is being written.
pub struct Recording {
    pub writer: RunWriter,
    schema: Arc<Schema>,
    builder: BlockBuilder,
    time: u64,
    pages: u64,
}

impl Recording {
    pub fn begin(store: &Store, job: &str, run: u32) -> Self {
        let trace = format!("{job}-{run}");
        Self::go_on(store, job, run, RunMeta { started_ns: 1, trace, segment: 1, ..RunMeta::default() })
    }

    /// Continues a run that was resumed.
    pub fn go_on(store: &Store, job: &str, run: u32, meta: RunMeta) -> Self {
        let schema = schema();
        let (folder, key) = (store.make_run_folder(job, run).unwrap(), Store::run_key(job, run));
        let (time, pages, header) = (1_000_000 + meta.accounted, meta.pages, Header::new(&meta.trace));
        let target = RunTarget { folder, key, meta, header, schema: Arc::clone(&schema) };
        let writer = RunWriter::create(target, store.handles()).unwrap();
        Recording { writer, builder: BlockBuilder::new(Arc::clone(&schema)), schema, time, pages }
    }

    /// Writes a block of [`BLOCK_EVENTS`] events of two CPUs, and its ledger: one more event of CPU 1 was filtered out.
    pub fn block(&mut self) {
        let from = self.time;
        for number in 0..BLOCK_EVENTS {
            self.time += 1000 + number * number % 7;
            let record = record(&self.schema, self.time);
            assert_eq!(self.builder.push((number % 3 == 0).into(), &[(self.time, &record)]), 0);
        }
        let pages = self.pages..self.pages + 2;
        self.pages = pages.end;
        let seal = Seal { sequence: self.writer.sequence(), complete_until: self.time, pages };
        let mut frame = Vec::new();
        put_frame(Kind::Block, &mut frame, |out| self.builder.seal(&seal, None, |_| None, out));
        let account =
            |cpu, stored, filtered| Account { cpu, from, to: self.time, stored, filtered, ..Account::default() };
        let accounts = [account(0, BLOCK_EVENTS / 3 * 2, 0), account(1, BLOCK_EVENTS / 3, 1)];
        let now = Anchor { time: self.time, wall: self.time.cast_signed() };
        self.writer.append(&frame, BLOCK_EVENTS, (from + 1000, self.time), &accounts, self.pages, now).unwrap();
    }

    /// Writes blocks until the run has this many segments.
    pub fn segments(&mut self, count: u32) {
        let progress = self.writer.progress();
        while progress.borrow().segment < count {
            self.block();
        }
        self.block();
    }
}

/// The events of the kernel that the project is developed on.
pub fn schema() -> Arc<Schema> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/formats/6.18.44-fc-v669/events/tcp");
    let format = |name: &str| {
        let text = fs::read_to_string(folder.join(name).join("format")).unwrap();
        Format::parse("tcp", &text).unwrap()
    };
    Schema::new(vec![format("tcp_probe"), format("tcp_retransmit_skb")]).unwrap()
}

/// A record whose fields hold something.
fn record(schema: &Schema, seed: u64) -> Vec<u8> {
    let layout = &schema.layouts()[0];
    let mut bytes: Vec<u8> = (0..layout.size as u64).map(|at| (at * 7 + seed / 5000) as u8).collect();
    bytes[..2].copy_from_slice(&layout.format.id.to_le_bytes());
    bytes
}

/// How many events a reader finds in a file, with nothing damaged.
#[track_caller]
pub fn count_events(path: &Path) -> u64 {
    let mut reader = Reader::new(fs::File::open(path).unwrap());
    let mut events = 0;
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Events(batch) => events += batch.len() as u64,
            Item::Damage(damage) => panic!("{}: {damage}", path.display()),
            _ => {}
        }
    }
    events
}
