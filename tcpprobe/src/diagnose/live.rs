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
}

impl Default for Live {
    fn default() -> Self {
        Live {
            table: FlowTable::new(Watcher::default(), OPEN_MAX),
            readers: Readers::default(),
            gaps: VecDeque::new(),
            now: 0,
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
    }

    /// Ends a stretch of time: up to the latest event, or where none came, `elapsed_ns` long.
    pub fn tick(&mut self, elapsed_ns: u64) {
        let (watcher, open) = self.table.parts_mut();
        if watcher.latest == 0 {
            return;
        }
        let before = if self.now == 0 { watcher.first } else { self.now };
        self.now = if watcher.latest > before { watcher.latest } else { before.saturating_add(elapsed_ns) };
        let now = self.now;
        let length_ns = (now - before).max(1);
        watcher.tracker.slices = 0;
        for (_, watched) in open {
            watched.kept.track.slices.forget(now.saturating_sub(KNOWN_NS));
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

    /// What held these connections back lately, by their ids: in the last ten seconds of each that are known.
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
        Watched { kept: self.tracker.open(connection), seen: Seen::default() }
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
        watched.kept.snapshots.shrink_to_fit();
        self.gone.push_back((*connection, watched));
    }
}
