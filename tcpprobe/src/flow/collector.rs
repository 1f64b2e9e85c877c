//! Totals and curves of all connections of a trace, those that left too.

use std::cmp::Reverse;

use super::columns::Cursor;
use super::connection::Connection;
use super::curves::{CURVES_FIELDS, Curves};
use super::label::Label;
use super::observer::{Observation, Observer};
use super::readers::Readers;
use super::table::{FlowTable, OPEN_MAX};
use super::totals::{Counted, TOTALS_FIELDS, Totals};
use super::whose::Told;
use crate::event::{Event, Socket};
use crate::file::Batch;
use crate::source::{self, Item};

/// How often the size of all curves is looked at, in events.
const CHECK_EVERY: u64 = 1 << 12;

/// How much a [`Collector`] may keep.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are kept, those with the most traffic; all others are summed in [`Collector::untracked`].
    pub connections: usize,
    /// Connections that are open at a time; of any more, the one longest without an event counts as closed.
    pub open: usize,
    /// Bins of one connection's curves.
    pub bins: usize,
    /// Bins (128 bytes each) of all curves under [`Collect::All`]. Exceeded by what 4,096 events bring, at most.
    pub bins_total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 1 << 16, open: OPEN_MAX, bins: 4096, bins_total: 1 << 18 }
    }
}

/// Whose curves to collect.
#[derive(Debug, Clone, Default)]
pub enum Collect {
    /// Everybody's, as long as they fit into [`Limits::bins_total`].
    #[default]
    All,
    /// Nobody's: totals only.
    Nothing,
    /// Those of the connections with these ids.
    Only(Vec<u64>),
}

/// Everything kept about one connection.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'a> {
    /// Whose it is.
    pub connection: &'a Connection,
    /// Sums over its events.
    pub totals: &'a Totals,
    /// Whose it is, and its congestion control.
    pub told: &'a Told,
    /// Its values over time, where they were collected.
    pub curves: Option<&'a Curves>,
}

impl<'a> Flow<'a> {
    fn new(connection: &'a Connection, kept: &'a Kept) -> Self {
        Flow { connection, totals: &kept.counted.totals, told: &kept.told, curves: kept.curves.as_deref() }
    }

    /// The largest connections first, and of equal ones the one that was first.
    fn order(&self) -> impl Ord + use<> {
        (Reverse(self.totals.rank()), self.connection.id)
    }
}

/// What is kept of a connection.
#[derive(Debug, Clone)]
struct Kept {
    counted: Counted,
    told: Told,
    curves: Option<Box<Curves>>,
}

/// Keeps what connections leave.
#[derive(Debug, Clone)]
struct Keeper {
    collect: Collect,
    limits: Limits,
    /// Those that left, some more than are kept.
    left: Vec<(Connection, Kept)>,
    untracked: Totals,
    /// Bins that all curves have room for.
    bins: usize,
}

impl Observer for Keeper {
    type State = Kept;

    fn fields() -> Vec<&'static str> {
        let mut fields = TOTALS_FIELDS.to_vec();
        fields.extend(CURVES_FIELDS.iter().filter(|field| !TOTALS_FIELDS.contains(field)));
        fields.extend(["pid", "uid"]);
        fields
    }

    fn open(&mut self, connection: &Connection) -> Kept {
        let is_wanted = match &self.collect {
            Collect::All => true,
            Collect::Nothing => false,
            Collect::Only(ids) => ids.binary_search(&connection.id).is_ok(),
        };
        let curves = is_wanted.then(|| Box::new(Curves::new(self.limits.bins)));
        Kept { counted: Counted::default(), told: Told::default(), curves }
    }

    #[inline(always)]
    fn event(&mut self, state: &mut Kept, time: u64, seen: &Observation) {
        state.counted.count(time, seen);
        if let Some(curves) = &mut state.curves
            && !curves.push_to_newest(time, seen)
        {
            self.bins += grow(curves, time, seen);
        }
    }

    fn label(&mut self, state: &mut Kept, label: &Label) {
        state.told.learn(label);
    }

    fn close(&mut self, connection: &Connection, state: Kept) {
        self.left.push((*connection, state));
        // A fourth more than may be kept, so that it is done seldom.
        if self.left.len() > self.limits.connections + self.limits.connections / 4 {
            self.drop_smallest();
        }
    }
}

