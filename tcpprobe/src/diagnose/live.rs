//! Connections as they are now: what a live view shows of a trace that goes on.

use std::collections::{HashSet, VecDeque};

use super::glance::{Glance, Seen};
use super::limit::Limit;
use super::moments::Moments;
use super::tracker::{Kept, Tracker};
use super::{Diagnosis, Interval};
use crate::flow::{Connection, FlowTable, Label, Observation, Observer, Readers};
use crate::source::Item;

/// Connections that are open and kept: some 50 MB.
const OPEN_MAX: usize = 1 << 14;
/// Closed ones that are still shown, and for how long.
const GONE_MAX: usize = 1 << 10;
const GONE_NS: u64 = 10_000_000_000;
/// What held a connection back is told of the last so long.
const RECENT_NS: u64 = 10_000_000_000;
/// What is known of a connection's time before that, for a judgement: the rest is forgotten.
const KNOWN_NS: u64 = 60_000_000_000;
/// Slices of all open connections together, of each at a tick, and of a closed one; above it one loses half of its own.
const SLICES_TOTAL: usize = 1 << 18;
const SLICES_EACH: usize = 1 << 10;
const SLICES_GONE: usize = 1 << 7;
/// Gaps of lost events that are kept.
const GAPS_MAX: usize = 256;
/// A connection without an event for so long is idle, unless a timer of its is to end that.
const QUIET_NS: u64 = 1_000_000_000;

/// The connections of a trace that goes on, as they are now. A [`tick`](Live::tick) ends a stretch of time, over which rates are told.
///
/// ```
/// use tcpprobe::diagnose::Live;
///
/// let mut live = Live::default();
/// for item in tcpprobe::open("../fixtures/traces/version-2.tcpp")? {
///     live.item(&item?);
/// }
/// live.tick(1_000_000_000);
/// for seen in live.glances() {
///     println!("{} {:.0} bytes/s", seen.connection.peer, seen.now.acked);
/// }
/// # Ok::<(), tcpprobe::Error>(())
/// ```
#[derive(Debug)]
pub struct Live {
    table: FlowTable<Watcher>,
    readers: Readers,
    gaps: VecDeque<(u64, u64)>,
    /// Up to where ticks have told; 0 before the first event.
    now: u64,
    /// How long nothing came that ticks have not told of.
    waited: u64,
}

impl Default for Live {
    fn default() -> Self {
        Live {
            table: FlowTable::new(Watcher::default(), OPEN_MAX),
            readers: Readers::default(),
            gaps: VecDeque::new(),
            now: 0,
            waited: 0,
        }
    }
}

