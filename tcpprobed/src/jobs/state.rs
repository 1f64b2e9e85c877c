//! The state of a job, and every way from one state to another. No other file makes a state.
//!
//! ```text
//! stopped ──launched──▶ running ──take_for_stop──▶ stopping ──ended──▶ stopped, or unclosed ──take_unclosed──▶ stopped
//!                       │     ▲                      │
//!             let_go or │     │ launched             │ failed (its thread panicked)
//!              suspend  ▼     │                      ▼
//!                    let go ──failed──▶ failed ◀─────┘   not_resumed: any ──▶ failed
//! ```

use std::time::{Duration, Instant};

use tcpprobe::file::Totals;

use super::running::Running;
use super::unclosed::Unclosed;
use super::view::State;

/// A job that cannot be resumed is tried again this often: the disk may have been full.
const RESUME_INTERVAL: Duration = Duration::from_secs(5);

/// The state of a job.
pub struct JobState(Phase);

/// Each with what is there in it, and only in it.
enum Phase {
    /// Nothing runs, and nothing is to be tried again for it.
    Stopped {
        /// What the disk refused when its run ended; empty if nothing.
        message: String,
    },
    /// Its newest run ended and could not be closed: the disk is full.
    Unclosed { run: Box<Unclosed>, message: String },
    /// It records.
    Running {
        running: Box<Running>,
        /// The account when the capture ended by itself before, in this run.
        failed_at: Option<Totals>,
    },
    /// Somebody drains it.
    Stopping { failed_at: Option<Totals> },
    /// The kernel goes on recording, and nobody reads it: the daemon is stopping, or about to note that the capture failed.
    LetGo { failed_at: Option<Totals> },
    /// Its capture ended by itself, or the job could not be resumed; it is to be resumed when that is due.
    Failed {
        why: String,
        resume_due: Instant,
        /// The account when the capture ended by itself, if it did.
        failed_at: Option<Totals>,
    },
}

/// Why there is no capture to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRunning {
    /// It does not run.
    Stopped,
    /// The daemon has let go of it.
    LetGo,
}

impl JobState {
    /// A job of which nothing runs.
    pub fn stopped() -> Self {
        JobState(Phase::Stopped { message: String::new() })
    }

    /// What people are shown.
    pub fn shown(&self) -> State {
        match &self.0 {
            Phase::Stopped { .. } | Phase::Unclosed { .. } => State::Stopped,
            Phase::Running { .. } | Phase::LetGo { .. } => State::Running,
            Phase::Stopping { .. } => State::Stopping,
            Phase::Failed { .. } => State::Failed,
        }
    }

    /// What is wrong, in one line; empty where nothing is.
    pub fn message(&self) -> &str {
        match &self.0 {
            Phase::Stopped { message } | Phase::Unclosed { message, .. } => message,
            Phase::Failed { why, .. } => why,
            Phase::Running { .. } | Phase::Stopping { .. } | Phase::LetGo { .. } => "",
        }
    }

    /// What runs.
    pub fn running(&self) -> Option<&Running> {
        match &self.0 {
            Phase::Running { running, .. } => Some(running),
            _ => None,
        }
    }

