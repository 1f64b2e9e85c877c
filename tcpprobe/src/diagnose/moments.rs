//! When each retransmission was, by cause.

use super::cause::{Cause, Causes};

/// Retransmissions of one cause at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When the first was, nanoseconds in the trace's clock.
    pub time: u64,
    /// Why.
    pub cause: Cause,
    /// How many: more than one where there were too many to keep apart.
    pub count: u64,
}

/// The moments of a connection, a bounded number of them.
///
/// A cause that is known better later is that of the last retransmissions for which the one before was taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    list: Vec<Moment>,
    most: usize,
    known: Causes,
}

impl Moments {
    /// Keeps about so many; none where `most` is 0.
    pub fn new(most: usize) -> Self {
        Moments { most, ..Self::default() }
    }

    /// Looks at the counts after an event at `time`.
    #[inline]
    pub fn look(&mut self, time: u64, causes: &Causes) {
        if self.most > 0 && causes.changes() != self.known.changes() {
            self.update(time, causes);
        }
    }

    #[cold]
    fn update(&mut self, time: u64, causes: &Causes) {
        let before = std::mem::replace(&mut self.known, *causes);
        let mut taken: Vec<(u64, u64)> = Vec::new();
        for cause in Cause::ALL {
            self.take_back(cause, before.of(cause).saturating_sub(causes.of(cause)), &mut taken);
        }
        for cause in Cause::ALL {
            let mut more = causes.of(cause).saturating_sub(before.of(cause));
            while more > 0 {
                let (at, count) = taken.pop().unwrap_or((time, more));
                let count_here = count.min(more);
                if count > more {
                    taken.push((at, count - more));
                }
                more -= count_here;
                let place = self.list.partition_point(|moment| moment.time <= at);
                self.list.insert(place, Moment { time: at, cause, count: count_here });
            }
        }
        if self.list.len() > self.most {
            self.join_pairs();
        }
    }

    /// The last `count` of a cause leave the list.
    fn take_back(&mut self, cause: Cause, mut count: u64, taken: &mut Vec<(u64, u64)>) {
        for moment in self.list.iter_mut().rev().filter(|moment| moment.cause == cause) {
            if count == 0 {
                break;
            }
            let part = count.min(moment.count);
            (moment.count, count) = (moment.count - part, count - part);
            taken.push((moment.time, part));
        }
        self.list.retain(|moment| moment.count > 0);
    }

    /// Of each cause, two that follow each other become one.
    fn join_pairs(&mut self) {
        let mut open: [Option<usize>; Cause::ALL.len()] = [None; Cause::ALL.len()];
        let mut joined: Vec<Moment> = Vec::with_capacity(self.list.len() / 2 + Cause::ALL.len());
        for moment in self.list.drain(..) {
            match open[moment.cause as usize].take() {
                Some(at) => joined[at].count += moment.count,
                None => {
                    open[moment.cause as usize] = Some(joined.len());
                    joined.push(moment);
                }
            }
        }
        self.list = joined;
    }

    /// By time.
    pub fn into_list(self) -> Vec<Moment> {
        self.list
    }
}
