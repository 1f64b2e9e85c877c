//! The file system as this daemon uses it: folders by descriptor, no symbolic link followed, small files replaced whole,
//! and every change seen by a witness where a test wants one.

mod file;
mod folder;
mod lock;
mod witness;

pub use file::DiskFile;
pub use folder::{Entry, Folder};
pub use lock::FolderLock;
pub use witness::{Change, Watched, Witness};
