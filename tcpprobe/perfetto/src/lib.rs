//! Traces as [Perfetto](https://perfetto.dev) traces: for each connection a track, below it what held it back, its retransmissions by
//! cause, and counters of its windows, what is in flight, its smoothed RTT and its bytes; beside them where events are missing.
//!
//! The times are those of the trace's clock, which stands as Perfetto's BOOTTIME; where the time of day is known, it is told.
//! A counter is written where it changes, and holds its value until then.
//!
//! ```
//! let mut perfetto = tcpprobe_perfetto::Perfetto::new();
//! let mut out = Vec::new();
//! let mut trace = tcpprobe::open("../../fixtures/traces/version-2.tcpp")?;
//! for item in &mut trace {
//!     perfetto.item(&item?, &mut out);
//! }
//! perfetto.finish(trace.losses(), &mut out);
//! assert!(out.len() > 10_000);
//! # Ok::<(), tcpprobe::Error>(())
//! ```
#![forbid(unsafe_code)]

mod messages;
mod packets;
mod tracks;

use std::collections::HashSet;

use messages::{
    BOOTTIME, Clock, ClockSnapshot, EXPLICIT, INSTANT, REALTIME, SLICE_BEGIN, SLICE_END, TrackDescriptor, TrackEvent,
};
use packets::{Argument, Packets};
use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::flow::{FlowTable, OPEN_MAX, Readers};
use tcpprobe::source::{Batch, Gap, Item, Losses};
use tracks::{Child, Counters};

/// Moments of a connection's retransmissions that are kept apart; of more, some stand for several.
const MOMENTS_MAX: usize = 1 << 14;
/// The track of losses, above those of its CPUs; no connection has such a number.
const LOSSES: u64 = 1 << 63;

/// Makes a Perfetto trace: takes the items of a trace, and appends to its output as they come.
#[derive(Debug)]
pub struct Perfetto {
    flows: FlowTable<Counters>,
    readers: Readers,
    diagnoser: Diagnoser,
    /// CPUs whose tracks were told.
    cpus: HashSet<u32>,
    /// Events of which gaps tell.
    told: u64,
    /// The latest time.
    now: u64,
    /// UTC minus the trace's clock, as it was told last.
    utc_offset_ns: Option<i64>,
}

impl Default for Perfetto {
    fn default() -> Self {
        let mut diagnoser = Diagnoser::default();
        diagnoser.keep_moments(MOMENTS_MAX);
        Perfetto {
            flows: FlowTable::new(Counters::default(), OPEN_MAX),
            readers: Readers::default(),
            diagnoser,
            cpus: HashSet::new(),
            told: 0,
            now: 0,
            utc_offset_ns: None,
        }
    }
}

impl Perfetto {
    /// Of a trace of which nothing was taken yet.
    #[must_use]
    pub fn new() -> Self {
        Perfetto::default()
    }

    /// Takes the next item of a trace whose clock counts nanoseconds.
    pub fn item(&mut self, item: &Item, out: &mut Vec<u8>) {
        match item {
            Item::Events(batch) => self.clocks(batch),
            Item::Lost(gap) => self.lost(gap),
            _ => {}
        }
        self.readers.feed(&mut self.flows, item);
        self.diagnoser.item(item);
        let found = self.diagnoser.take();
        let packets = self.packets();
        found.iter().for_each(|found| diagnosed(packets, found));
        packets.take(out);
    }

    fn packets(&mut self) -> &mut Packets {
        &mut self.flows.parts_mut().0.packets
    }

    /// Tells the time of day, where it is another than told before.
    fn clocks(&mut self, batch: &Batch) {
        let Batch::Columns(columns) = batch else { return };
        let (mut times, offset) = (columns.times(), batch.utc_offset_ns());
        let Some((time, offset_ns)) = times.next().zip(offset) else { return };
        self.now = times.last().unwrap_or(time);
        if self.utc_offset_ns.replace(offset_ns) == offset {
            return;
        }
        let clock = |id: u32, timestamp: u64| Clock { clock_id: Some(id), timestamp: Some(timestamp) };
        let clocks = vec![clock(BOOTTIME, time), clock(REALTIME, time.wrapping_add_signed(offset_ns))];
        self.packets().clocks(ClockSnapshot { clocks, primary_trace_clock: Some(BOOTTIME) });
    }

    fn lost(&mut self, gap: &Gap) {
        self.told = self.told.saturating_add(gap.lost.unwrap_or(0));
        self.lost_on(Some(gap.cpu), gap.from, gap.to, gap.lost);
    }

    /// A slice for all the time in which events are missing: of a CPU, or of nobody knows which.
    fn lost_on(&mut self, cpu: Option<u32>, from: u64, to: u64, lost: Option<u64>) {
        let uuid = LOSSES + cpu.map_or(1, |cpu| 2 + u64::from(cpu));
        let is_first = self.cpus.is_empty();
        let is_new = self.cpus.insert(cpu.unwrap_or(u32::MAX));
        let packets = self.packets();
        if is_first {
            packets.track(TrackDescriptor {
                uuid: Some(LOSSES),
                name: Some("lost events".to_owned()),
                child_ordering: Some(EXPLICIT),
                ..TrackDescriptor::default()
            });
        }
        if is_new {
            packets.track(TrackDescriptor {
                uuid: Some(uuid),
                parent_uuid: Some(LOSSES),
                name: Some(cpu.map_or("anywhere".to_owned(), |cpu| format!("CPU {cpu}"))),
                sibling_order_rank: Some(cpu.map_or(i32::MAX, |cpu| i32::try_from(cpu).unwrap_or(i32::MAX))),
                ..TrackDescriptor::default()
            });
        }
        let count = lost.map(|lost| [("events", Argument::Count(lost))]);
        let args = count.as_ref().map_or(&[][..], |count| &count[..]);
        slice(packets, uuid, (from, to), if lost.is_some() { "lost" } else { "lost, nobody knows how many" }, args);
    }

    /// Ends, with what the trace's losses are in the end.
    pub fn finish(mut self, losses: &Losses, out: &mut Vec<u8>) {
        let rest = losses.lost.saturating_sub(self.told);
        if rest > 0 {
            let now = self.now;
            self.lost_on(None, now, now, Some(rest));
        }
        let mut packets = self.flows.finish().packets;
        self.diagnoser.finish().iter().for_each(|found| diagnosed(&mut packets, found));
        packets.finish(out);
    }
}

/// The slices of a connection.
fn diagnosed(packets: &mut Packets, found: &Diagnosis) {
    let id = found.connection.id;
    for interval in &found.intervals {
        let args = [("exact", Argument::Is(interval.is_exact))];
        slice(packets, Child::Limits.of(id), (interval.from, interval.to), interval.limit.name(), &args);
    }
    for moment in &found.moments {
        let event = TrackEvent {
            r#type: Some(INSTANT),
            track_uuid: Some(Child::Retransmissions.of(id)),
            ..TrackEvent::default()
        };
        packets.event(moment.time, event, Some(moment.cause.name()), &[("count", Argument::Count(moment.count))]);
    }
}

fn slice(
    packets: &mut Packets,
    track: u64,
    (from, to): (u64, u64),
    name: &'static str,
    args: &[(&'static str, Argument)],
) {
    let event = |kind: i32| TrackEvent { r#type: Some(kind), track_uuid: Some(track), ..TrackEvent::default() };
    packets.event(from, event(SLICE_BEGIN), Some(name), args);
    packets.event(to, event(SLICE_END), None, &[]);
}
