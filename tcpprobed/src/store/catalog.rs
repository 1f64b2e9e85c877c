//! The catalog: what is in each closed segment, so that nobody has to read it.
//!
//! All of it is in memory, some hundred bytes a segment. sled keeps a copy for the next start; only this file knows.
//! The copy can be lost at any time: an entry is used only if it fits the file's length, and a missing one costs a look
//! at the heads of the segment's frames. sled has a thread of its own, for which nobody waits for long: it may block,
//! panic on I/O errors, or never come back.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::head_index::head_index;
use super::names::segment_name;
use super::scan::scan;
use super::segment::{SegmentInfo, join};
use crate::disk::Folder;
use crate::hash::fnv1a;
use crate::lock::lock;

/// Memory that sled may use as cache; the whole catalog of ten thousand segments is smaller.
const CACHE_BYTES: u64 = 1 << 20;
/// Longest wait for sled when the daemon starts or stops: ten thousand entries take a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that wait for sled. Beyond it they are left out: the next start then looks at those segments.
const REQUESTS_MAX: usize = 64 << 10;

/// The names of a run (`job/000001`) and of a segment in it.
type Key = (String, u32);

/// What is known of a segment, and the length of the file of which it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    length: u64,
    info: SegmentInfo,
}

/// What a catalog on disk says of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The run's name.
    pub run: String,
    /// The segment's number.
    pub number: u32,
    /// Length of the file of which it is said.
    pub length: u64,
    /// What is said.
    pub info: SegmentInfo,
}

/// What the segments of a run come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Their length.
    pub bytes: u64,
    /// Their number.
    pub segments: u32,
    /// Wall-clock times of the earliest and the latest event.
    pub walls: Option<(i64, i64)>,
}

enum Request {
    Put(Key, Known),
    Forget(String),
    Flush(SyncSender<()>),
    Close(SyncSender<()>),
}

/// A handle to the catalog.
#[derive(Debug, Clone)]
pub struct Catalog {
    known: Arc<Mutex<BTreeMap<Key, Known>>>,
    requests: Option<SyncSender<Request>>,
}

impl Catalog {
    /// All that a catalog in `directory` says, which nobody has open; `None` where it cannot be read. sled writes where it
    /// only reads: give it a copy.
    #[must_use]
    pub fn read(directory: &Path) -> Option<Vec<CatalogEntry>> {
        let (database, known) = open(directory)?;
        quietly(|| drop(database));
        let entry = |((run, number), Known { length, info })| CatalogEntry { run, number, length, info };
        Some(known.into_iter().map(entry).collect())
    }

    /// Opens the catalog in `directory`, makes it anew where it cannot be opened, and does without a copy on disk where
    /// that fails too.
    #[must_use]
    pub fn open(directory: PathBuf) -> Self {
        let (sender, receiver) = sync_channel(REQUESTS_MAX);
        let (loaded_sender, loaded) = sync_channel(1);
        let thread = std::thread::Builder::new().name("catalog".into());
        let spawned = thread.spawn(move || own(&directory, &loaded_sender, &receiver));
        let loaded = spawned.ok().and_then(|_| loaded.recv_timeout(PATIENCE).ok());
        let requests = loaded.is_some().then_some(sender);
        Catalog { known: Arc::new(Mutex::new(loaded.unwrap_or_default())), requests }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Known>> {
        lock(&self.known)
    }

    fn send(&self, request: Request) -> Option<()> {
        self.requests.as_ref()?.try_send(request).ok()
    }

    /// The info of a closed segment of `run`, whose folder is given: as it is known, or, where the file has another length
    /// now, from the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn info(&self, run: &str, folder: &Folder, number: u32) -> io::Result<SegmentInfo> {
        let name = segment_name(number);
        let length = folder.length(&name)?;
        let key = (run.to_owned(), number);
        if let Some(known) = self.known().get(&key).filter(|known| known.length == length) {
            return Ok(known.info.clone());
        }
        let file = folder.file(&name)?;
        let info = match head_index(&file, length) {
            Some(info) => info,
            None => scan(file)?.info,
        };
        let known = Known { length, info: info.clone() };
        self.known().insert(key.clone(), known.clone());
        self.send(Request::Put(key, known));
        Ok(info)
    }