impl Live {
    /// The fields that it looks at, beside those that tell what an event is about.
    #[must_use]
    pub fn fields() -> Vec<&'static str> {
        Watcher::fields()
    }

    /// Takes in the events of a trace, item by item.
    pub fn item(&mut self, item: &Item) {
        self.readers.feed(&mut self.table, item);
        if let Item::Lost(gap) = item {
            self.table.parts_mut().0.tracker.gaps_seen += 1;
            if self.gaps.len() >= GAPS_MAX {
                self.gaps.pop_front();
            }
            self.gaps.push_back((gap.from, gap.to));
        }
        let (watcher, open) = self.table.parts_mut();
        watcher.tracker.bound_slices(SLICES_TOTAL, open.map(|(_, watched)| &mut watched.kept));
    }

    /// Ends a stretch of time: up to the latest event. Events come in portions; so where none came, `elapsed_ns` long, only a second
    /// without any ends a stretch.
    pub fn tick(&mut self, elapsed_ns: u64) {
        let (watcher, open) = self.table.parts_mut();
        if watcher.latest == 0 {
            return;
        }
        let before = if self.now == 0 { watcher.first } else { self.now };
        if watcher.latest > before {
            self.now = watcher.latest;
        } else {
            self.waited = self.waited.saturating_add(elapsed_ns);
            if self.waited < QUIET_NS {
                return;
            }
            self.now = before.saturating_add(self.waited);
        }
        self.waited = 0;
        let now = self.now;
        let length_ns = (now - before).max(1);
        watcher.tracker.slices = 0;
        for (_, watched) in open {
            watched.kept.track.slices.forget(now.saturating_sub(KNOWN_NS));
            while watched.kept.track.slices.list().len() > SLICES_EACH {
                watched.kept.track.slices.halve();
            }
            watcher.tracker.slices += watched.kept.track.slices.list().len();
            watched.seen.tick(&watched.kept.track, now, length_ns);
        }
        for (_, watched) in &mut watcher.gone {
            watched.seen.tick(&watched.kept.track, now, length_ns);
        }
        watcher.gone.retain(|(_, watched)| watched.seen.last.saturating_add(GONE_NS) > now);
    }

    /// Up to where the last tick told, nanoseconds in the trace's clock; 0 before any event.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Time of the latest event of a connection, nanoseconds in the trace's clock; 0 before any.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.table.observer().latest
    }

    /// Connections that were too many to keep.
    #[must_use]
    pub fn untracked(&self) -> u64 {
        self.table.observer().untracked
    }

    /// Number of events that were of a connection.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.table.events()
    }

    /// The connections, in no order: those that are open, and those that closed just now.
    pub fn glances(&self) -> impl Iterator<Item = Glance<'_>> {
        self.all().map(|(connection, watched, is_open)| watched.glance(connection, is_open, self.now))
    }

    /// What held these connections back lately, by their ids: in the last ten seconds of each that are known. How their values spread
    /// is not kept ([`Diagnosis::rtts`], [`Diagnosis::cwnds`]).
    #[must_use]
    pub fn diagnoses(&self, ids: &HashSet<u64>) -> Vec<Diagnosis> {
        let wanted = self.all().filter(|(connection, ..)| ids.contains(&connection.id));
        wanted.map(|(connection, watched, is_open)| self.diagnose(connection, watched, is_open)).collect()
    }

    fn all(&self) -> impl Iterator<Item = (&Connection, &Watched, bool)> {
        let open = self.table.iter().map(|(connection, watched)| (connection, watched, true));
        open.chain(self.table.observer().gone.iter().map(|(connection, watched)| (connection, watched, false)))
    }

    fn diagnose(&self, connection: &Connection, watched: &Watched, is_open: bool) -> Diagnosis {
        let Kept { track, snapshots, told, .. } = &watched.kept;
        let is_stalled = track.is_stalled();
        let mut found = Diagnosis::new(connection, track.clone(), Moments::new(0), snapshots);
        found.told = told.clone();
        let last = found.to();
        if is_open && last > 0 && self.now.saturating_sub(last) > QUIET_NS {
            let limit = if is_stalled { Limit::Timeout } else { Limit::Idle };
            found.intervals.push(Interval { from: last, to: self.now, limit, is_exact: false });
        }
        let (older, newer) = self.gaps.as_slices();
        found.cut(older);
        found.cut(newer);
        found.forget(found.to().saturating_sub(RECENT_NS));
        found
    }
}

/// What is kept of a connection.
#[derive(Debug)]
struct Watched {
    kept: Kept,
    seen: Seen,
}

impl Watched {
    fn glance<'a>(&'a self, connection: &'a Connection, is_open: bool, now: u64) -> Glance<'a> {
        self.seen.glance(connection, &self.kept, is_open, now)
    }
}

/// Keeps what a diagnosis needs, and lets it go.
#[derive(Debug, Default)]
struct Watcher {
    tracker: Tracker,
    gone: VecDeque<(Connection, Watched)>,
    /// Connections in the table.
    open: usize,
    untracked: u64,
    /// Times of the first and the latest event.
    first: u64,
    latest: u64,
}

impl Observer for Watcher {
    type State = Watched;

