//! Gaps: where events were lost, and how many.

use std::fmt;

use crate::units::counted;

/// A stretch of time in which events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last event before it, nanoseconds in the trace's clock.
    pub start_ns: u64,
    /// The first event after it.
    pub end_ns: u64,
    /// How many were lost; `None` where the kernel did not say.
    pub lost: Option<u64>,
}

/// The same time in gaps that do not overlap, in its order.
pub fn disjoint(gaps: impl IntoIterator<Item = Gap>) -> Vec<Gap> {
    let mut sorted: Vec<Gap> = gaps.into_iter().collect();
    sorted.sort_by_key(|gap| gap.start_ns);
    let mut disjoint: Vec<Gap> = Vec::with_capacity(sorted.len());
    for gap in sorted {
        match disjoint.last_mut() {
            Some(last) if gap.start_ns <= last.end_ns => {
                last.end_ns = last.end_ns.max(gap.end_ns);
                last.lost = last.lost.zip(gap.lost).map(|(a, b)| a.saturating_add(b));
            }
            _ => disjoint.push(gap),
        }
    }
    disjoint
}

/// How many events were lost in some gaps, as far as it is known: written `1,234 events lost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Those that the kernel counted.
    pub counted: u64,
    /// Whether there is a gap of which it did not say.
    pub unknown: bool,
}

impl Lost {
    /// These and those of `gap`.
    #[must_use]
    pub fn and(self, gap: &Gap) -> Self {
        Lost {
            counted: self.counted.saturating_add(gap.lost.unwrap_or(0)),
            unknown: self.unknown || gap.lost.is_none(),
        }
    }

    /// Those of all `gaps`.
    pub fn of<'a>(gaps: impl IntoIterator<Item = &'a Gap>) -> Self {
        gaps.into_iter().fold(Lost::default(), Lost::and)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.counted, self.unknown) {
            (0, true) => write!(f, "events lost"),
            (lost, true) => write!(f, "more than {} lost", counted(lost, "event", "events")),
            (lost, false) => write!(f, "{} lost", counted(lost, "event", "events")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_joined() {
        let gap = |start_ns, end_ns, lost| Gap { start_ns, end_ns, lost };
        let all = [gap(50, 60, None), gap(10, 20, Some(1)), gap(15, 18, Some(2)), gap(58, 70, Some(3))];
        assert_eq!(disjoint(all), [gap(10, 20, Some(3)), gap(50, 70, None)]);
    }
}
