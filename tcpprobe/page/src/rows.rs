//! A trace's events → the columns of each connection.

use std::collections::HashMap;

use tcpprobe::event::Event;
use tcpprobe::flow::{Connection, FlowTable, OPEN_MAX, Observation, Observer, Readers};
use tcpprobe::source::Item;

use crate::columns::Column;
use crate::plan::{Plan, Share};
use crate::row::{Follower, Row, VALUES};
use crate::thin::Thin;

/// Means over the life of a connection, for a small picture of it.
pub const SPARKS: usize = 48;
/// Time, `snd_una` and what was received, before the values.
pub const COLUMNS: usize = 3 + VALUES;

/// What is kept of the events of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    thin: Thin,
    follower: Follower,
    pub columns: [Column; COLUMNS],
    /// Rows in them.
    pub rows: u64,
    /// Events that could have been.
    pub events: u64,
    /// Bytes that moved, over its life.
    pub sparks: [u64; SPARKS],
    share: Share,
    furthest: i64,
    received: u64,
}

impl Track {
    fn new(share: Share) -> Self {
        Track {
            thin: Thin::new(share.events, share.most),
            follower: Follower::default(),
            columns: std::array::from_fn(|_| Column::default()),
            rows: 0,
            events: 0,
            sparks: [0; SPARKS],
            share,
            furthest: 0,
            received: 0,
        }
    }

    fn push(&mut self, row: Row) {
        self.events += 1;
        let before = std::mem::replace(&mut self.received, row.received);
        let acked = (row.una - self.furthest).max(0);
        self.furthest += acked;
        let Share { range: (first, last), is_sender, .. } = self.share;
        let at = u128::from(row.time.saturating_sub(first)) * SPARKS as u128 / u128::from((last - first).max(1));
        let spark = &mut self.sparks[(at as usize).min(SPARKS - 1)];
        *spark += if is_sender { acked.cast_unsigned() } else { row.received - before };
        // From its first event on: a clock may have more digits than a browser's numbers.
        let (columns, rows) = (&mut self.columns, &mut self.rows);
        let row = Row { time: row.time.saturating_sub(first), ..row };
        self.thin.push(row, &mut |row| keep(columns, rows, row));
    }
}

fn keep(columns: &mut [Column; COLUMNS], rows: &mut u64, row: &Row) {
    columns[0].push(row.time.cast_signed());
    columns[1].push(row.una);
    columns[2].push(row.received.cast_signed());
    columns[3..].iter_mut().zip(row.values).for_each(|(column, value)| column.push(value));
    *rows += 1;
}

/// Keeps the events of connections that a plan names.
#[derive(Debug)]
struct Keeper {
    plan: Plan,
    done: HashMap<u64, Track>,
}

impl Observer for Keeper {
    type State = Option<Box<Track>>;

    fn fields() -> Vec<&'static str> {
        vec!["data_len", "length", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd"]
    }

    fn open(&mut self, connection: &Connection) -> Self::State {
        self.plan.shares.get(&connection.id).map(|share| Box::new(Track::new(*share)))
    }

    fn event(&mut self, state: &mut Self::State, time: u64, seen: &Observation) {
        if let (Some(track), Observation::Probe(probe)) = (state, seen) {
            let row = track.follower.row(time, probe);
            track.push(row);
        }
    }

    fn close(&mut self, connection: &Connection, state: Self::State) {
        if let Some(mut track) = state {
            let Track { thin, columns, rows, .. } = &mut *track;
            thin.flush(&mut |row| keep(columns, rows, row));
            self.done.insert(connection.id, *track);
        }
    }
}

/// Takes the events of a trace, those that the plan was made of, and keeps as many as it says.
#[derive(Debug)]
pub struct Rows {
    table: FlowTable<Keeper>,
    readers: Readers,
}

impl Rows {
    /// Nothing yet.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let keeper = Keeper { plan, done: HashMap::new() };
        Rows { table: FlowTable::new(keeper, OPEN_MAX), readers: Readers::default() }
    }

    /// The fields that it looks at, beside those that tell what an event is about.
    #[must_use]
    pub fn fields() -> Vec<&'static str> {
        Keeper::fields()
    }

    /// Takes in an event: `time` in nanoseconds of the trace's clock.
    pub fn push(&mut self, time: u64, event: &Event) {
        self.table.event(time, event);
    }

    /// Takes in the events of a trace, item by item.
    pub fn item(&mut self, item: &Item) {
        self.readers.feed(&mut self.table, item);
    }

    /// What was kept.
    #[must_use]
    pub fn finish(self) -> Kept {
        let Keeper { plan, done } = self.table.finish();
        Kept { tracks: done, left_out: plan.left_out }
    }
}

/// What is kept of a trace's events.
#[derive(Debug)]
pub struct Kept {
    /// By id of the connection.
    pub(crate) tracks: HashMap<u64, Track>,
    /// Connections that have no place.
    pub(crate) left_out: u64,
}
