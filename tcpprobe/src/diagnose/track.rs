//! One connection as it goes: its events become slices of time.
//!
//! Between two tcp_probe the values of the second tell: `snd_nxt` is the most that was sent since, `snd_una` is what the ACK before
//! acknowledged (`net/ipv4/tcp_input.c`, `tcp_rcv_established()`: the event comes before the ACK is processed).

use super::cause::{Cause, RTO_MIN_NS, Retransmissions, Sent, ca, is_before};
use super::facts::Facts;
use super::histogram::Histogram;
use super::hold::Hold;
use super::mss::Mss;
use super::receiver::{Arrival, Receiver};
use super::reductions::Reductions;
use super::rtt::Rtt;
use super::slices::{Class, Slice, Slices};
use crate::flow::{Observation, Probe};
use crate::kernel::names::state::{CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, LAST_ACK, SYN_SENT};

/// Loss episodes that are remembered of each connection, and then every second of them.
const EPISODES_MAX: usize = 512;
/// `TCP_TIMEOUT_INIT` in nanoseconds.
const SYN_TIMEOUT_NS: u64 = 1_000_000_000;

/// A wait for an ACK that matters: delayed ACKs of Linux take 40 ms (`TCP_DELACK_MIN`, `include/net/tcp.h`).
const NAGLE_NS: u64 = 10_000_000;
/// A reader that reads all the time may be woken so late, microseconds.
const HELD_US: u32 = 1000;
/// A congestion window that no loss makes much smaller, packets.
const FEW: u32 = 4;
/// Over so long a time the rate is looked at, at least.
const RATE_NS: u64 = 40_000_000;

/// How a loss was met.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Episode {
    pub time: u64,
    /// Acknowledged since the first event.
    pub bytes: u64,
    /// Whether there was a queue before it.
    pub queue: bool,
    /// It was the end of what was written.
    pub is_tail: bool,
}

/// A stretch between two moments at which nothing is outstanding.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    from: u64,
    by_peer: bool,
    /// An interval in it found the congestion window filled.
    filled: bool,
    /// And more was sent when an ACK made room.
    held: bool,
    /// snd_una at its beginning.
    una: u32,
}

/// A tail loss probe.
#[derive(Debug, Clone, Copy)]
struct Probed {
    sent: u64,
    /// The progress of snd_una before and after it.
    from: u64,
    to: u64,
    /// snd_nxt then.
    high: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Track {
    pub first: u64,
    /// Up to here there are slices.
    pub at: u64,
    last: Option<Probe>,
    pub retransmissions: Retransmissions,
    pub slices: Slices,
    /// Whether the next two are kept: how values spread.
    pub keeps_spread: bool,
    pub rtts: Histogram,
    pub cwnds: Histogram,
    mss: Mss,
    pub facts: Facts,
    stretch: Stretch,
    /// When snd_una last moved.
    progress: u64,
    rtt: Rtt,
    /// The retransmission timer has sent, when, and snd_una has not moved since.
    stalled: Option<u64>,
    /// A tail loss probe went, and it is not known yet whether anything was lost.
    probed: Option<Probed>,
    /// The congestion window was reduced.
    reduced: bool,
    pub episodes: Vec<Episode>,
    step: u64,
    epoch: u32,
    is_connecting: bool,
    hold: Hold,
    last_event: u64,
    was_window: bool,
    /// At the last tcp_probe, flight filled the congestion window.
    was_cwnd: bool,
    /// The tcp_probe before the last one.
    before: u64,
    left_recovery: bool,
    /// Time-outs since the last progress.
    backoff: u32,
    /// The congestion window when all was acknowledged, packets.
    cwnd_at_rest: u32,
    reductions: Reductions,
    /// Since when a rate is looked at, and what was acknowledged before.
    peak_from: (u64, u64),
    /// When the last tcp_probe came.
    recent: [u64; 32],
    recent_at: usize,
    /// How often what is acknowledged was sent when an ACK came: 0 to 1.
    clocked: f32,
    receiver: Receiver,
}

impl Track {
    /// The trace lacks events.
    pub fn lost_events(&mut self) {
        self.retransmissions.lost_events();
        self.rtt.lost_events();
    }

    /// The kernel says what a full segment is.
    pub fn tell_mss(&mut self, bytes: u32) {
        self.mss.tell(bytes);
    }

