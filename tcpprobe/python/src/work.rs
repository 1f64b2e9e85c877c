//! Work that takes its time: on a thread of its own that knows no Python. A panic ends there, and is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use pyo3::{PyResult, Python, pyfunction};

use crate::error::Failure;
use crate::feed::{Giver, pipe};
use crate::stop::Stop;

/// Starts a thread that does `work` and gives what it makes; what it fails with comes last.
pub fn start<T: Send + 'static>(
    giver: Giver<T>,
    work: impl FnOnce(&Giver<T>) -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    let run = move || {
        let done = catch_unwind(AssertUnwindSafe(|| work(&giver))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
            Err(Failure::Defect(text.unwrap_or("no words").to_owned()))
        });
        if let Err(failure) = done {
            giver.fail(failure);
        }
    };
    thread::Builder::new().name("tcpprobe".to_owned()).spawn(run).map(drop).map_err(Failure::Thread)
}

/// Does `work` on a thread, and waits for it.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Stop) -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    let (giver, feed) = pipe();
    start(giver, move |giver: &Giver<T>| giver.give(work(giver.stop())?))?;
    feed.next(py)
}

/// Panics as a defect would, for the tests.
#[pyfunction]
pub fn _fail(py: Python<'_>, words: String) -> PyResult<()> {
    run(py, move |_| -> Result<(), Failure> { panic!("{words}") })
}
