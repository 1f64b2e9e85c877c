//! Why the kernel retransmitted.
//!
//! With tcp_cong_state_set the state decides (`net/ipv4/tcp_timer.c`, `tcp_retransmit_timer()`; `net/ipv4/tcp_input.c`,
//! `tcp_enter_loss()`, `tcp_enter_recovery()`): it fires before the retransmission. Without it the time since the last ACK does:
//! RTO ≥ srtt + 200 ms (`TCP_RTO_MIN`), tail loss probes (RFC 8985, 7) come after 2 · srtt, all else is clocked by ACKs.

use crate::flow::Probe;
use crate::kernel::names::state::SYN_SENT;

/// Why something was retransmitted. Names are those of `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// In recovery: SACKs or RACK (RFC 8985) said that it was lost.
    Fast,
    /// The retransmission timer (RFC 6298).
    Timeout,
    /// What was outstanding at a time-out, sent again as ACKs come.
    SlowStart,
    /// A tail loss probe (RFC 8985, 7).
    TailLossProbe,
    /// A SYN.
    Syn,
    /// A SYN-ACK.
    SynAck,
    /// The path's MTU fell, or a probe for a larger one vanished (`tcp_simple_retransmit()`, `tcp_mtu_probe()`).
    Mtu,
    /// The peer's window was closed.
    WindowProbe,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Cause; 8] = [
        Cause::Fast,
        Cause::Timeout,
        Cause::SlowStart,
        Cause::TailLossProbe,
        Cause::Syn,
        Cause::SynAck,
        Cause::Mtu,
        Cause::WindowProbe,
    ];

    /// Its name in `--json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cause::Fast => "fast",
            Cause::Timeout => "timeout",
            Cause::SlowStart => "slow_start",
            Cause::TailLossProbe => "tail_loss_probe",
            Cause::Syn => "syn",
            Cause::SynAck => "syn_ack",
            Cause::Mtu => "mtu",
            Cause::WindowProbe => "window_probe",
        }
    }
}

/// Retransmissions by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Causes {
    counts: [u64; 8],
    /// Episodes that were undone: nothing had been lost.
    pub spurious: u64,
    /// Attempts that sent nothing; they are no retransmissions.
    pub not_sent: u64,
    /// Of the retransmissions, those of a segment that had been sent again already: that was lost as well.
    pub again: u64,
    /// How often the counts changed.
    changes: u64,
}

impl Causes {
    /// How many of this cause.
    #[must_use]
    pub fn of(&self, cause: Cause) -> u64 {
        self.counts[cause as usize]
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Takes in those of `other`.
    pub fn merge(&mut self, other: &Causes) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.spurious += other.spurious;
        self.not_sent += other.not_sent;
        self.again += other.again;
        self.changes += other.changes;
    }

    fn add(&mut self, cause: Cause) {
        self.changes += 1;
        self.counts[cause as usize] += 1;
    }

    /// How often the counts changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    fn replace(&mut self, old: Cause, new: Cause) {
        self.counts[old as usize] = self.counts[old as usize].saturating_sub(1);
        self.add(new);
    }
}

/// States of congestion control (`enum tcp_ca_state`, `include/uapi/linux/tcp.h`).
pub(super) mod ca {
    pub const OPEN: u8 = 0;
    pub const DISORDER: u8 = 1;
    pub const CWR: u8 = 2;
    pub const RECOVERY: u8 = 3;
    pub const LOSS: u8 = 4;
}

/// `TCP_RTO_MIN` in nanoseconds.
pub(super) const RTO_MIN_NS: u64 = 200_000_000;
/// What is in flight where the last of it may be a single segment: the last ACK is not counted yet.
const FEW_BYTES: u32 = 4 * 1460;

/// What a tcp_retransmit_skb says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub state: u8,
    pub error: i32,
    pub skb: u64,
}