    pub fn new(has_states: bool, mss: Mss) -> Self {
        Track {
            first: u64::MAX,
            at: 0,
            last: None,
            retransmissions: Retransmissions::new(has_states),
            slices: Slices::default(),
            keeps_spread: true,
            rtts: Histogram::default(),
            cwnds: Histogram::default(),
            mss,
            facts: Facts { base_us: u32::MAX, ..Facts::default() },
            stretch: Stretch::default(),
            progress: 0,
            rtt: Rtt::default(),
            stalled: None,
            probed: None,
            reduced: false,
            episodes: Vec::new(),
            step: 1,
            epoch: 0,
            is_connecting: false,
            hold: Hold::default(),
            last_event: 0,
            was_window: false,
            was_cwnd: false,
            before: u64::MAX,
            left_recovery: false,
            backoff: 0,
            cwnd_at_rest: 0,
            reductions: Reductions::default(),
            peak_from: (u64::MAX, 0),
            recent: [0; 32],
            recent_at: 0,
            clocked: 1.0,
            receiver: Receiver::default(),
        }
    }

    pub fn event(&mut self, time: u64, seen: &Observation) {
        if self.first == u64::MAX {
            (self.first, self.at, self.last_event, self.progress) = (time, time, time, time);
        }
        // Between CPUs events may come late.
        let time = time.max(self.last_event);
        match seen {
            Observation::Probe(probe) => self.probe(time, probe),
            Observation::Retransmission { state, error, skb } => {
                self.retransmission(time, Sent { state: *state, error: *error, skb: *skb });
            }
            Observation::SynAckRetransmission => self.retransmissions.syn_ack(),
            Observation::CongState(state) => {
                let was_recovery = self.retransmissions.is_repairing() && !self.retransmissions.is_loss();
                self.left_recovery |= was_recovery && *state == 0;
                if self.retransmissions.state(*state, self.last.as_ref()) {
                    self.loss(time);
                }
                if *state >= ca::CWR {
                    self.lost_tail();
                }
            }
            Observation::State { old, new, .. } => self.socket_state(time, *old, *new),
            Observation::ResetSent { reason } => {
                self.facts.resets.0 += 1;
                self.facts.reset_reason = Some(*reason).filter(|reason| *reason > 0);
            }
            Observation::ResetReceived => self.facts.resets.1 += 1,
            _ => {}
        }
        self.last_event = time;
    }

    /// The last tcp_probe.
    pub fn last_probe(&self) -> Option<&Probe> {
        self.last.as_ref()
    }

    /// Whether the retransmission timer is what it waits for.
    pub fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Nothing more comes.
    pub fn finish(&mut self) {
        let class = match (self.facts.closed.is_some(), self.stalled, self.is_connecting) {
            (true, _, _) => Class::Unseen,
            (_, Some(_), _) => self.stall(Class::Timeout),
            (_, _, true) => Class::Connecting,
            _ if self.last.is_none() => Class::Unseen,
            _ => self.quiet(self.last_event),
        };
        self.push(self.last_event, class);
        if self.probed.is_some_and(|probed| {
            probed.to == u64::MAX || probed.to - probed.sent.min(probed.to) >= u64::from(self.facts.base_us) * 900
        }) {
            // Nothing came after it, and what it repaired is not known: it was answered after a round trip, or never.
            self.lost_tail();
        }
        self.end_stretch(false);
        self.facts.mss = self.mss.bytes();
        self.facts.mss_fell = self.mss.has_fallen();
        self.facts.disorder_returns = self.retransmissions.disorder_returns;
        self.facts.recoveries_undone = self.retransmissions.recoveries_undone;
        self.facts.marks = self.retransmissions.marks;
        self.facts.is_rate_based = self.reductions.are_rate_based(self.facts.episodes);
        if self.facts.base_us == u32::MAX {
            self.facts.base_us = 0;
        }
        self.facts.has_states = self.retransmissions.has_states();
    }

    fn push(&mut self, to: u64, class: Class) {
        self.push_counted(to, class, [0.0; 4]);
    }

    fn push_counted(&mut self, to: u64, class: Class, counts: [f32; 4]) {
        let to = to.max(self.at);
        let base = self.facts.base_us;
        let queue = self.rtt.is_standing() || class == Class::Growing && self.rtt.is_late((base / 6).max(3000));
        self.slices.push(Slice { from: self.at, to, class, met: to - self.at, queue, epoch: self.epoch, counts });
        self.at = to;
    }

    fn loss(&mut self, time: u64) {
        self.loss_with(time, false);
    }

