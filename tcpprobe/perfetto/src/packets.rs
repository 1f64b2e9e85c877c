//! Packets as they are written: interned names, and packed by the thousand.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use prost::Message;

use crate::messages::{
    DebugAnnotation, INCREMENTAL_STATE_CLEARED, InternedData, NEEDS_INCREMENTAL_STATE, Name, Trace, TracePacket,
    TrackDescriptor, TrackEvent,
};

/// Bytes of packets that are packed together; what a reader unpacks at once.
const PACKED_BYTES: usize = 256 << 10;
/// The one writer.
const SEQUENCE: u32 = 1;

/// Packets that wait to be written.
#[derive(Debug, Default)]
pub struct Packets {
    waiting: Vec<u8>,
    packed: Vec<u8>,
    names: HashMap<&'static str, u64>,
    argument_names: HashMap<&'static str, u64>,
    is_begun: bool,
}

/// A value beside an event.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// A number.
    Count(u64),
    /// Whether.
    Is(bool),
}

impl Packets {
    fn put(&mut self, packet: TracePacket) {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let flags = if is_first { INCREMENTAL_STATE_CLEARED } else { 0 } | NEEDS_INCREMENTAL_STATE;
        let sequence_flags = (is_first || packet.track_event.is_some()).then_some(flags);
        let packet = TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), sequence_flags, ..packet };
        // A vector grows as it must.
        let _ = Trace { packet: vec![packet] }.encode(&mut self.waiting);
        if self.waiting.len() >= PACKED_BYTES {
            self.pack();
        }
    }

    /// What is told of a clock.
    pub fn clocks(&mut self, snapshot: crate::messages::ClockSnapshot) {
        self.put(TracePacket { clock_snapshot: Some(snapshot), ..TracePacket::default() });
    }

    /// A track.
    pub fn track(&mut self, track: TrackDescriptor) {
        self.put(TracePacket { track_descriptor: Some(track), ..TracePacket::default() });
    }

    /// An event on a track: of a name, where it has one.
    pub fn event(
        &mut self,
        time: u64,
        event: TrackEvent,
        name: Option<&'static str>,
        args: &[(&'static str, Argument)],
    ) {
        let mut interned = InternedData::default();
        let event = TrackEvent {
            name_iid: name.map(|name| iid(&mut self.names, &mut interned.event_names, name)),
            debug_annotations: args
                .iter()
                .map(|(name, value)| {
                    let name_iid = Some(iid(&mut self.argument_names, &mut interned.debug_annotation_names, name));
                    match *value {
                        Argument::Count(count) => {
                            DebugAnnotation { name_iid, uint_value: Some(count), bool_value: None }
                        }
                        Argument::Is(is) => DebugAnnotation { name_iid, bool_value: Some(is), uint_value: None },
                    }
                })
                .collect(),
            ..event
        };
        let interned_data = (interned != InternedData::default()).then_some(interned);
        let (timestamp, track_event) = (Some(time), Some(event));
        self.put(TracePacket { timestamp, track_event, interned_data, ..TracePacket::default() });
    }

    fn pack(&mut self) {
        let packed = || -> io::Result<Vec<u8>> {
            let mut packer = ZlibEncoder::new(Vec::with_capacity(self.waiting.len() / 4), Compression::fast());
            packer.write_all(&self.waiting)?;
            packer.finish()
        };
        match packed() {
            Ok(bytes) => {
                let packet = TracePacket { compressed_packets: Some(bytes), ..TracePacket::default() };
                let _ = Trace { packet: vec![packet] }.encode(&mut self.packed);
            }
            // A vector takes everything; if not, they stay as they are.
            Err(_) => self.packed.extend_from_slice(&self.waiting),
        }
        self.waiting.clear();
    }

    /// Appends what is packed to `out`.
    pub fn take(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.packed);
    }

    /// Packs what is left.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.waiting.is_empty() {
            self.pack();
        }
        self.take(out);
    }
}

/// The number of a name; where it is new, the packet says it.
fn iid(known: &mut HashMap<&'static str, u64>, told: &mut Vec<Name>, name: &'static str) -> u64 {
    let next = known.len() as u64 + 1;
    *known.entry(name).or_insert_with(|| {
        told.push(Name { iid: Some(next), name: Some(name.to_owned()) });
        next
    })
}
