//! Asking a capture to store what it has, so that a reader has everything up to the moment it asked.
//!
//! All who ask before the capture begins to read share one seal. There is one in [`ASKED_INTERVAL`] at most, and one ahead of
//! that, whoever asks and however often: asking cannot make blocks smaller than following does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::block_limits::ASKED_INTERVAL;

/// Who asks waits no longer than this for a capture whose disk is slow, and takes what is stored.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was asked of a capture, and what was answered: the numbers of questions.
#[derive(Debug)]
pub(super) struct Questions {
    asked: AtomicU64,
    answered: watch::Sender<u64>,
}

impl Questions {
    pub(super) fn new() -> Self {
        Questions { asked: AtomicU64::new(0), answered: watch::Sender::new(0) }
    }

    /// Nobody can be answered any more.
    pub(super) fn end(&self) {
        self.answered.send_replace(u64::MAX);
    }
}

/// The capture's side.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Until when the seals so far are paid for.
    paid: Option<Instant>,
    done: u64,
}

impl Answers {
    /// How long until a seal is due because of who asked, if somebody did.
    pub(super) fn due_in(&self, questions: &Questions) -> Option<Duration> {
        let waiting = questions.asked.load(Ordering::Acquire) > self.done;
        let ahead = || self.paid.map_or(Duration::ZERO, |paid| paid.saturating_duration_since(Instant::now()));
        waiting.then(|| ahead().saturating_sub(ASKED_INTERVAL))
    }

    /// Before reading: the number of the last question that what is read now will answer, if it is their time.
    pub(super) fn take(&self, questions: &Questions) -> Option<u64> {
        self.due_in(questions).filter(Duration::is_zero).map(|_| questions.asked.load(Ordering::Acquire))
    }

    /// All up to this question is stored, or cannot be.
    pub(super) fn give(&mut self, questions: &Questions, number: u64) {
        let now = Instant::now();
        (self.paid, self.done) = (Some(self.paid.map_or(now, |paid| paid.max(now)) + ASKED_INTERVAL), number);
        questions.answered.send_replace(number);
    }
}

/// A question that waits for its answer.
#[derive(Debug)]
pub struct UpToNow {
    number: u64,
    answered: watch::Receiver<u64>,
}

impl UpToNow {
    /// The thread has to be woken then.
    pub(super) fn ask(questions: &Questions) -> Self {
        let answered = questions.answered.subscribe();
        let number = questions.asked.fetch_add(1, Ordering::AcqRel) + 1;
        UpToNow { number, answered }
    }

    /// Returns when all that the kernel had recorded at the time of asking is stored, or the capture has no answer.
    pub async fn stored(mut self) {
        let number = self.number;
        let _ = tokio::time::timeout(PATIENCE, self.answered.wait_for(|&answered| answered >= number)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_questions_have_one_answer_and_the_next_waits() {
        let questions = Questions::new();
        let mut answers = Answers::default();
        assert_eq!(answers.due_in(&questions), None, "nobody asked");
        let asked: Vec<UpToNow> = (0..20).map(|_| UpToNow::ask(&questions)).collect();
        let number = answers.take(&questions).expect("the first is answered at once");
        let late = UpToNow::ask(&questions);
        answers.give(&questions, number);
        assert_eq!(answers.due_in(&questions), Some(Duration::ZERO), "one ahead");
        answers.give(&questions, number);
        for one in asked {
            one.stored().await;
        }
        assert!(*late.answered.borrow() < late.number, "who asked after the reading began waits for the next");
        assert!(answers.due_in(&questions).is_some_and(|due| due <= ASKED_INTERVAL));
        assert_eq!(answers.take(&questions), None, "not so soon");
        questions.end();
        late.stored().await;
    }
}