    /// A reduction of the congestion window; `is_marked` where the path said that it is full.
    fn loss_with(&mut self, time: u64, is_marked: bool) {
        self.reduced = true;
        self.epoch += 1;
        self.facts.episodes += 1;
        if !self.facts.episodes.is_multiple_of(self.step) {
            return;
        }
        let queue = is_marked || self.rtt.is_standing() || self.rtt.is_late(self.facts.base_us / 4 + 3000);
        self.episodes.push(Episode { time, bytes: self.facts.bytes_acked, queue, is_tail: self.probed.is_some() });
        if self.episodes.len() > EPISODES_MAX {
            super::halve(&mut self.episodes);
            self.step *= 2;
        }
    }

    fn socket_state(&mut self, time: u64, old: u8, new: u8) {
        match new {
            SYN_SENT => self.is_connecting = true,
            ESTABLISHED => {
                if old == SYN_SENT || self.is_connecting {
                    self.push(time, Class::Connecting);
                }
                self.is_connecting = false;
                self.progress = time;
                self.stalled = None;
            }
            FIN_WAIT1 | LAST_ACK | CLOSE_WAIT if self.facts.closed.is_none() => {
                if self.last.is_some() {
                    let class = if self.stalled.is_some() { self.stall(Class::Timeout) } else { self.quiet(time) };
                    self.push(time, class);
                }
                self.facts.closed = Some(time);
            }
            _ => {}
        }
    }

    /// Nothing came until `time`, and no timer sent anything either: after as long as one waits, nothing was outstanding.
    fn quiet(&mut self, time: u64) -> Class {
        let asked = self.at.saturating_add(u64::from(self.last.map_or(0, |last| last.srtt)) * 1000);
        if time.saturating_sub(self.at) < self.timer() {
            return Class::Room;
        }
        self.push(asked.min(time), Class::Room);
        self.end_stretch(true);
        Class::Idle
    }

    /// About how long a retransmission timer waits, nanoseconds (RFC 6298; `TCP_RTO_MIN`): seldom longer than this.
    fn timer(&self) -> u64 {
        u64::from(self.last.map_or(0, |last| last.srtt)) * 2000 + 2 * RTO_MIN_NS
    }

    fn retransmission(&mut self, time: u64, seen: Sent) {
        let quiet = time - self.last_event;
        let was_repairing = self.retransmissions.is_repairing();
        if seen.error == 0 {
            self.reductions.sent();
        }
        let cause = self.retransmissions.retransmit(seen, quiet, self.last.as_ref());
        if !was_repairing && self.retransmissions.is_repairing() {
            self.loss(time);
        }
        if self.facts.closed.is_some() {
            // What is acknowledged now no tcp_probe says; but a timer says that for so long nothing was.
            if cause == Some(Cause::Timeout) {
                let waited = (self.timer() << self.backoff.min(6)).min(time.saturating_sub(self.at));
                self.backoff += 1;
                self.push(time - waited, Class::Unseen);
                self.push(time, Class::Timeout);
            }
            return;
        }
        match cause {
            Some(Cause::Syn) => {
                if self.at == self.first && self.last.is_none() && !self.is_connecting {
                    // The first SYN went a second before (`TCP_TIMEOUT_INIT`).
                    self.first = self.first.saturating_sub(SYN_TIMEOUT_NS);
                    (self.at, self.progress) = (self.first, self.first);
                }
                self.is_connecting = true;
            }
            Some(Cause::Timeout) => {
                self.backoff += 1;
                self.facts.backoff_max = self.facts.backoff_max.max(self.backoff);
                self.stalled = Some(time);
                self.probed = None;
                self.reduced = true;
            }
            Some(Cause::TailLossProbe) if self.stalled.is_none() => {
                let (sent, from) = (time, self.progress);
                self.probed = self.last.map(|last| Probed { sent, from, to: u64::MAX, high: last.snd_nxt });
            }
            _ => {}
        }
    }

    /// All time since the last progress is part of a stall.
    fn stall(&mut self, class: Class) -> Class {
        self.slices.relabel(self.progress, |known| match known {
            Class::Connecting | Class::Unseen | Class::ClosedWindow => known,
            _ => class,
        });
        class
    }

    /// A tail loss probe repaired something: from the last progress to the next the sender waited for that. Where it did not, an ACK
    /// was late, and nothing was lost.
    fn lost_tail(&mut self) {
        if let Some(Probed { from, to, .. }) = self.probed.take() {
            self.reduced = true;
            self.slices.relabel_until(from, to, |known| match known {
                Class::Connecting | Class::Unseen | Class::ClosedWindow | Class::Timeout => known,
                _ => Class::Hole,
            });
        }
    }

