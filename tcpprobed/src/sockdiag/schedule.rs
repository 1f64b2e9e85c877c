//! Whose turn it is: the sockets that were seen, each once in its interval, the busiest first, as many as the budget allows.

use std::collections::HashMap;
use std::time::Duration;

use tcpprobe::event::Socket;

/// A turn may come so much of its interval too soon: blocks are sealed once a second, more or less.
const TOLERANCE: f64 = 0.1;

/// So many look-ups a second, those of one second at once.
#[derive(Debug)]
pub struct Budget {
    per_second: u32,
    left: f64,
    /// When it was looked at last, nanoseconds.
    at: u64,
}

impl Budget {
    /// A second's worth, from the beginning.
    pub fn new(per_second: u32, now: u64) -> Self {
        Budget { per_second, left: f64::from(per_second), at: now }
    }

    /// How many of `wanted` there may be now.
    pub fn take(&mut self, wanted: usize, now: u64) -> usize {
        let most = f64::from(self.per_second);
        let grown = now.saturating_sub(self.at) as f64 / 1e9 * most;
        (self.left, self.at) = ((self.left + grown).min(most), self.at.max(now));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and a u32")]
        let taken = (self.left as usize).min(wanted);
        self.left -= taken as f64;
        taken
    }
}

/// The sockets of one capture whose turn was within its interval.
#[derive(Debug, Default)]
pub struct Turns {
    /// By cookie: when.
    had: HashMap<u64, u64>,
    /// The same of those that were left out.
    left_out: HashMap<u64, u64>,
}

impl Turns {
    /// Of the sockets that were seen, each with a number of events, those whose turn it is, the busiest first, each with all its events.
    /// A socket that was not seen before is one of them.
    pub fn due(
        &mut self,
        seen: impl IntoIterator<Item = (Socket, u32)>,
        interval: Duration,
        now: u64,
    ) -> Vec<(Socket, u64)> {
        let interval = (interval.as_nanos() as f64 * (1.0 - TOLERANCE)) as u64;
        for past in [&mut self.had, &mut self.left_out] {
            past.retain(|_, last| now.saturating_sub(*last) < interval);
        }
        let mut events: HashMap<u64, (Socket, u64)> = HashMap::new();
        for (socket, count) in seen {
            events.entry(socket.cookie).or_insert((socket, 0)).1 += u64::from(count);
        }
        let mut due: Vec<(Socket, u64)> =
            events.into_values().filter(|(s, _)| !self.had.contains_key(&s.cookie)).collect();
        due.sort_by_key(|(socket, count)| (std::cmp::Reverse(*count), socket.cookie));
        due
    }

    /// It had its turn.
    pub fn had(&mut self, cookie: u64, now: u64) {
        self.had.insert(cookie, now);
    }

    /// There was nothing left for it, though it may have its turn with the next block. Whether that is the first time in its interval.
    pub fn is_left_out(&mut self, cookie: u64, now: u64) -> bool {
        let is_first = !self.left_out.contains_key(&cookie);
        self.left_out.entry(cookie).or_insert(now);
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn socket(cookie: u64) -> Socket {
        let end = |port| ([10, 0, 0, 1], port).into();
        Socket { family: 2, local: end(80), peer: end(cookie as u16), cookie, skaddr: 0 }
    }

    fn cookies(due: &[(Socket, u64)]) -> Vec<u64> {
        due.iter().map(|(socket, _)| socket.cookie).collect()
    }

    #[test]
    fn each_has_its_turn_once_in_an_interval_the_busiest_first() {
        let mut turns = Turns::default();
        let mut due = |seen: &[(u64, u32)], now: u64| {
            let seen = seen.iter().map(|&(cookie, events)| (socket(cookie), events));
            let due = cookies(&turns.due(seen, Duration::from_secs(1), now));
            due.iter().for_each(|&cookie| turns.had(cookie, now));
            due
        };
        assert_eq!(due(&[(1, 5), (2, 90), (1, 4), (3, 7)], 10 * SECOND), [2, 1, 3]);
        assert_eq!(due(&[(1, 500), (4, 1)], 10 * SECOND + SECOND / 2), [4], "only who is new");
        assert_eq!(due(&[(1, 1), (2, 1), (4, 1)], 11 * SECOND), [1, 2]);
        assert_eq!(due(&[], 11 * SECOND), [0; 0], "who is idle has no turn");
        assert_eq!(due(&[(2, 1)], 20 * SECOND), [2]);
        assert_eq!(turns.had.len(), 1, "what is past is forgotten");
    }

    /// A busy socket is in many blocks of a second.
    #[test]
    fn who_is_left_out_counts_once_in_an_interval() {
        let mut turns = Turns::default();
        let mut left_out = 0;
        for tenth in 0..30 {
            let now = tenth * SECOND / 10;
            for (socket, _) in turns.due([(socket(1), 5)], Duration::from_secs(1), now) {
                left_out += u32::from(turns.is_left_out(socket.cookie, now));
            }
        }
        assert_eq!(left_out, 4, "at 0, 0.9, 1.8 and 2.7 s");
    }

    #[test]
    fn a_budget_is_so_much_a_second() {
        let mut budget = Budget::new(200, 5 * SECOND);
        assert_eq!(budget.take(150, 5 * SECOND), 150);
        assert_eq!(budget.take(150, 5 * SECOND), 50);
        assert_eq!(budget.take(150, 5 * SECOND + SECOND / 2), 100);
        assert_eq!(budget.take(9, 5 * SECOND + SECOND / 4), 0, "a clock that goes back gives nothing");
        assert_eq!(budget.take(1000, 60 * SECOND), 200, "what was not used is gone");
        // Over any time, whatever is asked.
        let mut budget = Budget::new(7, 0);
        let taken: usize = (0..10_000).map(|at| budget.take(3, at * SECOND / 1000)).sum();
        assert_eq!(taken, 7 + 69);
    }
}