    /// All segments of `run` that are known, in order.
    #[must_use]
    pub fn segments(&self, run: &str) -> Vec<(u32, SegmentInfo)> {
        let known = self.known();
        let of_run = known.range((run.to_owned(), 0)..=(run.to_owned(), u32::MAX));
        of_run.map(|((_, number), known)| (*number, known.info.clone())).collect()
    }

    /// Length, number and times of all segments of `run` that are known.
    #[must_use]
    pub fn sum(&self, run: &str) -> Sum {
        let known = self.known();
        let of_run = known.range((run.to_owned(), 0)..=(run.to_owned(), u32::MAX));
        of_run.fold(Sum::default(), |sum, (_, Known { info, .. })| Sum {
            bytes: sum.bytes + info.bytes,
            segments: sum.segments + 1,
            walls: join(sum.walls, info.walls),
        })
    }

    /// Notes the info of a segment that was just closed and is whole.
    pub fn put(&self, run: &str, number: u32, info: &SegmentInfo) {
        self.known().insert((run.to_owned(), number), Known { length: info.bytes, info: info.clone() });
    }

    /// Has the copy on disk know a segment. Only when the segment itself is durable: nobody looks at it again.
    pub fn keep(&self, run: &str, number: u32) {
        let key = (run.to_owned(), number);
        let known = self.known().get(&key).cloned();
        if let Some(known) = known {
            self.send(Request::Put(key, known));
        }
    }

    /// Forgets a segment.
    pub fn forget(&self, run: &str, number: u32) {
        self.known().remove(&(run.to_owned(), number));
        self.send(Request::Forget(name_of(&(run.to_owned(), number))));
    }

    /// Forgets all segments of all runs of a job.
    pub fn forget_job(&self, job: &str) {
        let prefix = format!("{job}/");
        self.known().retain(|(run, _), _| !run.starts_with(&prefix));
        self.send(Request::Forget(prefix));
    }

    /// Waits until the copy on disk has everything, if that does not take too long.
    pub fn flush(&self) {
        self.wait(Request::Flush);
    }

    /// Closes the copy on disk. What is noted from now on, the next start will find out anew.
    pub fn close(&self) {
        self.wait(Request::Close);
    }

    fn wait(&self, request: impl FnOnce(SyncSender<()>) -> Request) {
        let (sender, receiver) = sync_channel(1);
        if self.send(request(sender)).is_some() {
            let _ = receiver.recv_timeout(PATIENCE);
        }
    }
}

/// The name of a segment in sled.
fn name_of((run, number): &Key) -> String {
    format!("{run}/{number:08}")
}

fn key_of(name: &[u8]) -> Option<Key> {
    let (run, number) = std::str::from_utf8(name).ok()?.rsplit_once('/')?;
    Some((run.to_owned(), number.parse().ok()?))
}

/// The thread: gives what sled knows, then serves requests until all handles are gone.
fn own(directory: &Path, loaded: &SyncSender<BTreeMap<Key, Known>>, requests: &Receiver<Request>) {
    let (mut database, known) = open_or_rebuild(directory);
    if loaded.send(known).is_err() {
        // It took too long, and the daemon does without.
        quietly(|| drop(database));
        return;
    }
    while let Ok(request) = requests.recv() {
        if let Request::Close(reply) = request {
            quietly(|| drop(database));
            let _ = reply.send(());
            return;
        }
        if quietly(|| serve(database.as_ref(), request)).is_none() {
            tracing::warn!(directory = %directory.display(), "the catalog failed; it is made anew at the next start");
            // Its Drop may panic as well.
            let broken = database.take();
            quietly(|| drop(broken));
        }
    }
    quietly(|| drop(database));
}

/// What `work` gives, unless it panics.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn serve(database: Option<&sled::Db>, request: Request) {
    match (request, database) {
        (Request::Put(key, known), Some(db)) => {
            let _ = db.insert(name_of(&key), encode(&known));
        }
        (Request::Forget(prefix), Some(db)) => {
            for key in db.scan_prefix(prefix).keys().flatten() {
                let _ = db.remove(key);
            }
        }
        (Request::Flush(reply), database) => {
            let _ = database.map(|db| db.flush());
            let _ = reply.send(());
        }
        (Request::Close(_), _) | (_, None) => {}
    }
}

