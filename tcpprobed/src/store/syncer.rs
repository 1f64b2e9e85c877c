//! Makes what captures write durable, away from their threads: a disk that takes a second for an fsync must not
//! make a ring overflow.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Power loss costs at most what was written in this time.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// A handle to the thread that syncs.
#[derive(Debug, Clone)]
pub struct Syncer {
    requests: Sender<(Arc<File>, bool)>,
}

impl Syncer {
    /// Starts the thread; it ends when all handles are gone.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start() -> std::io::Result<Self> {
        let (requests, receiver) = channel();
        std::thread::Builder::new().name("syncer".into()).spawn(move || run(&receiver))?;
        Ok(Syncer { requests })
    }

    /// Has the file synced soon: within [`SYNC_INTERVAL`].
    pub fn dirty(&self, file: Arc<File>) {
        let _ = self.requests.send((file, false));
    }

    /// Has the file synced now; it will not be written again.
    pub fn sync(&self, file: Arc<File>) {
        let _ = self.requests.send((file, true));
    }
}

fn run(requests: &Receiver<(Arc<File>, bool)>) {
    let mut dirty: Vec<Arc<File>> = Vec::new();
    let mut due: Option<Instant> = None;
    loop {
        let received = match due {
            Some(due) => requests.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok((file, false)) => {
                if !dirty.iter().any(|known| Arc::ptr_eq(known, &file)) {
                    dirty.push(file);
                }
                due.get_or_insert_with(|| Instant::now() + SYNC_INTERVAL);
            }
            Ok((file, true)) => {
                dirty.retain(|known| !Arc::ptr_eq(known, &file));
                sync(&file);
            }
            Err(error) => {
                dirty.drain(..).for_each(|file| sync(&file));
                due = None;
                if error == RecvTimeoutError::Disconnected {
                    return;
                }
            }
        }
    }
}

fn sync(file: &File) {
    if let Err(error) = file.sync_data() {
        tracing::error!(%error, "what was recorded last may not survive a power loss: fsync failed");
    }
}
