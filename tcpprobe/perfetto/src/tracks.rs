//! The tracks of a connection.

use crate::messages::{
    COUNTER, CounterDescriptor, EXPLICIT, TrackDescriptor, TrackEvent, UNIT_COUNT, UNIT_SIZE_BYTES, UNIT_TIME_NS,
};
use crate::packets::Packets;
use tcpprobe::event::SSTHRESH_INFINITE;
use tcpprobe::flow::{Connection, Counted, Observation, Observer, Probe};

/// A counter of a connection.
struct Known {
    name: &'static str,
    unit: i32,
    multiplier: Option<i64>,
    unit_name: Option<&'static str>,
    /// Those of a connection with the same key have one axis.
    axis: Option<&'static str>,
    value: fn(&Probe, &Counted) -> Option<i64>,
}

const PACKETS: Option<&str> = Some("packets");

/// The counters, from above.
const COUNTERS: [Known; 7] = [
    Known {
        name: "congestion window",
        unit: UNIT_COUNT,
        multiplier: None,
        unit_name: PACKETS,
        axis: Some("packets"),
        value: |probe, _| Some(probe.snd_cwnd.into()),
    },
    Known {
        name: "ssthresh",
        unit: UNIT_COUNT,
        multiplier: None,
        unit_name: PACKETS,
        axis: Some("packets"),
        value: |probe, _| (probe.ssthresh != SSTHRESH_INFINITE).then_some(probe.ssthresh.into()),
    },
    Known {
        name: "in flight",
        unit: UNIT_SIZE_BYTES,
        multiplier: None,
        unit_name: None,
        axis: Some("bytes"),
        value: |probe, _| Some(probe.snd_nxt.wrapping_sub(probe.snd_una).into()),
    },
    Known {
        name: "peer's window",
        unit: UNIT_SIZE_BYTES,
        multiplier: None,
        unit_name: None,
        axis: Some("bytes"),
        value: |probe, _| Some(probe.snd_wnd.into()),
    },
    Known {
        name: "srtt",
        unit: UNIT_TIME_NS,
        multiplier: Some(1000),
        unit_name: None,
        axis: None,
        value: |probe, _| Some(probe.srtt.into()),
    },
    Known {
        name: "acknowledged",
        unit: UNIT_SIZE_BYTES,
        multiplier: None,
        unit_name: None,
        axis: Some("sums"),
        value: |_, counted| Some(counted.totals.bytes_acked.cast_signed()),
    },
    Known {
        name: "received",
        unit: UNIT_SIZE_BYTES,
        multiplier: None,
        unit_name: None,
        axis: Some("sums"),
        value: |_, counted| Some(counted.totals.bytes_received.cast_signed()),
    },
];

/// A track of a connection, below its own.
#[derive(Debug, Clone, Copy)]
pub enum Child {
    /// What holds it back.
    Limits,
    /// Its retransmissions.
    Retransmissions,
    /// A counter.
    Counter(usize),
}

/// The track of a connection; its children follow it.
pub fn track_of(connection: u64) -> u64 {
    (connection + 1) << 8
}

impl Child {
    /// Its track.
    pub fn of(self, connection: u64) -> u64 {
        track_of(connection) + 1 + self.rank()
    }

    fn rank(self) -> u64 {
        match self {
            Child::Limits => 0,
            Child::Retransmissions => 1,
            Child::Counter(at) => 2 + at as u64,
        }
    }
}

/// What is kept of a connection.
#[derive(Debug)]
pub struct Kept {
    id: u64,
    counted: Counted,
    last: [Option<i64>; COUNTERS.len()],
}

/// Writes the counters of connections as they change.
#[derive(Debug, Default)]
pub struct Counters {
    pub packets: Packets,
}

impl Observer for Counters {
    type State = Kept;

    fn fields() -> Vec<&'static str> {
        vec!["data_len", "length", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "err"]
    }

    fn open(&mut self, of: &Connection) -> Kept {
        let uuid = track_of(of.id);
        self.packets.track(TrackDescriptor {
            uuid: Some(uuid),
            name: Some(format!("{} → {}", of.local, of.peer)),
            child_ordering: Some(EXPLICIT),
            description: Some(format!("connection {}, socket cookie {}", of.id, of.cookie)),
            ..TrackDescriptor::default()
        });
        let mut child = |child: Child, name: &str, counter: Option<CounterDescriptor>| {
            self.packets.track(TrackDescriptor {
                uuid: Some(child.of(of.id)),
                parent_uuid: Some(uuid),
                name: Some(name.to_owned()),
                counter,
                sibling_order_rank: Some(child.rank() as i32),
                ..TrackDescriptor::default()
            });
        };
        child(Child::Limits, "limit", None);
        child(Child::Retransmissions, "retransmissions", None);
        for (at, known) in COUNTERS.iter().enumerate() {
            let counter = CounterDescriptor {
                unit: Some(known.unit),
                unit_multiplier: known.multiplier,
                unit_name: known.unit_name.map(str::to_owned),
                y_axis_share_key: known.axis.map(str::to_owned),
            };
            child(Child::Counter(at), known.name, Some(counter));
        }
        Kept { id: of.id, counted: Counted::default(), last: [None; COUNTERS.len()] }
    }

    fn event(&mut self, kept: &mut Kept, time: u64, seen: &Observation) {
        kept.counted.count(time, seen);
        let Observation::Probe(probe) = seen else { return };
        for (at, known) in COUNTERS.iter().enumerate() {
            let value = (known.value)(probe, &kept.counted);
            if value.is_none() || value == kept.last[at] {
                continue;
            }
            kept.last[at] = value;
            let event = TrackEvent {
                r#type: Some(COUNTER),
                track_uuid: Some(Child::Counter(at).of(kept.id)),
                counter_value: value,
                ..TrackEvent::default()
            };
            self.packets.event(time, event, None, &[]);
        }
    }

    fn close(&mut self, _: &Connection, _: Kept) {}
}
