//! A connection at a tick, as a row.

use std::net::SocketAddr;
use std::sync::Arc;

use tcpprobe::diagnose::{Cause, Causes, Diagnosis, Glance, Limit, Stretch};
use tcpprobe::event::{SSTHRESH_INFINITE, Socket};
use tcpprobe::flow::Told;

use crate::owned;

/// Names a connection: the number of its job, and its id there.
pub type Key = (usize, u64);

/// A connection, without anything that would have to be copied at length.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: Key,
    pub job: Arc<str>,
    pub family: u16,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub cookie: u64,
    pub told: Told,
    pub now: Stretch,
    /// Packets; `None` where it is not set, or not known.
    pub ssthresh: Option<u32>,
    /// The peer's window and our own, bytes.
    pub windows: Option<(u32, u32)>,
    pub causes: Causes,
    pub quiet_ns: u64,
    pub is_open: bool,
}

impl Row {
    pub fn new(job: (usize, &Arc<str>), seen: &Glance<'_>) -> Self {
        let ssthresh = seen.probe.map(|probe| probe.ssthresh).filter(|&ssthresh| ssthresh != SSTHRESH_INFINITE);
        Row {
            key: (job.0, seen.connection.id),
            job: Arc::clone(job.1),
            family: seen.connection.family,
            local: seen.connection.local,
            peer: seen.connection.peer,
            cookie: seen.connection.cookie,
            told: seen.told.clone(),
            now: seen.now,
            ssthresh,
            windows: seen.probe.map(|probe| (probe.snd_wnd, probe.rcv_wnd)),
            causes: *seen.causes,
            quiet_ns: seen.quiet_ns,
            is_open: seen.is_open,
        }
    }

    /// Payload a second, both ways, bytes.
    pub fn rate(&self) -> f32 {
        self.now.acked + self.now.received
    }

    pub fn socket(&self) -> Socket {
        let Row { family, local, peer, cookie, .. } = *self;
        Socket { family, local, peer, cookie, skaddr: 1 }
    }

    /// `nginx[812]`, or nothing.
    pub fn owner(&self) -> String {
        self.told.owner.as_ref().map_or(String::new(), |owner| owned::process(owner))
    }

    pub fn ends(&self) -> String {
        format!("{} → {}", self.local, self.peer)
    }

    /// `3 fast, 1 timeout`.
    pub fn causes(&self) -> String {
        let causes = Cause::ALL.into_iter().filter(|&cause| self.causes.of(cause) > 0);
        let causes: Vec<String> =
            causes.map(|cause| format!("{} {}", self.causes.of(cause), cause.name().replace('_', " "))).collect();
        causes.join(", ")
    }
}

/// What holds a connection back, and how much of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headline {
    /// `None` where nothing stands out.
    pub limit: Option<Limit>,
    pub share: f64,
    pub is_exact: bool,
}

impl Headline {
    pub fn of(found: &Diagnosis) -> Self {
        let (limit, share) = found.headline();
        Headline { limit, share, is_exact: limit.is_some_and(|limit| found.is_exact(limit)) }
    }

    /// As `--json` calls it.
    pub fn name(&self) -> &'static str {
        self.limit.map_or("mixed", Limit::name)
    }
}

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SortKey {
    Rate,
    InFlight,
    Cwnd,
    Srtt,
    Retransmissions,
    Connection,
    Owner,
}

impl SortKey {
    pub const ALL: [SortKey; 7] = [
        SortKey::Connection,
        SortKey::Rate,
        SortKey::InFlight,
        SortKey::Cwnd,
        SortKey::Srtt,
        SortKey::Retransmissions,
        SortKey::Owner,
    ];

    /// The next one to the right, or to the left.
    pub fn step(self, is_right: bool) -> Self {
        let at = SortKey::ALL.iter().position(|&key| key == self).unwrap_or(0);
        let count = SortKey::ALL.len();
        SortKey::ALL[(at + if is_right { 1 } else { count - 1 }) % count]
    }
}

/// Sorts numbers with the most first, and names from A on; or the other way round. What is equal keeps its order from tick to tick.
pub fn sort(rows: &mut [Row], by: SortKey, is_reversed: bool) {
    let numbers = |value: fn(&Row) -> f64, rows: &mut [Row]| {
        rows.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.key.cmp(&b.key)));
    };
    match by {
        SortKey::Rate => numbers(|row| row.rate().into(), rows),
        SortKey::InFlight => numbers(|row| row.now.in_flight.into(), rows),
        SortKey::Cwnd => numbers(|row| row.now.cwnd.into(), rows),
        SortKey::Srtt => numbers(|row| row.now.srtt_us.into(), rows),
        SortKey::Retransmissions => numbers(|row| row.causes.total() as f64, rows),
        SortKey::Connection => rows.sort_by(|a, b| (a.local, a.peer, a.key).cmp(&(b.local, b.peer, b.key))),
        SortKey::Owner => {
            // Those of nobody come last.
            let name = |row: &Row| row.told.owner.as_ref().map(|owner| (owner.comm.clone(), owner.pid));
            rows.sort_by_cached_key(|row| (row.told.owner.is_none(), name(row), row.key));
        }
    }
    if is_reversed {
        rows.reverse();
    }
}
