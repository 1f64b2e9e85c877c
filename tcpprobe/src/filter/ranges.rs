//! Sets of integers as ranges: what a comparison, a prefix or a set of ports comes down to.

/// An integer whose neighbours are known.
pub(super) trait Int: Copy + Ord {
    fn next(self) -> Option<Self>;
    fn previous(self) -> Option<Self>;
}

impl Int for i128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Int for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// A set of integers: inclusive ranges, ascending, with gaps between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges<T>(Vec<(T, T)>);

impl<T: Int> Ranges<T> {
    /// The union of inclusive ranges; those that end before they begin are empty.
    pub fn new(list: impl IntoIterator<Item = (T, T)>) -> Self {
        let mut list: Vec<(T, T)> = list.into_iter().filter(|(low, high)| low <= high).collect();
        list.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(list.len());
        for (low, high) in list {
            match merged.last_mut() {
                Some(last) if last.1.next().is_none_or(|next| low <= next) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Ranges(merged)
    }

    pub fn as_slice(&self) -> &[(T, T)] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The range from the least to the greatest member.
    pub fn hull(&self) -> Option<(T, T)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

    /// The members that lie in `domain`.
    pub fn within(&self, domain: (T, T)) -> Self {
        Ranges::new(self.0.iter().map(|&(low, high)| (low.max(domain.0), high.min(domain.1))))
    }

    /// The members of `domain` that are not in the set.
    pub fn complement(&self, domain: (T, T)) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut low = Some(domain.0);
        for &(from, to) in &self.0 {
            if let (Some(low), Some(high)) = (low, from.previous()) {
                gaps.push((low, high.min(domain.1)));
            }
            low = to.next().map(|next| next.max(domain.0));
        }
        gaps.extend(low.map(|low| (low, domain.1)));
        Ranges::new(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(list: &[(i128, i128)]) -> Ranges<i128> {
        Ranges::new(list.iter().copied())
    }

    #[test]
    fn neighbours_merge() {
        assert_eq!(of(&[(5, 6), (1, 2), (3, 4), (9, 8)]).as_slice(), [(1, 6)]);
        assert_eq!(of(&[(1, 10), (2, 3)]).hull(), Some((1, 10)));
    }

    #[test]
    fn the_ends_of_the_type() {
        let all = Ranges::new([(0u128, u128::MAX)]);
        assert!(all.complement((0, u128::MAX)).is_empty());
        assert_eq!(Ranges::new([(0u128, 4), (9, u128::MAX)]).complement((0, u128::MAX)).as_slice(), [(5, 8)]);
    }

    proptest! {
        #[test]
        fn membership(list in prop::collection::vec((-20i128..20, -20i128..20), 0..6), low in -20i128..20, n in 0i128..20) {
            let domain = (low, low + n);
            let set = Ranges::new(list.iter().copied());
            let has = |set: &Ranges<i128>, x| set.as_slice().iter().any(|&(a, b)| a <= x && x <= b);
            for x in -45..45 {
                let inside = domain.0 <= x && x <= domain.1;
                prop_assert_eq!(has(&set, x), list.iter().any(|&(a, b)| a <= x && x <= b));
                prop_assert_eq!(has(&set.within(domain), x), inside && has(&set, x));
                prop_assert_eq!(has(&set.complement(domain), x), inside && !has(&set, x));
            }
        }
    }
}
