//! Which blocks of a trace were seen.

use std::collections::BTreeMap;

/// A set of sequence numbers that mostly come in order, as ranges: the first number of each, and the last, which belongs
/// to it.
#[derive(Debug, Default)]
pub(super) struct Sequences(BTreeMap<u64, u64>);

impl Sequences {
    /// Adds a number; `false` where it was there already.
    pub fn insert(&mut self, number: u64) -> bool {
        let before = self.0.range(..=number).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| last >= number) {
            return false;
        }
        let last = number.checked_add(1).and_then(|next| self.0.remove(&next)).unwrap_or(number);
        match before {
            Some((first, end)) if end + 1 == number => self.0.insert(first, last),
            _ => self.0.insert(number, last),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sequences_are_a_set(numbers in prop::collection::vec(prop_oneof![0u64..50, u64::MAX - 9..=u64::MAX], 0..100)) {
            let (mut ours, mut reference) = (Sequences::default(), std::collections::BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ours.insert(number), reference.insert(number));
            }
            let ranges: Vec<_> = ours.0.into_iter().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            prop_assert_eq!(ranges.iter().map(|(first, last)| last - first + 1).sum::<u64>(), reference.len() as u64);
        }
    }
}