    /// Whether a tail loss probe repaired anything the kernel knows with the first ACK beyond it, which may come much later
    /// (`net/ipv4/tcp_input.c`, `tcp_process_tlp_ack()`): it reduces the congestion window then.
    fn look_for_lost_tail(&mut self, probe: &Probe, last: &Probe) {
        let Some(mut probed) = self.probed else { return };
        if probed.sent > self.at {
            // What is acknowledged now went before; what was out is known now.
            (probed.from, probed.high) = (self.progress, probe.snd_nxt);
        } else if probed.to == u64::MAX && !is_before(probe.snd_una, probed.high) {
            probed.to = self.at;
        }
        self.probed = Some(probed);
        if is_before(probed.high, probe.snd_una) {
            // Without states; of a window that is as small as can be the ACK's own time decides.
            let is_answer = (probed.to - probed.sent.min(probed.to)) / 900 >= u64::from(self.facts.base_us.max(1000));
            let is_cut = probe.ssthresh < last.ssthresh || probe.snd_cwnd <= FEW && is_answer;
            if is_cut && !self.retransmissions.has_states() {
                self.lost_tail();
            }
            self.probed = None;
        }
    }

    fn probe(&mut self, time: u64, probe: &Probe) {
        self.facts.probes += 1;
        self.facts.bytes_received += u64::from(probe.data_len);
        if self.keeps_spread {
            self.cwnds.add(probe.snd_cwnd);
        }
        if probe.srtt > 0 {
            if self.keeps_spread {
                self.rtts.add(probe.srtt);
            }
            self.rtt.srtt(time, probe.srtt, self.retransmissions.is_repairing());
            self.facts.base_us = self.rtt.base();
            self.look_for_queue(time, probe);
        }
        if self.facts.probes == 1 {
            self.facts.cwnd_first = probe.snd_cwnd;
        }
        self.facts.cwnd_max = self.facts.cwnd_max.max(probe.snd_cwnd);
        self.facts.window_max = self.facts.window_max.max(probe.snd_wnd);
        self.facts.own_window_max = self.facts.own_window_max.max(probe.rcv_wnd);
        let Some(last) = self.last else {
            self.facts.bytes_sent = u64::from(probe.snd_nxt.wrapping_sub(probe.snd_una));
            self.first_probe(time, probe);
            self.retransmissions.probe(probe, None);
            self.last = Some(*probe);
            return;
        };
        if probe.snd_cwnd >= last.snd_cwnd && !self.reduced {
            self.mss.in_flight(probe.snd_nxt.wrapping_sub(probe.snd_una), probe.snd_cwnd);
        }
        if is_before(last.snd_nxt, probe.snd_nxt) {
            self.facts.bytes_sent += u64::from(probe.snd_nxt.wrapping_sub(last.snd_nxt));
        }
        let advanced =
            if is_before(last.snd_una, probe.snd_una) { probe.snd_una.wrapping_sub(last.snd_una) } else { 0 };
        if advanced > 0 {
            self.facts.bytes_acked += u64::from(advanced);
            let is_alone = (time - self.at) * 4 > u64::from(self.facts.base_us) * 1000;
            self.mss.advance(advanced, is_alone);
            // By the last tcp_probe's ACK: what a timer sent since is still out.
            self.progress = self.at;
            self.backoff = 0;
            self.stalled = self.stalled.filter(|time| *time > self.at);
        }
        if self.reductions.look(probe, &last, time - self.at, &mut self.retransmissions) {
            self.loss_with(time, true);
        }
        self.look_for_peak(time);
        let was_repairing = self.retransmissions.is_repairing();
        let undone = self.retransmissions.causes.spurious;
        self.look_for_lost_tail(probe, &last);
        let changed = self.retransmissions.probe(probe, Some(&last));
        let has_left =
            std::mem::take(&mut self.left_recovery) | (was_repairing && !self.retransmissions.is_repairing());
        if self.retransmissions.causes.spurious > undone {
            // Nothing had been lost: it says nothing of the path.
            self.facts.episodes = self.facts.episodes.saturating_sub(1);
            self.episodes.pop();
        } else if has_left {
            self.reductions.recovered(probe, &last);
        }
        self.recent[self.recent_at % self.recent.len()] = time;
        self.recent_at += 1;
        let from = self.at;
        // Only now it shows what a timer had sent.
        match (changed, self.stalled) {
            (Some(Cause::Timeout), _) => {
                self.loss(time);
                self.probed = None;
                self.stalled = Some(self.at + 1);
            }
            (Some(_), Some(_)) => {
                self.stalled = None;
                let (sent, from) = (self.at + 1, self.progress);
                self.probed = Some(Probed { sent, from, to: u64::MAX, high: last.snd_nxt });
            }
            _ => {}
        }
        if self.stalled.is_some() {
            let class = self.stall(Class::Timeout);
            self.push_counted(time, class, self.edge(time, probe, &last, advanced));
        } else {
            self.interval(time, probe, &last, advanced);
        }
        self.before = from;
        self.last = Some(*probe);
    }

