//! A disk that forgets: what it holds after a power loss, as badly as a file system may leave it.
//!
//! A name in a folder is durable when the folder was synced, the content of a file when the file was. Everything else may
//! be there, or not, or in part: each name for itself, and each piece of a file for itself.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::ThreadId;

use super::log::Op;
use crate::common::Random;

/// Bytes of a piece of a file that is written or not.
const PIECE_BYTES: usize = 4096;

type Node = usize;

/// Names or content, and how much of it is durable.
#[derive(Debug, Clone, Default)]
struct Layers<T> {
    /// As the daemon sees it.
    now: T,
    /// As it was when a sync began that has not ended.
    syncing: HashMap<ThreadId, T>,
    /// As it was when the last sync began that has ended.
    synced: T,
}

impl<T: Clone> Layers<T> {
    fn sync(&mut self, thread: ThreadId) {
        self.syncing.insert(thread, self.now.clone());
    }

    fn end_sync(&mut self, thread: ThreadId) {
        self.synced = self.syncing.remove(&thread).unwrap();
    }
}

type Names = Layers<BTreeMap<String, Node>>;
type Content = Layers<Vec<u8>>;

#[derive(Debug, Clone)]
enum Kind {
    Folder(Names),
    File(Content),
}

/// The disk.
#[derive(Debug, Clone)]
pub struct Disk {
    nodes: Vec<Kind>,
    /// The file or folder that was made under a path last: whoever has it open keeps it, also when it is moved.
    open: HashMap<PathBuf, Node>,
}

/// How badly things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The process is gone, the machine goes on: all is there.
    Nothing,
    /// Neither names nor content that were not synced.
    All,
    /// All names are there, and no content that was not synced.
    Content,
    /// All names and lengths are there; what was not synced is zeros.
    Zeros,
    /// All content, but of the names only those that were synced.
    Names,
    /// Each name and each piece as chance has it.
    Chance(u64),
}

/// What lies on the disk: files with their content, folders without.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Disk {
    /// With nothing on it.
    pub fn new() -> Self {
        Disk { nodes: vec![Kind::Folder(Names::default())], open: HashMap::new() }
    }

    fn names(&mut self, node: Node) -> &mut Names {
        match &mut self.nodes[node] {
            Kind::Folder(names) => names,
            Kind::File(_) => panic!("is no folder"),
        }
    }

    fn find(&mut self, path: &Path) -> Option<Node> {
        let mut names = path.iter().map(|name| name.to_str().unwrap());
        names.try_fold(0, |node, name| self.names(node).now.get(name).copied())
    }

    /// The folder and the name in it.
    fn parent(&mut self, path: &Path) -> (Node, String) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (self.opened(path.parent().unwrap()), name)
    }

    /// The file or folder that was opened under this path.
    fn opened(&mut self, path: &Path) -> Node {
        self.open.get(path).copied().or_else(|| self.find(path)).unwrap()
    }

    fn file(&mut self, path: &Path) -> &mut Content {
        let node = self.opened(path);
        match &mut self.nodes[node] {
            Kind::File(content) => content,
            Kind::Folder(_) => panic!("is no file"),
        }
    }

    fn make(&mut self, path: &Path, kind: Kind) -> Node {
        let (folder, name) = self.parent(path);
        self.nodes.push(kind);
        let node = self.nodes.len() - 1;
        self.names(folder).now.insert(name, node);
        self.open.insert(path.to_owned(), node);
        node
    }

    /// Makes a change.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::MakeFolder(path) => drop(self.make(path, Kind::Folder(Names::default()))),
            Op::Create(path) => {
                let (folder, name) = self.parent(path);
                match self.names(folder).now.get(&name).copied() {
                    Some(node) => drop(self.open.insert(path.clone(), node)),
                    None => drop(self.make(path, Kind::File(Content::default()))),
                }
                self.file(path).now.clear();
            }
            Op::Write(path, at, bytes) => {
                let (now, at) = (&mut self.file(path).now, *at as usize);
                now.resize(now.len().max(at + bytes.len()), 0);
                now[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Op::Cut(path, length) => self.file(path).now.resize(*length as usize, 0),
            Op::Sync(path, thread) => {
                let node = self.opened(path);
                match &mut self.nodes[node] {
                    Kind::Folder(names) => names.sync(*thread),
                    Kind::File(content) => content.sync(*thread),
                }
            }
            Op::Synced(path, thread) => {
                let node = self.opened(path);
                match &mut self.nodes[node] {
                    Kind::Folder(names) => names.end_sync(*thread),
                    Kind::File(content) => content.end_sync(*thread),
                }
            }
            Op::Rename(from, to) => {
                let (folder, name) = self.parent(from);
                let node = self.names(folder).now.remove(&name).unwrap();
                let (folder, name) = self.parent(to);
                self.names(folder).now.insert(name, node);
            }
            Op::Remove(path) => {
                let (folder, name) = self.parent(path);
                self.names(folder).now.remove(&name).unwrap();
            }
            Op::Told(_) => {}
        }
    }

    /// What is there after this loss.
    pub fn after(&self, loss: Loss) -> Tree {
        let mut tree = Tree::new();
        let mut chance = Random(match loss {
            Loss::Chance(seed) => seed,
            _ => 0,
        });
        self.collect(0, Path::new(""), loss, &mut chance, &mut tree);
        tree
    }

    fn collect(&self, node: Node, path: &Path, loss: Loss, chance: &mut Random, tree: &mut Tree) {
        match &self.nodes[node] {
            Kind::File(content) => drop(tree.insert(path.to_owned(), Some(content.after(loss, chance)))),
            Kind::Folder(names) => {
                tree.insert(path.to_owned(), None);
                for (name, node) in names.after(loss, chance) {
                    self.collect(node, &path.join(name), loss, chance, tree);
                }
            }
        }
    }

    /// Files that are certainly there, with what certainly is in them: names and content were synced, and neither was
    /// changed since. Of a file that only grew, what was synced.
    pub fn certain(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        self.collect_certain(0, Path::new(""), &mut files);
        files
    }

    fn collect_certain(&self, node: Node, path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        match &self.nodes[node] {
            Kind::File(content) if content.now.starts_with(&content.synced) => {
                files.insert(path.to_owned(), content.synced.clone());
            }
            Kind::File(_) => {}
            Kind::Folder(names) => {
                for (name, node) in &names.now {
                    if names.synced.get(name) == Some(node) {
                        self.collect_certain(*node, &path.join(name), files);
                    }
                }
            }
        }
    }
}

