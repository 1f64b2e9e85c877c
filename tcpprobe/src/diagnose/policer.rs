//! Policers: a token bucket that drops instead of queueing (Flach et al., SIGCOMM 2016).
//!
//! At each loss the bucket is empty. So what passes between two losses is what was filled in: bytes over time are the
//! policer's rate, each time, however fast the sender is in between. Random losses come at any rate.

use super::track::Episode;

/// Losses that say something.
const LEAST: usize = 4;

/// Whether the losses of a connection look like those of a policer; `base` is its RTT in nanoseconds.
pub(super) fn is_policed(episodes: &[Episode], base: u64) -> bool {
    match spread(episodes, base) {
        Some(spread) => spread < 0.15 && episodes.iter().filter(|episode| episode.queue).count() * 2 < episodes.len(),
        None => false,
    }
}

/// How much the rates between losses differ: mean deviation over mean, weighted by time. `None` where there are too few.
pub(super) fn spread(episodes: &[Episode], base: u64) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = episodes
        .windows(2)
        .map(|pair| ((pair[1].time - pair[0].time) as f64, (pair[1].bytes - pair[0].bytes) as f64))
        .filter(|(time, _)| *time > 2.0 * base as f64)
        .collect();
    if pairs.len() < LEAST {
        return None;
    }
    let (time, bytes) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let rate = bytes / time;
    let deviation: f64 = pairs.iter().map(|(time, bytes)| (bytes - rate * time).abs()).sum();
    Some(deviation / bytes.max(1.0))
}
