//! What a receiver's own events tell of what holds its peer back: how much of our window comes each round trip.

use super::slices::Class;

/// Below such a round trip, nanoseconds, a segment is a window: that is loopback.
const ROUND_LEAST_NS: u64 = 1_000_000;

/// A segment with data that came after another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// When the one before came, and this one.
    pub last: u64,
    pub time: u64,
    /// The shortest round trip, nanoseconds.
    pub base: u64,
    /// Bytes of the one before.
    pub bytes: u64,
    /// Our window, and the largest that it was.
    pub window: u32,
    pub window_max: u32,
}

/// What comes, in bursts or without a pause.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Receiver {
    /// Received without a pause, and since when.
    burst: u64,
    from: u64,
    /// The one before.
    before: (u64, u64),
    /// Since when a round trip is looked at, and what came in it.
    round: (u64, u64),
}

impl Receiver {
    /// Takes in a segment. Says what the time before it was, and since when what was received waited for our window or our program,
    /// where that shows now.
    pub fn segment(&mut self, arrival: &Arrival) -> (Class, Option<(u64, Class)>) {
        let Arrival { last, time, base, bytes, window, .. } = *arrival;
        let quiet = time - last;
        self.burst += bytes;
        if quiet < base / 2 {
            return (Class::Receiving, self.look_for_round(arrival));
        }
        self.round = (time, 0);
        let alone = std::mem::take(&mut self.burst);
        let begun = std::mem::replace(&mut self.from, time);
        let (before, from) = std::mem::replace(&mut self.before, (alone, begun));
        // The end of what our program waits for may come a round trip later than most of it.
        let is_tail = alone < before / 2 && quiet >= 2 * base && last.saturating_sub(from) <= 3 * base;
        let (burst, from) = if is_tail { (alone + before, from) } else { (alone, begun) };
        // What a window holds comes within a round trip; what comes for longer was not waiting for us.
        let is_short = is_tail || last.saturating_sub(from) <= base + base / 2;
        let is_filled = is_short && burst * 10 >= u64::from(window) * 8;
        let class = match (is_filled, quiet >= 2 * base) {
            (true, true) => Class::OwnReader,
            (true, false) => Class::OwnWindow,
            (false, true) => Class::Idle,
            (false, false) => Class::Receiving,
        };
        // It was as much as the window allows, all of it.
        (class, is_filled.then_some((from, class)))
    }

    /// What comes without pauses, in each round trip as much as our window allows, waits for that window; and where the window is much
    /// smaller than it was, for our program.
    fn look_for_round(&mut self, arrival: &Arrival) -> Option<(u64, Class)> {
        let Arrival { time, base, bytes, window, window_max, .. } = *arrival;
        let (from, bytes) = (self.round.0, self.round.1 + bytes);
        self.round.1 = bytes;
        let length = time.saturating_sub(from);
        if length < base {
            return None;
        }
        self.round = (time, 0);
        let is_round = base >= ROUND_LEAST_NS && length <= base + base / 2;
        if !is_round || (bytes as f64) * (base as f64) < f64::from(window) * length as f64 * 0.8 {
            return None;
        }
        Some((from, if window >= window_max / 2 { Class::OwnWindow } else { Class::OwnReader }))
    }
}