    /// The largest srtt that a queue can have made.
    fn look_for_queue(&mut self, time: u64, probe: &Probe) {
        let last = self.last.unwrap_or(*probe);
        let quiet_ns = if probe.snd_una == last.snd_nxt { 0 } else { time - self.at };
        if !self.hold.has(time, quiet_ns, probe.srtt, last.srtt, self.facts.base_us) {
            self.facts.srtt_max_us = self.facts.srtt_max_us.max(probe.srtt);
        }
    }

    /// The largest rate at which data was acknowledged, while nothing was repaired.
    fn look_for_peak(&mut self, time: u64) {
        let (from, bytes) = self.peak_from;
        if self.retransmissions.is_repairing() || self.stalled.is_some() {
            self.peak_from = (u64::MAX, 0);
        } else if from == u64::MAX {
            self.peak_from = (time, self.facts.bytes_acked);
        } else if time - from >= RATE_NS.max(2 * u64::from(self.facts.base_us) * 1000) {
            let rate = (self.facts.bytes_acked - bytes) as f64 * 1e9 / (time - from) as f64;
            self.facts.rate_max = self.facts.rate_max.max(rate);
            self.peak_from = (time, self.facts.bytes_acked);
        }
    }

    fn first_probe(&mut self, time: u64, probe: &Probe) {
        let sent = time.saturating_sub(u64::from(probe.srtt) * 1000).max(self.at);
        if self.is_connecting {
            self.push(sent, Class::Connecting);
            self.is_connecting = false;
        }
        let flight = probe.snd_nxt.wrapping_sub(probe.snd_una);
        if flight > 0 {
            self.push(sent, Class::Turn);
            self.begin_stretch(sent, true, probe.snd_una);
            self.flight(time, probe, None, 0);
        } else {
            self.push(time, Class::Idle);
            self.begin_stretch(time, true, probe.snd_una);
        }
        self.progress = time;
    }

    /// Less than this, and a window is closed. A sender's segments are no larger than half of the largest window
    /// (`include/net/tcp.h`, `tcp_bound_to_half_wnd()`), which matters over loopback.
    fn closed(&self) -> u32 {
        self.mss.bytes().min(self.facts.window_max / 2)
    }

