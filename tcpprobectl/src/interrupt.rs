//! Ctrl-C, SIGTERM and SIGHUP: the first asks the command to end tidily, a second ends it at once.

use std::io::{self, Read};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
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

/// SIGTSTP and SIGCONT, for who must give a terminal back before it stops, and take it again.
#[derive(Debug, Clone)]
pub struct Stops {
    stop: Arc<AtomicBool>,
    go_on: Arc<AtomicBool>,
}

impl Stops {
    /// Takes the signals over for the rest of the program.
    pub fn install() -> Result<Self> {
        let stops = Stops { stop: Arc::default(), go_on: Arc::default() };
        let (stop, go_on) = (Arc::clone(&stops.stop), Arc::clone(&stops.go_on));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let mut tstp = signal(SignalKind::from_raw(Signal::TSTP.as_raw())).context("signals")?;
        let mut cont = signal(SignalKind::from_raw(Signal::CONT.as_raw())).context("signals")?;
        drop(entered);
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = tstp.recv() => stop.store(true, Ordering::Relaxed),
                        _ = cont.recv() => go_on.store(true, Ordering::Relaxed),
                    }
                }
            });
        });
        Ok(stops)
    }

    /// Whether it was told to stop; asked once.
    pub fn came(&self) -> bool {
        self.stop.swap(false, Ordering::Relaxed)
    }

    /// Whether it was stopped and goes on; asked once.
    pub fn was_continued(&self) -> bool {
        self.go_on.swap(false, Ordering::Relaxed)
    }

    /// Whether either is to be asked.
    pub fn is_any(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.go_on.load(Ordering::Relaxed)
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
