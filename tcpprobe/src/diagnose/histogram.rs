//! The spread of a value: what it was at least, in the middle, and in 95 of 100 cases at most.

/// Counts by magnitude: eight buckets a power of two, so a quantile is right to 9 %. A connection fills a few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// In the order of values.
    buckets: Vec<(u8, u32)>,
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
        if self.buckets.is_empty() {
            (self.least, self.most) = (value, value);
        }
        (self.least, self.most) = (self.least.min(value), self.most.max(value));
        let bucket = bucket(value);
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (bucket, 1)),
        }
    }

    /// Takes in all values of another.
    pub fn merge(&mut self, other: &Histogram) {
        if self.buckets.is_empty() {
            return self.clone_from(other);
        }
        if !other.buckets.is_empty() {
            (self.least, self.most) = (self.least.min(other.least), self.most.max(other.most));
        }
        for (bucket, count) in &other.buckets {
            match self.buckets.binary_search_by_key(bucket, |(bucket, _)| *bucket) {
                Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(*count),
                Err(at) => self.buckets.insert(at, (*bucket, *count)),
            }
        }
    }

    /// The smallest value; `None` where there was none.
    #[must_use]
    pub fn min(&self) -> Option<u32> {
        (!self.buckets.is_empty()).then_some(self.least)
    }

    /// The value that a share of all are not above, to 9 %.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u32> {
        let all: u64 = self.buckets.iter().map(|(_, count)| u64::from(*count)).sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().find(|(_, count)| {
            seen += u64::from(*count);
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
