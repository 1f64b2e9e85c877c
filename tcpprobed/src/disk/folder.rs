//! A folder, held by its descriptor.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::DiskFile;
use super::fs_hook::{Change, OptionalHook};

/// Mode of files: they are the daemon's alone.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Mode of folders.
const FOLDER_MODE: Mode = Mode::RWXU;
/// Folders within folders that are removed with one: a job has runs, and these have files.
const DEPTH_MAX: usize = 8;
/// Longest small file: a `run.toml` has some hundred bytes for each CPU.
const SMALL_FILE_BYTES_MAX: u64 = 16 << 20;

/// An open folder. Names are those of its own entries: no path is walked, and no symbolic link is followed.
#[derive(Debug, Clone)]
pub struct Folder {
    fd: Arc<OwnedFd>,
    path: PathBuf,
    hook: OptionalHook,
}

/// What a folder holds under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// Something else: a symbolic link, a socket, …
    Other,
}

impl Folder {
    /// Opens the folder at `path`, makes it for this user alone where there is none. The path is the administrator's:
    /// links in it are followed, those below it are not.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_or_make(path: &Path, hook: OptionalHook) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        if !path.is_dir() {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::DirBuilder::new().mode(FOLDER_MODE.bits()).create(path)?;
        }
        Folder::open(path, hook)
    }

    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path, hook: OptionalHook) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Folder { fd: Arc::new(fd), path: path.to_owned(), hook })
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its entries, for messages.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A folder in it.
    ///
    /// # Errors
    /// Those of the file system, also where the name is a symbolic link.
    pub fn folder(&self, name: &str) -> io::Result<Folder> {
        let fd = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Folder { fd: Arc::new(fd), path: self.path_of(name), hook: self.hook.clone() })
    }

    /// A folder in it, which is made, durably, where there is none.
    ///
    /// # Errors
    /// Those of the file system, also where the name is something else.
    pub fn make_folder(&self, name: &str) -> io::Result<Folder> {
        let path = self.path_of(name);
        let made = self
            .hook
            .make(Change::MakeFolder(&path), || Ok(rustix::fs::mkdirat(&self.fd, single(name)?, FOLDER_MODE)?));
        match made {
            Ok(()) => self.sync()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.folder(name)
    }

    /// All that is in it, by name. Names that are not UTF-8 are none of ours; they are given as they can be shown.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn entries(&self) -> io::Result<Vec<(String, EntryKind)>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = OsString::from_vec(entry.file_name().to_bytes().to_vec()).to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match self.stat(&name) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            entries.push((name, EntryKind::of(kind)));
        }
        entries.sort();
        Ok(entries)
    }

    /// A file in it, open for reading.
    ///
    /// # Errors
    /// Those of the file system, also where it is no regular file.
    pub fn file(&self, name: &str) -> io::Result<File> {
        // NONBLOCK: a pipe must not make us wait for somebody who writes.
        let file = File::from(self.open_at(name, OFlags::RDONLY | OFlags::NONBLOCK)?);
        regular(file)
    }

    /// The content of a small text file.
    ///
    /// # Errors
    /// Those of the file system, and where it is too large for one or no UTF-8.
    pub fn read(&self, name: &str) -> io::Result<String> {
        let file = self.file(name)?;
        if file.metadata()?.len() > SMALL_FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "is far too large"));
        }
        let mut text = String::new();
        file.take(SMALL_FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Length of a file in it.
    ///
    /// # Errors
    /// Those of the file system, also where it is no regular file.
    pub fn length(&self, name: &str) -> io::Result<u64> {
        let stat = self.stat(name)?;
        match EntryKind::of(FileType::from_raw_mode(stat.st_mode)) {
            EntryKind::File => Ok(stat.st_size.cast_unsigned()),
            _ => Err(irregular()),
        }
    }

    /// Makes a new file; there must be none of that name. The name is durable only after [`Folder::sync`].
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self, name: &str) -> io::Result<DiskFile> {
        self.create_with(name, OFlags::EXCL)
    }

    fn create_with(&self, name: &str, how: OFlags) -> io::Result<DiskFile> {
        let path = self.path_of(name);
        let file = self.hook.make(Change::Create(&path), || {
            self.open_at(name, OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | how)
        })?;
        Ok(DiskFile::new(regular(File::from(file))?, path, self.hook.clone()))
    }

    /// Makes a new file, or empties the one that has the name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create_anew(&self, name: &str) -> io::Result<DiskFile> {
        self.create_with(name, OFlags::TRUNC)
    }

    /// A file that is there, open for writing.
    ///
    /// # Errors
    /// Those of the file system, also where it is no regular file.
    pub fn reopen(&self, name: &str) -> io::Result<DiskFile> {
        let file = File::from(self.open_at(name, OFlags::WRONLY | OFlags::NONBLOCK)?);
        Ok(DiskFile::new(regular(file)?, self.path_of(name), self.hook.clone()))
    }

    /// A file for reading and writing, made where there is none; what is in it is kept. No hook sees what is written.
    ///
    /// # Errors
    /// Those of the file system, also where it is no regular file.
    pub fn scratch(&self, name: &str) -> io::Result<File> {
        let file = self.open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK)?;
        regular(File::from(file))
    }

    /// Replaces a small file: it is the old one or the new, never half of either, whatever happens.
    ///
    /// # Errors
    /// Those of the file system; the old file is then still there.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = Path::new(name).with_extension("new");
        let temporary = temporary.to_str().unwrap_or(name);
        let file = self.create_anew(temporary)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        self.rename(temporary, self, name)?;
        self.sync()
    }

    /// Moves an entry, and replaces what is there. Durable only after both folders are synced.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn rename(&self, name: &str, to: &Folder, new_name: &str) -> io::Result<()> {
        let (from_path, to_path) = (self.path_of(name), to.path_of(new_name));
        self.hook.make(Change::Rename(&from_path, &to_path), || {
            Ok(rustix::fs::renameat(&self.fd, single(name)?, &to.fd, single(new_name)?)?)
        })
    }

    /// Gives a file a second name; there must be nothing of that name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn link(&self, name: &str, to: &Folder, new_name: &str) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.fd, single(name)?, &to.fd, single(new_name)?, AtFlags::empty())?)
    }

    /// Whether there is nothing in it but what interrupted replacements of small files left.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        self.entries().is_ok_and(|entries| entries.iter().all(|(name, kind)| is_temporary(name, *kind)))
    }

    /// A name that is free: this one, or with a number behind it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn free_name(&self, name: &str) -> io::Result<String> {
        let taken = self.entries()?;
        let is_free = |name: &String| taken.iter().all(|(known, _)| known != name);
        let numbered = (1u64..).map(|number| format!("{name}.{number}"));
        Ok(std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.unlink(name, AtFlags::empty())
    }

    /// Removes a folder and all that is in it; of a symbolic link, the link.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.remove_tree(name, DEPTH_MAX)
    }

    fn remove_tree(&self, name: &str, depth: usize) -> io::Result<()> {
        if EntryKind::of(FileType::from_raw_mode(self.stat(name)?.st_mode)) != EntryKind::Folder {
            return self.remove(name);
        }
        let folder = self.folder(name)?;
        let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("has too many folders within folders"))?;
        for (inner, _) in folder.entries()? {
            folder.remove_tree(&inner, depth)?;
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, name: &str, flags: AtFlags) -> io::Result<()> {
        let path = self.path_of(name);
        self.hook.make(Change::Remove(&path), || Ok(rustix::fs::unlinkat(&self.fd, single(name)?, flags)?))
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync(&self) -> io::Result<()> {
        self.hook.make(Change::SyncFolder(&self.path), || Ok(rustix::fs::fsync(&self.fd)?))
    }

    /// Bytes free for this user on its file system.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::fstatvfs(&self.fd).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.fd, single(name)?, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn open_at(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, single(name)?, flags, FILE_MODE).map_err(|error| match error {
            // A link that is to be a folder is "not a directory" for the kernel.
            Errno::LOOP | Errno::NOTDIR if self.is_link(name) => {
                io::Error::new(io::ErrorKind::NotADirectory, "is a symbolic link, and none is followed here")
            }
            error => error.into(),
        })
    }

    fn is_link(&self, name: &str) -> bool {
        self.stat(name).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    }
}

