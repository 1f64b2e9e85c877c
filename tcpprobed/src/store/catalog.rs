//! The catalog: what is in each closed segment, so that nobody has to read it. sled keeps it; only this file knows.
//!
//! It can be lost at any time: an entry is used only if it fits the file's length, and a missing one costs a scan.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::segment::{self, SegmentInfo};

/// Memory that sled may use as cache; the whole catalog of ten thousand segments is smaller.
const CACHE_BYTES: u64 = 1 << 20;

enum Request {
    Get(String, Sender<Option<SegmentInfo>>),
    Put(String, SegmentInfo),
    Forget(String),
    Flush(Sender<()>),
}

/// A handle to the thread that owns the catalog. sled blocks, and may panic on I/O errors: both stay there.
#[derive(Debug, Clone)]
pub struct Catalog {
    requests: Option<Sender<Request>>,
}

impl Catalog {
    /// Opens the catalog in `directory`, makes it anew where it cannot be opened, and does without where that
    /// fails too.
    #[must_use]
    pub fn open(directory: PathBuf) -> (Self, Option<JoinHandle<()>>) {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("catalog".into()).spawn(move || own(&directory, &receiver));
        match thread {
            Ok(thread) => (Catalog { requests: Some(sender) }, Some(thread)),
            Err(_) => (Catalog { requests: None }, None),
        }
    }

    fn send(&self, request: Request) -> Option<()> {
        self.requests.as_ref()?.send(request).ok()
    }

    /// The info of the closed segment at `path`, from the catalog or, where that does not know the file as it is
    /// now, from the file. `key` is its path below the jobs' folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn info(&self, key: &str, path: &Path) -> std::io::Result<SegmentInfo> {
        let length = std::fs::metadata(path)?.len();
        let (sender, receiver) = channel();
        let known = self.send(Request::Get(key.to_owned(), sender)).and_then(|()| receiver.recv().ok()).flatten();
        if let Some(info) = known.filter(|info| info.bytes == length) {
            return Ok(info);
        }
        let info = segment::scan(path)?.info;
        self.put(key, &info);
        Ok(info)
    }

    /// Notes the info of a closed segment.
    pub fn put(&self, key: &str, info: &SegmentInfo) {
        self.send(Request::Put(key.to_owned(), info.clone()));
    }

    /// Forgets a segment, or all whose keys begin with `prefix`.
    pub fn forget(&self, prefix: &str) {
        self.send(Request::Forget(prefix.to_owned()));
    }

    /// Waits until everything so far is on disk.
    pub fn flush(&self) {
        let (sender, receiver) = channel();
        if self.send(Request::Flush(sender)).is_some() {
            let _ = receiver.recv();
        }
    }
}

/// The thread: serves requests until all handles are gone.
fn own(directory: &Path, requests: &Receiver<Request>) {
    let mut database = open_or_rebuild(directory);
    while let Ok(request) = requests.recv() {
        let served = catch_unwind(AssertUnwindSafe(|| serve(database.as_ref(), request)));
        if served.is_err() {
            tracing::warn!(directory = %directory.display(), "the catalog failed; segments are scanned instead");
            // Its Drop may panic as well.
            let broken = database.take();
            let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
        }
    }
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

fn serve(database: Option<&sled::Db>, request: Request) {
    match request {
        Request::Get(key, reply) => {
            let found = database.and_then(|db| db.get(key).ok().flatten());
            let _ = reply.send(found.and_then(|bytes| decode(&bytes)));
        }
        Request::Put(key, info) => {
            if let Some(db) = database {
                let _ = db.insert(key, encode(&info));
            }
        }
        Request::Forget(prefix) => {
            if let Some(db) = database {
                for key in db.scan_prefix(prefix).keys().flatten() {
                    let _ = db.remove(key);
                }
            }
        }
        Request::Flush(reply) => {
            if let Some(db) = database {
                let _ = db.flush();
            }
            let _ = reply.send(());
        }
    }
}

fn open(directory: &Path) -> Option<sled::Db> {
    let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(Some(5000));
    catch_unwind(AssertUnwindSafe(|| config.open())).ok()?.ok()
}

fn open_or_rebuild(directory: &Path) -> Option<sled::Db> {
    open(directory).or_else(|| {
        tracing::warn!(directory = %directory.display(), "the catalog cannot be opened; it is made anew");
        let _ = std::fs::remove_dir_all(directory);
        open(directory)
    })
}

fn encode(info: &SegmentInfo) -> Vec<u8> {
    let (first, last) = info.walls.unwrap_or((i64::MAX, i64::MIN));
    let words = [info.bytes, info.events, first.cast_unsigned(), last.cast_unsigned()];
    let mut out: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // sled's own checksums cover its pages; this one covers our understanding of the bytes.
    out.extend(check_sum(&out).to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<SegmentInfo> {
    let (words, check) = bytes.split_at_checked(32)?;
    if check != check_sum(words).to_le_bytes() {
        return None;
    }
    let word = |at: usize| words[at * 8..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    let walls = (word(2).cast_signed(), word(3).cast_signed());
    Some(SegmentInfo { bytes: word(0), events: word(1), walls: (walls.0 <= walls.1).then_some(walls) })
}

fn check_sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back() {
        for walls in [None, Some((-5, 7))] {
            let info = SegmentInfo { bytes: 1 << 40, events: 3, walls };
            let bytes = encode(&info);
            assert_eq!(decode(&bytes), Some(info));
            assert_eq!(decode(&bytes[..35]), None);
        }
    }
}
