//! Which events are kept where not all fit: of each so many that follow each other the first, the last, and those in which a value was
//! least or greatest. What is kept is what was; a spike of a single event stays.

use crate::row::{Row, VALUES};

/// Rows that are kept of a bin, about; at most [`BIN_ROWS_MAX`].
pub const BIN_ROWS: u64 = 8;
/// The first, the last, and two of each value.
const BIN_ROWS_MAX: usize = 2 + 2 * VALUES;

/// Takes the rows of a connection, and gives those that are kept.
#[derive(Debug, Clone)]
pub struct Thin {
    /// Events of a bin; 1 keeps all.
    each: u64,
    /// Events of this bin up to now.
    count: u64,
    /// The first, the last, then the least and the greatest of each value; each with its place in the bin.
    bin: [(u64, Row); BIN_ROWS_MAX],
}

const NOTHING: Row = Row { time: 0, una: 0, received: 0, values: [0; VALUES] };

impl Thin {
    /// Of `events`, keeps about `most`, but all where that is enough.
    pub fn new(events: u64, most: u64) -> Self {
        let each = if events <= most { 1 } else { events.div_ceil((most / BIN_ROWS).max(1)) };
        Thin { each, count: 0, bin: [(0, NOTHING); BIN_ROWS_MAX] }
    }

    /// Takes the next.
    pub fn push(&mut self, row: Row, keep: &mut impl FnMut(&Row)) {
        if self.each == 1 {
            return keep(&row);
        }
        let this = (self.count, row);
        if self.count == 0 {
            self.bin = [this; BIN_ROWS_MAX];
        }
        self.bin[1] = this;
        for (at, value) in row.values.iter().enumerate() {
            let (least, greatest) = (2 + 2 * at, 3 + 2 * at);
            if *value < self.bin[least].1.values[at] {
                self.bin[least] = this;
            }
            if *value > self.bin[greatest].1.values[at] {
                self.bin[greatest] = this;
            }
        }
        self.count += 1;
        if self.count == self.each {
            self.flush(keep);
        }
    }

    /// Gives what is left.
    pub fn flush(&mut self, keep: &mut impl FnMut(&Row)) {
        if self.count == 0 {
            return;
        }
        self.bin.sort_unstable_by_key(|(place, _)| *place);
        let mut last = None;
        for (place, row) in &self.bin {
            if last != Some(*place) {
                keep(row);
            }
            last = Some(*place);
        }
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thin(rows: &[Row], most: u64) -> Vec<Row> {
        let (mut thin, mut kept) = (Thin::new(rows.len() as u64, most), Vec::new());
        rows.iter().for_each(|row| thin.push(*row, &mut |row| kept.push(*row)));
        thin.flush(&mut |row| kept.push(*row));
        kept
    }

    proptest! {
        /// What is kept was, in its order; every extreme stays, and there are not many more than asked for.
        #[test]
        fn extremes_stay(values in proptest::collection::vec(any::<[u8; VALUES]>(), 0..600), most in 0..700_u64) {
            let row = |(at, values): (usize, &[u8; VALUES])| {
                Row { time: at as u64, una: at as i64, received: 0, values: values.map(i64::from) }
            };
            let rows: Vec<Row> = values.iter().enumerate().map(row).collect();
            let kept = thin(&rows, most);
            prop_assert!(kept.windows(2).all(|pair| pair[0].time < pair[1].time));
            prop_assert!(kept.iter().all(|row| rows[row.time as usize] == *row));
            prop_assert_eq!(kept.first(), rows.first());
            prop_assert_eq!(kept.last(), rows.last());
            for at in 0..VALUES {
                let range = |rows: &[Row]| {
                    let values = rows.iter().map(|row| row.values[at]);
                    values.clone().min().zip(values.max())
                };
                prop_assert_eq!(range(&kept), range(&rows));
            }
            if rows.len() as u64 <= most {
                prop_assert_eq!(kept, rows);
            } else {
                prop_assert!(kept.len() as u64 <= most.max(BIN_ROWS) * BIN_ROWS_MAX as u64 / BIN_ROWS);
            }
        }
    }

    #[test]
    fn a_spike_of_one_event_stays() {
        let row = |at: i64| Row {
            time: at as u64,
            una: at,
            received: 0,
            values: [10, -1, if at == 77_777 { 90_000 } else { 250 }, 0, 1, 1],
        };
        let rows: Vec<Row> = (0..100_000).map(row).collect();
        let kept = thin(&rows, 800);
        assert!(kept.contains(&rows[77_777]) && kept.len() < 1400, "{}", kept.len());
    }
}