/// Tells the causes of one connection's retransmissions.
#[derive(Debug, Clone, Default)]
pub(super) struct Retransmissions {
    pub causes: Causes,
    /// Whether the trace has tcp_cong_state_set.
    has_states: bool,
    /// The state; inferred where the trace has none.
    state: u8,
    /// Events were lost: the state is not known.
    is_unknown: bool,
    /// Retransmissions since the Loss event, while no tcp_probe came.
    since_loss: u32,
    /// A time-out whose first probe is to come: the congestion window before it.
    timeout_cwnd: Option<u32>,
    /// snd_nxt when the episode began: what was out.
    high: Option<u32>,
    is_episode: bool,
    /// The episode has ended, and the next tcp_probe tells whether it was undone.
    ended_at: Option<u32>,
    /// A timer sent something, and the next tcp_probe tells whether it was this.
    pending: Option<Cause>,
    /// The last skbs that were sent again, and snd_una then.
    skbs: [(u64, u32); SKBS],
    skbs_at: usize,
    /// How long nothing had happened before the last retransmission of a timer, nanoseconds.
    quiet: u64,
    /// Something was retransmitted since the state was Open.
    has_sent: bool,
    /// Holes that were filled by what was only late.
    pub disorder_returns: u32,
    /// Recoveries that were undone.
    pub recoveries_undone: u32,
    /// Reductions of the congestion window without a loss.
    pub marks: u32,
    was_recovery: bool,
}

/// Skbs that are remembered.
const SKBS: usize = 16;

impl Retransmissions {
    pub fn new(has_states: bool) -> Self {
        Retransmissions { has_states, ..Self::default() }
    }

    pub fn has_states(&self) -> bool {
        self.has_states
    }

    /// Whether lost data is being repaired: recovery, or after a time-out.
    pub fn is_repairing(&self) -> bool {
        self.state >= ca::RECOVERY
    }

    pub fn is_loss(&self) -> bool {
        self.state == ca::LOSS
    }

    /// The trace has tcp_cong_state_set: what was inferred before does not count.
    pub fn know_states(&mut self) {
        if !self.has_states {
            (self.has_states, self.state, self.is_episode, self.high) = (true, ca::OPEN, false, None);
            // No state came before: it was Open.
            self.causes.changes += 1;
            for cause in [Cause::Timeout, Cause::SlowStart, Cause::Fast] {
                let count = std::mem::take(&mut self.causes.counts[cause as usize]);
                self.causes.counts[Cause::TailLossProbe as usize] += count;
            }
        }
    }

    /// The trace lacks events: the state is not known any more.
    pub fn lost_events(&mut self) {
        self.is_unknown = self.has_states;
    }

    /// A tcp_cong_state_set. Says whether an episode of loss begins.
    pub fn state(&mut self, new: u8, last: Option<&Probe>) -> bool {
        self.know_states();
        self.is_unknown = false;
        if new == ca::LOSS {
            self.since_loss = 0;
        }
        match (self.state, new) {
            (ca::DISORDER, ca::OPEN) if !self.has_sent => self.disorder_returns += 1,
            (ca::OPEN | ca::DISORDER, ca::CWR) if !self.has_sent => self.marks += 1,
            _ => {}
        }
        self.has_sent &= new != ca::OPEN;
        self.was_recovery = self.state == ca::RECOVERY;
        let begins = new >= ca::RECOVERY && !self.is_repairing();
        if new >= ca::RECOVERY && !self.is_episode {
            // The tcp_probe of the ACK that begins it comes first: what was out then.
            (self.is_episode, self.high) = (true, last.map(|last| last.snd_nxt));
        } else if self.is_episode && new <= ca::DISORDER {
            (self.is_episode, self.ended_at) = (false, self.high.take());
        }
        self.state = new;
        begins
    }

    /// A tcp_probe; `last` is the one before.
    /// Says what a timer had sent, where that is clear only now.
    pub fn probe(&mut self, probe: &Probe, last: Option<&Probe>) -> Option<Cause> {
        if let Some(before) = self.timeout_cwnd.take() {
            // A time-out cuts to what is in flight, and that was lost; a lost MTU probe changes nothing.
            if self.has_states && probe.snd_cwnd >= before && before > 3 && self.since_loss <= 1 {
                self.causes.replace(Cause::Timeout, Cause::Mtu);
            }
        }
        self.since_loss = if self.since_loss > 0 { u32::MAX } else { 0 };
        if let Some(high) = self.ended_at.take()
            && is_before(probe.snd_una, high)
        {
            self.causes.spurious += 1;
            self.recoveries_undone += u32::from(self.was_recovery);
        }
        let last = last?;
        let pending = self.pending.take();
        if self.has_states {
            return None;
        }
        let mut changed = None;
        if let Some(pending) = pending {
            // A time-out leaves what is in flight, and that was lost; a probe leaves the window as it is.
            let is_cut = probe.snd_cwnd <= (last.snd_cwnd / 2).max(1);
            let cause = if is_cut { Cause::Timeout } else { Cause::TailLossProbe };
            if cause != pending {
                self.causes.replace(pending, cause);
                changed = Some(cause);
            }
            (self.state, self.is_episode) = if is_cut { (ca::LOSS, true) } else { (ca::OPEN, false) };
            self.high = is_cut.then_some(last.snd_nxt);
        } else if self.state == ca::LOSS && probe.snd_cwnd / 2 > last.snd_cwnd.saturating_add(5) {
            // Slow start at most doubles it: it was undone (`tcp_undo_cwnd_reduction()`).
            self.causes.spurious += 1;
            (self.state, self.is_episode, self.high) = (ca::OPEN, false, None);
        }
        if self.is_episode && self.high.is_some_and(|high| !is_before(probe.snd_una, high)) {
            (self.state, self.is_episode, self.high) = (ca::OPEN, false, None);
        }
        changed
    }

