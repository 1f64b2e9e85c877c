//! How many events of each connection are kept.

use std::cmp::Reverse;
use std::collections::HashMap;

use tcpprobe::flow::{Collector, Flow};

/// Fewer rows of a connection show nothing.
const ROWS_MIN: u64 = 16;

/// How many events of each connection are kept: all of those that have few, and of the others the same number.
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
    /// A plan for the connections that are wanted, and some `rows_max` events, 6 to 14 bytes of the file each.
    #[must_use]
    pub fn new(flows: &Collector, rows_max: u64, wanted: impl Fn(&Flow<'_>) -> bool) -> Self {
        let mut all = flows.all();
        let beyond = flows.connections() - all.len() as u64;
        all.retain(wanted);
        let places = usize::try_from(rows_max / ROWS_MIN).unwrap_or(usize::MAX).max(1);
        let dropped = all.len().saturating_sub(places) as u64;
        all.sort_unstable_by_key(|flow| (Reverse(flow.totals.traffic() + flow.totals.bytes_acked), flow.connection.id));
        all.truncate(places);
        let most = most(all.iter().map(|flow| flow.totals.events).collect(), rows_max);
        let share = |flow: Flow<'_>| Share {
            events: flow.totals.events,
            most,
            range: (flow.totals.first_time, flow.totals.last_time),
            is_sender: flow.totals.bytes_acked >= flow.totals.bytes_received,
        };
        let shares = all.into_iter().map(|flow| (flow.connection.id, share(flow))).collect();
        Plan { shares, left_out: beyond + dropped }
    }
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
