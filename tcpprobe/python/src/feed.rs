//! What a thread makes, as it comes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::{PyResult, Python};

use crate::error::Failure;
use crate::stop::Stop;

/// How soon Ctrl-C is noticed.
const PATIENCE: Duration = Duration::from_millis(50);
/// What may wait to be taken: so memory stays flat, and the thread is not held up.
const WAITING_MAX: usize = 2;

/// A pipe from a thread.
pub fn pipe<T: Send>() -> (Giver<T>, Feed<T>) {
    let (give, take) = sync_channel(WAITING_MAX);
    let stop = Stop::default();
    (Giver { give, stop: stop.clone() }, Feed { take: Mutex::new(take), stop })
}

/// The thread's end.
#[derive(Debug)]
pub struct Giver<T> {
    give: SyncSender<Result<T, Failure>>,
    stop: Stop,
}

impl<T> Giver<T> {
    /// Gives one; fails where nobody wants it.
    pub fn give(&self, one: T) -> Result<(), Failure> {
        self.give.send(Ok(one)).map_err(|_| Failure::Stopped)
    }

    /// Gives the failure that ends all, if anybody listens.
    pub fn fail(&self, failure: Failure) {
        let _ = self.give.send(Err(failure));
    }

    /// Whether nobody wants any more.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }
}

/// Python's end. When it goes, the thread ends.
#[derive(Debug)]
pub struct Feed<T> {
    take: Mutex<Receiver<Result<T, Failure>>>,
    stop: Stop,
}

impl<T: Send> Feed<T> {
    /// Waits a moment for the next one.
    fn wait(&self) -> Option<Result<T, Failure>> {
        let take = self.take.lock().unwrap_or_else(PoisonError::into_inner);
        match take.recv_timeout(PATIENCE) {
            Ok(told) => Some(told),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Failure::Stopped)),
        }
    }

    /// The next one, where it is there already.
    pub fn ready(&self) -> Option<Result<T, Failure>> {
        self.take.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
    }

    /// Waits for the next one, without Python's lock, and looks at signals.
    pub fn next(&self, py: Python<'_>) -> PyResult<T> {
        loop {
            match py.detach(|| self.wait()) {
                Some(told) => return Ok(told?),
                None => py.check_signals()?,
            }
        }
    }

    /// Waits for the next one; whoever calls has nothing to do with Python.
    pub fn next_outside(&self) -> Result<T, Failure> {
        loop {
            if let Some(told) = self.wait() {
                return told;
            }
        }
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        self.stop.now();
    }
}