/// Takes an event into curves; says for how many more bins they have room then.
#[inline(never)]
fn grow(curves: &mut Curves, time: u64, seen: &Observation) -> usize {
    let before = curves.capacity();
    curves.push(time, seen);
    // It shrinks never.
    curves.capacity() - before
}

impl Keeper {
    /// Sums up those that left and are not among the largest: whatever else comes, they will not be.
    fn drop_smallest(&mut self) {
        let count = self.limits.connections;
        if count < self.left.len() {
            self.left.select_nth_unstable_by_key(count, |(connection, kept)| Flow::new(connection, kept).order());
        }
        for (_, kept) in self.left.drain(count.min(self.left.len())..) {
            self.untracked.add(&kept.counted.totals);
            self.bins -= kept.curves.map_or(0, |curves| curves.capacity());
        }
    }
}

/// Connections with their totals and curves, from the events of a trace. See the [module](super).
#[derive(Debug, Clone)]
pub struct Collector {
    table: FlowTable<Keeper>,
    limits: Limits,
    /// Of the formats that a source told.
    readers: Readers,
}

impl Default for Collector {
    fn default() -> Self {
        Collector::new(Collect::All, Limits::default())
    }
}

impl Collector {
    /// Nothing yet; `collect` says whose curves to keep.
    #[must_use]
    pub fn new(mut collect: Collect, limits: Limits) -> Self {
        if let Collect::Only(ids) = &mut collect {
            ids.sort_unstable();
        }
        let keeper = Keeper { collect, limits, left: Vec::new(), untracked: Totals::default(), bins: 0 };
        Collector { table: FlowTable::new(keeper, limits.open), limits, readers: Readers::default() }
    }