    /// What runs.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.0 {
            Phase::Running { running, .. } => Some(running),
            _ => None,
        }
    }

    /// The run that could not be closed.
    pub fn unclosed(&self) -> Option<&Unclosed> {
        match &self.0 {
            Phase::Unclosed { run, .. } => Some(run),
            _ => None,
        }
    }

    /// Whether the daemon, which stops, has let go of it.
    pub fn is_let_go(&self) -> bool {
        matches!(self.0, Phase::LetGo { .. })
    }

    /// When it is to be resumed, if its capture ended by itself or it could not be resumed.
    pub fn resume_due(&self) -> Option<Instant> {
        match self.0 {
            Phase::Failed { resume_due, .. } => Some(resume_due),
            _ => None,
        }
    }

    fn failed_at(&self) -> Option<Totals> {
        match self.0 {
            Phase::Running { failed_at, .. }
            | Phase::Stopping { failed_at }
            | Phase::LetGo { failed_at }
            | Phase::Failed { failed_at, .. } => failed_at,
            Phase::Stopped { .. } | Phase::Unclosed { .. } => None,
        }
    }

    /// Its capture runs.
    pub fn launched(&mut self, running: Running) {
        self.0 = Phase::Running { running: Box::new(running), failed_at: self.failed_at() };
    }

    /// Gives what runs to somebody who ends its run: [`JobState::ended`] or [`JobState::failed`] follows.
    pub fn take_for_stop(&mut self) -> Result<Running, NotRunning> {
        let failed_at = self.failed_at();
        self.take_running(Phase::Stopping { failed_at }).ok_or(match self.is_let_go() {
            true => NotRunning::LetGo,
            false => NotRunning::Stopped,
        })
    }

    /// Gives what runs, if it `is_meant`, to somebody who stops its capture and leaves the kernel recording.
    pub fn let_go_if(&mut self, is_meant: impl FnOnce(&Running) -> bool) -> Option<Running> {
        let failed_at = self.failed_at();
        if self.running().is_some_and(is_meant) { self.take_running(Phase::LetGo { failed_at }) } else { None }
    }

    fn take_running(&mut self, next: Phase) -> Option<Running> {
        match std::mem::replace(&mut self.0, next) {
            Phase::Running { running, .. } => Some(*running),
            other => {
                self.0 = other;
                None
            }
        }
    }

    /// Its run ended, and is closed unless it is given back. The message says what the disk refused.
    pub fn ended(&mut self, unclosed: Option<Box<Unclosed>>, message: String) {
        self.0 = match unclosed {
            Some(run) => Phase::Unclosed { run, message },
            None => Phase::Stopped { message },
        };
    }

    /// Gives the run that could not be closed to somebody who tries again: [`JobState::not_closed`] follows where that fails.
    pub fn take_unclosed(&mut self) -> Option<Box<Unclosed>> {
        match std::mem::replace(&mut self.0, Phase::Stopped { message: String::new() }) {
            Phase::Unclosed { run, message } => {
                self.0 = Phase::Stopped { message };
                Some(run)
            }
            other => {
                self.0 = other;
                None
            }
        }
    }

    /// Its run still cannot be closed.
    pub fn not_closed(&mut self, run: Box<Unclosed>) {
        let message = self.message().to_owned();
        self.ended(Some(run), message);
    }

    /// The disk takes again what it refused.
    pub fn clear_message(&mut self) {
        if let Phase::Stopped { message } = &mut self.0 {
            message.clear();
        }
    }

    /// Its capture ended by itself, with this account so far. Gives whether it got nowhere since it did so before: then it is
    /// not resumed at once.
    pub fn failed(&mut self, account: Totals, why: &str) -> bool {
        // What is lost and filtered is told as it is read, also where nothing becomes of what was read with it.
        let done = |account: Totals| (account.stored, account.dropped);
        let is_stuck = self.failed_at().map(done) == Some(done(account));
        let pause = if is_stuck { RESUME_INTERVAL } else { Duration::ZERO };
        let (why, resume_due) = (why.to_owned(), Instant::now() + pause);
        self.0 = Phase::Failed { why, resume_due, failed_at: Some(account) };
        is_stuck
    }

    /// It could not be resumed, which is tried again. Gives whether that is news. A run that ended and cannot be closed stays
    /// so: that is tried again more often.
    pub fn not_resumed(&mut self, why: String) -> bool {
        if self.unclosed().is_some() {
            return false;
        }
        let is_news = self.message() != why;
        let (resume_due, failed_at) = (Instant::now() + RESUME_INTERVAL, self.failed_at());
        self.0 = Phase::Failed { why, resume_due, failed_at };
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(stored: u64) -> Totals {
        Totals { stored, ..Totals::default() }
    }

    #[test]
    fn a_capture_that_gets_nowhere_is_resumed_later() {
        let mut state = JobState::stopped();
        assert!(!state.failed(account(5), "an error"), "the first time");
        assert!(state.resume_due().is_some_and(|due| due <= Instant::now()));
        assert!(!state.failed(account(6), "an error"), "it got somewhere");
        assert!(
            state.failed(Totals { filtered: 7, lost: 1, ..account(6) }, "an error"),
            "nothing came of what it read"
        );
        assert!(state.resume_due().is_some_and(|due| due > Instant::now()));
        assert_eq!((state.shown(), state.message()), (State::Failed, "an error"));
    }

    #[test]
    fn what_cannot_be_resumed_is_told_once() {
        let mut state = JobState::stopped();
        state.failed(account(5), "a panic");
        assert!(state.not_resumed("no room".into()) && !state.not_resumed("no room".into()));
        assert!(state.not_resumed("no tracefs".into()));
        assert!(state.failed(account(5), "a panic"), "the account when it failed is remembered");
    }

    #[test]
    fn what_does_not_run_cannot_be_stopped() {
        let mut state = JobState::stopped();
        assert_eq!(state.take_for_stop().err(), Some(NotRunning::Stopped));
        state.failed(account(0), "an error");
        assert_eq!(state.take_for_stop().err(), Some(NotRunning::Stopped));
        assert_eq!((state.shown(), state.message()), (State::Failed, "an error"), "and stays what it was");
        assert!(state.take_unclosed().is_none() && state.let_go_if(|_| true).is_none());
        assert_eq!(state.shown(), State::Failed);
    }
}
