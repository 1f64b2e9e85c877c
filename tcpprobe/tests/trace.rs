//! Traces: what is written is read back in the order of time, whatever happened to the file.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::sync::Arc;

use tcpprobe::event::{Record, Value};
use tcpprobe::file::block::{BlockBuilder, Schema, Seal};
use tcpprobe::file::{
    Account, Anchor, Damage, Header, Item, Kind as FrameKind, Reader, Select, TraceError, Writer, put_frame,
};
use tcpprobe::kernel::format::Kind;

const ANCHOR: Anchor = Anchor { time: 0, wall: 1_000_000_000_000 };

/// What a reader finds in a file.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// Time and CPU.
    events: Vec<(u64, u32)>,
    headers: Vec<Header>,
    accounts: Vec<Account>,
    damage: Vec<Damage>,
}

fn read(bytes: &[u8], select: Select) -> Found {
    let mut found = Found::default();
    let mut reader = Reader::select(bytes, select);
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Header(header) => found.headers.push(header),
            Item::Events(batch) => batch.for_each(|record| found.events.push((record.time, record.cpu))),
            Item::Accounts(accounts) => found.accounts.extend(accounts),
            Item::Damage(damage) => found.damage.push(damage),
        }
    }
    found
}

fn schema(decoded: &common::Decoded) -> Arc<Schema> {
    Schema::new(decoded.formats.values().cloned()).unwrap()
}

/// A trace of these records, in blocks of at most `block` events.
fn trace(name: &str, schema: &Arc<Schema>, records: &[Record<'_>]) -> Vec<u8> {
    let header = Header::new(name).with("job", "test\nwith a line break");
    let mut writer = Writer::new(Vec::new(), &header, schema, &[ANCHOR]).unwrap();
    for record in records {
        assert!(writer.push(record).unwrap());
    }
    writer.account(&[Account { cpu: 1, from: 5, to: 9, lost: 3, ..Account::default() }]).unwrap();
    let (bytes, events) = writer.finish().unwrap();
    assert_eq!(events, records.len() as u64);
    bytes
}

fn capture() -> common::Decoded {
    let found = common::captures().into_iter().find(|c| c.kernel.starts_with("6.12") && c.case == "ipv4-loss2");
    found.unwrap().decode()
}

fn times(records: &[Record<'_>]) -> Vec<(u64, u32)> {
    records.iter().map(|record| (record.time, record.cpu)).collect()
}

#[test]
fn everything_comes_back_in_order() {
    let decoded = capture();
    let records = decoded.merged();
    let found = read(&trace("a", &schema(&decoded), &records), Select::default());
    assert_eq!(found.events, times(&records));
    assert_eq!(found.accounts.len(), 1);
    assert_eq!(found.damage, []);
    assert_eq!(found.headers[0].get("job"), "test with a line break");
}

#[test]
fn a_file_behind_another_is_a_file() {
    let decoded = capture();
    let (schema, records) = (schema(&decoded), decoded.merged());
    let (first, second) = (trace("a", &schema, &records[..500]), trace("b", &schema, &records[500..]));
    let found = read(&[first.clone(), second].concat(), Select::default());
    assert_eq!(found.events, times(&records));
    assert_eq!(found.headers.len(), 2);
    let twice = read(&[first.clone(), first].concat(), Select::default());
    assert_eq!(twice.events, times(&records[..500]), "a block that comes twice counts once");
}

#[test]
fn each_trace_has_its_own_clock() {
    let decoded = capture();
    let (schema, records) = (schema(&decoded), decoded.merged());
    let other = Anchor { time: 0, wall: 5 };
    let writer = Writer::new(Vec::new(), &Header::new("b"), &schema, &[other]).unwrap();
    let mut second = writer;
    assert!(second.push(&records[0]).unwrap());
    let bytes = [trace("a", &schema, &records[..10]), second.finish().unwrap().0].concat();
    let mut reader = Reader::new(&*bytes);
    let mut walls = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Events(batch) = item {
            let clock = reader.clock();
            batch.for_each(|record| walls.push(clock.wall(record.time).unwrap() - record.time.cast_signed()));
        }
    }
    assert_eq!(walls, [[ANCHOR.wall; 10].as_slice(), &[5]].concat());
}

#[test]
fn any_flipped_byte_costs_a_frame_and_is_reported() {
    let decoded = capture();
    let (schema, records) = (schema(&decoded), decoded.merged());
    let bytes = trace("a", &schema, &records);
    let whole = read(&bytes, Select::default());
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        let found = read(&damaged, Select::default());
        assert_eq!(found.damage.len(), 1, "byte {at}");
        let kept_events = found.events == whole.events;
        let kept_accounts = found.accounts == whole.accounts;
        assert!(kept_events || kept_accounts, "byte {at} cost more than its frame");
        assert!(found.events.is_empty() || kept_events, "byte {at} changed an event");
    }
}

#[test]
fn every_torn_tail_is_bearable() {
    let decoded = capture();
    let records = decoded.merged();
    let bytes = trace("a", &schema(&decoded), &records);
    for end in (200..bytes.len()).step_by(211) {
        let found = read(&bytes[..end], Select::default());
        assert!(found.events.is_empty() || found.events == times(&records), "cut at {end}");
    }
}

