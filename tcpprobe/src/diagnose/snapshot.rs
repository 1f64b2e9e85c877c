//! What the kernel says of a socket at a moment (tcp_info and `SK_MEMINFO` of sock_diag), where somebody asked.
//!
//! Events do not tell what waits unsent; a snapshot does. Nothing unsent and a send buffer that is full: the buffer holds the program
//! back (`tcpi_sndbuf_limited` stays 0 then, as its clock starts only when the queue runs empty: `net/ipv4/tcp_output.c`,
//! `tcp_cwnd_validate()`). Nothing unsent and room in the buffer: the program has not written.

use super::limit::Limit;
use crate::event::Snapshot;

/// How far from a moment a snapshot still speaks for it: they come once a second.
const NEAR_NS: u64 = 2_000_000_000;

/// What holds a sender back that has room in both windows; `None` where a snapshot does not say.
fn room(said: &Snapshot) -> Option<Limit> {
    // Its buffers are not told, and what it has unsent is of nobody's any more.
    if said.is_final() {
        return None;
    }
    if said.notsent_bytes > said.snd_mss {
        return Some(if said.is_bbr { Limit::Bandwidth } else { Limit::SenderHost });
    }
    if said.wmem_queued >= said.sndbuf {
        return Some(Limit::SendBuffer);
    }
    // Autotuning keeps the buffer just above what is in flight: nearly full says nothing.
    (u64::from(said.wmem_queued) * 3 < u64::from(said.sndbuf) * 2).then_some(Limit::SenderApplication)
}

/// The snapshots of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshots<'a>(&'a [(u64, Snapshot)]);

impl<'a> Snapshots<'a> {
    /// Each with its time, in the order of time.
    pub fn new(list: &'a [(u64, Snapshot)]) -> Self {
        Snapshots(list)
    }

    pub fn is_rate_based(&self) -> bool {
        self.last_alive().is_some_and(|last| last.is_bbr)
    }

    /// The last known size of the send buffer; 0 where none is known.
    pub fn send_buffer(&self) -> u32 {
        self.last_alive().map_or(0, |last| last.sndbuf)
    }