    /// The time since the last tcp_probe.
    fn interval(&mut self, time: u64, probe: &Probe, last: &Probe, advanced: u32) {
        let flight = probe.snd_nxt.wrapping_sub(probe.snd_una);
        let is_drained = probe.snd_una == last.snd_nxt;
        if !is_drained {
            return self.flight(time, probe, Some(last), advanced);
        }
        let base = u64::from(self.facts.base_us.min(probe.srtt.max(1))) * 1000;
        if probe.snd_cwnd < self.cwnd_at_rest && !self.retransmissions.is_repairing() && time - self.at > base {
            // Nothing was lost, and the congestion window is smaller.
            self.facts.idle_restarts += 1;
        }
        self.cwnd_at_rest = probe.snd_cwnd;
        if flight == 0 {
            self.end_stretch(true);
            let mut counts = [0.0; 4];
            let class = match (last.data_len > 0, probe.data_len > 0) {
                (true, true) => self.receiving(time, probe, last),
                _ if probe.snd_wnd < self.closed() => {
                    self.facts.window_closed += 1;
                    // So long a reader needs to be woken; for longer something lay unread.
                    let is_read = time - self.at < u64::from(HELD_US) * 1000;
                    let acked = advanced as f32;
                    counts = if is_read { [acked, acked, 0.0, 0.0] } else { [acked, 0.0, acked, 0.0] };
                    if is_read { Class::Window } else { Class::ClosedWindow }
                }
                _ => Class::Idle,
            };
            (self.was_window, self.was_cwnd) = (matches!(class, Class::Window | Class::ClosedWindow), false);
            self.push_counted(time, class, counts);
            self.begin_stretch(time, true, probe.snd_una);
            return;
        }
        let is_window = i64::from(probe.snd_wnd) - i64::from(flight) < i64::from(self.closed());
        let is_cwnd = u64::from(probe.snd_cwnd) * u64::from(self.mss.bytes()) < u64::from(flight + self.mss.bytes());
        let was_held = self.was_window && is_window || self.was_cwnd && is_cwnd;
        if last.snd_wnd < self.closed() || was_held && last.data_len == 0 {
            // The last ACK opened what was closed, or acknowledged all that a window allowed: what waited went at once.
            return self.flight(time, probe, Some(last), advanced);
        }
        let mut sent = time.saturating_sub(base).max(self.at);
        if sent - self.at < (base / 8).max(2_000_000) {
            sent = self.at;
            if last.data_len == 0 {
                // A program does not see ACKs: what a bare one sets free was written before, and held back.
                let (mss, out) = (self.mss.bytes(), last.snd_nxt.wrapping_sub(last.snd_una));
                let has_room = last.snd_wnd >= 2 * mss && probe.snd_wnd >= 2 * mss;
                if out < mss && has_room && self.at > self.before && self.at - self.before >= (base / 2).max(NAGLE_NS) {
                    self.facts.nagle += 1;
                    self.slices.relabel(self.before, |_| Class::Nagle);
                } else if out == 0 && last.snd_wnd < probe.snd_wnd / 2 {
                    // That ACK opened the window, and what had waited for it went at once.
                    self.facts.window_closed += 1;
                    self.slices.relabel(self.before, |known| match known {
                        Class::Idle => Class::ClosedWindow,
                        other => other,
                    });
                }
                return self.flight(time, probe, Some(last), advanced);
            }
        }
        self.end_stretch(true);
        self.facts.exchanges += u64::from(last.data_len > 0);
        // What a program ends seldom ends with a full segment; what waits unsent consists of them.
        let bytes = probe.snd_una.wrapping_sub(self.stretch.una);
        let is_odd = last.data_len > 0 || !self.mss.is_known() || !bytes.is_multiple_of(self.mss.bytes());
        let class = if probe.snd_wnd < self.closed() { Class::ClosedWindow } else { Class::Turn };
        let counts = if bytes > 0 { [1.0, f32::from(u8::from(is_odd)), 0.0, 0.0] } else { [0.0; 4] };
        self.push_counted(sent, class, counts);
        self.begin_stretch(sent, last.data_len > 0, probe.snd_una);
        self.flight(time, probe, Some(last), advanced);
    }

    /// Both this segment and the one before carry data of the peer.
    fn receiving(&mut self, time: u64, probe: &Probe, last: &Probe) -> Class {
        let (class, waited) = self.receiver.segment(&Arrival {
            last: self.at,
            time,
            base: u64::from(self.facts.base_us) * 1000,
            bytes: last.data_len.into(),
            window: last.rcv_wnd.min(probe.rcv_wnd),
            window_max: self.facts.own_window_max,
        });
        if let Some((from, class)) = waited {
            self.slices.relabel(from, |known| match known {
                Class::Receiving | Class::OwnWindow => class,
                other => other,
            });
        }
        class
    }

    /// How the right edge of a filled window moves: with each ACK where the program reads all the time. And whether the window is
    /// what it can be: where it is much less, something lies unread.
    fn edge(&self, time: u64, probe: &Probe, last: &Probe, advanced: u32) -> [f32; 4] {
        if !self.was_window || advanced == 0 {
            return [0.0; 4];
        }
        let edge = |probe: &Probe| probe.snd_una.wrapping_add(probe.snd_wnd);
        let moved = edge(probe).wrapping_sub(edge(last)).cast_signed().max(0).unsigned_abs();
        // All of it was acknowledged at once, long after it had arrived: only when the program read (`net/ipv4/tcp.c`, `tcp_cleanup_rbuf()`).
        let held = 4 * u64::from(self.facts.base_us.max(HELD_US)) * 1000;
        let is_held = advanced >= probe.snd_wnd / 2 && time - self.at >= held;
        let low = if is_held || probe.snd_wnd < self.facts.window_max / 2 { advanced } else { 0 };
        [advanced as f32, moved.min(advanced) as f32, low as f32, 0.0]
    }

