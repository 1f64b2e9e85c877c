//! Makes what captures write durable, away from their threads: a disk that takes a second for an fsync must not
//! make a ring overflow.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::disk::{DiskFile, Folder};

/// What is to be done when a file is durable.
type Then = Box<dyn FnOnce() + Send>;

enum Request {
    /// Something was written to the file.
    Dirty(Arc<DiskFile>),
    /// A file was made in the folder.
    Made(Folder),
    /// The file will not be written again.
    Closed(Arc<DiskFile>, Then),
    /// Be as quick as this from now on.
    Interval(Duration),
    /// Somebody waits until all before it is done.
    Barrier(SyncSender<()>),
}

/// A handle to the thread that syncs.
#[derive(Debug, Clone)]
pub struct Syncer {
    requests: Sender<Request>,
}

impl Syncer {
    /// Starts the thread; it ends when all handles are gone. Power loss costs at most what was written in `interval`.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(interval: Duration) -> std::io::Result<Self> {
        let (requests, receiver) = channel();
        crate::abort_on_panic::spawn("syncer", move || run(interval, &receiver))?;
        Ok(Syncer { requests })
    }

    /// Has the file synced within the interval.
    pub fn dirty(&self, file: &Arc<DiskFile>) {
        if file.ask_sync() {
            let _ = self.requests.send(Request::Dirty(Arc::clone(file)));
        }
    }

    /// Has the folder synced within the interval, and before any file is said to be durable.
    pub fn made(&self, folder: Folder) {
        let _ = self.requests.send(Request::Made(folder));
    }

    /// Has the file synced now, and then does what is to be done when it is durable.
    pub fn closed(&self, file: Arc<DiskFile>, then: impl FnOnce() + Send + 'static) {
        let _ = self.requests.send(Request::Closed(file, Box::new(then)));
    }

    /// Power loss costs at most what was written in `interval`, from now on.
    pub fn set_interval(&self, interval: Duration) {
        let _ = self.requests.send(Request::Interval(interval));
    }

    /// Waits until all that was closed before is durable, or has failed to become so.
    pub fn wait(&self) {
        let (sender, receiver) = sync_channel(1);
        if self.requests.send(Request::Barrier(sender)).is_ok() {
            let _ = receiver.recv();
        }
    }
}

/// What is not durable yet.
#[derive(Default)]
struct Dirty {
    files: Vec<Arc<DiskFile>>,
    folders: Vec<Folder>,
}

fn run(mut interval: Duration, requests: &Receiver<Request>) {
    let mut dirty = Dirty::default();
    let mut due: Option<Instant> = None;
    loop {
        let received = match due {
            Some(due) => requests.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(Request::Closed(file, then)) => {
                dirty.sync_folders();
                dirty.files.retain(|known| !Arc::ptr_eq(known, &file));
                if sync(&file) {
                    then();
                }
                continue;
            }
            Ok(Request::Interval(new)) => {
                interval = new;
                due = due.map(|due| due.min(Instant::now() + interval));
                continue;
            }
            Ok(Request::Barrier(sender)) => {
                let _ = sender.send(());
                continue;
            }
            Ok(Request::Dirty(file)) => dirty.files.push(file),
            Ok(Request::Made(folder)) => dirty.folders.push(folder),
            Err(error) => {
                dirty.sync_folders();
                dirty.files.drain(..).for_each(|file| {
                    sync(&file);
                });
                due = None;
                if error == RecvTimeoutError::Disconnected {
                    return;
                }
                continue;
            }
        }
        due.get_or_insert_with(|| Instant::now() + interval);
    }
}

impl Dirty {
    fn sync_folders(&mut self) {
        for folder in self.folders.drain(..) {
            if let Err(error) = folder.sync() {
                tracing::error!(folder = %folder.path().display(), %error, "{DANGER}");
            }
        }
    }
}

const DANGER: &str = "fsync failed: what was recorded last may not survive a power loss";

/// Syncs a file, and says whether that worked.
fn sync(file: &DiskFile) -> bool {
    let synced = file.sync();
    if let Err(error) = &synced {
        tracing::error!(file = %file.path().display(), %error, "{DANGER}");
    }
    synced.is_ok()
}
