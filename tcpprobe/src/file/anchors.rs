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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    /// By time.
    anchors: Vec<Anchor>,
}

impl Clock {
    /// Adds an anchor.
    pub fn add(&mut self, anchor: Anchor) {
        let place = self.anchors.partition_point(|known| known.time < anchor.time);
        self.anchors.insert(place, anchor);
    }

    /// Whether wall-clock times are known at all. A trace made from ftrace text has none.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// Nanoseconds since 1970 of a time in the trace's clock.
    #[must_use]
    pub fn wall(&self, time: u64) -> Option<i64> {
        let place = self.anchors.partition_point(|anchor| anchor.time <= time).saturating_sub(1);
        let anchor = self.anchors.get(place)?;
        Some(anchor.wall.wrapping_add(time.wrapping_sub(anchor.time).cast_signed()))
    }

    /// The time in the trace's clock at `wall`, by the nearest anchor; 0 for times before the clock began.
    #[must_use]
    pub fn time(&self, wall: i64) -> Option<u64> {
        let place = self.anchors.partition_point(|anchor| anchor.wall <= wall).saturating_sub(1);
        let anchor = self.anchors.get(place)?;
        let time = i128::from(anchor.time) + i128::from(wall) - i128::from(anchor.wall);
        Some(u64::try_from(time.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