    /// Something is in flight.
    fn flight(&mut self, time: u64, probe: &Probe, last: Option<&Probe>, advanced: u32) {
        let mss = self.mss.bytes();
        let flight = probe.snd_nxt.wrapping_sub(probe.snd_una);
        self.facts.flight_max = self.facts.flight_max.max(flight);
        let sent_more = last.is_some_and(|last| is_before(last.snd_nxt, probe.snd_nxt));
        if sent_more && self.stretch.filled {
            self.stretch.held = true;
        }
        let window_room = i64::from(probe.snd_wnd) - i64::from(flight);
        let cwnd_room = i64::from(probe.snd_cwnd) * i64::from(mss) - i64::from(flight);
        let mss = i64::from(mss);
        // What is sent next is a segment, and no more than half of the window.
        let next = i64::from(self.closed());
        let slack = if self.was_window { (3 * next).max(i64::from(probe.snd_wnd) / 8) } else { next };
        let base = u64::from(self.facts.base_us) * 1000;
        let gap = time - self.at;
        let odd = if i64::from(advanced) % mss == 0 { 0.0 } else { 1.0 };
        let mut counts = [0.0; 4];
        let mut is_cwnd = false;
        let class = if probe.snd_wnd < self.closed() {
            self.facts.window_closed += u64::from(last.is_some_and(|last| last.snd_wnd >= self.closed()));
            Class::ClosedWindow
        } else if self.retransmissions.is_repairing() {
            Class::Repair
        } else if window_room < slack && window_room <= cwnd_room.max(mss) {
            counts = last.map_or(counts, |last| self.edge(time, probe, last, advanced));
            Class::Window
        } else if advanced > 0 && i64::from(advanced) < mss && cwnd_room > 0 {
            // What waits unsent becomes full segments: nothing did.
            counts = [1.0, 1.0, 0.0, 0.0];
            Class::Room
        } else if cwnd_room < mss.max(if base < 3_000_000 { i64::from(flight) / 3 } else { 0 }) {
            self.stretch.filled = true;
            is_cwnd = true;
            if advanced > 0 && !self.is_clocked(time, probe) {
                counts = [1.0, 1.0, 0.0, 0.0];
                Class::Room
            } else if self.reduced {
                Class::Cwnd
            } else {
                Class::Growing
            }
        } else {
            if advanced > 0 {
                counts = [1.0, odd, gap as f32, if gap >= base / 3 { gap as f32 } else { 0.0 }];
            }
            Class::Room
        };
        (self.was_window, self.was_cwnd) = (class == Class::Window, is_cwnd);
        if self.was_window {
            self.facts.windows = (self.facts.windows.0 + u64::from(probe.snd_wnd), self.facts.windows.1 + 1);
        } else if self.reduced {
            self.facts.cwnds = (self.facts.cwnds.0 + u64::from(probe.snd_cwnd), self.facts.cwnds.1 + 1);
        }
        self.push_counted(time, class, counts);
    }

    /// Whether sends follow ACKs. Of a sender that the congestion window holds back, what is acknowledged now was sent when an
    /// ACK made room for it, a round trip ago; of a program that writes by its own clock it was not.
    fn is_clocked(&mut self, time: u64, probe: &Probe) -> bool {
        if probe.snd_cwnd > 8 {
            return true;
        }
        let base = u64::from(self.facts.base_us) * 1000;
        let sent = time.saturating_sub(base);
        let near = (base / 10).max(2_000_000);
        let slow = u64::from(probe.srtt) * 1000 - base.min(u64::from(probe.srtt) * 1000);
        let is_near = |&at: &u64| at + near + 2 * slow.min(base / 8) >= sent && at <= sent + near;
        let hit = self.recent.iter().any(is_near);
        self.clocked += (f32::from(u8::from(hit)) - self.clocked) / 8.0;
        self.clocked > 0.4
    }

    fn begin_stretch(&mut self, from: u64, by_peer: bool, una: u32) {
        self.stretch = Stretch { from, by_peer, filled: false, held: false, una };
    }

