//! The time of a connection in slices, as they are met; bounded, whatever comes.

/// What is seen of a slice of time: the same limits may look the same until all is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Connecting,
    /// Nothing outstanding, and the peer ends it.
    Idle,
    /// It is the program's turn: nothing outstanding, and it ends it.
    Turn,
    /// Flight fills the congestion window, or drains after it did.
    Cwnd,
    /// As before, while the window was never reduced.
    Growing,
    /// Lost data is being repaired.
    Repair,
    /// Flight fills the peer's window.
    Window,
    /// The peer's window is closed, or its right edge stands still.
    ClosedWindow,
    /// A stall that a timer ends.
    Timeout,
    /// A tail loss probe showed that the last segments were lost.
    Hole,
    /// Room in both windows, in an exchange.
    Exchange,
    /// Room in both windows, after a write of its own.
    Written,
    /// A small segment waits for a delayed ACK.
    Nagle,
    /// Room in both windows all the time.
    Stream,
    /// Not known yet: room in both windows.
    Room,
    /// The peer sends.
    Receiving,
    /// The peer sends, and our window is all that it may.
    OwnWindow,
    /// The peer would send, and our program does not read.
    OwnReader,
    Unseen,
}

/// A slice of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub from: u64,
    pub to: u64,
    pub class: Class,
    /// So long of it, nanoseconds, the class was met: of slices that were joined less than all.
    pub met: u64,
    /// Whether there was a queue on the path: srtt far above its minimum.
    pub queue: bool,
    /// Number of the loss episodes before it.
    pub epoch: u32,
    /// What was counted in it: in bytes, what was acknowledged, by how much the right edge of the peer's window moved with that, and
    /// what was acknowledged while that window was less than half of its largest; or, of room in both windows, ACKs, those of other
    /// than full segments, nanoseconds between them, and those of these in long gaps.
    pub counts: [f32; 4],
}

/// Slices of a connection at most: any more, and the shortest go to their neighbours.
pub(super) const SLICES_MAX: usize = 4096;

/// Slices that follow each other without a gap.
#[derive(Debug, Clone, Default)]
pub(super) struct Slices {
    list: Vec<Slice>,
}

impl Slices {
    /// Adds a slice that begins where the last one ended.
    pub fn push(&mut self, slice: Slice) {
        if slice.to <= slice.from {
            return;
        }
        if let Some(last) = self.list.last_mut()
            && (last.class, last.queue, last.epoch) == (slice.class, slice.queue, slice.epoch)
        {
            last.to = slice.to;
            last.met += slice.met;
            (0..4).for_each(|at| last.counts[at] += slice.counts[at]);
            return;
        }
        self.list.push(slice);
        if self.list.len() > SLICES_MAX {
            self.halve();
        }
    }

    /// Gives another class to what lies behind `from`.
    pub fn relabel(&mut self, from: u64, change: impl Fn(Class) -> Class) {
        self.relabel_until(from, u64::MAX, change);
    }

    /// Gives another class to what lies between two moments.
    pub fn relabel_until(&mut self, from: u64, to: u64, change: impl Fn(Class) -> Class) {
        self.split(from, &change);
        if to < u64::MAX {
            self.split(to, &change);
        }
        // Mostly it is about the last few.
        let first = self.list.iter().rposition(|slice| slice.from < from).map_or(0, |before| before + 1);
        for slice in self.list.iter_mut().skip(first).take_while(|slice| slice.to <= to) {
            slice.class = change(slice.class);
        }
    }

    /// Makes two of a slice that `change` would change in part.
    fn split(&mut self, at: u64, change: &impl Fn(Class) -> Class) {
        let first = self.list.iter().rposition(|slice| slice.to <= at).map_or(0, |before| before + 1);
        let Some(slice) = self.list.get(first).copied().filter(|slice| slice.from < at) else { return };
        if change(slice.class) != slice.class {
            let part = (slice.to - at) as f32 / (slice.to - slice.from) as f32;
            let met = (slice.met as f64 * f64::from(part)) as u64;
            self.list[first].to = at;
            self.list[first].met -= met.min(slice.met);
            self.list[first].counts = slice.counts.map(|count| count * (1.0 - part));
            let counts = slice.counts.map(|count| count * part);
            self.list.insert(first + 1, Slice { from: at, met, counts, ..slice });
        }
    }

    pub fn list(&self) -> &[Slice] {
        &self.list
    }

    /// Lets those go that ended before.
    pub fn forget(&mut self, before: u64) {
        if self.list.first().is_some_and(|first| first.to < before) {
            self.list.drain(..self.list.partition_point(|slice| slice.to < before));
        }
    }

    /// Joins neighbours: of each two the class stays that was met longer.
    pub fn halve(&mut self) {
        let half = self.list.len() / 2;
        for at in 0..half {
            self.list[at] = joined(&self.list[2 * at], &self.list[2 * at + 1]);
        }
        if self.list.len() % 2 == 1 {
            self.list.swap(half, 2 * half);
        }
        self.list.truncate(self.list.len().div_ceil(2));
    }
}

/// Two that follow each other, as one. What it swallows does not make a class weigh more: else the longest pause would grow into all
/// that is around it.
fn joined(a: &Slice, b: &Slice) -> Slice {
    let longer = if b.met > a.met { b } else { a };
    let (met, counts) = match a.class == b.class {
        true => (a.met + b.met, std::array::from_fn(|at| a.counts[at] + b.counts[at])),
        false => (longer.met, longer.counts),
    };
    Slice { from: a.from, to: b.to, met, counts, ..*longer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a hundred thousand short slices one is long: it does not become all of them where they are joined.
    #[test]
    fn what_is_met_most_stays() {
        let mut slices = Slices::default();
        let mut from = 0;
        for at in 0..100_000_u64 {
            let (class, met) = match at {
                50_001 => (Class::ClosedWindow, 5_000),
                at if at % 2 == 1 => (Class::ClosedWindow, 10),
                _ => (Class::Window, 20),
            };
            slices.push(Slice { from, to: from + met, class, met, queue: false, epoch: 0, counts: [0.0; 4] });
            from += met;
        }
        let of = |class| slices.list().iter().filter(|s| s.class == class).map(|s| s.to - s.from).sum::<u64>();
        assert_eq!(of(Class::Window) + of(Class::ClosedWindow), from);
        assert!(of(Class::ClosedWindow) < from / 20, "{} of {from}", of(Class::ClosedWindow));
    }
}
