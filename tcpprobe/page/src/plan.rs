//! How many events of each connection are kept.

use std::cmp::Reverse;
use std::collections::HashMap;

use tcpprobe::flow::{Collector, Flow};

/// Fewer rows of a connection show nothing.
const ROWS_MIN: u64 = 16;
/// Connections that have half of the room.
const FIRST: usize = 16;

/// How many events of each connection are kept. Half of the room is for the first of them, half for all others; within a half those that have
/// few events keep all, and of the others the same number is kept.
#[derive(Debug, Clone)]
pub struct Plan {
    /// By id.
    pub(crate) shares: HashMap<u64, Share>,
    /// Connections that have no place, those with the least traffic.
    pub(crate) left_out: u64,
}

/// What a connection gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Its events, in all.
    pub events: u64,
    /// Those that may be kept.
    pub most: u64,
    /// Times of the first and the last.
    pub range: (u64, u64),
    /// Whether it sends more than it receives.
    pub is_sender: bool,
}

impl Plan {
    /// A plan for the connections that are wanted, and some `rows_max` events, 5 to 10 bytes of the file each. Those with these ids come first,
    /// then those with the most traffic.
    #[must_use]
    pub fn new(flows: &Collector, rows_max: u64, first: &[u64], wanted: impl Fn(&Flow<'_>) -> bool) -> Self {
        let mut all = flows.all();
        let beyond = flows.connections() - all.len() as u64;
        all.retain(wanted);
        let places = usize::try_from(rows_max / ROWS_MIN).unwrap_or(usize::MAX).max(1);
        let dropped = all.len().saturating_sub(places) as u64;
        let order = |flow: &Flow<'_>| {
            let (id, totals) = (flow.connection.id, flow.totals);
            let place = first.iter().position(|other| *other == id).unwrap_or(usize::MAX);
            (place, Reverse(totals.traffic() + totals.bytes_acked), id)
        };
        all.sort_by_cached_key(order);
        all.truncate(places);
        let events: Vec<u64> = all.iter().map(|flow| flow.totals.events).collect();
        let most = halves(&events, rows_max);
        let share = |(at, flow): (usize, Flow<'_>)| {
            let totals = flow.totals;
            let share = Share {
                events: totals.events,
                most: most[usize::from(at >= FIRST)],
                range: (totals.first_time, totals.last_time),
                is_sender: totals.bytes_acked >= totals.bytes_received,
            };
            (flow.connection.id, share)
        };
        let shares = all.into_iter().enumerate().map(share).collect();
        Plan { shares, left_out: beyond + dropped }
    }
}

/// The most that each of the first, and each of the others, may have so that all together have at most `sum`.
fn halves(events: &[u64], sum: u64) -> [u64; 2] {
    let (first, others) = events.split_at(FIRST.min(events.len()));
    let taken = |events: &[u64], most: u64| events.iter().map(|count| (*count).min(most)).sum::<u64>();
    // What one half leaves is the other's.
    let of_others = most(others.to_vec(), (sum / 2).max(sum.saturating_sub(taken(first, u64::MAX))));
    [most(first.to_vec(), sum - taken(others, of_others)), of_others]
}

/// The most that each may have so that all together have at most `sum`.
fn most(mut events: Vec<u64>, sum: u64) -> u64 {
    events.sort_unstable();
    let (mut left, mut others) = (sum, events.len() as u64);
    for count in events {
        if count.saturating_mul(others) > left {
            return left / others;
        }
        left -= count;
        others -= 1;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_for_the_first() {
        let events: Vec<u64> = [1000; FIRST].into_iter().chain([10; 100]).collect();
        assert_eq!(halves(&events, 800), [25, 4]);
        // The others need less than a half, or the first do.
        assert_eq!(halves(&events, 9000), [500, u64::MAX]);
        assert_eq!(halves(&[10, 1000], 500), [490, u64::MAX]);
        let events: Vec<u64> = [10; FIRST].into_iter().chain([1000; 10]).collect();
        assert_eq!(halves(&events, 1160), [u64::MAX, 100]);
        assert_eq!(halves(&[], 0), [u64::MAX; 2]);
    }

    #[test]
    fn who_has_few_keeps_all() {
        for (events, sum, expected) in [
            (vec![], 10, u64::MAX),
            (vec![5, 5], 10, u64::MAX),
            (vec![6, 5], 10, 5),
            (vec![100, 2, 3, 100], 25, 10),
            (vec![1, 1, 1], 2, 0),
        ] {
            assert_eq!(most(events.clone(), sum), expected, "{events:?} {sum}");
        }
    }
}