    /// All is acknowledged: now it shows what the room in it meant.
    fn end_stretch(&mut self, is_drained: bool) {
        let Stretch { from, by_peer, held, .. } = self.stretch;
        let base = u64::from(self.facts.base_us) * 1000;
        let is_long = !is_drained && self.facts.probes > 8 || self.at.saturating_sub(from) > 5 * base.max(1_000_000);
        let (reduced, stretch) = (self.reduced, from);
        self.slices.relabel(stretch, |class| match class {
            Class::Room if is_long => Class::Stream,
            Class::Room if held && reduced => Class::Cwnd,
            Class::Room if held => Class::Growing,
            Class::Room if by_peer => Class::Exchange,
            Class::Room => Class::Written,
            // It filled the window, and there was nothing more to send.
            Class::Cwnd | Class::Growing if !held && !is_long => {
                if by_peer {
                    Class::Exchange
                } else {
                    Class::Written
                }
            }
            other => other,
        });
        self.stretch.from = self.at;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::limit::Limit;
    use super::super::snapshot::Snapshots;
    use super::super::verdict::intervals;
    use super::*;
    use crate::event::SSTHRESH_INFINITE;

    fn any_event() -> impl Strategy<Value = Observation> {
        let probe = (any::<u32>(), 0..200_000_u32, 0..300_u32, 0..100_000_u32, 0..100_000_u32, 0..3_000_u16);
        let probe = probe.prop_map(|(una, flight, cwnd, wnd, srtt, data_len)| {
            // Near the wrap, so that it happens.
            let snd_una = (u32::MAX - 1_000_000).wrapping_add(una % 3_000_000);
            Observation::Probe(Probe {
                data_len,
                snd_nxt: snd_una.wrapping_add(flight),
                snd_una,
                snd_cwnd: cwnd,
                ssthresh: if cwnd % 2 == 0 { SSTHRESH_INFINITE } else { cwnd },
                snd_wnd: wnd,
                srtt,
                rcv_wnd: wnd,
            })
        });
        prop_oneof![
            8 => probe,
            2 => (0..12_u8, -1..1_i32).prop_map(|(state, error)| Observation::Retransmission { state, error, skb: 1 }),
            1 => (0..6_u8).prop_map(Observation::CongState),
            1 => (1..13_u8, 1..13_u8).prop_map(|(old, new)| Observation::State { protocol: 6, old, new }),
            1 => Just(Observation::SynAckRetransmission),
            1 => Just(Observation::Destroyed),
            1 => Just(Observation::ResetSent { reason: 0 }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever comes, in whatever order: the intervals tile the connection's life.
        #[test]
        fn intervals_tile_any_life(
            events in prop::collection::vec((0..2_000_000_000_u64, any_event()), 1..200),
            has_states: bool,
        ) {
            let mut track = Track::new(has_states, Mss::new(false));
            let mut time = 5_000_000_000_u64;
            for (step, event) in events {
                // Now and then an event is late.
                time = if step % 7 == 0 { time.saturating_sub(step / 1000) } else { time + step };
                track.event(time, &event);
            }
            track.finish();
            let found = intervals(&track, Snapshots::default());
            prop_assert!(found.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert!(found.iter().all(|interval| interval.from < interval.to));
            if let (Some(first), Some(last)) = (found.first(), found.last()) {
                prop_assert_eq!(first.from, track.first);
                prop_assert_eq!(last.to, track.last_event.max(track.first));
            }
        }
    }

    /// A sender with a round trip of 40 ms, `flights` of it: each (bytes in flight, congestion window, window).
    fn sender(flights: impl IntoIterator<Item = (u32, u32, u32)>) -> Vec<Limit> {
        let mut track = Track::new(true, Mss::new(false));
        let (mut time, mut una) = (1_000_000_000, u32::MAX - 100_000);
        for (flight, snd_cwnd, snd_wnd) in flights {
            track.event(
                time,
                &Observation::Probe(Probe {
                    data_len: 0,
                    snd_nxt: una.wrapping_add(flight),
                    snd_una: una,
                    snd_cwnd,
                    ssthresh: SSTHRESH_INFINITE,
                    snd_wnd,
                    srtt: 40_000,
                    rcv_wnd: 65_536,
                }),
            );
            una = una.wrapping_add(1448.min(flight));
            time += 4_000_000;
        }
        track.finish();
        intervals(&track, Snapshots::default()).iter().map(|interval| interval.limit).collect()
    }

    #[test]
    fn what_is_filled_is_the_limit() {
        assert_eq!(sender((0..200).map(|_| (14_480, 100, 15_000))).last(), Some(&Limit::ReceiveWindow));
        assert_eq!(sender((0..200).map(|_| (14_480, 10, 150_000))).last(), Some(&Limit::WindowGrowth));
        assert!(sender((0..200).map(|_| (14_480, 100, 150_000))).contains(&Limit::SenderHost));
    }

    /// However long a connection lives, it keeps a bounded number of slices, and all of its time.
    #[test]
    fn slices_are_bounded() {
        let mut slices = Slices::default();
        for at in 0..100_000_u64 {
            let class = if at % 2 == 0 { Class::Idle } else { Class::Turn };
            slices.push(Slice { from: at, to: at + 1, class, met: 1, queue: false, epoch: 0, counts: [0.0; 4] });
        }
        assert!(slices.list().len() <= super::super::slices::SLICES_MAX);
        assert_eq!((slices.list()[0].from, slices.list().last().map(|slice| slice.to)), (0, Some(100_000)));
    }
}
