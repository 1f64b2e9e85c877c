//! Series reduced while they grow: memory stays flat for any length of input, and no extreme is ever lost.
//!
//! Time is cut into bins of a power-of-two width. A bin keeps the first, last, smallest and largest value in it, which
//! is all that a line drawn through it can show (M4: Jugel et al., "M4: A Visualization-Oriented Time Series Data
//! Aggregation", VLDB 2014). When a series would need more bins than its limit, the width doubles and neighbours
//! merge. Only bins with a value exist, so a short connection in a long trace keeps its detail.

/// What a bin holds, mergeable with what another bin holds.
trait Slot {
    /// Time of the earliest point in it.
    fn first_time(&self) -> u64;
    /// Takes in the points of `other`; where times are equal, `other` counts as the later.
    fn absorb(&mut self, other: &Self);
}

/// Slots in order of time, at most one per bin.
#[derive(Debug, Clone)]
struct Bins<S> {
    slots: Vec<S>,
    /// A bin is `1 << shift` nanoseconds wide.
    shift: u32,
    limit: usize,
}

impl<S: Slot> Bins<S> {
    fn new(limit: usize) -> Self {
        // Two bins always suffice at the largest shift; fewer might not.
        Bins { slots: Vec::new(), shift: 0, limit: limit.max(2) }
    }

    #[inline]
    fn push(&mut self, point: S) {
        let bin = point.first_time() >> self.shift;
        match self.slots.last_mut() {
            Some(last) if last.first_time() >> self.shift == bin => last.absorb(&point),
            Some(last) if last.first_time() >> self.shift > bin => self.push_late(point),
            _ => self.insert(self.slots.len(), point),
        }
    }

    /// For a point that is older than the newest bin.
    #[cold]
    fn push_late(&mut self, point: S) {
        let bin = point.first_time() >> self.shift;
        match self.slots.binary_search_by_key(&bin, |slot| slot.first_time() >> self.shift) {
            Ok(at) => self.slots[at].absorb(&point),
            Err(at) => self.insert(at, point),
        }
    }

    /// Opens a bin at `at`, after making room for it.
    fn insert(&mut self, at: usize, point: S) {
        if self.slots.len() < self.limit {
            self.slots.insert(at, point);
            return;
        }
        self.widen();
        self.push(point);
    }

    /// Doubles the width of the bins until there are fewer than the limit, in one go.
    fn widen(&mut self) {
        // Two neighbours are in one bin from that width on which leaves no bit in which they differ.
        let mut merging = [0_usize; 65];
        for pair in self.slots.windows(2) {
            let differing = u64::BITS - (pair[0].first_time() ^ pair[1].first_time()).leading_zeros();
            merging[differing as usize] += 1;
        }
        let mut left = self.slots.len();
        let (before, limit) = (self.shift as usize, self.limit);
        let widths = merging.iter().take(63).enumerate().position(|(shift, merging)| {
            left -= merging;
            shift > before && left < limit
        });
        self.shift = widths.map_or(63, |shift| shift as u32);
        let shift = self.shift;
        self.slots.dedup_by(|later, kept| {
            let same = later.first_time() >> shift == kept.first_time() >> shift;
            if same {
                kept.absorb(later);
            }
            same
        });
    }
}

/// The value of a point that has none; no value of a trace is that large.
pub(super) const UNSET: u32 = u32::MAX;

/// `N` values over one bin, [`UNSET`] where a value was not set; and `S` amounts.
#[derive(Debug, Clone, Copy)]
struct Row<const N: usize, const S: usize> {
    first_time: u64,
    last_time: u64,
    first: [u32; N],
    last: [u32; N],
    min: [u32; N],
    /// One more than the largest; 0 where there was none, for [`UNSET`] wraps.
    above: [u32; N],
    /// What was added in it.
    amounts: [u64; S],
}

impl<const N: usize, const S: usize> Slot for Row<N, S> {
    #[inline]
    fn first_time(&self) -> u64 {
        self.first_time
    }

    #[inline]
    fn absorb(&mut self, other: &Self) {
        if other.first_time < self.first_time {
            (self.first_time, self.first) = (other.first_time, other.first);
        }
        if other.last_time >= self.last_time {
            (self.last_time, self.last) = (other.last_time, other.last);
        }
        for column in 0..N {
            self.min[column] = self.min[column].min(other.min[column]);
            self.above[column] = self.above[column].max(other.above[column]);
        }
        for (amount, more) in self.amounts.iter_mut().zip(other.amounts) {
            *amount += more;
        }
    }
}

/// What one value did in one bin of a [`Series`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// Time of the first point in it, nanoseconds in the trace's clock.
    pub first_time: u64,
    /// Time of the last point in it.
    pub last_time: u64,
    /// The first value; `None` where it was not set.
    pub first: Option<u32>,
    /// The last value; `None` where it was not set.
    pub last: Option<u32>,
    /// Smallest and largest value that was set in it, `None` if none was.
    pub range: Option<(u32, u32)>,
}

