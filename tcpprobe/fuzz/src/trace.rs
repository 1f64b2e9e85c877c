//! A trace: as it is, and with its frames made right, or else every change to one would end at its checksum.

use std::collections::BTreeSet;
use std::io::Read;

use tcpprobe::event::Record;
use tcpprobe::file::block::Schema;
use tcpprobe::file::{
    Anchor, Clock, FRAME_HEAD_BYTES, Frame, Frames, Header, Item, Kind, MAGIC, Reader, Scanned, Select, Totals, Writer,
    decode_ledger, encode_accounts, frame_head, put_frame,
};
use tcpprobe::kernel::format::Format;

use super::block::tame;
use super::input::Trickle;

/// The moment at which a trace that is written begins.
const ANCHOR: Anchor = Anchor { time: 0, wall: 1 << 60 };
/// What is later, in nanoseconds, no wall clock tells.
const TIME_MAX: u64 = 1 << 62;

pub fn run(input: &[u8]) {
    check(input);
    let mended = mended(input);
    if mended != input {
        check(&mended);
    }
}

/// The same frames, with the lengths that they have and right checksums, and blocks of the schema before them.
fn mended(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut schema = None;
    let starts: Vec<usize> = (0..input.len()).filter(|&at| input[at..].starts_with(&MAGIC)).collect();
    out.extend(&input[..starts.first().copied().unwrap_or(input.len())]);
    for (at, &start) in starts.iter().enumerate() {
        let bytes = &input[start..starts.get(at + 1).copied().unwrap_or(input.len())];
        let Some((head, payload)) = bytes.split_at_checked(FRAME_HEAD_BYTES) else {
            out.extend(bytes);
            continue;
        };
        let mut payload = payload.to_vec();
        // The length does not matter here, but it must be one.
        let kind = frame_head(&[&head[..8], &[0; 8]].concat()).map_or(Kind::Unknown(head[4]), |head| head.kind);
        match (kind, &schema) {
            (Kind::Schema, _) => schema = Schema::decode(&payload).ok().or(schema),
            (Kind::Block, Some(schema)) => tame(&mut payload, schema),
            _ => {}
        }
        put_frame(kind, &mut out, |out| out.extend(payload));
    }
    out
}

fn check(file: &[u8]) {
    let begins_with_a_header = frames(file);
    let once = read(file, Select::default());
    assert!(once == read(Trickle::new(file), Select::default()));
    if begins_with_a_header {
        comes_once(file, &once);
    }
    if once.is_whole {
        a_part_is_selected(file, &once);
        comes_back(&once);
    }
}

/// Frames and damage are the whole file, and what is in a frame is read again as it was. Says whether a header comes first.
fn frames(file: &[u8]) -> bool {
    let (mut frames, mut end, mut first) = (Frames::new(file), 0, None);
    while let Some(found) = frames.next_frame().expect("nothing fails") {
        let (offset, length) = match &found {
            Scanned::Frame(frame) => (frame.offset, frame.bytes.len() as u64),
            Scanned::Damage(damage) => (damage.offset, damage.bytes),
        };
        assert!(offset == end && length > 0);
        end += length;
        let is_header = match &found {
            Scanned::Frame(frame) => frame.kind == Kind::Header && Header::decode(frame.payload()).is_some(),
            Scanned::Damage(_) => false,
        };
        first = first.or(Some(is_header));
        if let Scanned::Frame(frame) = found {
            assert_eq!(frame.bytes, &file[offset as usize..end as usize]);
            is_the_same_when_written(&frame);
        }
        assert_eq!(frames.position(), end);
    }
    assert_eq!(end, file.len() as u64);
    first == Some(true)
}

fn is_the_same_when_written(frame: &Frame<'_>) {
    let head = frame_head(frame.bytes).expect("it has a head");
    assert_eq!((head.kind, head.payload_bytes), (frame.kind, frame.payload().len()));
    let mut out = Vec::new();
    match frame.kind {
        Kind::Header => {
            let Some(header) = Header::decode(frame.payload()) else { return };
            header.encode(&mut out);
            assert_eq!(Header::decode(&out), Some(header));
        }
        Kind::Schema => {
            let Ok(schema) = Schema::decode(frame.payload()) else { return };
            let again = Schema::decode(&schema.encode()).expect("what was written is read");
            assert!(again.id() == schema.id() && again.formats().eq(schema.formats()));
        }
        Kind::Anchor => {
            let Some(anchor) = Anchor::decode(frame.payload()) else { return };
            anchor.encode(&mut out);
            assert_eq!(Anchor::decode(&out), Some(anchor));
        }
        Kind::Ledger => {
            let Some((accounts, pages)) = decode_ledger(frame.payload()) else { return };
            encode_accounts(&accounts, pages, &mut out);
            let mut totals = Totals::default();
            accounts.iter().for_each(|account| totals.add(account));
            assert!(accounts.iter().all(|account| account.lost <= totals.missing()));
            assert_eq!(decode_ledger(&out), Some((accounts, pages)));
        }
        Kind::Block | Kind::Unknown(_) => {}
    }
}

