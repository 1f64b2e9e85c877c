//! The word that nobody wants a result any more.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Failure;

/// Tells a thread that nobody wants what it does any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails from then on.
    pub fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) { Err(Failure::Stopped) } else { Ok(()) }
    }

    /// `input`, which fails from then on.
    pub fn guard<R>(&self, input: R) -> Guarded<R> {
        Guarded { input, stop: self.clone() }
    }
}

/// An input that fails once it is told to stop.
#[derive(Debug)]
pub struct Guarded<R> {
    input: R,
    stop: Stop,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.input.read(buffer)
    }
}
