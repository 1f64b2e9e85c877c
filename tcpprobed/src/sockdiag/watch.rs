//! Whether who reads keeps up with the kernel: a heartbeat, and what follows when it stops.

use std::time::{Duration, Instant};

/// So long the buffer may have something in it without having been empty once. Messages that wait are dead sockets that wait, so it is short; longer than
/// a busy machine lets a thread wait for its turn.
const PATIENCE: Duration = Duration::from_millis(400);
/// Then nothing is heard for so long; each time twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(640);
/// Who kept up for so long begins with the shortest pause again.
const CALM: Duration = Duration::from_secs(600);

/// What is seen of the reading.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub now: Instant,
    /// Whether anybody has use for it.
    pub is_wanted: bool,
    /// How often the buffer was found empty.
    pub drained: u64,
    /// Whether something is in it.
    pub is_readable: bool,
    /// Whether messages were lost for want of room since the membership began.
    pub has_overflowed: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin the membership.
    Join,
    /// End it, for nobody wants it.
    Leave,
    /// End it at once; it may begin again after this time.
    FellBehind(Duration),
}

/// What is known of the reading from look to look.
#[derive(Debug, Default)]
pub struct Watch {
    /// Since when it is a member.
    member_since: Option<Instant>,
    /// Since when the buffer was never found empty, and how often it was before.
    full_since: Option<(Instant, u64)>,
    /// No membership before this.
    pause_until: Option<Instant>,
    last_pause: Option<Duration>,
}

impl Watch {
    /// What is to be done now.
    pub fn look(&mut self, seen: &Look) -> Option<Step> {
        let Look { now, is_wanted, drained, is_readable, has_overflowed } = *seen;
        self.full_since = match self.full_since {
            _ if !is_readable => None,
            Some((since, before)) if before == drained => Some((since, before)),
            _ => Some((now, drained)),
        };
        let Some(since) = self.member_since else {
            // What was left unread is read before more may come.
            let may_begin = self.pause_until.is_none_or(|until| until <= now) && !is_readable;
            return (is_wanted && may_begin).then(|| {
                self.member_since = Some(now);
                Step::Join
            });
        };
        if has_overflowed || self.full_since.is_some_and(|(full, _)| now.duration_since(full) >= PATIENCE) {
            let last = self.last_pause.filter(|_| now.duration_since(since) < CALM);
            return Some(Step::FellBehind(self.pause(now, last)));
        }
        (!is_wanted).then(|| {
            self.member_since = None;
            Step::Leave
        })
    }

    /// There is no membership after all.
    pub fn refused(&mut self, now: Instant) {
        self.pause(now, self.last_pause);
    }

    fn pause(&mut self, now: Instant, last: Option<Duration>) -> Duration {
        let pause = last.map_or(PAUSE_MIN, |last| (last * 2).min(PAUSE_MAX));
        (self.member_since, self.pause_until, self.last_pause) = (None, Some(now + pause), Some(pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(200);

    /// Looks five times a second from the beginning on; what the reading looks like at a tick is told by number.
    fn steps(ticks: u32, seen: impl Fn(u32) -> (bool, u64, bool, bool)) -> Vec<(u32, Step)> {
        let (mut watch, began) = (Watch::default(), Instant::now());
        let step = |tick| {
            let (is_wanted, drained, is_readable, has_overflowed) = seen(tick);
            let look = Look { now: began + TICK * tick, is_wanted, drained, is_readable, has_overflowed };
            watch.look(&look).map(|step| (tick, step))
        };
        (0..ticks).filter_map(step).collect()
    }

    fn pause(seconds: u64) -> Step {
        Step::FellBehind(Duration::from_secs(seconds))
    }

    #[test]
    fn it_is_a_member_while_it_is_wanted() {
        assert_eq!(steps(20, |_| (false, 0, false, false)), []);
        let found = steps(20, |tick| ((5..10).contains(&tick), 0, false, false));
        assert_eq!(found, [(5, Step::Join), (10, Step::Leave)]);
    }

    #[test]
    fn who_keeps_up_stays() {
        // Quiet; then something at each look, and empty in between; then quiet, and by chance something just now.
        let found = steps(1000, |tick| match tick {
            0..300 => (true, 0, false, false),
            300..600 => (true, u64::from(tick), true, false),
            _ => (true, 600, tick % 3 != 0, false),
        });
        assert_eq!(found, [(0, Step::Join)]);
    }

    #[test]
    fn who_does_not_read_is_no_member_within_a_second() {
        let found = steps(200, |tick| (true, 7, tick >= 10, false));
        assert_eq!(found, [(0, Step::Join), (12, pause(10))], "and not again before all is read");
        let found = steps(200, |tick| (true, 7, false, tick == 10));
        assert_eq!(found, [(0, Step::Join), (10, pause(10)), (60, Step::Join)]);
    }

    #[test]
    fn pauses_grow_until_it_keeps_up() {
        let found = steps(20_000, |tick| (true, 0, false, [10, 100, 300].contains(&tick) || tick > 10_000));
        let pauses: Vec<_> = found.iter().filter(|(_, step)| *step != Step::Join).take(6).collect();
        assert_eq!(pauses.iter().map(|(tick, _)| *tick).take(3).collect::<Vec<_>>(), [10, 100, 300]);
        let pauses: Vec<Step> = pauses.iter().map(|(_, step)| *step).collect();
        assert_eq!(pauses, [10, 20, 40, 10, 20, 40].map(pause));
    }

    #[test]
    fn a_refusal_is_a_pause() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        let mut look = Look { now, is_wanted: true, drained: 0, is_readable: false, has_overflowed: false };
        assert_eq!(watch.look(&look), Some(Step::Join));
        watch.refused(now);
        look.now = now + PAUSE_MIN - TICK;
        assert_eq!(watch.look(&look), None);
        look.now = now + PAUSE_MIN;
        assert_eq!(watch.look(&look), Some(Step::Join));
    }
}