impl Names {
    fn after(&self, loss: Loss, chance: &mut Random) -> BTreeMap<String, Node> {
        match loss {
            Loss::Nothing | Loss::Content | Loss::Zeros => self.now.clone(),
            Loss::All | Loss::Names => self.synced.clone(),
            Loss::Chance(_) => {
                let mut names = BTreeMap::new();
                for name in self.now.keys().chain(self.synced.keys()) {
                    let from = if chance.flip() { &self.now } else { &self.synced };
                    names.extend(from.get(name).map(|node| (name.clone(), *node)));
                }
                names
            }
        }
    }
}

impl Content {
    fn after(&self, loss: Loss, chance: &mut Random) -> Vec<u8> {
        match loss {
            Loss::Nothing | Loss::Names => self.now.clone(),
            Loss::All | Loss::Content => self.synced.clone(),
            Loss::Zeros => {
                let mut bytes = self.synced.clone();
                bytes.resize(self.now.len(), 0);
                bytes
            }
            Loss::Chance(_) => {
                let length = if chance.flip() { self.now.len() } else { self.synced.len() };
                let mut bytes = self.synced.clone();
                bytes.resize(length, 0);
                for (start, piece) in self.now.chunks(PIECE_BYTES).enumerate() {
                    let start = start * PIECE_BYTES;
                    if chance.flip() && start < length {
                        let end = (start + piece.len()).min(length);
                        bytes[start..end].copy_from_slice(&piece[..end - start]);
                    }
                }
                bytes
            }
        }
    }
}

/// Puts a tree into an empty folder.
pub fn unfold(tree: &Tree, folder: &Path) {
    for (path, content) in tree {
        match content {
            None if path.as_os_str().is_empty() => {}
            None => fs::create_dir(folder.join(path)).unwrap(),
            Some(bytes) => fs::write(folder.join(path), bytes).unwrap(),
        }
    }
}

/// What a folder that is open is called does not matter: a machine so busy that a folder's sync comes after its removal.
#[test]
fn a_folder_that_is_moved_stays_open() {
    let (thread, path) = (std::thread::current().id(), PathBuf::from);
    let mut disk = Disk::new();
    disk.apply(&Op::MakeFolder(path("jobs")));
    disk.apply(&Op::MakeFolder(path("removed")));
    disk.apply(&Op::MakeFolder(path("jobs/web")));
    disk.apply(&Op::Create(path("jobs/web/1.tcpp")));
    disk.apply(&Op::Rename(path("jobs/web"), path("removed/web")));
    disk.apply(&Op::Sync(path("jobs/web"), thread));
    disk.apply(&Op::Synced(path("jobs/web"), thread));
    disk.apply(&Op::Remove(path("jobs/web/1.tcpp")));
    disk.apply(&Op::MakeFolder(path("jobs/web")));
    let tree = disk.after(Loss::Nothing);
    let names: Vec<&str> = tree.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(names, ["", "jobs", "jobs/web", "removed", "removed/web"]);
}
