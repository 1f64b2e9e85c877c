//! What the kernel says of a socket at a moment (tcp_info and `SK_MEMINFO` of sock_diag), where somebody asked.
//!
//! Events do not tell what waits unsent; a snapshot does. Nothing unsent and a send buffer that is full: the buffer holds the program
//! back (`tcpi_sndbuf_limited` stays 0 then, as its clock starts only when the queue runs empty: `net/ipv4/tcp_output.c`,
//! `tcp_cwnd_validate()`). Nothing unsent and room in the buffer: the program has not written.

use super::limit::Limit;
use crate::event;

/// How far from a moment a snapshot still speaks for it: they come once a second.
const NEAR_NS: u64 = 2_000_000_000;

/// A socket at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Nanoseconds in the trace's clock.
    pub time: u64,
    /// Bytes of a full segment (`tcpi_snd_mss`).
    pub mss: u32,
    /// Whether the congestion control goes by a model of the path's rate, as BBR does.
    pub is_rate_based: bool,
    /// Bytes that were written and never sent (`tcpi_notsent_bytes`).
    pub unsent: u32,
    /// Bytes that the send buffer holds (`SK_MEMINFO_WMEM_QUEUED`).
    pub queued: u32,
    /// Size of the send buffer, bytes (`SK_MEMINFO_SNDBUF`).
    pub send_buffer: u32,
    /// Microseconds in which the peer's window held back, since the connection began (`tcpi_rwnd_limited`).
    pub window_limited_us: u64,
    /// The same of the send buffer (`tcpi_sndbuf_limited`); where it grows, it did, where not, it may have.
    pub send_buffer_limited_us: u64,
}

impl Snapshot {
    /// An event of a trace.
    pub(super) fn of(time: u64, said: &event::Snapshot) -> Self {
        Snapshot {
            time,
            mss: said.snd_mss,
            is_rate_based: said.is_bbr,
            unsent: said.notsent_bytes,
            queued: said.wmem_queued,
            send_buffer: said.sndbuf,
            window_limited_us: said.rwnd_limited,
            send_buffer_limited_us: said.sndbuf_limited,
        }
    }

    /// What holds a sender back that has room in both windows; `None` where it does not say.
    fn room(&self) -> Option<Limit> {
        if self.unsent > self.mss {
            return Some(if self.is_rate_based { Limit::Bandwidth } else { Limit::SenderHost });
        }
        if self.queued >= self.send_buffer {
            return Some(Limit::SendBuffer);
        }
        // Autotuning keeps the buffer just above what is in flight: nearly full says nothing.
        (u64::from(self.queued) * 3 < u64::from(self.send_buffer) * 2).then_some(Limit::SenderApplication)
    }
}

/// The snapshots of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshots<'a>(&'a [Snapshot]);

impl<'a> Snapshots<'a> {
    /// In the order of time.
    pub fn new(list: &'a [Snapshot]) -> Self {
        Snapshots(list)
    }

    pub fn is_rate_based(&self) -> bool {
        self.0.last().is_some_and(|last| last.is_rate_based)
    }

    /// The last known size of the send buffer; 0 where none is known.
    pub fn send_buffer(&self) -> u32 {
        self.0.last().map_or(0, |last| last.send_buffer)
    }

    /// Whether the kernel's clock of the send buffer ran for a tenth of the time around a moment.
    pub fn is_buffer_limited(&self, time: u64) -> bool {
        let after = self.0.partition_point(|snapshot| snapshot.time <= time);
        let around = after.checked_sub(1).and_then(|before| Some((self.0.get(before)?, self.0.get(after)?)));
        around.is_some_and(|(a, b)| {
            b.send_buffer_limited_us.saturating_sub(a.send_buffer_limited_us).saturating_mul(10_000)
                >= (b.time - a.time).max(1)
        })
    }

    /// What most of the snapshots near a time say of room in both windows; `has_room` tells at which times there was any.
    pub fn room(&self, from: u64, to: u64, has_room: impl Fn(u64) -> bool) -> Option<Limit> {
        let first = self.0.partition_point(|snapshot| snapshot.time.saturating_add(NEAR_NS) < from);
        let end = self.0.partition_point(|snapshot| snapshot.time <= to.saturating_add(NEAR_NS));
        let mut votes = [0_usize; Limit::ALL.len()];
        let near = self.0.get(first..end).unwrap_or_default().iter();
        let said = near.filter(|snapshot| has_room(snapshot.time)).filter_map(Snapshot::room);
        said.for_each(|limit| votes[limit as usize] += 1);
        Limit::ALL.into_iter().filter(|&limit| votes[limit as usize] > 0).max_by_key(|&limit| votes[limit as usize])
    }

    /// The share of the time between the two snapshots around a moment in which the peer's window held back.
    pub fn window_share(&self, time: u64) -> Option<f64> {
        let after = self.0.partition_point(|snapshot| snapshot.time <= time);
        let (a, b) = (self.0.get(after.checked_sub(1)?)?, self.0.get(after)?);
        let limited = b.window_limited_us.saturating_sub(a.window_limited_us) as f64 * 1000.0;
        Some(limited / (b.time - a.time).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Snapshot = Snapshot {
        time: 0,
        mss: 1448,
        is_rate_based: false,
        unsent: 0,
        queued: 106_068,
        send_buffer: 104_000,
        window_limited_us: 0,
        send_buffer_limited_us: 0,
    };

    #[test]
    fn what_waits_unsent_says_who_holds_back() {
        assert_eq!(FULL.room(), Some(Limit::SendBuffer));
        assert_eq!(Snapshot { unsent: 90_000, ..FULL }.room(), Some(Limit::SenderHost));
        assert_eq!(Snapshot { unsent: 90_000, is_rate_based: true, ..FULL }.room(), Some(Limit::Bandwidth));
        assert_eq!(Snapshot { queued: 20_000, ..FULL }.room(), Some(Limit::SenderApplication));
        assert_eq!(Snapshot { queued: 84_672, send_buffer: 101_376, ..FULL }.room(), None);
    }

    #[test]
    fn the_most_near_a_moment_decide() {
        let idle = Snapshot { queued: 0, ..FULL };
        let list: Vec<Snapshot> = [idle, FULL, FULL, FULL]
            .iter()
            .zip(10..)
            .map(|(one, at)| Snapshot { time: at * 1_000_000_000, ..*one })
            .collect();
        let snapshots = Snapshots::new(&list);
        assert_eq!(snapshots.room(12_000_000_000, 12_100_000_000, |_| true), Some(Limit::SendBuffer));
        assert_eq!(snapshots.room(8_000_000_000, 8_100_000_000, |_| true), Some(Limit::SenderApplication));
        assert_eq!(snapshots.room(20_000_000_000, 20_100_000_000, |_| true), None);
        // At those moments something else held back.
        assert_eq!(
            snapshots.room(12_000_000_000, 12_100_000_000, |time| time < 11_000_000_000),
            Some(Limit::SenderApplication)
        );
    }

    #[test]
    fn the_kernels_clock_says_how_long_the_window_held_back() {
        let list = [FULL, Snapshot { time: 1_000_000_000, window_limited_us: 960_000, ..FULL }];
        let snapshots = Snapshots::new(&list);
        assert!((snapshots.window_share(500_000_000).unwrap_or(0.0) - 0.96).abs() < 1e-9);
        assert_eq!(snapshots.window_share(2_000_000_000), None);
    }
}
