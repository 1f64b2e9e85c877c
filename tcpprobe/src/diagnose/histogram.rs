//! The spread of a value: what it was at least, in the middle, and in 95 of 100 cases at most.

/// Counts by magnitude: eight buckets a power of two, so a quantile is right to 9 %. A connection's values span a few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Of the buckets from `first` on.
    counts: Vec<u32>,
    first: u8,
    least: u32,
    most: u32,
}

/// Buckets of a power of two.
const PARTS: u32 = 8;

fn bucket(value: u32) -> u8 {
    let value = value.max(1);
    let power = value.ilog2();
    let part = ((u64::from(value) * u64::from(PARTS)) >> power) as u32 - PARTS;
    (power * PARTS + part) as u8
}

/// The middle of a bucket.
fn value(bucket: u8) -> u32 {
    let (power, part) = (u32::from(bucket) / PARTS, u32::from(bucket) % PARTS);
    ((u64::from(2 * (PARTS + part) + 1) << power) / u64::from(2 * PARTS)) as u32
}

impl Histogram {
    /// Takes in a value.
    #[inline]
    pub fn add(&mut self, value: u32) {
        if self.counts.is_empty() {
            (self.least, self.most) = (value, value);
        }
        (self.least, self.most) = (self.least.min(value), self.most.max(value));
        let bucket = bucket(value);
        match self.counts.get_mut(usize::from(bucket.wrapping_sub(self.first))) {
            Some(count) => *count = count.saturating_add(1),
            None => self.add_far(bucket, 1),
        }
    }

    /// Takes in all values of another.
    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.is_empty() {
            return self.clone_from(other);
        }
        if !other.counts.is_empty() {
            (self.least, self.most) = (self.least.min(other.least), self.most.max(other.most));
        }
        other.buckets().for_each(|(bucket, count)| self.add_far(bucket, count));
    }

    /// Makes room for a bucket.
    #[cold]
    fn add_far(&mut self, bucket: u8, more: u32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            self.counts.splice(..0, std::iter::repeat_n(0, usize::from(self.first - bucket)));
            self.first = bucket;
        }
        let at = usize::from(bucket - self.first);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = self.counts[at].saturating_add(more);
    }

    /// From the smallest value to the largest.
    fn buckets(&self) -> impl Iterator<Item = (u8, u32)> {
        (self.first..=u8::MAX).zip(self.counts.iter().copied())
    }

    /// The smallest value; `None` where there was none.
    #[must_use]
    pub fn min(&self) -> Option<u32> {
        (!self.counts.is_empty()).then_some(self.least)
    }

    /// The value that a share of all are not above, to 9 %.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u32> {
        let all: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.buckets().find(|&(_, count)| {
            seen += u64::from(count);
            seen >= wanted
        })?;
        Some(value(found.0).clamp(self.least, self.most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_quantile_is_near(values in prop::collection::vec(0..u32::MAX, 1..200), share in 0.0..1.0_f64, split in 0..200_usize) {
            let (mut all, mut other) = (Histogram::default(), Histogram::default());
            for (at, value) in values.iter().enumerate() {
                if at < split { all.add(*value) } else { other.add(*value) }
            }
            all.merge(&other);
            let mut sorted = values;
            sorted.sort_unstable();
            let exact = sorted[(((sorted.len() as f64 * share).ceil() as usize).max(1) - 1).min(sorted.len() - 1)];
            let said = all.quantile(share).unwrap_or(0);
            prop_assert!((f64::from(said) - f64::from(exact)).abs() <= f64::from(exact) * 0.125 + 1.0, "{said}, {exact}");
            prop_assert_eq!(all.min(), sorted.first().copied());
        }
    }
}
