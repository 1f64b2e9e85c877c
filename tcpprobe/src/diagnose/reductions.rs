//! Reductions of the congestion window: those of a congestion control that goes by losses, by marks, or by the path's rate.

use super::cause::Retransmissions;
use crate::event::SSTHRESH_INFINITE;
use crate::flow::Probe;

/// How the congestion window of one connection came down.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reductions {
    /// Those with ssthresh unset.
    unset: u32,
    /// Those with one that followed the window.
    followed: u64,
    /// Recoveries after which the window was restored, and all.
    recoveries: (u64, u64),
    marks_seen: u32,
    /// Something was retransmitted since the last tcp_probe.
    has_sent: bool,
}

impl Reductions {
    /// Something was retransmitted.
    pub fn sent(&mut self) {
        self.has_sent = true;
    }

    /// A recovery has ended; `last` and `probe` are the tcp_probe before its end and the one after.
    pub fn recovered(&mut self, probe: &Probe, last: &Probe) {
        self.recoveries.1 += 1;
        self.recoveries.0 += u64::from(probe.snd_cwnd > last.ssthresh.saturating_add(last.ssthresh / 4));
    }

    /// Whether the congestion control goes by the path's rate, after so many losses.
    pub fn are_rate_based(&self, losses: u64) -> bool {
        let (restored, left) = self.recoveries;
        left >= 2 && restored * 2 > left || self.unset >= 3 || self.followed > losses.max(2)
    }

    /// Takes in a tcp_probe and the one before it, after so long; says whether the path marked that it is full.
    pub fn look(&mut self, probe: &Probe, last: &Probe, quiet_ns: u64, seen: &mut Retransmissions) -> bool {
        let is_of_rate = self.look_for_rate(probe, last, seen);
        let is_marked = self.marks_seen != seen.marks;
        // The window itself comes down over a round trip (`tcp_cwnd_reduction()`); where slow start ends by itself, ssthresh is it.
        let is_below = probe.snd_cwnd < last.snd_cwnd || u64::from(probe.ssthresh) * 10 < u64::from(probe.snd_cwnd) * 9;
        let is_cut = probe.ssthresh < last.ssthresh && is_below && !seen.is_repairing();
        let is_new =
            is_cut && !is_of_rate && !seen.has_states() && !self.has_sent && quiet_ns < 2_000 * u64::from(probe.srtt);
        seen.marks += u32::from(is_new);
        (self.has_sent, self.marks_seen) = (false, seen.marks);
        is_marked || is_new
    }

    /// A congestion control by loss sets ssthresh when it reduces the window (`tcp_init_cwnd_reduction()`, `tcp_cwnd_restart()`); one that
    /// goes by the path's rate does not (`net/ipv4/tcp_bbr.c`, `bbr_ssthresh()`). Its ssthresh stays unset, or follows the window as three
    /// quarters of it (`include/net/tcp.h`, `tcp_current_ssthresh()`). Says whether this is such a reduction.
    fn look_for_rate(&mut self, probe: &Probe, last: &Probe, seen: &Retransmissions) -> bool {
        let is_unset = |probe: &Probe| probe.ssthresh >= SSTHRESH_INFINITE;
        let follows = |probe: &Probe| probe.ssthresh == (probe.snd_cwnd >> 1).saturating_add(probe.snd_cwnd >> 2);
        let is_reduced = probe.snd_cwnd < last.snd_cwnd && !seen.is_loss();
        let was_unset = is_reduced && is_unset(probe) && is_unset(last);
        // A loss or a mark cuts to about as much, and while the window comes down then, ssthresh stands still.
        let is_cut = self.has_sent || seen.is_repairing() || seen.marks != self.marks_seen;
        let has_followed = is_reduced && !is_cut && probe.ssthresh < last.ssthresh && follows(probe) && follows(last);
        self.unset += u32::from(was_unset);
        self.followed += u64::from(has_followed);
        was_unset || has_followed
    }
}