#[test]
fn a_range_of_time_is_exact() {
    let decoded = capture();
    let records = decoded.merged();
    let bytes = trace("a", &schema(&decoded), &records);
    let (first, last) = (records[300].time, records[900].time);
    let wall = |time: u64| Some(ANCHOR.wall + time.cast_signed());
    let found = read(&bytes, Select { since: wall(first), until: wall(last), ..Select::default() });
    let expected: Vec<_> = times(&records).into_iter().filter(|&(t, _)| (first..=last).contains(&t)).collect();
    assert_eq!(found.events, expected);
    let none = read(&bytes, Select { since: wall(u64::MAX / 4), ..Select::default() });
    assert_eq!(none.events, []);
}

#[test]
fn what_is_no_trace_is_said_so() {
    let error = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        loop {
            match reader.next_item() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    };
    assert!(matches!(error(b""), Some(TraceError::NotATrace)));
    assert!(matches!(error(&[7; 5000]), Some(TraceError::NotATrace)));
    let decoded = capture();
    for version in [1, 3] {
        let other = Header::new("a").with("version", version);
        let writer = Writer::new(Vec::new(), &other, &schema(&decoded), &[]).unwrap();
        assert!(matches!(error(&writer.finish().unwrap().0), Some(TraceError::Version(v)) if v == version));
    }
}

/// Every value of every event, but for pointers, which are ids in a trace.
fn all_values(record: &Record<'_>) -> Vec<(String, String)> {
    let fields = record.format.fields.iter().filter(|field| field.kind != Kind::Pointer);
    fields.map(|field| (field.name.clone(), format!("{:?}", Value::of(field, record.bytes).unwrap()))).collect()
}

#[test]
fn a_trace_of_each_version_is_read_for_ever() {
    let bytes = std::fs::read(common::fixtures().join("traces/version-2.tcpp")).unwrap();
    let capture = common::captures().into_iter().find(|c| c.kernel.starts_with("6.18") && c.case == "ipv4-loss2");
    let decoded = capture.unwrap().decode();
    let expected = decoded.merged();
    let (mut reader, mut at) = (Reader::new(bytes.as_slice()), 0);
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Header(header) => assert_eq!(header.version(), 2),
            Item::Events(batch) => batch.for_each(|record| {
                let original = &expected[at];
                assert_eq!((record.time, record.cpu, record.comm), (original.time, original.cpu, original.comm));
                assert_eq!(all_values(&record), all_values(original));
                at += 1;
            }),
            Item::Accounts(_) => {}
            Item::Damage(damage) => panic!("{damage}"),
        }
    }
    assert_eq!(at, expected.len());
}

/// A block of these records, sealed as one that says nothing of what is complete.
fn open_block(schema: &Arc<Schema>, sequence: u64, records: &[Record<'_>], out: &mut Vec<u8>) {
    let mut builder = BlockBuilder::new(Arc::clone(schema));
    for record in records {
        assert_eq!(builder.push(record.cpu, &[(record.time, record.bytes)]), 0);
    }
    put_frame(FrameKind::Block, out, |out| {
        builder.seal(&Seal { sequence, complete_until: 0, pages: 0..0 }, None, |_| None, out);
    });
}

/// What a file claims is still to come must not take memory beyond what its bytes are worth; `growth.rs` tells of the work.
#[test]
fn blocks_that_never_are_complete_are_given_all_the_same() {
    let decoded = capture();
    let (schema, records) = (schema(&decoded), decoded.merged());
    let mut bytes = trace("a", &schema, &[]);
    let blocks = 10_000;
    for sequence in 0..blocks {
        open_block(&schema, sequence * 2 + 1, &records[..63], &mut bytes);
    }
    let (mut reader, mut events, mut batches) = (Reader::new(&*bytes), 0, Vec::new());
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Events(batch) = item {
            events += batch.len();
            let decoded = batch.blocks().iter().map(|block| block.memory_bytes()).sum::<usize>();
            assert!(batch.blocks().len() <= 4097 && decoded < 200 << 20, "{decoded} bytes wait");
            batches.push(batch.len());
        }
    }
    assert_eq!(events, blocks as usize * 63);
    assert!(batches.len() > 2, "all waited for the end");
}

#[test]
fn a_batch_has_columns_and_a_clock_and_can_be_thinned() {
    let decoded = capture();
    let records = decoded.merged();
    let bytes = trace("a", &schema(&decoded), &records);
    let mut reader = Reader::new(&*bytes);
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Events(mut batch) = item else { continue };
        assert!(batch.times().eq(records.iter().map(|record| record.time)));
        assert_eq!(batch.clock().wall(5), Some(ANCHOR.wall + 5));
        let found = batch.rows().map(|(block, row)| block.column(block.layout_of(row), "common_pid").unwrap().get(row));
        assert!(found.eq(records.iter().map(|record| record.pid() as u32 as u64)));
        let is_wanted = |record: &Record<'_>| record.value("snd_cwnd").is_some() && record.cpu == 0;
        let wanted: Vec<_> = records.iter().filter(|record| is_wanted(record)).map(|r| (r.time, r.cpu)).collect();
        assert!(!wanted.is_empty() && wanted.len() < records.len());
        batch.retain(is_wanted);
        let mut kept = Vec::new();
        batch.for_each(|record| kept.push((record.time, record.cpu)));
        assert_eq!(kept, wanted);
        batch.retain(|_| false);
        assert!(batch.is_empty() && batch.blocks().is_empty());
    }
}
