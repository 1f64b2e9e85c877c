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
        SortKey::Connection => rows.sort_by_key(|row| (row.local, row.peer, row.key)),
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

#[cfg(test)]
pub mod tests {
    use tcpprobe::event::{AF_INET, Owner};

    use super::*;

    /// Connection `n`, which sends 1000·n bytes a second.
    pub fn row(n: u64) -> Row {
        Row {
            key: (0, n),
            job: "web".into(),
            family: AF_INET,
            local: ([10, 0, 0, 1], 443).into(),
            peer: ([192, 0, 2, (n >> 8) as u8], 4000 + n as u16).into(),
            cookie: n,
            told: Told::default(),
            now: Stretch {
                acked: 1000.0 * n as f32,
                received: 0.0,
                retransmissions: 0,
                in_flight: 1448 * (n % 7) as u32,
                cwnd: 10 + (n % 5) as u32,
                srtt_us: 20_000_u32.saturating_sub(100 * n as u32),
            },
            ssthresh: None,
            windows: Some((65_536, 65_536)),
            causes: Causes::default(),
            quiet_ns: 0,
            is_open: true,
        }
    }

    /// The same of a process.
    pub fn row_of(n: u64, comm: &[u8], unit: &[u8]) -> Row {
        let owner = Owner { pid: 812, uid: 33, comm: comm.to_vec(), unit: unit.to_vec(), ..Owner::default() };
        Row { told: Told { owner: Some(Arc::new(owner)), congestion_control: Some("bbr".into()) }, ..row(n) }
    }

    fn sorted(by: SortKey, is_reversed: bool) -> Vec<u64> {
        let mut rows = vec![row(3), row_of(9, b"nginx", b""), row(1), row_of(5, b"curl", b""), row(2)];
        sort(&mut rows, by, is_reversed);
        rows.iter().map(|row| row.key.1).collect()
    }

    #[test]
    fn rows_are_sorted_by_each_key() {
        for (by, expected) in [
            (SortKey::Rate, [9, 5, 3, 2, 1]),
            // 7240, 4344, 2896, 2896, 1448 bytes: what is equal by its id.
            (SortKey::InFlight, [5, 3, 2, 9, 1]),
            (SortKey::Cwnd, [9, 3, 2, 1, 5]),
            (SortKey::Srtt, [1, 2, 3, 5, 9]),
            (SortKey::Retransmissions, [1, 2, 3, 5, 9]),
            (SortKey::Connection, [1, 2, 3, 5, 9]),
            (SortKey::Owner, [5, 9, 1, 2, 3]),
        ] {
            assert_eq!(sorted(by, false), expected, "{by:?}");
            let mut reversed = expected;
            reversed.reverse();
            assert_eq!(sorted(by, true), reversed, "{by:?}");
        }
    }

    #[test]
    fn each_column_follows_another() {
        for key in SortKey::ALL {
            assert_eq!(key.step(true).step(false), key);
        }
        let all: Vec<SortKey> =
            std::iter::successors(Some(SortKey::Rate), |key| Some(key.step(true))).take(7).collect();
        assert!(SortKey::ALL.iter().all(|key| all.contains(key)), "{all:?}");
    }
}