/// `N` values over time, and `S` amounts that add up, reduced to a limited number of bins.
///
/// ```
/// use tcpprobe::flow::Series;
///
/// let mut srtt = Series::<1>::new(100);
/// for time in 0..1_000_000 {
///     srtt.push(time, [Some(if time == 777_777 { 90_000 } else { 25 })]);
/// }
/// assert!(srtt.bins(0).len() <= 100);
/// assert_eq!(srtt.range(0), Some((25, 90_000)), "the spike is still there");
/// ```
#[derive(Debug, Clone)]
pub struct Series<const N: usize, const S: usize = 0>(Bins<Row<N, S>>);

impl<const N: usize, const S: usize> Series<N, S> {
    /// An empty series that will keep at most `bins_max` bins (at least 2).
    #[must_use]
    pub fn new(bins_max: usize) -> Self {
        Series(Bins::new(bins_max))
    }

    /// Adds a point: `time` in nanoseconds, in about rising order; `None` for "not set from here on".
    /// The largest `u32` stands for `None`.
    #[inline]
    pub fn push(&mut self, time: u64, values: [Option<u32>; N]) {
        let values = values.map(|value| value.unwrap_or(UNSET));
        if !self.push_to_newest(time, &values) {
            self.push_anywhere(time, values);
        }
    }

    /// Adds a point where it is a later one of the newest bin, as by far the most are; says whether it is. [`UNSET`] stands for
    /// what is not set.
    #[inline(always)]
    pub(super) fn push_to_newest(&mut self, time: u64, values: &[u32; N]) -> bool {
        let bins = &mut self.0;
        let Some(row) = bins.slots.last_mut() else { return false };
        if row.last_time > time || (row.first_time ^ time) >> bins.shift != 0 {
            return false;
        }
        row.last_time = time;
        row.last = *values;
        for (column, &value) in values.iter().enumerate() {
            row.min[column] = row.min[column].min(value);
            row.above[column] = row.above[column].max(value.wrapping_add(1));
        }
        true
    }

    /// Adds any point; [`UNSET`] stands for what is not set.
    #[inline(never)]
    pub(super) fn push_anywhere(&mut self, time: u64, values: [u32; N]) {
        self.0.push(Row::new(time, values));
    }

    /// Adds to an amount of the newest bin; before the first point it is passed over.
    #[inline(always)]
    pub(super) fn add_to_newest(&mut self, amount: usize, more: u64) {
        if let Some(row) = self.0.slots.last_mut() {
            row.amounts[amount] += more;
        }
    }

    /// What was added to the amounts in each bin, with the times of its first and last point.
    pub(super) fn amounts(&self) -> impl ExactSizeIterator<Item = ((u64, u64), [u64; S])> + Clone {
        self.0.slots.iter().map(|row| ((row.first_time, row.last_time), row.amounts))
    }

    /// The bins of value `column`, in order of time; none is empty and none overlaps another.
    ///
    /// # Panics
    /// Where there is no such column.
    #[must_use]
    pub fn bins(&self, column: usize) -> impl ExactSizeIterator<Item = Bin> + Clone {
        assert!(column < N, "column {column} of {N}");
        self.0.slots.iter().map(move |row| row.bin(column))
    }

    /// Width of a bin, in nanoseconds: a power of two.
    #[must_use]
    pub fn bin_width_ns(&self) -> u64 {
        1 << self.0.shift
    }

    /// Smallest and largest of all of value `column`, `None` if it was never set. Panics as [`Series::bins`] does.
    #[must_use]
    pub fn range(&self, column: usize) -> Option<(u32, u32)> {
        self.bins(column).filter_map(|bin| bin.range).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The value `column` that held at `time`, exact to the width of a bin; before the first point, the first value.
    /// Panics as [`Series::bins`] does.
    #[must_use]
    pub fn at(&self, column: usize, time: u64) -> Option<u32> {
        assert!(column < N, "column {column} of {N}");
        let rows = &self.0.slots;
        let after = rows.partition_point(|row| row.first_time <= time);
        let bin = rows.get(after.saturating_sub(1))?.bin(column);
        if bin.last_time <= time { bin.last } else { bin.first }
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.slots.capacity()
    }
}

impl<const N: usize, const S: usize> Row<N, S> {
    fn new(time: u64, values: [u32; N]) -> Self {
        let above = values.map(|value| value.wrapping_add(1));
        Row { first_time: time, last_time: time, first: values, last: values, min: values, above, amounts: [0; S] }
    }

    fn bin(&self, column: usize) -> Bin {
        let set = |value| if value == UNSET { None } else { Some(value) };
        let max = self.above[column].checked_sub(1);
        Bin {
            first_time: self.first_time,
            last_time: self.last_time,
            first: set(self.first[column]),
            last: set(self.last[column]),
            range: max.map(|max| (self.min[column], max)),
        }
    }
}

/// What [`Marks`] knows about one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Time of the first in it, nanoseconds in the trace's clock.
    pub first_time: u64,
    /// Time of the last in it.
    pub last_time: u64,
    /// How many there were.
    pub count: u64,
}

