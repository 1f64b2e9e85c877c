//! Why a connection is slow: what holds it back at each time, why it retransmitted, and what else is worth saying.
//!
//! A [`Diagnoser`] takes the items of a trace and gives a [`Diagnosis`] for each connection. Of a connection it keeps slices of time,
//! a bounded number of them; when it leaves, they get their limits.

mod cause;
mod diagnosis;
mod facts;
mod findings;
mod glance;
mod histogram;
mod hold;
mod json;
mod limit;
mod limits;
mod live;
mod moments;
mod mss;
mod page;
mod receiver;
mod reductions;
mod rtt;
mod slices;
mod snapshot;
mod summary;
mod track;
mod tracker;
mod verdict;

pub use cause::{Cause, Causes};
pub use diagnosis::{Diagnosis, End};
pub use facts::Facts;
pub use findings::Finding;
pub use glance::{Glance, Stretch};
pub use histogram::Histogram;
pub use json::report;
pub use limit::Limit;
pub use limits::Words;
pub use live::Live;
pub use moments::Moment;
pub use page::{PAGES, Page, SECTIONS, Subject};
pub use summary::Summary;
pub use verdict::Interval;

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::event::Snapshot;
use crate::flow::{Connection, FlowTable, OPEN_MAX, Observer, Readers};
use crate::source::Item;
use tracker::{CONNECTIONS_MAX, INTERVALS_MAX, Tracker};

/// Gaps of lost events that are kept.
const GAPS_MAX: usize = 4096;
/// Slices of all open connections together; above it each loses half of its own, looked at after each batch.
const SLICES_TOTAL: usize = 1 << 20;

/// Lets every second one go.
fn halve<T>(list: &mut Vec<T>) {
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        at % 2 == 0
    });
}

/// Diagnoses the connections of a trace.
///
/// ```
/// use tcpprobe::diagnose::Diagnoser;
///
/// let mut diagnoser = Diagnoser::default();
/// for item in tcpprobe::open("../fixtures/traces/version-2.tcpp")? {
///     diagnoser.item(&item?);
/// }
/// for diagnosis in diagnoser.finish() {
///     let shares: f64 = diagnosis.shares().iter().map(|(_, share)| share).sum();
///     assert!((shares - 1.0).abs() < 1e-9);
/// }
/// # Ok::<(), tcpprobe::Error>(())
/// ```
#[derive(Debug)]
pub struct Diagnoser {
    table: FlowTable<Tracker>,
    readers: Readers,
    gaps: Vec<(u64, u64)>,
}

impl Default for Diagnoser {
    fn default() -> Self {
        Diagnoser { table: FlowTable::new(Tracker::default(), OPEN_MAX), readers: Readers::default(), gaps: Vec::new() }
    }
}

impl Diagnoser {
    /// The fields that it looks at, beside those that tell what an event is about.
    #[must_use]
    pub fn fields() -> Vec<&'static str> {
        Tracker::fields()
    }

    /// From now on, keeps of each connection that begins about so many [`Diagnosis::moments`].
    pub fn keep_moments(&mut self, most: usize) {
        self.table.parts_mut().0.moments = most;
    }

    /// Snapshots of the socket with a cookie, each with its time, in the order of time, where the trace has none; to be given before its connection ends.
    pub fn snapshots(&mut self, cookie: u64, snapshots: impl IntoIterator<Item = (u64, Snapshot)>) {
        self.table.parts_mut().0.snapshots.entry(cookie).or_default().extend(snapshots);
    }

    /// Takes in the events of a trace, item by item.
    pub fn item(&mut self, item: &Item) {
        self.readers.feed(&mut self.table, item);
        if let Item::Lost(gap) = item {
            self.table.parts_mut().0.gaps_seen += 1;
            if self.gaps.len() < GAPS_MAX {
                self.gaps.push((gap.from, gap.to));
            }
        }
        let (tracker, open) = self.table.parts_mut();
        tracker.bound_slices(SLICES_TOTAL, open.map(|(_, kept)| kept));
    }

    /// Connections that were too many to keep.
    #[must_use]
    pub fn untracked(&self) -> u64 {
        self.table.observer().untracked
    }

    /// What was found of those that left, in that order, if they are so many that some would not be kept much longer: who takes them
    /// after each item has all connections of any trace. Ends are joined within what is given at once.
    pub fn take(&mut self) -> Vec<Diagnosis> {
        let tracker = self.table.parts_mut().0;
        if tracker.done.len() < CONNECTIONS_MAX / 2 && tracker.intervals < INTERVALS_MAX / 2 {
            return Vec::new();
        }
        tracker.intervals = 0;
        cut(std::mem::take(&mut tracker.done), &self.gaps)
    }

    /// What was found, in the order in which connections left.
    #[must_use]
    pub fn finish(self) -> Vec<Diagnosis> {
        cut(self.table.finish().done, &self.gaps)
    }
}