    /// The last that tells of buffers and congestion control.
    fn last_alive(&self) -> Option<&'a Snapshot> {
        self.0.iter().rev().map(|(_, said)| said).find(|said| !said.is_final())
    }

    /// The two around a moment.
    fn around(&self, time: u64) -> Option<[&'a (u64, Snapshot); 2]> {
        let after = self.0.partition_point(|(at, _)| *at <= time);
        Some([self.0.get(after.checked_sub(1)?)?, self.0.get(after)?])
    }

    /// Those within a time.
    fn within(&self, from: u64, to: u64) -> &'a [(u64, Snapshot)] {
        let first = self.0.partition_point(|(at, _)| *at < from);
        let end = self.0.partition_point(|(at, _)| *at <= to);
        self.0.get(first..end).unwrap_or_default()
    }

    /// Whether one within a time says that nothing waits unsent.
    pub fn is_written(&self, from: u64, to: u64) -> bool {
        self.within(from, to).iter().any(|(_, said)| said.notsent_bytes == 0)
    }

    /// Whether one within a time says that something waits unsent.
    pub fn is_waiting(&self, from: u64, to: u64) -> bool {
        self.within(from, to).iter().any(|(_, said)| said.notsent_bytes > said.snd_mss)
    }

    /// Whether the kernel's clock of the send buffer ran for a tenth of the time around a moment.
    pub fn is_buffer_limited(&self, time: u64) -> bool {
        self.around(time).is_some_and(|[(from, a), (to, b)]| {
            b.sndbuf_limited.saturating_sub(a.sndbuf_limited).saturating_mul(10_000) >= (to - from).max(1)
        })
    }

    /// What most of the snapshots near a time say of room in both windows; `has_room` tells at which times there was any.
    pub fn room(&self, from: u64, to: u64, has_room: impl Fn(u64) -> bool) -> Option<Limit> {
        let first = self.0.partition_point(|(at, _)| at.saturating_add(NEAR_NS) < from);
        let end = self.0.partition_point(|(at, _)| *at <= to.saturating_add(NEAR_NS));
        let mut votes = [0_usize; Limit::ALL.len()];
        let near = self.0.get(first..end).unwrap_or_default().iter();
        let said = near.filter(|(at, _)| has_room(*at)).filter_map(|(_, said)| room(said));
        said.for_each(|limit| votes[limit as usize] += 1);
        Limit::ALL.into_iter().filter(|&limit| votes[limit as usize] > 0).max_by_key(|&limit| votes[limit as usize])
    }

    /// The share of the time between the two snapshots around a moment in which the peer's window held back.
    pub fn window_share(&self, time: u64) -> Option<f64> {
        let [(from, a), (to, b)] = self.around(time)?;
        let limited = b.rwnd_limited.saturating_sub(a.rwnd_limited) as f64 * 1000.0;
        Some(limited / (to - from).max(1) as f64)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Its send buffer is full, and all of it is in flight.
    pub const FULL: Snapshot = Snapshot {
        snd_mss: 1448,
        notsent_bytes: 0,
        rwnd_limited: 0,
        sndbuf_limited: 0,
        wmem_queued: 106_068,
        sndbuf: 104_000,
        is_bbr: false,
    };

    #[test]
    fn what_waits_unsent_says_who_holds_back() {
        assert_eq!(room(&FULL), Some(Limit::SendBuffer));
        assert_eq!(room(&Snapshot { notsent_bytes: 90_000, ..FULL }), Some(Limit::SenderHost));
        assert_eq!(room(&Snapshot { notsent_bytes: 90_000, is_bbr: true, ..FULL }), Some(Limit::Bandwidth));
        assert_eq!(room(&Snapshot { wmem_queued: 20_000, ..FULL }), Some(Limit::SenderApplication));
        assert_eq!(room(&Snapshot { wmem_queued: 84_672, sndbuf: 101_376, ..FULL }), None);
    }

    /// What the kernel does not tell of a socket that closes is no evidence; how long its windows held it back is.
    #[test]
    fn a_final_one_tells_nothing_of_buffers() {
        let bbr = Snapshot { is_bbr: true, ..FULL };
        let last = Snapshot { wmem_queued: 0, sndbuf: 0, rwnd_limited: 990_000, notsent_bytes: 107_522, ..FULL };
        let list = [(0, bbr), (1_000_000_000, last)];
        let snapshots = Snapshots::new(&list);
        assert!(last.is_final() && !bbr.is_final());
        assert_eq!((room(&last), snapshots.send_buffer(), snapshots.is_rate_based()), (None, 104_000, true));
        assert!(snapshots.window_share(500_000_000).is_some_and(|share| share > 0.98));
        assert_eq!(snapshots.room(2_900_000_000, 3_000_000_000, |_| true), None);
        let alone = Snapshots::new(&list[1..]);
        assert_eq!((alone.send_buffer(), alone.is_rate_based()), (0, false));
    }

    #[test]
    fn the_most_near_a_moment_decide() {
        let idle = Snapshot { wmem_queued: 0, ..FULL };
        let list: Vec<(u64, Snapshot)> =
            [idle, FULL, FULL, FULL].iter().zip(10..).map(|(one, at)| (at * 1_000_000_000, *one)).collect();
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
        let list = [(0, FULL), (1_000_000_000, Snapshot { rwnd_limited: 960_000, ..FULL })];
        let snapshots = Snapshots::new(&list);
        assert!((snapshots.window_share(500_000_000).unwrap_or(0.0) - 0.96).abs() < 1e-9);
        assert_eq!(snapshots.window_share(2_000_000_000), None);
    }
}
