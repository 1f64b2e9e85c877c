//! Ctrl-C, SIGTERM and SIGHUP: the first asks the command to end tidily, a second ends it at once.

use std::io::{self, Read};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Failure};

/// What a shell says of a program that Ctrl-C ended.
const EXIT_BY_SIGINT: i32 = 130;

/// A signal so soon after the first is the same once more: timeout(1) signals the program and its group, as sudo may.
const ECHO_TIME: Duration = Duration::from_millis(500);

/// Tells whether the command should end.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes the signals over for the rest of the program.
    pub fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt(Arc::clone(&flag));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let mut int = signal(SignalKind::interrupt()).context("signals")?;
        let mut term = signal(SignalKind::terminate()).context("signals")?;
        let mut hup = signal(SignalKind::hangup()).context("signals")?;
        drop(entered);
        thread::spawn(move || {
            runtime.block_on(async {
                let mut first = None;
                loop {
                    tokio::select! {
                        _ = int.recv() => {}
                        _ = term.recv() => {}
                        _ = hup.recv() => {}
                    }
                    flag.store(true, Ordering::Relaxed);
                    if first.get_or_insert_with(Instant::now).elapsed() > ECHO_TIME {
                        process::exit(EXIT_BY_SIGINT);
                    }
                }
            });
        });
        Ok(interrupt)
    }

    /// Whether a signal came.
    #[must_use]
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails once a signal came, for work that is worth nothing unless it is complete.
    pub fn check(&self) -> Result<(), Failure> {
        if self.came() {
            return Err(Failure::told(Exit::Failed, "interrupted before all was written"));
        }
        Ok(())
    }
}

/// Reads until a signal comes, and then fails.
#[derive(Debug)]
pub struct Guarded<R> {
    input: R,
    interrupt: Interrupt,
}

impl Interrupt {
    /// `input`, which fails once a signal came.
    pub fn guard<R>(self, input: R) -> Guarded<R> {
        Guarded { input, interrupt: self }
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check()?;
        self.input.read(buffer)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        io::Error::other(failure)
    }
}