/// Opens the database and reads all of it.
fn open(directory: &Path) -> Option<(sled::Db, BTreeMap<Key, Known>)> {
    // Its own files must not be elsewhere either.
    if std::fs::symlink_metadata(directory).is_ok_and(|found| !found.is_dir()) {
        return None;
    }
    let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(Some(5000));
    quietly(|| {
        let database = config.open().ok()?;
        let mut known = BTreeMap::new();
        for entry in database.iter() {
            let (name, bytes) = entry.ok()?;
            known.extend(key_of(&name).zip(decode(&bytes)));
        }
        Some((database, known))
    })?
}

fn open_or_rebuild(directory: &Path) -> (Option<sled::Db>, BTreeMap<Key, Known>) {
    let opened = open(directory).or_else(|| {
        tracing::warn!(directory = %directory.display(), "the catalog cannot be read; it is made anew");
        let _ = std::fs::remove_dir_all(directory).or_else(|_| std::fs::remove_file(directory));
        open(directory)
    });
    opened.map_or((None, BTreeMap::new()), |(database, known)| (Some(database), known))
}

fn encode(known: &Known) -> Vec<u8> {
    let (first, last) = known.info.walls.unwrap_or((i64::MAX, i64::MIN));
    let info = &known.info;
    let words = [known.length, info.bytes, info.events, first.cast_unsigned(), last.cast_unsigned()];
    let mut out: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // sled's own checksums cover its pages; this one covers our understanding of the bytes.
    out.extend(fnv1a(&out).to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Known> {
    let (words, check) = bytes.split_at_checked(40)?;
    if check != fnv1a(words).to_le_bytes() {
        return None;
    }
    let word = |at: usize| words[at * 8..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    let walls = (word(3).cast_signed(), word(4).cast_signed());
    let info = SegmentInfo { bytes: word(1), events: word(2), walls: (walls.0 <= walls.1).then_some(walls) };
    Some(Known { length: word(0), info })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(bytes: u64, walls: Option<(i64, i64)>) -> SegmentInfo {
        SegmentInfo { bytes, events: 3, walls }
    }

    #[test]
    fn entries_come_back() {
        for walls in [None, Some((-5, 7))] {
            let known = Known { length: (1 << 40) + 1, info: info(1 << 40, walls) };
            let bytes = encode(&known);
            assert_eq!(decode(&bytes), Some(known));
            assert_eq!(decode(&bytes[..43]), None);
            assert_eq!(decode(&[0; 36]), None, "of an earlier version");
        }
        let key = ("web/000001".to_owned(), 7);
        assert_eq!(key_of(name_of(&key).as_bytes()), Some(key));
    }

    #[test]
    fn what_is_kept_is_known_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Catalog::open(folder.path().join("catalog"));
        let catalog = open();
        for number in 1..=3 {
            catalog.put("a/000001", number, &info(u64::from(number), None));
            catalog.put("b/000001", number, &info(10, None));
        }
        assert_eq!(catalog.segments("a/000001").len(), 3);
        assert_eq!(catalog.sum("b/000001"), Sum { bytes: 30, segments: 3, walls: None });
        catalog.keep("a/000001", 1);
        catalog.keep("a/000001", 2);
        catalog.keep("b/000001", 1);
        catalog.forget("a/000001", 1);
        let kept = || -> Vec<(String, u32)> {
            let entries = Catalog::read(&folder.path().join("catalog")).unwrap();
            entries.into_iter().map(|entry| (entry.run, entry.number)).collect()
        };
        catalog.close();
        assert_eq!(kept(), [("a/000001".to_owned(), 2), ("b/000001".to_owned(), 1)]);
        let catalog = open();
        catalog.forget_job("a");
        assert_eq!((catalog.segments("a/000001"), catalog.segments("b/000001")), (vec![], vec![(1, info(10, None))]));
        catalog.close();
        assert_eq!(kept(), [("b/000001".to_owned(), 1)]);
    }
}
