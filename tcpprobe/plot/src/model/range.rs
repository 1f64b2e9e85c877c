//! The range of values of all connections, and whether a linear axis would hide most of them.

use super::from_flows::{Connection, Metric};

/// From this ratio of the largest to the usual value on, an axis is logarithmic.
const LOG_RATIO: u32 = 40;

/// Smallest and largest value of these metrics.
pub fn range(connections: &[Connection], metrics: &[Metric]) -> Option<(u32, u32)> {
    let ranges = connections.iter().flat_map(|one| metrics.iter().filter_map(|&metric| one.range(metric)));
    ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Whether `max` is so far above what is usual for `metric` that a linear axis would show nothing else.
///
/// Connections that sent next to nothing, like the receivers of bulk data, do not count.
pub fn needs_log(connections: &[Connection], metric: Metric, max: u32) -> bool {
    let most = connections.iter().map(Connection::bytes_acked).max().unwrap_or(0);
    let senders = connections.iter().filter(|one| one.bytes_acked() >= most / 100);
    let usual = senders.filter_map(|one| median(one.last_values(metric))).min();
    usual.is_some_and(|usual| usual > 0 && max / usual >= LOG_RATIO)
}

fn median(values: impl Iterator<Item = u32>) -> Option<u32> {
    let mut values: Vec<u32> = values.collect();
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}