    /// The fields that it looks at, beside those that tell what an event is about; a
    /// [`Projection`](crate::file::block::Projection) to them is enough.
    #[must_use]
    pub fn fields() -> Vec<&'static str> {
        Keeper::fields()
    }

    /// Takes in an event: `time` in nanoseconds of the trace's clock, in about rising order.
    pub fn push(&mut self, time: u64, event: &Event) {
        let before = self.table.events();
        self.table.event(time, event);
        if self.table.events() > before && self.table.events().is_multiple_of(CHECK_EVERY) {
            self.shed_curves();
        }
    }

    /// Takes in what the record of an event tells in words, after [`Collector::push`] of it.
    pub fn label(&mut self, socket: &Socket, label: Label) {
        self.table.label(socket, label);
    }

    /// Takes in the events of a trace, item by item; what else it gives is passed over.
    pub fn item(&mut self, item: &Item) {
        match item {
            Item::Begin(about) => {
                self.readers = Readers::new(about);
            }
            Item::Events(source::Batch::Columns(batch)) => self.push_batch(batch),
            Item::Events(source::Batch::Rows(rows)) => {
                let readers = std::mem::take(&mut self.readers);
                readers.each(rows, |time, event, label| {
                    self.push(time, event);
                    if let Some(label) = label {
                        self.label(&event.socket(), label);
                    }
                });
                self.readers = readers;
            }
            _ => {}
        }
    }

    /// Takes in the events of a batch: as [`Collector::push`] of each, in a fraction of the time.
    pub fn push_batch(&mut self, batch: &Batch) {
        let mut cursor = Cursor::new(batch);
        loop {
            let count = CHECK_EVERY - self.table.events() % CHECK_EVERY;
            if self.table.advance(&mut cursor, count) < count {
                return;
            }
            self.shed_curves();
        }
    }

    /// The connections that are kept, in the order in which they were first seen.
    #[must_use]
    pub fn all(&self) -> Vec<Flow<'_>> {
        let mut flows = self.ranked().0;
        flows.sort_unstable_by_key(|flow| flow.connection.id);
        flows
    }

    /// The connection with this id, where it is kept.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Flow<'_>> {
        self.every().find(|flow| flow.connection.id == id)
    }

    /// Ids of the `count` connections with the most traffic, the largest first.
    ///
    /// What was acknowledged counts twice as much as what was received: only a sender's congestion window is at work,
    /// so of the two ends of a connection over loopback the sender comes first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<u64> {
        self.top_of(count, |_| true)
    }

    /// As [`Collector::top`], among the connections that `wanted` accepts.
    #[must_use]
    pub fn top_of(&self, count: usize, wanted: impl Fn(&Flow<'_>) -> bool) -> Vec<u64> {
        let mut flows: Vec<Flow<'_>> = self.ranked().0.into_iter().filter(wanted).collect();
        flows.sort_unstable_by_key(Flow::order);
        flows.iter().take(count).map(|flow| flow.connection.id).collect()
    }

    /// Whether any of these connections has no curves, so that a second pass is needed to have them.
    #[must_use]
    pub fn lacks_curves(&self, ids: &[u64]) -> bool {
        ids.iter().any(|&id| self.get(id).is_none_or(|flow| flow.curves.is_none()))
    }

    /// Events taken in that carry data or retransmit it, those of connections that are not kept too.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.total().events
    }

    /// Connections seen, those that are not kept too.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.table.opened()
    }

    /// Times of the earliest and the latest of those events, `None` before the first.
    #[must_use]
    pub fn time_range(&self) -> Option<(u64, u64)> {
        let total = self.total();
        (total.events > 0).then_some((total.first_time, total.last_time))
    }

    /// What belongs to connections that are not kept: all but the largest [`Limits::connections`].
    #[must_use]
    pub fn untracked(&self) -> Totals {
        self.ranked().1
    }

    /// The sums of all connections.
    fn total(&self) -> Totals {
        let mut total = self.table.observer().untracked;
        self.every().for_each(|flow| total.add(flow.totals));
        total
    }

    fn every(&self) -> impl Iterator<Item = Flow<'_>> {
        let left = self.table.observer().left.iter().map(|(connection, kept)| Flow::new(connection, kept));
        left.chain(self.table.iter().map(|(connection, kept)| Flow::new(connection, kept)))
    }

    /// The largest connections, and the sums of all others.
    fn ranked(&self) -> (Vec<Flow<'_>>, Totals) {
        let mut flows: Vec<Flow<'_>> = self.every().collect();
        let mut untracked = self.table.observer().untracked;
        if flows.len() > self.limits.connections {
            flows.select_nth_unstable_by_key(self.limits.connections, Flow::order);
            flows.drain(self.limits.connections..).for_each(|flow| untracked.add(flow.totals));
        }
        (flows, untracked)
    }

    /// Lets go of the curves with the least traffic behind them until half the room is free, when it is used up.
    fn shed_curves(&mut self) {
        let (keeper, open) = self.table.parts_mut();
        if !matches!(keeper.collect, Collect::All) || keeper.bins <= self.limits.bins_total {
            return;
        }
        let left = keeper.left.iter_mut().map(|(connection, kept)| (&*connection, kept));
        let mut with_curves: Vec<(&Connection, &mut Kept)> =
            left.chain(open).filter(|(_, kept)| kept.curves.is_some()).collect();
        with_curves.sort_unstable_by_key(|(connection, kept)| Reverse(Flow::new(connection, kept).order()));
        for (_, kept) in with_curves {
            if keeper.bins <= self.limits.bins_total / 2 {
                return;
            }
            keeper.bins -= kept.curves.take().map_or(0, |curves| curves.capacity());
        }
    }
}