/// An event, of the format of this number.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    time: u64,
    cpu: u32,
    format: usize,
    bytes: Vec<u8>,
}

/// What a trace holds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Contents {
    events: Vec<Event>,
    formats: Vec<Format>,
    clock: Clock,
    /// Whether all of it could be read, and is of one trace.
    is_whole: bool,
}

/// Reads a trace, in which the events of each batch must come in the order of time.
fn read(file: impl Read, select: Select) -> Contents {
    let mut reader = Reader::select(file, select);
    let (mut contents, mut traces, mut damage) = (Contents::default(), 0, 0);
    let end = loop {
        match reader.next_item() {
            Ok(Some(Item::Header(_))) => traces += 1,
            Ok(Some(Item::Events(batch))) => {
                let first = contents.events.len();
                batch.for_each(|record| contents.add(&record));
                let batch = &contents.events[first..];
                assert!(batch.is_sorted_by_key(|event| (event.time, event.cpu)));
            }
            Ok(Some(Item::Accounts(_))) => {}
            Ok(Some(Item::Damage(_))) => damage += 1,
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    contents.is_whole = end && damage == 0 && traces == 1;
    contents.clock = Clock::clone(reader.clock());
    contents
}

impl Contents {
    fn add(&mut self, record: &Record<'_>) {
        let known = self.formats.iter().position(|known| known.text == record.format.text);
        let format = known.unwrap_or_else(|| {
            self.formats.push(record.format.clone());
            self.formats.len() - 1
        });
        self.events.push(Event { time: record.time, cpu: record.cpu, format, bytes: record.bytes.to_vec() });
    }

    /// The events with the texts of their formats, which are numbered as they appear.
    fn iter(&self) -> impl Iterator<Item = (&str, u64, u32, &[u8])> {
        self.events.iter().map(|event| (&*self.formats[event.format].text, event.time, event.cpu, &*event.bytes))
    }
}

/// Of a file behind itself every block comes once.
fn comes_once(file: &[u8], once: &Contents) {
    let twice = read(file.chain(file), Select::default());
    assert!(twice.events == once.events);
}

/// Between two times, there are the events between them.
fn a_part_is_selected(file: &[u8], all: &Contents) {
    let wall = |at: usize| all.clock.wall(all.events.get(at)?.time);
    let half = all.events.len() / 2;
    let select = Select { since: wall(half / 2), until: wall(half), ..Select::default() };
    let some = read(file, select);
    let mut rest = all.iter();
    assert!(some.iter().all(|event| rest.any(|other| other == event)), "not in the trace, or not in its order");
}

/// A trace written of the events has them all, in the order of time, and between two times those that are between them.
fn comes_back(all: &Contents) {
    let ids: BTreeSet<u16> = all.formats.iter().map(|format| format.id).collect();
    let is_told = |event: &Event| {
        event.bytes.first_chunk().map(|id| u16::from_le_bytes(*id)) == Some(all.formats[event.format].id)
    };
    // Two events of one id in a schema, or an event that does not begin with it, no kernel has.
    if ids.len() < all.formats.len() || !all.events.iter().all(is_told) {
        return;
    }
    let schema = Schema::new(all.formats.clone()).expect("they came from a schema");
    let mut writer = Writer::new(Vec::new(), &Header::new("again"), &schema, &[ANCHOR]).expect("nothing fails");
    for Event { time, cpu, format, bytes } in &all.events {
        let format = &all.formats[*format];
        assert!(writer.push(&Record::new(*time, *cpu, None, format, bytes)).expect("nothing fails"));
    }
    let (file, count) = writer.finish().expect("nothing fails");
    let mut sorted = all.clone();
    sorted.events.sort_by_key(|event| (event.time, event.cpu));
    let again = read(&*file, Select::default());
    assert!(again.is_whole && again.events.len() as u64 == count && again.iter().eq(sorted.iter()));

    let times: Vec<u64> = sorted.events.iter().map(|event| event.time).collect();
    let (Some(&since), Some(&until)) = (times.get(times.len() / 3), times.get(times.len() / 2)) else { return };
    let (Some(since_wall), Some(until_wall), true) = (wall(since), wall(until), times.last() < Some(&TIME_MAX)) else {
        return;
    };
    let select = Select { since: Some(since_wall), until: Some(until_wall), ..Select::default() };
    let between = |event: &(&str, u64, u32, &[u8])| (since..=until).contains(&event.1);
    assert!(read(&*file, select).iter().eq(sorted.iter().filter(between)));
}

/// The wall clock by the anchor.
fn wall(time: u64) -> Option<i64> {
    i64::try_from(time).ok()?.checked_add(ANCHOR.wall)
}