    fn fields() -> Vec<&'static str> {
        Tracker::fields()
    }

    fn open(&mut self, connection: &Connection) -> Watched {
        self.open += 1;
        let mut kept = self.tracker.open(connection);
        kept.track.keeps_spread = false;
        Watched { kept, seen: Seen::default() }
    }

    fn event(&mut self, watched: &mut Watched, time: u64, seen: &Observation) {
        if self.latest == 0 {
            self.first = time;
        }
        self.latest = self.latest.max(time);
        watched.seen.event(time, seen);
        self.tracker.event(&mut watched.kept, time, seen);
    }

    fn label(&mut self, watched: &mut Watched, label: &Label) {
        watched.kept.told.learn(label);
    }

    fn close(&mut self, connection: &Connection, mut watched: Watched) {
        let slices = watched.kept.track.slices.list().len();
        self.tracker.slices = self.tracker.slices.saturating_sub(slices);
        self.open = self.open.saturating_sub(1);
        // One that is open still leaves where another needs its place.
        self.untracked += u64::from(!watched.seen.is_ended && self.open + 1 >= OPEN_MAX);
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_front();
        }
        while watched.kept.track.slices.list().len() > SLICES_GONE {
            watched.kept.track.slices.halve();
        }
        self.gone.push_back((*connection, watched));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpDestroySock, TcpProbe, TcpRetransmitSkb};

    const SECOND: u64 = 1_000_000_000;

    /// A connection that sends bytes, 10 packets a round trip of 20 ms.
    fn probe(n: u64, una: u32) -> TcpProbe {
        TcpProbe {
            family: AF_INET,
            src: ([10, 0, (n >> 16) as u8, 1], n as u16).into(),
            dest: ([192, 0, 2, 1], 443).into(),
            mark: 0,
            data_len: 0,
            snd_nxt: una.wrapping_add(14_480),
            snd_una: una,
            snd_cwnd: 10,
            ssthresh: SSTHRESH_INFINITE,
            snd_wnd: 1 << 20,
            srtt: 20_000,
            rcv_wnd: 65_536,
            sock_cookie: n + 1,
            skbaddr: 0,
            skaddr: n + 1,
        }
    }

    /// Events of connection `n`: one each 2 ms between two times, each acknowledging 1000 bytes more.
    fn send(live: &mut Live, n: u64, from: u64, to: u64) {
        for at in (from..to).step_by(2_000_000) {
            live.table.event(at, &Event::TcpProbe(probe(n, (at / 2000) as u32)));
        }
    }

    fn close(live: &mut Live, n: u64, time: u64) {
        live.table
            .event(time, &Event::TcpDestroySock(TcpDestroySock { socket: Event::TcpProbe(probe(n, 0)).socket() }));
    }

    fn one(live: &Live) -> Glance<'_> {
        let mut all = live.glances();
        let one = all.next().unwrap();
        assert!(all.next().is_none());
        one
    }

    #[test]
    fn rates_are_over_the_time_of_the_trace_however_late_its_events_come() {
        let mut live = Live::default();
        live.tick(SECOND);
        assert_eq!((live.now(), live.glances().count()), (0, 0));
        send(&mut live, 1, SECOND, 2 * SECOND);
        live.tick(SECOND);
        for (until, elapsed) in [(5, 10), (6, SECOND)] {
            let from = live.now() + 2_000_000;
            send(&mut live, 1, from, until * SECOND);
            live.tick(elapsed);
            let now = one(&live).now;
            // 1000 bytes each 2 ms.
            assert!((now.acked - 500_000.0).abs() < 2000.0, "{now:?}");
            assert_eq!((now.in_flight, now.cwnd, now.srtt_us), (14_480, 10, 20_000));
        }
        assert_eq!(one(&live).history().len(), 3);
    }

    #[test]
    fn portions_that_come_less_often_than_ticks_are_no_pauses() {
        let mut live = Live::default();
        send(&mut live, 1, SECOND, 2 * SECOND);
        live.tick(SECOND);
        for tick in 1..=50 {
            if tick % 5 == 0 {
                let from = live.now() + 2_000_000;
                send(&mut live, 1, from, from + SECOND / 2);
            }
            live.tick(SECOND / 10);
            assert!((one(&live).now.acked - 500_000.0).abs() < 5000.0, "tick {tick}: {:?}", one(&live).now);
        }
        assert_eq!(one(&live).history().len(), 11);
    }

    #[test]
    fn where_nothing_comes_time_goes_on_and_nothing_is_in_flight() {
        let mut live = Live::default();
        send(&mut live, 1, SECOND, 2 * SECOND);
        live.tick(SECOND);
        let before = live.now();
        for tick in 1..=4 {
            live.tick(SECOND);
            assert_eq!(live.now(), before + tick * SECOND);
            assert_eq!(one(&live).now.acked, 0.0);
            assert_eq!(one(&live).now.in_flight, if tick <= 3 { 14_480 } else { 0 }, "after {tick} s");
        }
        let headline = |live: &Live| live.diagnoses(&HashSet::from([0]))[0].headline().0;
        (0..10).for_each(|_| live.tick(SECOND));
        assert_eq!(headline(&live), Some(Limit::Idle));
    }

    /// What was sent is lost, again and again: each wait is twice as long, and none of them is idle.
    #[test]
    fn a_connection_that_waits_for_its_timer_is_not_idle() {
        let mut live = Live::default();
        send(&mut live, 1, SECOND, 2 * SECOND);
        let TcpProbe { family, src, dest, skaddr, .. } = probe(1, 0);
        for at in [2, 3, 5] {
            let sent = TcpRetransmitSkb { family, src, dest, state: 1, skbaddr: 7, skaddr, err: Some(0) };
            live.table.event(at * SECOND + 300_000_000, &Event::TcpRetransmitSkb(sent));
            live.tick(SECOND);
        }
        (0..3).for_each(|_| live.tick(SECOND));
        assert_eq!((one(&live).causes.total(), one(&live).now.in_flight), (3, 14_480));
        let found = live.diagnoses(&HashSet::from([0])).remove(0);
        assert_eq!(found.share(Limit::Idle), 0.0, "{:?}", found.shares());
        assert_eq!(found.headline().0, Some(Limit::Timeout));
    }

    #[test]
    fn what_held_back_is_told_of_the_last_ten_seconds() {
        let mut live = Live::default();
        send(&mut live, 1, SECOND, 100 * SECOND);
        live.tick(SECOND);
        let found = live.diagnoses(&HashSet::from([0])).remove(0);
        assert_eq!(found.to() - found.from(), RECENT_NS);
        assert_eq!(found.headline().0, Some(Limit::WindowGrowth), "{:?}", found.shares());
        let first = live.all().next().unwrap().1.kept.track.slices.list()[0];
        assert!(first.to >= live.now() - KNOWN_NS, "{first:?}");
    }

    #[test]
    fn closed_ones_stay_for_ten_seconds() {
        let mut live = Live::default();
        send(&mut live, 1, SECOND, 2 * SECOND);
        close(&mut live, 1, 2 * SECOND);
        send(&mut live, 2, 2 * SECOND, 3 * SECOND);
        let closed = |live: &Live| live.glances().filter(|seen| !seen.is_open).count();
        for (until, left) in [(3, 1), (11, 1), (13, 0)] {
            let from = live.now() + 2_000_000;
            send(&mut live, 2, from, until * SECOND);
            live.tick(SECOND);
            assert_eq!((closed(&live), live.glances().count()), (left, left + 1), "at {until} s");
        }
        assert_eq!(live.untracked(), 0);
    }

    #[test]
    fn its_size_is_bounded() {
        let mut live = Live::default();
        let count = OPEN_MAX as u64 + 5000;
        for n in 0..count {
            live.table.event(SECOND + n, &Event::TcpProbe(probe(n, 0)));
        }
        assert_eq!((live.glances().count(), live.untracked()), (OPEN_MAX + GONE_MAX, 5000));
        (0..100).for_each(|_| live.tick(SECOND / 100));
        assert!(live.glances().all(|seen| seen.history().len() <= 60));
        let (time, more) = (3 * SECOND, 5000);
        for n in count..count + more {
            live.table.event(time + n, &Event::TcpProbe(probe(n, 0)));
            close(&mut live, n, time + n + 1);
        }
        assert!(live.glances().count() <= OPEN_MAX + GONE_MAX);
        for _ in 0..3 * GAPS_MAX {
            live.item(&Item::Lost(crate::source::Gap { cpu: 0, from: 1, to: 2, lost: Some(1) }));
        }
        assert_eq!(live.gaps.len(), GAPS_MAX);
    }

    /// What a diagnosis of what is on the screen costs is bounded.
    #[test]
    fn of_each_little_is_judged() {
        let mut live = Live::default();
        let mut most = 0;
        for at in 0..20_000_u64 {
            let (srtt, una) = (if at % 2 == 0 { 40_000 } else { 400_000 }, at as u32 * 1448);
            let time = SECOND + at * 1_000_000;
            live.table.event(time, &Event::TcpProbe(TcpProbe { srtt, ..probe(1, una) }));
            let slices = |live: &Live| live.all().next().unwrap().1.kept.track.slices.list().len();
            most = most.max(slices(&live));
            if at % 1000 == 999 {
                live.tick(SECOND);
                assert!(slices(&live) <= SLICES_EACH);
            }
        }
        assert!(most > SLICES_EACH, "{most} slices: this shows little");
        let found = live.diagnoses(&HashSet::from([0])).remove(0);
        assert_eq!((found.rtts.min(), found.cwnds.min()), (None, None));
    }

    /// Slices of all are bounded between ticks too.
    #[test]
    fn slices_are_bounded() {
        let mut live = Live::default();
        for at in 0..200_000_u64 {
            let srtt = if at / 500 % 2 == 0 { 20_000 } else { 400_000 };
            live.table.event(
                SECOND + at * 1_000_000,
                &Event::TcpProbe(TcpProbe { srtt, ..probe(at % 500, at as u32 * 1448) }),
            );
            if at % 1000 == 0 {
                live.table.parts_mut().0.tracker.slices += SLICES_TOTAL + 1;
                live.item(&Item::Accounts(Vec::new()));
                let slices: usize = live.all().map(|(_, watched, _)| watched.kept.track.slices.list().len()).sum();
                assert_eq!(live.table.observer().tracker.slices, slices);
            }
        }
    }
}
