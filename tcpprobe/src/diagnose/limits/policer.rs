//! A token bucket on the path drops what exceeds its rate, and queues nothing.
//!
//! # How it is decided
//! At each loss the bucket is empty. So what passes between two losses is what was filled in meanwhile: bytes over time are the same rate each time, however fast the
//! sender was. With four pairs of losses, more than two round trips apart, whose rates differ by less than 15 % on average
//! (weighted by time), and no queue before most of them; and a rate 10 % above that for two round trips, once: a full bucket lets it pass, a link does not. And 2.5 segments are lost each time: until the sender knows of the first, a round trip later, all that is above the rate is dropped. The loss of the last that was written says nothing of a rate, and does not count. Inferred. After Flach et al., "An Internet-Wide Analysis of Traffic Policing", SIGCOMM 2016.
//!
//! # What looks like it
//! Random loss comes at any rate; over a long way that may be the same for long (RFC 9438, 4.3: the window grows little where the last loss was), but then segments are lost one by one. A bottleneck with a short queue drops at one rate, too: there RTT rises before.
//!
//! # How to confirm
//! Send with a cap of 95 % of the rate (`SO_MAX_PACING_RATE`, `tc qdisc … fq maxrate`): the losses are gone. Ask who runs the network, or look at `tc -s filter` and the cloud's limit of the instance.
//!
//! # Remedy
//! Pace below the rate, or ask for shaping in place of policing, or buy more.

use super::{Words, count, rate, share};
use crate::diagnose::Diagnosis;
use crate::diagnose::track::Episode;

/// Pairs of losses that say something.
const LEAST: usize = 4;
/// How much their rates may differ.
const SPREAD_MAX: f64 = 0.15;
/// A full bucket lets pass more than its rate; a link with no queue to speak of never does.
const PEAK_LEAST: f64 = 1.1;
/// Segments that an empty bucket drops at a time, at least. Of what is lost by chance it is one, and seldom more.
const DROPPED_LEAST: f64 = 2.5;

pub(super) fn words(found: &Diagnosis) -> Words {
    let rate_bytes = found.policer_rate.unwrap_or_else(|| found.rate());
    let evidence = format!(
        "{} whenever {} are exceeded ({} is lost), with no queue before them.",
        count(found.facts.episodes, "loss", "losses"),
        rate(rate_bytes),
        share(found.loss())
    );
    Words::new(
        evidence,
        format!(
            "pace below it: SO_MAX_PACING_RATE {:.0}, or tc qdisc … fq maxrate {}; or ask for shaping",
            rate_bytes * 0.95,
            rate(rate_bytes * 0.95).replace([' ', '/'], "").replace("Mbits", "mbit").replace("kbits", "kbit")
        ),
    )
}

/// What drops at an even rate, and queues nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::diagnose) enum Pattern {
    /// A token bucket.
    Bucket,
    /// A link with a short queue.
    Link,
}

/// What losses at an even rate, with no queue before most of them, come from; `None` where they come by chance. `base` is the RTT in nanoseconds, `peak` the
/// largest rate over two round trips, bytes a second; `dropped` segments were lost each time.
pub(in crate::diagnose) fn pattern(episodes: &[Episode], base: u64, peak: f64, dropped: f64) -> Option<Pattern> {
    let (spread, rate) = spread(episodes, base)?;
    let queued = episodes.iter().filter(|episode| episode.queue).count();
    (spread < SPREAD_MAX && queued * 2 < episodes.len()).then_some(())?;
    match peak > PEAK_LEAST * rate {
        true => (dropped >= DROPPED_LEAST).then_some(Pattern::Bucket),
        false => Some(Pattern::Link),
    }
}

/// How much the rates between losses differ (mean deviation over mean, weighted by time), and the rate, bytes a second. `None` where there are too few.
pub(in crate::diagnose) fn spread(episodes: &[Episode], base: u64) -> Option<(f64, f64)> {
    // The loss of the last that was written says nothing of a rate.
    let episodes: Vec<&Episode> = episodes.iter().filter(|episode| !episode.is_tail).collect();
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
    Some((deviation / bytes.max(1.0), rate * 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn episodes(passed: &[u64], queue: bool) -> Vec<Episode> {
        let mut bytes = 0;
        let one = |(at, passed): (u64, &u64)| {
            bytes += passed;
            Episode { time: at * SECOND, bytes, queue, is_tail: false }
        };
        (0..).zip(passed).map(one).collect()
    }

    #[test]
    fn equal_rates_between_losses_are_a_policers() {
        let even = [0, 1_000_000, 1_050_000, 960_000, 1_010_000, 990_000];
        let check = |passed: &[u64], queue, peak, expected, why: &str| {
            assert_eq!(pattern(&episodes(passed, queue), SECOND / 20, peak, 4.0), expected, "{why}");
        };
        check(&even, false, 2e6, Some(Pattern::Bucket), "a bucket lets more pass for a while");
        check(&even, false, 1.05e6, Some(Pattern::Link), "a link with a short queue never lets more pass");
        check(&even, true, 2e6, None, "a queue queues");
        check(&[0, 300_000, 2_000_000, 90_000, 1_500_000, 700_000], false, 2e6, None, "losses by chance");
        check(&even[..4], false, 2e6, None, "too few");
        let mut tails = episodes(&even, false);
        tails.iter_mut().for_each(|episode| episode.is_tail = true);
        assert_eq!(pattern(&tails, SECOND / 20, 2e6, 4.0), None, "each the last of a message");
        assert_eq!(pattern(&episodes(&even, false), SECOND / 20, 2e6, 1.2), None, "one by one");
        let (_, rate) = spread(&episodes(&even, false), SECOND / 20).unwrap_or_default();
        assert!((rate - 1_002_000.0).abs() < 1.0, "{rate}");
    }
}
