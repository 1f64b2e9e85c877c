//! What the daemon did to its disk, change by change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::ThreadId;

use tcpprobed::disk::{Change, FsHook};

/// One entry of the log.
#[derive(Debug, Clone)]
pub enum Op {
    MakeFolder(PathBuf),
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Cut(PathBuf, u64),
    /// A sync begins, of this thread: it makes durable what was written before.
    Sync(PathBuf, ThreadId),
    /// It has ended.
    Synced(PathBuf, ThreadId),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// The daemon told somebody that something was done.
    Told(Told),
}

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// The job is there, and whether it is to run.
    Job(&'static str, bool),
    /// The job is removed.
    NoJob(&'static str),
}

/// Notes changes in their order. Changes of several threads are in the order in which they were made; of a sync, both its
/// beginning and its end are noted.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<Op>>);

impl Log {
    pub fn note(&self, op: Op) {
        self.0.lock().unwrap().push(op);
    }

    /// Whether there is such a change.
    pub fn any(&self, is_so: impl Fn(&Op) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(is_so)
    }

    /// All of it so far, with paths below `root`.
    pub fn take(&self, root: &Path) -> Vec<Op> {
        let below = |path: PathBuf| path.strip_prefix(root).unwrap().to_owned();
        let ops = std::mem::take(&mut *self.0.lock().unwrap()).into_iter();
        ops.map(|op| match op {
            Op::MakeFolder(path) => Op::MakeFolder(below(path)),
            Op::Create(path) => Op::Create(below(path)),
            Op::Write(path, at, bytes) => Op::Write(below(path), at, bytes),
            Op::Cut(path, length) => Op::Cut(below(path), length),
            Op::Sync(path, thread) => Op::Sync(below(path), thread),
            Op::Synced(path, thread) => Op::Synced(below(path), thread),
            Op::Rename(from, to) => Op::Rename(below(from), below(to)),
            Op::Remove(path) => Op::Remove(below(path)),
            Op::Told(told) => Op::Told(told),
        })
        .collect()
    }
}

impl FsHook for Log {
    fn before(&self, change: Change<'_>) -> io::Result<()> {
        if let Change::SyncFile(path) | Change::SyncFolder(path) = change {
            self.note(Op::Sync(path.to_owned(), std::thread::current().id()));
        }
        Ok(())
    }

    fn after(&self, change: Change<'_>) {
        self.note(match change {
            Change::MakeFolder(path) => Op::MakeFolder(path.to_owned()),
            Change::Create(path) => Op::Create(path.to_owned()),
            Change::Write(path, at, bytes) => Op::Write(path.to_owned(), at, bytes.to_vec()),
            Change::Cut(path, length) => Op::Cut(path.to_owned(), length),
            Change::SyncFile(path) | Change::SyncFolder(path) => {
                Op::Synced(path.to_owned(), std::thread::current().id())
            }
            Change::Rename(from, to) => Op::Rename(from.to_owned(), to.to_owned()),
            Change::Remove(path) => Op::Remove(path.to_owned()),
        });
    }
}
