//! The file system as this daemon uses it: folders by descriptor, no symbolic link followed, small files replaced whole,
//! and every change seen by a hook where a test sets one.

mod file;
mod folder;
mod fs_hook;
mod lock;

pub use file::DiskFile;
pub use folder::{EntryKind, Folder, is_temporary};
pub use fs_hook::{Change, FsHook, OptionalHook};
pub use lock::FolderLock;