    /// A tcp_retransmit_skb, `quiet` nanoseconds after the last event of the connection's. `None` where nothing was sent.
    pub fn retransmit(&mut self, seen: Sent, quiet: u64, last: Option<&Probe>) -> Option<Cause> {
        let Sent { state, error, skb } = seen;
        if error != 0 {
            self.causes.not_sent += 1;
            return None;
        }
        self.has_sent = true;
        let one = (skb, last.map_or(0, |last| last.snd_una));
        if state == SYN_SENT {
            // It is the same each time, and their number says how often.
        } else if skb != 0 && self.skbs.contains(&one) {
            self.causes.again += 1;
        } else {
            self.skbs[self.skbs_at % SKBS] = one;
            self.skbs_at += 1;
        }
        let cause = if state == SYN_SENT {
            Cause::Syn
        } else if self.has_states && !self.is_unknown {
            self.by_state(last)
        } else {
            self.by_time(quiet, last)
        };
        self.causes.add(cause);
        Some(cause)
    }

    pub fn syn_ack(&mut self) {
        self.causes.add(Cause::SynAck);
    }

    fn by_state(&mut self, last: Option<&Probe>) -> Cause {
        match self.state {
            ca::LOSS => {
                let count = self.since_loss;
                self.since_loss = self.since_loss.saturating_add(1);
                match count {
                    0 => {
                        self.timeout_cwnd = Some(last.map_or(0, |last| last.snd_cwnd));
                        Cause::Timeout
                    }
                    u32::MAX => Cause::SlowStart,
                    1 => {
                        // A time-out sends one segment: what sends more before any ACK is no time-out.
                        self.causes.replace(Cause::Timeout, Cause::Mtu);
                        self.timeout_cwnd = None;
                        Cause::Mtu
                    }
                    _ => Cause::Mtu,
                }
            }
            ca::RECOVERY => Cause::Fast,
            _ if last.is_some_and(|last| last.snd_wnd == 0) => Cause::WindowProbe,
            _ => Cause::TailLossProbe,
        }
    }

    fn by_time(&mut self, quiet: u64, last: Option<&Probe>) -> Cause {
        let Some(last) = last else { return Cause::Timeout };
        if last.snd_wnd == 0 {
            return Cause::WindowProbe;
        }
        let srtt = u64::from(last.srtt) * 1000;
        self.is_episode = true;
        self.high.get_or_insert(last.snd_nxt);
        let is_late = quiet >= RTO_MIN_NS.max(srtt + RTO_MIN_NS * 9 / 10);
        let before = std::mem::replace(&mut self.quiet, quiet);
        if is_late || self.pending.is_some() {
            // After another timer's segment, or in recovery, it is no probe.
            let pending = self.pending.take();
            let is_sure = pending.is_some() || self.is_repairing();
            let flight = last.snd_nxt.wrapping_sub(last.snd_una);
            if pending == Some(Cause::Timeout) && quiet * 2 < before * 3 && flight <= FEW_BYTES {
                // Time-outs double: the one before was a probe of a single segment, which waits as long.
                self.causes.replace(Cause::Timeout, Cause::TailLossProbe);
            }
            self.pending = (!is_sure).then_some(Cause::Timeout);
            (self.state, self.high) = (ca::LOSS, Some(last.snd_nxt));
            return Cause::Timeout;
        }
        if quiet >= 2 * srtt && quiet > 1_000_000 && !self.is_repairing() {
            self.pending = Some(Cause::TailLossProbe);
            return Cause::TailLossProbe;
        }
        if self.state == ca::LOSS {
            return Cause::SlowStart;
        }
        self.state = ca::RECOVERY;
        Cause::Fast
    }
}

