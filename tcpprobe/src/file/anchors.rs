//! From the trace's clock to wall-clock time.

use crate::file::block::Cursor;

/// One moment in both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Nanoseconds in the trace's clock (`boot`: since boot, suspend counted).
    pub time: u64,
    /// Nanoseconds since 1970, UTC.
    pub wall: i64,
}

impl Anchor {
    /// Appends the payload of an anchor frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.time.to_le_bytes());
        out.extend(self.wall.to_le_bytes());
    }

    /// Reads the payload of an anchor frame; `None` where it is too short.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(payload);
        Some(Anchor { time: cursor.u64()?, wall: cursor.u64()?.cast_signed() })
    }
}

/// The anchors of a trace. Wall clocks are set and slewed: each stretch of time counts from the anchor before it.
///
/// Of anchors of the same time, the first one added holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    /// Each by time, and less than half as long as the one before: one, where anchors come in the order of time, and few in
    /// whatever order they come, so that a file of nothing else costs no more to read than its bytes.
    runs: Vec<Vec<Anchor>>,
}

impl Clock {
    /// Adds an anchor.
    pub fn add(&mut self, anchor: Anchor) {
        let is_last = self.runs.first().and_then(|run| run.last()).is_none_or(|last| last.time < anchor.time);
        if !is_last && self.at_or_before(anchor.time).is_some_and(|known| known.time == anchor.time) {
            return;
        }
        match self.runs.first_mut() {
            Some(run) if is_last => run.push(anchor),
            _ => self.runs.push(vec![anchor]),
        }
        while let [.., before, last] = &self.runs[..]
            && before.len() < 2 * last.len()
        {
            let last = self.runs.pop().unwrap_or_default();
            let before = self.runs.pop().unwrap_or_default();
            self.runs.push(merged(before, last));
        }
    }

    /// Whether wall-clock times are known at all. A trace made from ftrace text has none.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Nanoseconds since 1970 of a time in the trace's clock.
    #[must_use]
    pub fn wall(&self, time: u64) -> Option<i64> {
        let anchor = self.at_or_before(time).or_else(|| self.firsts().min_by_key(|anchor| anchor.time))?;
        Some(anchor.wall.wrapping_add(time.wrapping_sub(anchor.time).cast_signed()))
    }

    /// The time in the trace's clock at `wall`, by the nearest anchor; 0 for times before the clock began.
    #[must_use]
    pub fn time(&self, wall: i64) -> Option<u64> {
        let nearest = self.runs.iter().filter_map(|run| last_of(run, |anchor| anchor.wall <= wall));
        let anchor = nearest.max_by_key(|anchor| anchor.wall).or_else(|| self.firsts().min_by_key(|a| a.time))?;
        let time = i128::from(anchor.time) + i128::from(wall) - i128::from(anchor.wall);
        Some(u64::try_from(time.max(0)).unwrap_or(u64::MAX))
    }

    fn at_or_before(&self, time: u64) -> Option<&Anchor> {
        let candidates = self.runs.iter().filter_map(|run| last_of(run, |anchor| anchor.time <= time));
        candidates.max_by_key(|anchor| anchor.time)
    }

    fn firsts(&self) -> impl Iterator<Item = &Anchor> {
        self.runs.iter().filter_map(|run| run.first())
    }
}

/// The last of those at the beginning of `run` for which `holds`.
fn last_of(run: &[Anchor], holds: impl Fn(&Anchor) -> bool) -> Option<&Anchor> {
    run.partition_point(holds).checked_sub(1).and_then(|at| run.get(at))
}

/// Two lists, each by time, as one.
fn merged(mut anchors: Vec<Anchor>, more: Vec<Anchor>) -> Vec<Anchor> {
    anchors.extend(more);
    // The sort finds the two lists, and merges them.
    anchors.sort_by_key(|anchor| anchor.time);
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_stretch_counts_from_its_anchor() {
        let mut clock = Clock::default();
        assert_eq!((clock.wall(5), clock.time(5)), (None, None));
        // The wall clock was set forward by 1000 between the anchors.
        clock.add(Anchor { time: 200, wall: 11_200 });
        clock.add(Anchor { time: 100, wall: 10_100 });
        assert_eq!(
            [50, 100, 150, 199, 200, 250].map(|t| clock.wall(t)),
            [Some(10_050), Some(10_100), Some(10_150), Some(10_199), Some(11_200), Some(11_250)]
        );
        assert_eq!(clock.time(11_250), Some(250));
        assert_eq!(clock.time(10_150), Some(150));
        assert_eq!(clock.time(0), Some(0));
    }

    #[test]
    fn two_million_anchors_in_any_order() {
        let count = 2_000_000_u64;
        let anchor = |time: u64| Anchor { time, wall: time.cast_signed() + 7 };
        let descending = (0..count).rev();
        let mixed = (0..count).map(|at| at.wrapping_mul(0x9e37_79b9) % count);
        for times in [Box::new(descending) as Box<dyn Iterator<Item = u64>>, Box::new(mixed)] {
            let mut clock = Clock::default();
            times.for_each(|time| clock.add(anchor(time)));
            assert!(clock.runs.len() < 24);
            assert!([0, 5, count - 1, count + 5].iter().all(|&time| clock.wall(time) == Some(time.cast_signed() + 7)));
            assert_eq!((clock.time(7), clock.time(1_000_007)), (Some(0), Some(1_000_000)));
        }
    }

    proptest! {
        #[test]
        fn the_order_of_anchors_does_not_matter(times in prop::collection::vec(0u64..200, 1..60), at in 0u64..220) {
            let wall = |time: u64| time.cast_signed() * 3;
            let mut clock = Clock::default();
            times.iter().for_each(|&time| clock.add(Anchor { time, wall: wall(time) }));
            let before = times.iter().copied().filter(|&time| time <= at).max();
            let anchor = before.or(times.iter().copied().min()).unwrap();
            prop_assert_eq!(clock.wall(at), Some(wall(anchor) + at.cast_signed() - anchor.cast_signed()));
            let (first, last) = (wall(*times.iter().min().unwrap()), wall(*times.iter().max().unwrap()));
            for time in &times {
                prop_assert_eq!(clock.time(wall(*time)), Some(*time));
            }
            prop_assert_eq!(clock.time(last + 9), Some((last / 3 + 9).cast_unsigned()));
            prop_assert_eq!(clock.time(first - 1), Some((first / 3 - 1).max(0).cast_unsigned()));
        }
    }
}