impl EntryKind {
    fn of(kind: FileType) -> Self {
        match kind {
            FileType::Directory => EntryKind::Folder,
            FileType::RegularFile => EntryKind::File,
            _ => EntryKind::Other,
        }
    }
}

/// Whether it is what an interrupted [`Folder::replace`] left; the next one replaces it.
#[must_use]
pub fn is_temporary(name: &str, kind: EntryKind) -> bool {
    kind == EntryKind::File && name.ends_with(".new")
}

/// The name of an entry, and nothing that leads elsewhere.
fn single(name: &str) -> io::Result<&str> {
    match name {
        "" | "." | ".." => Err(io::Error::new(io::ErrorKind::InvalidInput, "no name of an entry")),
        name if name.contains(['/', '\0']) => Err(io::Error::new(io::ErrorKind::InvalidInput, "no name of an entry")),
        name => Ok(name),
    }
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "is no regular file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path(), OptionalHook::default()).unwrap();
        (temporary, folder)
    }

    #[test]
    fn small_files_are_replaced() {
        let (_keep, folder) = folder();
        for text in ["one", "the second", ""] {
            folder.replace("a.toml", text.as_bytes()).unwrap();
            assert_eq!(folder.read("a.toml").unwrap(), text);
        }
        assert_eq!(folder.entries().unwrap(), [("a.toml".to_owned(), EntryKind::File)]);
    }

    #[test]
    fn no_link_is_followed() {
        let (keep, folder) = folder();
        let elsewhere = tempfile::tempdir().unwrap();
        let secret = elsewhere.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        symlink(&secret, keep.path().join("file")).unwrap();
        symlink(elsewhere.path(), keep.path().join("folder")).unwrap();
        for error in [
            folder.file("file").unwrap_err(),
            folder.reopen("file").map(drop).unwrap_err(),
            folder.scratch("file").map(drop).unwrap_err(),
            folder.folder("folder").map(drop).unwrap_err(),
            folder.make_folder("folder").map(drop).unwrap_err(),
        ] {
            assert!(error.to_string().contains("symbolic link"), "{error}");
        }
        assert!(folder.create("file").is_err());
        assert!(folder.length("file").is_err());
        folder.replace("file", b"ours").unwrap();
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
        symlink(&secret, keep.path().join("a.new")).unwrap();
        assert!(folder.replace("a.toml", b"ours").is_err());
        folder.remove_folder("folder").unwrap();
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    }

    #[test]
    fn names_lead_nowhere_else() {
        let (_keep, folder) = folder();
        for name in ["", ".", "..", "a/b", "/etc/passwd", "../x"] {
            assert_eq!(folder.file(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
            assert_eq!(folder.make_folder(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
            assert_eq!(folder.remove_folder(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let (keep, folder) = folder();
        std::os::unix::net::UnixListener::bind(keep.path().join("socket")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, keep.path().join("pipe"), FileType::Fifo, FILE_MODE, 0).unwrap();
        folder.make_folder("folder").unwrap();
        for name in ["socket", "pipe", "folder"] {
            assert!(folder.file(name).is_err(), "{name}");
            assert!(folder.scratch(name).is_err(), "{name}");
            assert!(folder.length(name).is_err(), "{name}");
        }
    }

    #[test]
    fn modes() {
        let (keep, folder) = folder();
        folder.make_folder("folder").unwrap();
        folder.create("file").unwrap();
        let mode = |name: &str| std::fs::metadata(keep.path().join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("folder"), mode("file")), (0o700, 0o600));
    }

    #[test]
    fn folders_are_removed_with_all_in_them() {
        let (keep, folder) = folder();
        let inner = folder.make_folder("a").unwrap().make_folder("b").unwrap();
        inner.create("c").unwrap();
        folder.remove_folder("a").unwrap();
        assert_eq!(std::fs::read_dir(keep.path()).unwrap().count(), 0);
        assert_eq!(folder.remove_folder("a").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
