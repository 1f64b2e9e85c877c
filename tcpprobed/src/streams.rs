//! How many streams are open, of at most as many as the configuration says at the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts open streams.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<AtomicUsize>);

/// A stream that is counted until this is dropped.
#[derive(Debug)]
pub struct OpenStream(Streams);

impl Streams {
    /// One more, unless `most` are open.
    #[must_use]
    pub fn open(&self, most: usize) -> Option<OpenStream> {
        let one_more = |open| (open < most).then_some(open + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(OpenStream(self.clone()))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_limit_counts_those_that_are_open() {
        let streams = Streams::default();
        let (one, two) = (streams.open(2).unwrap(), streams.open(2).unwrap());
        assert!(streams.open(2).is_none());
        drop(one);
        assert!(streams.open(1).is_none());
        drop(two);
        assert!(streams.open(1).is_some());
    }
}
