//! Work on a batch, shared out to threads.

use std::sync::{Mutex, PoisonError};

use crate::Error;

/// Batches of fewer rows are one thread's work.
const ROWS_ALONE: usize = 1 << 12;
/// Threads at most.
const THREADS_MAX: usize = 8;

/// What `work` makes of each item, in their order, by as many threads as there are CPUs, some at most; none outlives the call. `rows` is how long
/// the batch is.
pub fn share_out<T: Send, R: Send>(
    rows: usize,
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if rows < ROWS_ALONE { 1 } else { cpus.min(THREADS_MAX) };
    let items = Mutex::new(items.into_iter().enumerate());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let one = || -> Result<Vec<(usize, R)>, Error> {
        let mut made = Vec::new();
        while let Some((at, item)) = next() {
            made.push((at, work(item)?));
        }
        Ok(made)
    };
    let mut made = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
        let mut made = one()?;
        for other in others {
            made.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, Error>(made)
    })?;
    made.sort_unstable_by_key(|(at, _)| *at);
    Ok(made.into_iter().map(|(_, result)| result).collect())
}