fn cut(mut done: Vec<Diagnosis>, gaps: &[(u64, u64)]) -> Vec<Diagnosis> {
    done.iter_mut().for_each(|diagnosis| diagnosis.cut(gaps));
    join(&mut done);
    done
}

/// Finds the two ends of connections: swapped addresses, at the same time.
fn join(found: &mut [Diagnosis]) {
    let mut waiting: HashMap<(SocketAddr, SocketAddr), Vec<usize>> = HashMap::new();
    for at in 0..found.len() {
        let Connection { local, peer, .. } = found[at].connection;
        let overlaps = |other: &Diagnosis| other.from() <= found[at].to() && found[at].from() <= other.to();
        let peers = waiting.get_mut(&(peer, local));
        let place = peers.as_ref().and_then(|peers| peers.iter().position(|&other| overlaps(&found[other])));
        let (Some(peers), Some(place)) = (peers, place) else {
            waiting.entry((local, peer)).or_default().push(at);
            continue;
        };
        let other = peers.swap_remove(place);
        // The ACK of what a short connection sent last is in no event: what was sent counts, and what the other one received.
        let sent = |one: usize, two: usize| found[one].facts.bytes_sent.max(found[two].facts.bytes_received);
        let is_sender = sent(at, other) > sent(other, at);
        let (sender, receiver) = if is_sender { (at, other) } else { (other, at) };
        (found[sender].end, found[receiver].end) = (Some(End::Sender), Some(End::Receiver));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::snapshot::tests::FULL;
    use super::tracker::{INTERVALS_MAX, SNAPSHOTS_MAX};
    use super::*;
    use crate::flow::{Observation, Probe};

    fn connection() -> Connection {
        let end = |last: u8, port: u16| SocketAddr::from(([10, 0, 0, last], port));
        Connection { id: 0, family: 2, local: end(1, 80), peer: end(2, 1), cookie: 1, skaddr: 1 }
    }

    /// tcp_probe events: milliseconds, snd_una, in flight, window, smoothed RTT, data of the peer.
    fn probes(rows: impl IntoIterator<Item = (u64, u32, u32, u32, u32, u16)>) -> Vec<(u64, Observation)> {
        let probe = |(ms, una, flight, snd_wnd, srtt, data_len)| {
            let snd_una = 0xffff_0000_u32.wrapping_add(una);
            let snd_nxt = snd_una.wrapping_add(flight);
            let (ssthresh, rcv_wnd, snd_cwnd) = (0x7fff_ffff, 65_535, 100);
            let probe = Probe { data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd };
            (ms * 1_000_000, Observation::Probe(probe))
        };
        rows.into_iter().map(probe).collect()
    }

    /// Over loopback the window holds one largest segment, and a half of it is what is sent.
    #[test]
    fn small_answers_fill_no_window_of_one_segment() {
        let told = Snapshot { snd_mss: 65_483, wmem_queued: 0, ..FULL };
        let events = probes((0..400).map(|at| (u64::from(at), at * 700, 700, 65_536, 40, 400)));
        let found = diagnose(&events, &[(0, told)], &[]);
        assert_eq!(found.share(Limit::ReceiveWindow), 0.0, "{:?}", found.shares());
    }

    /// Each ACK acknowledges all of a window and comes when the peer's program reads, long after a round trip.
    #[test]
    fn a_reader_by_its_clock_is_no_pause_of_the_sender() {
        let events = probes((0..200).map(|at| {
            let srtt = if at == 0 { 30 } else { 25_000 };
            (u64::from(at) * 25, at * 60_816, 60_816, 60_852, srtt, 0)
        }));
        let found = diagnose(&events, &[], &[]);
        assert_eq!(found.headline().0, Some(Limit::ReceiverApplication), "{:?}", found.shares());
        // The same over a path that takes as long: a small window.
        let events = probes((0..200).map(|at| (u64::from(at) * 25, at * 60_816, 60_816, 60_852, 25_000, 0)));
        let found = diagnose(&events, &[], &[]);
        assert_eq!(found.headline().0, Some(Limit::ReceiveWindow), "{:?}", found.shares());
    }

    /// A window that all of a flight fills; its ACK closes it, and it opens again after `shut` of 150 milliseconds.
    fn windows(shut: u64) -> Diagnosis {
        let rows = (0..60_u32).flat_map(|turn| {
            let (ms, una) = (u64::from(turn) * 150, turn * 60_416);
            [(ms, una, 0, 0, 100_000, 0), (ms + 150 - shut, una, 60_416, 60_416, 100_000, 0)]
        });
        diagnose(&probes(rows), &[], &[])
    }

    /// Its reads come about as often as round trips, so that a delayed ACK hides most of what the window is closed.
    #[test]
    fn a_window_that_each_flight_closes_is_not_read_from() {
        let found = windows(8);
        assert_eq!(found.headline().0, Some(Limit::ReceiverApplication), "{:?}", found.shares());
        let found = windows(0);
        assert_eq!(found.headline().0, Some(Limit::ReceiveWindow), "a reader that was woken: {:?}", found.shares());
    }

    /// What a receiver sees: segments that come without a pause, a share of its window each round trip of 40 milliseconds.
    #[test]
    fn a_window_that_comes_each_round_trip_is_the_limit() {
        let received = |percent: u32, window: u32| {
            let (each, mut events) = (1448 * 100 / percent, vec![]);
            for at in 0..2000_u32 {
                // So long that 57,920 bytes, the window, take a round trip at 100 percent.
                let time = u64::from(at) * u64::from(each) * 40_000_000 / 57_920;
                let rcv_wnd = if at < 200 { 57_920 } else { window };
                let known = Probe { data_len: 1448, snd_nxt: 1, snd_una: 1, rcv_wnd, ..probe(0, 40_000) };
                events.push((time, Observation::Probe(known)));
            }
            diagnose(&events, &[], &[])
        };
        assert_eq!(received(100, 57_920).headline().0, Some(Limit::ReceiveWindow));
        assert_eq!(received(50, 57_920).headline().0, Some(Limit::Unseen));
        assert_eq!(received(30, 15_000).headline().0, Some(Limit::ReceiverApplication));
    }

    /// Writes that fit the buffer, and fill it, with pauses in between.
    #[test]
    fn a_full_buffer_is_no_limit_of_a_program_that_sleeps() {
        let rows = (0..40_u32).flat_map(|turn| {
            let (ms, una) = (u64::from(turn) * 500, turn * 40_000);
            let left = |at: u32| 40_000 - at * 2896;
            (0..=13).map(move |at| (ms + 120 + u64::from(at), una + at * 2896, left(at), 1 << 20, 120_000, 0))
        });
        let full = [1, 2, 3, 4, 5].map(|second| (second * 1_000_000_000 + 60_000_000, FULL));
        let found = diagnose(&probes(rows), &full, &[]);
        assert!(found.share(Limit::SendBuffer) < 0.05, "{:?}", found.shares());
    }

    /// A tail loss probe, whose ACK comes a round trip later; whether it was needed the next exchange tells.
    #[test]
    fn a_tail_loss_probe_is_a_loss_where_the_kernel_says_so() {
        let share = |is_loss: bool| {
            let mut events = vec![(0, Observation::CongState(0))];
            for turn in 0..20_u32 {
                let (ms, una) = (u64::from(turn) * 300, turn * 5000);
                // The last exchange's end, the answer to the probe, and the peer's next request.
                events.extend(probes([(ms, una, 5000, 1 << 20, 40_000, 0)]));
                if is_loss && turn > 0 {
                    events.extend([2, 0].map(|state| (ms * 1_000_000 + 1000, Observation::CongState(state))));
                }
                let skb = u64::from(turn);
                let sent = Observation::Retransmission { state: 1, error: 0, skb };
                events.push(((ms + 150) * 1_000_000, sent));
                events.extend(probes([(ms + 190, una + 4344, 656, 1 << 20, 40_000, 40)]));
            }
            let found = diagnose(&events, &[], &[]);
            assert_eq!(found.causes.of(Cause::TailLossProbe), 20);
            found.share(Limit::PacketLoss)
        };
        assert!(share(true) > 0.5, "{}", share(true));
        assert!(share(false) < 0.1, "an ACK was late, and nothing was lost: {}", share(false));
    }

    /// A recovery that was undone had no loss before it.
    #[test]
    fn what_was_not_lost_says_nothing_of_the_path() {
        let mut events = probes((0..200).map(|at| (u64::from(at) * 4, at * 1448, 144_800, 1 << 20, 40_000, 0)));
        for ms in [200, 400, 600] {
            events.extend([3, 0].map(|state| (ms * 1_000_000 + 1000, Observation::CongState(state))));
        }
        events.sort_by_key(|(time, _)| *time);
        let found = diagnose(&events, &[], &[]);
        assert_eq!((found.causes.spurious, found.facts.episodes), (3, 0));
        assert_eq!(found.share(Limit::PacketLoss), 0.0, "{:?}", found.shares());
    }

    /// The queue of a narrow link is short against the way: what is acknowledged is late all the same.
    #[test]
    fn losses_after_a_short_queue_are_of_a_full_path() {
        let headline = |late: u32| {
            let mut events = vec![];
            for at in 0..3000_u32 {
                // The queue grows by a packet each round trip, and is full every 500 ms.
                let grown = at % 125;
                let srtt = 100_000 + late * grown / 125;
                events.extend(probes([(u64::from(at) * 4, at * 1448, 144_800, 1 << 20, srtt, 0)]));
                if grown == 124 {
                    let time = u64::from(at) * 4_000_000;
                    events.extend([3, 0].map(|state| (time + 1000, Observation::CongState(state))));
                    // It was no reordering: what was out is acknowledged.
                    events.extend(probes([(u64::from(at) * 4 + 1, at * 1448 + 144_800, 0, 1 << 20, srtt, 0)]));
                }
            }
            diagnose(&events, &[], &[]).headline().0
        };
        assert_eq!(headline(14_000), Some(Limit::Bandwidth));
        assert_ne!(headline(0), Some(Limit::Bandwidth));
    }

    /// ECN, in a trace without congestion states: ssthresh falls, and the window follows over a round trip.
    #[test]
    fn marks_are_seen_without_states() {
        let diagnosed = |ssthresh_of: fn(u32) -> u32| {
            let one = |at: u32| {
                let cwnd = [100, 100, 99, 98, 97, 96, 95, 94, 93, 92][(at % 10) as usize];
                let known = Probe { snd_cwnd: cwnd, ssthresh: ssthresh_of(at), ..probe(at, 40_000) };
                let snd_nxt = known.snd_una.wrapping_add(cwnd * 1448);
                (u64::from(at) * 4_000_000, Observation::Probe(Probe { snd_nxt, ..known }))
            };
            diagnose(&(0..400).map(one).collect::<Vec<_>>(), &[], &[])
        };
        // 75 is what Open says of 100; a mark makes it 70.
        let marked = diagnosed(|at| if at % 10 == 0 { 75 } else { 70 });
        assert_eq!((marked.facts.marks, marked.headline().0), (40, Some(Limit::Bandwidth)), "{:?}", marked.shares());
        assert_eq!(diagnosed(|_| 75).facts.marks, 0);
    }

    /// A path that lets nothing pass for two seconds delays what was out, and has no queue; one whose queue grows while ACKs come has one.
    #[test]
    fn what_was_held_is_no_queue() {
        let is_deep = |events: &[(u64, Observation)]| {
            let found = diagnose(events, &[], &[]);
            found.findings().iter().any(|finding| finding.name == "bufferbloat")
        };
        let before = (0..100).map(|at| (u64::from(at) * 4, at * 1448, 144_800, 1 << 20, 40_000, 0));
        let held = (100..200).map(|at| {
            // It takes some ACKs to learn it, and some to forget it.
            let srtt = if at < 150 { 40_000 + 39_200 * (at - 99) } else { 40_000 };
            (u64::from(at) * 4 + 2000, at * 1448, 144_800, 1 << 20, srtt, 0)
        });
        assert!(!is_deep(&probes(before.chain(held))));
        let queue = |at: u32| 40_000 + 6_000 * at.min(200);
        assert!(is_deep(&probes((0..400).map(|at| (u64::from(at) * 12, at * 1448, 144_800, 1 << 20, queue(at), 0)))));
    }

    /// Of three stalls one was undone: that is no path that merely delays.
    #[test]
    fn one_late_ack_does_not_make_all_losses_late() {
        let remedy = |undone: usize| {
            let mut events = probes((0..4).map(|at| (u64::from(at), at * 1448, 14_480, 1 << 20, 40_000, 0)));
            for stall in 0..3_usize {
                let (ms, una) = (1000 + 2000 * stall as u64, 5792 + 20_000 * stall as u32);
                let at = |late: u64, seen: Observation| ((ms + late) * 1_000_000, seen);
                events.extend(probes([(ms, una, 14_480, 1 << 20, 40_000, 0)]));
                events.extend([at(600, Observation::CongState(4))]);
                events.extend([at(600, Observation::Retransmission { state: 1, error: 0, skb: stall as u64 })]);
                // Undone, the state is Open again before all that was out is acknowledged.
                let high = if stall < undone { una + 1448 } else { una + 14_480 };
                events.extend(probes([(ms + 640, una, 14_480, 1 << 20, 40_000, 0)]).into_iter().map(|(time, seen)| {
                    match seen {
                        Observation::Probe(probe) => (time, Observation::Probe(Probe { snd_cwnd: 1, ..probe })),
                        other => (time, other),
                    }
                }));
                events.extend([at(641, Observation::CongState(0))]);
                events.extend(probes([(ms + 642, high, 1448, 1 << 20, 40_000, 0)]));
            }
            let found = diagnose(&events, &[], &[]);
            assert_eq!((found.causes.of(Cause::Timeout), found.causes.spurious), (3, undone as u64));
            found.words(Limit::Timeout).remedy
        };
        assert!(remedy(3).contains("ACKs came late"), "{}", remedy(3));
        assert!(!remedy(1).contains("ACKs came late"), "{}", remedy(1));
    }

    /// BBR in its steady state, as a trace that begins late sees it: ssthresh was set by a loss long ago, and what is shown of it follows the window.
    #[test]
    fn a_rate_based_sender_is_known_without_its_beginning() {
        let diagnosed = |ssthresh_of: fn(u32) -> u32| {
            let one = |at: u32| {
                // It goes up and down by a few packets, and flight is half of it.
                let cwnd = 150 + 2 * (at / 50 % 8).min(8 - at / 50 % 8);
                let srtt = 40_000 + 1000 * (at / 100 % 12);
                let known = Probe { snd_cwnd: cwnd, ssthresh: ssthresh_of(cwnd), snd_wnd: 4 << 20, ..probe(at, srtt) };
                let snd_nxt = known.snd_una.wrapping_add(cwnd * 1448 / 2);
                (u64::from(at) * 600_000, Observation::Probe(Probe { snd_nxt, ..known }))
            };
            diagnose(&(0..4000).map(one).collect::<Vec<_>>(), &[], &[])
        };
        let bbr = diagnosed(|cwnd| (cwnd >> 1) + (cwnd >> 2));
        assert_eq!((bbr.facts.marks, bbr.headline().0), (0, Some(Limit::Bandwidth)), "{:?}", bbr.shares());
        assert!(!diagnosed(|_| 140).facts.is_rate_based);
    }

    /// The kernel tells no ACK after a FIN: a timer tells that nothing was acknowledged for as long as it waited, and no longer.
    #[test]
    fn after_a_fin_a_timeout_is_as_long_as_its_timer() {
        let mut events = probes((0..4).map(|at| (u64::from(at), at * 1448, 14_480, 1 << 20, 40_000, 100)));
        events.push((10_000_000, Observation::State { protocol: 6, old: 1, new: 8 }));
        events.push((6_000_000_000, Observation::CongState(4)));
        events.push((6_000_000_000, Observation::Retransmission { state: 8, error: 0, skb: 1 }));
        events.push((9_000_000_000, Observation::Destroyed));
        let found = diagnose(&events, &[], &[]);
        let (timeout, unseen) = (found.time(Limit::Timeout), found.time(Limit::Unseen));
        assert!((200_000_000..1_000_000_000).contains(&timeout) && unseen > 8_000_000_000, "{:?}", found.intervals);
        assert!(found.words(Limit::Unseen).evidence.contains("FIN"), "{}", found.words(Limit::Unseen).evidence);
    }

    /// Keepalives aside, nothing is sent, and no timer sends anything again: all had been acknowledged.
    #[test]
    fn a_connection_that_waits_for_its_close_is_idle() {
        let mut events = probes([(0, 0, 1000, 1 << 20, 40_000, 0)]);
        events.push((9_000_000_000, Observation::State { protocol: 6, old: 1, new: 4 }));
        let found = diagnose(&events, &[], &[]);
        assert!(found.share(Limit::Idle) > 0.9, "{:?}", found.shares());
    }

    /// Of a short answer no event shows the ACK.
    #[test]
    fn who_sends_a_short_answer_is_the_sender() {
        let mut client =
            diagnose(&probes([(0, 0, 100, 1 << 20, 40_000, 0), (40, 100, 0, 1 << 20, 40_000, 1448)]), &[], &[]);
        let server =
            diagnose(&probes([(20, 0, 0, 1 << 20, 40_000, 100), (60, 0, 20_000, 1 << 20, 40_000, 0)]), &[], &[]);
        assert!(client.facts.bytes_acked > server.facts.bytes_acked);
        let Connection { local, peer, .. } = client.connection;
        (client.connection.local, client.connection.peer) = (peer, local);
        let mut found = vec![client, server];
        join(&mut found);
        assert_eq!(found[1].end, Some(End::Sender));
    }

    /// What no event says is inferred.
    #[test]
    fn what_is_seen_is_exact() {
        let growing: Vec<(u64, Observation)> =
            (0..200).map(|at| (u64::from(at) * 4_000_000, Observation::Probe(probe(at, 40_000)))).collect();
        let waiting = Snapshot { notsent_bytes: 100_000, ..FULL };
        assert!(!diagnose(&growing, &[], &[]).is_exact(Limit::WindowGrowth));
        assert!(diagnose(&growing, &[(400_000_000, waiting)], &[]).is_exact(Limit::WindowGrowth));
        let idle = probes((0..20_u64).map(|at| (at * 1000, 0, 0, 1 << 20, 40_000, 0)));
        assert!(!diagnose(&idle, &[], &[]).is_exact(Limit::Idle));
        let closed = probes((0..20_u64).map(|at| (at * 1000, 0, 0, 0, 40_000, 0)));
        assert!(diagnose(&closed, &[], &[]).is_exact(Limit::ReceiverApplication));
    }

    fn diagnose(events: &[(u64, Observation)], snapshots: &[(u64, Snapshot)], gaps: &[(u64, u64)]) -> Diagnosis {
        let mut tracker = Tracker { moments: 8, ..Tracker::default() };
        tracker.snapshots.insert(1, snapshots.to_vec());
        let mut state = tracker.open(&connection());
        events.iter().for_each(|(time, seen)| tracker.event(&mut state, *time, seen));
        tracker.close(&connection(), state);
        let mut found = tracker.done.remove(0);
        found.cut(gaps);
        found
    }

    fn tiles(found: &Diagnosis) {
        let intervals = &found.intervals;
        assert!(intervals.windows(2).all(|pair| pair[0].to == pair[1].from), "{intervals:?}");
        assert!(intervals.iter().all(|interval| interval.from < interval.to), "{intervals:?}");
        let sum: f64 = found.shares().iter().map(|(_, share)| share).sum();
        assert!(intervals.is_empty() || (sum - 1.0).abs() < 1e-9, "{sum}");
    }

    /// What a kernel writes, and what none would.
    fn any_event() -> impl Strategy<Value = Observation> {
        let probe = (any::<[u32; 6]>(), 0..4_u32, any::<u16>()).prop_map(|(words, scale, data_len)| {
            let [una, flight, snd_cwnd, ssthresh, snd_wnd, srtt] = words.map(|word| word >> (8 * scale));
            let (snd_una, snd_nxt) = (una, una.wrapping_add(flight));
            Observation::Probe(Probe { data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd: 65_535 })
        });
        prop_oneof![
            6 => probe,
            2 => (0..14_u8, -1..1_i32).prop_map(|(state, error)| Observation::Retransmission { state, error, skb: 1 }),
            1 => (0..14_u8, 0..14_u8).prop_map(|(old, new)| Observation::State { protocol: 6, old, new }),
            1 => (0..6_u8).prop_map(Observation::CongState),
            1 => prop_oneof![
                Just(Observation::SynAckRetransmission),
                Just(Observation::ResetSent { reason: 8 }),
                Just(Observation::ResetReceived),
                Just(Observation::Destroyed),
            ],
        ]
    }

    fn any_snapshot() -> impl Strategy<Value = Snapshot> {
        any::<(u32, bool, u32, u32, u32, u64)>().prop_map(
            |(snd_mss, is_bbr, notsent_bytes, wmem_queued, sndbuf, rwnd_limited)| Snapshot {
                snd_mss,
                notsent_bytes,
                rwnd_limited,
                sndbuf_limited: rwnd_limited / 2,
                wmem_queued,
                sndbuf,
                is_bbr,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn intervals_tile_whatever_comes(
            events in prop::collection::vec((prop_oneof![0..9_u64, 0..90_000_000_u64, 0..9_000_000_000_u64], any_event()), 0..60),
            snapshots in prop::collection::vec(any_snapshot(), 0..4),
            gaps in prop::collection::vec((0..99_000_000_000_u64, 0..9_000_000_000_u64), 0..3),
            late in 0..1000_u64,
        ) {
            let mut now = 0;
            let events: Vec<(u64, Observation)> = events.into_iter().map(|(step, seen)| {
                now += step;
                // Some come late, as between CPUs.
                (now.saturating_sub(if step % 5 == 0 { late } else { 0 }), seen)
            }).collect();
            let snapshots: Vec<(u64, Snapshot)> =
                snapshots.into_iter().zip(0..).map(|(one, at)| (at * 1_000_000_000, one)).collect();
            let gaps: Vec<(u64, u64)> = gaps.into_iter().map(|(from, length)| (from, from + length)).collect();
            let found = diagnose(&events, &snapshots, &gaps);
            tiles(&found);
            for cause in Cause::ALL {
                let moments = found.moments.iter().filter(|moment| moment.cause == cause);
                prop_assert_eq!(moments.map(|moment| moment.count).sum::<u64>(), found.causes.of(cause));
            }
            prop_assert!(found.moments.is_sorted_by_key(|moment| moment.time));
            prop_assert!(found.moments.len() <= 8 + Cause::ALL.len());
            for (limit, _) in found.shares() {
                prop_assert!(!found.words(limit).evidence.is_empty());
            }
            let sent = events.iter().filter(|(_, seen)| {
                matches!(seen, Observation::Retransmission { error: 0, .. } | Observation::SynAckRetransmission)
            });
            prop_assert_eq!(found.causes.total(), sent.count() as u64);
        }
    }

    /// A sender with room in both windows; what it waits for the kernel alone knows.
    #[test]
    fn snapshots_of_a_trace_are_evidence() {
        let probes = (0..500_u32)
            .map(|at| (u64::from(at) * 4_000_000, Observation::Probe(Probe { snd_cwnd: 100, ..probe(at, 40_000) })));
        let probes: Vec<(u64, Observation)> = probes.collect();
        let snapshots: Vec<(u64, Snapshot)> = (0..3).map(|second| (second * 900_000_000, FULL)).collect();
        let mut events = probes.clone();
        events.extend(snapshots.iter().map(|&(time, said)| (time, Observation::Snapshot(said))));
        events.sort_by_key(|(time, _)| *time);
        let (alone, beside, within) =
            (diagnose(&probes, &[], &[]), diagnose(&probes, &snapshots, &[]), diagnose(&events, &[], &[]));
        assert_ne!(alone.headline().0, Some(Limit::SendBuffer));
        for found in [&beside, &within] {
            assert_eq!(found.headline().0, Some(Limit::SendBuffer), "{:?}", found.shares());
            assert!(found.is_exact(Limit::SendBuffer));
        }
        assert_eq!(format!("{:?}", within.intervals), format!("{:?}", beside.intervals));
    }

    /// However long it goes on.
    #[test]
    fn snapshots_are_bounded() {
        let mut tracker = Tracker::default();
        let mut kept = tracker.open(&connection());
        (0..20_000_u64).for_each(|time| tracker.event(&mut kept, time, &Observation::Snapshot(FULL)));
        assert!(kept.snapshots.len() <= SNAPSHOTS_MAX && kept.snapshots.is_sorted_by_key(|(time, _)| *time));
    }

    /// A bulk sender that its window holds back, over a path of 40 ms.
    fn probe(at: u32, srtt: u32) -> Probe {
        let snd_una = 0xffff_0000_u32.wrapping_add(at * 1448);
        Probe {
            data_len: 0,
            snd_nxt: snd_una.wrapping_add(14_480),
            snd_una,
            snd_cwnd: 10,
            ssthresh: 0x7fff_ffff,
            snd_wnd: 1 << 20,
            srtt,
            rcv_wnd: 65_535,
        }
    }

    #[test]
    fn sequence_numbers_wrap() {
        let events: Vec<(u64, Observation)> =
            (0..200).map(|at| (u64::from(at) * 4_000_000, Observation::Probe(probe(at, 40_000)))).collect();
        let found = diagnose(&events, &[], &[]);
        assert_eq!(found.headline().0, Some(Limit::WindowGrowth), "{:?}", found.shares());
        assert_eq!(found.facts.bytes_acked, 199 * 1448);
    }

    #[test]
    fn what_was_lost_is_unseen() {
        let events: Vec<(u64, Observation)> =
            (0..200).map(|at| (u64::from(at) * 4_000_000, Observation::Probe(probe(at, 40_000)))).collect();
        let found = diagnose(&events, &[], &[(200_000_000, 400_000_000)]);
        tiles(&found);
        let unseen: u64 = found.intervals.iter().filter(|i| i.limit == Limit::Unseen).map(|i| i.to - i.from).sum();
        assert_eq!(unseen, 200_000_000);
    }

    #[test]
    fn two_ends_are_joined_while_both_live() {
        let one = |events: std::ops::Range<u32>, is_back: bool, data_len: u16| {
            let events: Vec<(u64, Observation)> = events
                .map(|at| {
                    let probe = Probe { data_len, ..probe(if data_len > 0 { 0 } else { at }, 40_000) };
                    (u64::from(at) * 4_000_000, Observation::Probe(probe))
                })
                .collect();
            let mut found = diagnose(&events, &[], &[]);
            let Connection { local, peer, .. } = found.connection;
            if is_back {
                (found.connection.local, found.connection.peer) = (peer, local);
            }
            found
        };
        let mut found = vec![one(0..50, false, 0), one(0..50, true, 1448), one(60..90, true, 1448)];
        join(&mut found);
        let ends: Vec<Option<End>> = found.iter().map(|found| found.end).collect();
        assert_eq!(ends, [Some(End::Sender), Some(End::Receiver), None]);
    }

    #[test]
    fn of_too_many_the_most_active_stay() {
        let mut tracker = Tracker::default();
        for length in 1..=8_u32 {
            let mut state = tracker.open(&connection());
            for at in 0..length * 10 {
                tracker.event(&mut state, u64::from(at) * 4_000_000, &Observation::Probe(probe(at, 40_000)));
            }
            tracker.close(&connection(), state);
        }
        assert_eq!(tracker.slices, 0);
        tracker.drop_smallest(4, INTERVALS_MAX);
        let kept: Vec<u64> = tracker.done.iter().map(|diagnosis| diagnosis.facts.probes).collect();
        assert_eq!((kept, tracker.untracked), (vec![80, 70, 60], 5));
        tracker.drop_smallest(4, 1);
        assert_eq!(tracker.done.len(), 1);
    }

    #[test]
    fn slices_are_bounded() {
        let mut tracker = Tracker::default();
        let mut state = tracker.open(&connection());
        for at in 0..200_000_u32 {
            // Queues come and go.
            let srtt = if at % 2 == 0 { 40_000 } else { 400_000 };
            tracker.event(&mut state, u64::from(at) * 1_000_000, &Observation::Probe(probe(at, srtt)));
            assert!(state.track.slices.list().len() <= slices::SLICES_MAX);
        }
        tracker.close(&connection(), state);
        tiles(&tracker.done[0]);
    }
}