impl Slot for Mark {
    #[inline]
    fn first_time(&self) -> u64 {
        self.first_time
    }

    fn absorb(&mut self, other: &Self) {
        self.first_time = self.first_time.min(other.first_time);
        self.last_time = self.last_time.max(other.last_time);
        self.count += other.count;
    }
}

/// When something happened, and how often: exact times until their number exceeds the limit, counts per bin beyond it.
#[derive(Debug, Clone)]
pub struct Marks(Bins<Mark>);

impl Marks {
    /// No marks yet; will keep at most `bins_max` bins (at least 2).
    #[must_use]
    pub fn new(bins_max: usize) -> Self {
        Marks(Bins::new(bins_max))
    }

    /// Counts one at `time`, in nanoseconds, in about rising order.
    #[inline]
    pub fn push(&mut self, time: u64) {
        self.0.push(Mark { first_time: time, last_time: time, count: 1 });
    }

    /// The bins, in order of time; none is empty and none overlaps another.
    #[must_use]
    pub fn bins(&self) -> &[Mark] {
        &self.0.slots
    }

    /// How many there were in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins().iter().map(|mark| mark.count).sum()
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.slots.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Times that rise, stand still, fall back a little, and jump far.
    fn points() -> impl Strategy<Value = Vec<(u64, Option<u32>)>> {
        let step = prop_oneof![4 => 0i64..3, 4 => 0i64..10_000, 2 => -5_000i64..0, 1 => 0i64..1 << 50];
        let value = prop_oneof![8 => (0..u32::MAX).prop_map(Some), 1 => Just(None)];
        proptest::collection::vec((step, value), 0..600).prop_map(|steps| {
            let mut time = 1u64 << 40;
            let mut at = |step| {
                time = time.saturating_add_signed(step);
                time
            };
            steps.into_iter().map(|(step, value)| (at(step), value)).collect()
        })
    }

    fn reduce(points: &[(u64, Option<u32>)], limit: usize) -> Series<1> {
        let mut series = Series::new(limit);
        for &(time, value) in points {
            series.push(time, [value]);
            assert!(series.bins(0).len() <= limit.max(2));
        }
        series
    }

    proptest! {
        #[test]
        fn keeps_every_extreme_within_the_limit(points in points(), limit in 0usize..64) {
            let series = reduce(&points, limit);
            let values = points.iter().filter_map(|p| p.1);
            prop_assert_eq!(series.range(0), values.clone().min().zip(values.max()));
            let width = series.bin_width_ns();
            for (bin, next) in series.bins(0).zip(series.bins(0).skip(1)) {
                prop_assert!(bin.first_time / width < next.first_time / width);
            }
            for bin in series.bins(0) {
                prop_assert_eq!(bin.first_time / width, bin.last_time / width);
            }
        }

        #[test]
        fn each_bin_is_what_its_points_say(points in points(), limit in 0usize..64) {
            let series = reduce(&points, limit);
            let mut sorted = points.clone();
            sorted.sort_by_key(|p| p.0);
            let width = series.bin_width_ns();
            let raw: Vec<Bin> = sorted
                .chunk_by(|a, b| a.0 / width == b.0 / width)
                .map(|chunk| Bin {
                    first_time: chunk[0].0,
                    last_time: chunk[chunk.len() - 1].0,
                    first: chunk[0].1,
                    last: chunk[chunk.len() - 1].1,
                    range: chunk.iter().filter_map(|p| p.1).min().zip(chunk.iter().filter_map(|p| p.1).max()),
                })
                .collect();
            prop_assert_eq!(series.bins(0).collect::<Vec<_>>(), raw);
        }

        #[test]
        fn marks_lose_none(points in points(), limit in 0usize..64) {
            let mut marks = Marks::new(limit);
            for (time, _) in &points {
                marks.push(*time);
                prop_assert!(marks.bins().len() <= limit.max(2));
            }
            prop_assert_eq!(marks.count(), points.len() as u64);
            prop_assert_eq!(marks.bins().iter().map(|m| m.first_time).min(), points.iter().map(|p| p.0).min());
            prop_assert_eq!(marks.bins().iter().map(|m| m.last_time).max(), points.iter().map(|p| p.0).max());
        }
    }

    #[test]
    fn a_few_points_stay_exact() {
        let series = reduce(&[(5, Some(1)), (9, None), (1 << 62, Some(3))], 4096);
        assert_eq!((series.bin_width_ns(), series.bins(0).len()), (1, 3));
        let at = [0, 5, 8, 9, 100, 1 << 62, u64::MAX].map(|time| series.at(0, time));
        assert_eq!(at, [Some(1), Some(1), Some(1), None, None, Some(3), Some(3)]);
    }

    #[test]
    fn the_ends_of_time_fit_in_two_bins() {
        let series =
            reduce(&[(0, Some(1)), (u64::MAX, Some(2)), (1 << 63, Some(3)), (7, Some(4)), (1 << 62, Some(5))], 0);
        assert_eq!((series.bins(0).len(), series.range(0)), (2, Some((1, 5))));
    }
}