/// Whether sequence number `a` is before `b` (RFC 9293, 3.4).
pub(super) fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::names::state::ESTABLISHED;

    const RTT_NS: u64 = 40_000_000;

    fn probe(snd_una: u32, snd_nxt: u32, snd_cwnd: u32) -> Probe {
        let snd_wnd = 65_536;
        Probe { data_len: 0, snd_nxt, snd_una, snd_cwnd, ssthresh: 10, snd_wnd, srtt: 40_000, rcv_wnd: 65_536 }
    }

    fn sent(state: u8, error: i32) -> Sent {
        Sent { state, error, skb: 0 }
    }

    fn causes(known: &Retransmissions) -> Vec<(Cause, u64)> {
        let counted = Cause::ALL.into_iter().map(|cause| (cause, known.causes.of(cause)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn the_state_decides() {
        let mut known = Retransmissions::new(true);
        let last = probe(0, 14_480, 10);
        known.retransmit(sent(SYN_SENT, 0), 0, None);
        known.state(ca::RECOVERY, Some(&last));
        known.retransmit(sent(ESTABLISHED, 0), 0, Some(&last));
        known.retransmit(sent(ESTABLISHED, -16), 0, Some(&last));
        known.state(ca::OPEN, Some(&last));
        known.retransmit(sent(ESTABLISHED, 0), 0, Some(&last));
        known.state(ca::LOSS, Some(&last));
        known.retransmit(sent(ESTABLISHED, 0), 0, Some(&last));
        known.probe(&probe(0, 14_480, 1), Some(&last));
        known.retransmit(sent(ESTABLISHED, 0), 0, Some(&last));
        let expected = [Cause::Fast, Cause::Timeout, Cause::SlowStart, Cause::TailLossProbe, Cause::Syn];
        assert_eq!(causes(&known), expected.map(|cause| (cause, 1)));
        assert_eq!(known.causes.not_sent, 1);
    }

    #[test]
    fn a_loss_event_that_sends_more_at_once_is_no_timeout() {
        let mut known = Retransmissions::new(true);
        let last = probe(0, 14_480, 44);
        known.state(ca::LOSS, Some(&last));
        (0..31).for_each(|_| assert!(known.retransmit(sent(ESTABLISHED, 0), 0, Some(&last)).is_some()));
        assert_eq!(causes(&known), [(Cause::Mtu, 31)]);
    }

    /// Its skb is the same each time.
    #[test]
    fn a_syn_that_is_sent_again_says_nothing_of_a_lost_retransmission() {
        let again = |state| {
            let mut known = Retransmissions::new(true);
            (0..3).for_each(|_| _ = known.retransmit(Sent { state, error: 0, skb: 7 }, 0, None));
            known.causes.again
        };
        assert_eq!((again(SYN_SENT), again(ESTABLISHED)), (0, 2));
    }

    #[test]
    fn an_episode_is_undone_where_what_was_out_is_not_acknowledged() {
        let check = |snd_una, spurious| {
            let mut known = Retransmissions::new(true);
            let last = probe(0, 14_480, 10);
            known.state(ca::RECOVERY, Some(&last));
            known.state(ca::OPEN, Some(&last));
            known.probe(&probe(snd_una, 28_960, 10), Some(&last));
            assert_eq!(known.causes.spurious, spurious, "{snd_una}");
        };
        check(1448, 1);
        check(14_480, 0);
    }

    #[test]
    fn without_states_the_time_decides() {
        let check = |quiet, cwnd_then, expected| {
            let mut known = Retransmissions::new(false);
            let last = probe(0, 14_480, 10);
            known.retransmit(sent(ESTABLISHED, 0), quiet, Some(&last));
            known.probe(&probe(0, 14_480, cwnd_then), Some(&last));
            assert_eq!(causes(&known), [(expected, 1)], "{quiet} ns, {cwnd_then}");
        };
        check(100_000, 9, Cause::Fast);
        check(3 * RTT_NS, 10, Cause::TailLossProbe);
        check(10 * RTT_NS, 1, Cause::Timeout);
        // A probe of a single segment waits for as long as a time-out.
        check(10 * RTT_NS, 10, Cause::TailLossProbe);
    }

    #[test]
    fn after_lost_events_the_state_is_not_believed() {
        let mut known = Retransmissions::new(true);
        let last = probe(0, 14_480, 10);
        known.lost_events();
        known.retransmit(sent(ESTABLISHED, 0), 100_000, Some(&last));
        assert_eq!(causes(&known), [(Cause::Fast, 1)], "and not a tail loss probe");
    }
}
