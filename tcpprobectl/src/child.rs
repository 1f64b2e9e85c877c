//! A command that somebody runs through this program: with their stdin, stdout and stderr, in their process group. The signals that this
//! program gets are for the command while that runs.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::exit::{Exit, Failure};

/// What a shell says of a command that is not there, and of one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const SIGNALLED: i32 = 128;
/// What is passed on. The last two a terminal sends to all of its foreground.
const PASSED: [Signal; 4] = [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT];
/// A signal so soon after one for the command is the same once more.
const ECHO_TIME: Duration = Duration::from_millis(500);

/// Passes signals on.
#[derive(Debug, Clone)]
pub struct Relay(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The command, while it runs.
    running: Option<Pid>,
    /// When it got a signal.
    passed: Option<Instant>,
    /// Whether a signal came that was not for it.
    is_interrupted: bool,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    relay: Relay,
}

impl Relay {
    /// Takes the signals over for the rest of the program. Those that are ignored stay so, also for the command (nohup).
    pub fn install() -> Result<Self> {
        let relay = Relay(Arc::default());
        let ignored = ignored();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let passed = PASSED.into_iter().filter(|one| ignored >> (one.as_raw() - 1) & 1 == 0);
        let listening = passed.map(|one| Ok((one, signal(SignalKind::from_raw(one.as_raw()))?)));
        let listening = listening.collect::<io::Result<Vec<_>>>().context("signals")?;
        drop(entered);
        let passing = relay.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for (one, mut signals) in listening {
                    let relay = passing.clone();
                    all.spawn(async move {
                        while signals.recv().await.is_some() {
                            relay.came(one);
                        }
                    });
                }
                while all.join_next().await.is_some() {}
            });
        });
        Ok(relay)
    }

    /// Runs a command: a program, of PATH where it has no slash, and its arguments.
    ///
    /// # Errors
    /// The code that a shell would end with, and why.
    pub fn spawn(&self, words: &[OsString]) -> Result<Running, (u8, io::Error)> {
        let Some((program, arguments)) = words.split_first() else {
            return Err((NOT_FOUND, io::ErrorKind::InvalidInput.into()));
        };
        // A signal that comes now waits for the command.
        let mut state = self.state();
        let child = Command::new(program).args(arguments).spawn().map_err(|error| {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
            (code, error)
        })?;
        state.running = Pid::from_raw(child.id().cast_signed());
        Ok(Running { child, relay: self.clone() })
    }

    /// Fails once a signal came that was not for the command.
    pub fn check(&self) -> Result<(), Failure> {
        if self.state().is_interrupted {
            return Err(Failure::told(Exit::Failed, "interrupted before all was written"));
        }
        Ok(())
    }

    fn came(&self, one: Signal) {
        let mut state = self.state();
        match state.running {
            Some(pid) => {
                state.passed = Some(Instant::now());
                let has_it = matches!(one, Signal::INT | Signal::QUIT) && is_foreground();
                if !has_it {
                    // It may have ended just now.
                    let _ = kill_process(pid, one);
                }
            }
            None => state.is_interrupted |= state.passed.is_none_or(|at| at.elapsed() > ECHO_TIME),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Its number.
    pub fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until it has ended; the code that a shell would end with.
    pub fn wait(mut self) -> Result<u8> {
        if let Some(pid) = Pid::from_raw(self.id()) {
            // Its number is its own until it is fetched.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            retry_on_intr(|| waitid(WaitId::Pid(pid), ended)).context("waiting for the command")?;
        }
        self.relay.state().running = None;
        Ok(code(self.child.wait().context("waiting for the command")?))
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// The signals that this process ignores, a bit each from 1.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Whether this process is in the foreground of its terminal: its group is `tpgid` of proc_pid_stat(5).
fn is_foreground() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let words: Vec<&str> = rest.split_whitespace().collect();
    matches!((words.get(2), words.get(5)), (Some(group), Some(foreground)) if group == foreground)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        let check = |raw: i32, expected: u8| assert_eq!(code(ExitStatus::from_raw(raw)), expected, "{raw:#x}");
        check(0, 0);
        check(3 << 8, 3);
        check(255 << 8, 255);
        check(9, 137);
        check(15, 143);
    }

    #[test]
    fn what_cannot_be_run() {
        let relay = Relay(Arc::default());
        let code = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            relay.spawn(&words).map(|_| ()).unwrap_err().0
        };
        assert_eq!(code(&["/nonexistent/program"]), 127);
        assert_eq!(code(&["no-such-program-anywhere"]), 127);
        assert_eq!(code(&["/etc/passwd"]), 126);
        assert_eq!(code(&["/"]), 126);
    }

    #[test]
    fn a_signal_is_the_commands_while_it_runs() {
        let relay = Relay(Arc::default());
        let running = relay.spawn(&["sleep".into(), "1000".into()]).unwrap();
        relay.came(Signal::TERM);
        assert_eq!(running.wait().unwrap(), 143);
        relay.came(Signal::TERM);
        assert!(relay.check().is_ok(), "the same once more");
        relay.state().passed = Some(Instant::now() - 2 * ECHO_TIME);
        relay.came(Signal::TERM);
        assert!(relay.check().is_err());
    }
}
