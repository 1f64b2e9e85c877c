//! Blocks give back what was put into them, field by field.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use proptest::prelude::*;
use std::sync::Arc;
use tcpprobe::event::{EventReader, Value};
use tcpprobe::file::block::{
    Block, BlockBuilder, HEAD_BYTES, PointerKey, Projection, Row, Schema, Seal, Timed, connection_id, put_varint,
};
use tcpprobe::flow::Collector;
use tcpprobe::kernel::format::{Format, Kind};

/// All values of a record, by name.
fn values<'a>(format: &'a Format, record: &'a [u8]) -> Vec<(&'a str, Value<'a>)> {
    format.fields.iter().map(|field| (field.name.as_str(), Value::of(field, record).unwrap())).collect()
}

/// The columns of a block have the values that its records have, those of fields that are not decoded too.
fn check_columns(block: &Block) {
    let mut buffer = Vec::new();
    for (layout, format) in block.schema().formats().enumerate() {
        let columns: Vec<_> = format.fields.iter().map(|f| (f, block.column(layout, &f.name).unwrap())).collect();
        let names: Vec<&str> = format.fields.iter().map(|field| field.name.as_str()).chain(["", ""]).collect();
        let pairs: Vec<_> = names.windows(3).map(|w| block.columns(layout, [w[0], w[1], w[2]])).collect();
        for row in block.rows().iter().filter(|row| block.layout_of(row) == layout) {
            let record = block.record(row, &mut buffer);
            let identity = block.identity(row.key);
            assert_eq!((identity.layout, identity.kind), (record.index, record.kind));
            for ((field, column), triple) in columns.iter().zip(&pairs) {
                assert_eq!(column.value(row), record.value(&field.name), "{} of {}", field.name, format.name);
                let number = |name: &str| format.field(name).and_then(|f| f.unsigned(record.bytes)).unwrap_or(0);
                assert_eq!(column.get(row), number(&field.name), "{} of {}", field.name, format.name);
                let at = names.iter().position(|name| *name == field.name).unwrap();
                assert_eq!(triple.get(row), [number(names[at]), number(names[at + 1]), number(names[at + 2])]);
            }
        }
        assert!(block.column(layout, "no such field").is_none());
    }
}

/// What each identity says of its socket is what each of its events does.
fn check_identities(block: &Block) {
    let readers: Vec<EventReader> = block.schema().formats().map(EventReader::new).collect();
    let mut counts = vec![0; block.keys()];
    let mut buffer = Vec::new();
    for row in block.rows() {
        let record = block.record(row, &mut buffer);
        let event = readers[record.index].read(record.bytes);
        assert_eq!(block.identity(row.key).socket(), event.map(|event| event.socket()));
        counts[row.key as usize] += 1;
    }
    assert!(block.identities().map(|identity| identity.events).eq(counts));
}

/// A block of these records: CPU, time, bytes.
fn seal(schema: &Arc<Schema>, records: &[Recorded], key: Option<&PointerKey>) -> Vec<u8> {
    let mut builder = BlockBuilder::new(Arc::clone(schema));
    for (cpu, time, record) in records {
        assert_eq!(builder.push(*cpu, &[(*time, record.as_slice())]), 0, "the schema knows it");
    }
    let mut out = Vec::new();
    let seal = Seal { sequence: 7, complete_until: 9, pages: 3..4 };
    builder.seal(&seal, key, |pid| (pid % 2 == 0).then_some("even"), &mut out);
    out
}

#[test]
fn every_event_of_every_capture_comes_back() {
    for capture in common::captures() {
        let decoded = capture.decode();
        let schema = Schema::new(decoded.formats.values().cloned()).unwrap();
        let records = decoded.records;
        if records.is_empty() {
            continue;
        }
        let bytes = seal(&schema, &records, None);
        let block = Block::decode(&bytes, &schema, &Projection::default()).unwrap();
        assert_eq!((block.head.sequence, block.head.pages.clone()), (7, 3..4));
        assert_eq!(block.rows().len(), records.len(), "{}/{}", capture.kernel, capture.case);
        check_columns(&block);
        check_identities(&block);
        let some = Projection::fields(["snd_nxt", "skbaddr", "state", "common_flags", "newstate"]);
        check_columns(&Block::decode(&bytes, &schema, &some).unwrap());
        let mut buffer = Vec::new();
        for (row, (cpu, time, original)) in block.rows().iter().zip(&records) {
            let record = block.record(row, &mut buffer);
            assert_eq!((record.cpu, record.time), (*cpu, *time));
            assert_eq!(record.comm.is_some(), record.pid() % 2 == 0);
            assert_eq!(values(record.format, record.bytes), values(record.format, original));
        }
    }
}

/// CPU, time, bytes.
type Recorded = (u32, u64, Vec<u8>);

/// A capture of real traffic, decoded: the schema and the records.
fn capture(case: &str) -> (Arc<Schema>, Vec<Recorded>) {
    let capture = common::captures().into_iter().find(|c| c.kernel.starts_with("6.18") && c.case == case).unwrap();
    let decoded = capture.decode();
    (Schema::new(decoded.formats.values().cloned()).unwrap(), decoded.records)
}

#[test]
fn only_the_wanted_fields_are_decoded() {
    let (schema, records) = capture("ipv4-loss2");
    let bytes = seal(&schema, &records, None);
    let whole = Block::decode(&bytes, &schema, &Projection::default()).unwrap();
    let wanted = Projection::fields(["snd_cwnd", "state"]);
    let some = Block::decode(&bytes, &schema, &wanted).unwrap();
    assert_eq!(whole.rows(), some.rows());
    let (mut a, mut b, mut zeros) = (Vec::new(), Vec::new(), 0);
    for row in whole.rows() {
        let (whole, some) = (whole.record(row, &mut a), some.record(row, &mut b));
        assert_eq!((whole.pid(), whole.comm), (some.pid(), some.comm), "who was interrupted is always told");
        for ((name, all), (_, part)) in
            values(whole.format, whole.bytes).into_iter().zip(values(some.format, some.bytes))
        {
            let kept = ["snd_cwnd", "state", "sport", "dport", "saddr", "daddr", "family", "sock_cookie", "skaddr"];
            if kept.contains(&name) {
                assert_eq!(all, part, "{name}");
            } else if all != part {
                assert!(matches!(part, Value::Unsigned(0) | Value::Signed(0) | Value::Pointer(0)), "{name}: {part:?}");
                zeros += 1;
            }
        }
    }
    assert!(zeros > records.len(), "other fields are not decoded");
}

#[test]
fn the_fields_of_flows_are_enough_for_flows() {
    let (schema, records) = capture("ipv4-loss2");
    let bytes = seal(&schema, &records, None);
    let readers: Vec<EventReader> = schema.formats().map(EventReader::new).collect();
    let flows = |wanted| {
        let block = Block::decode(&bytes, &schema, &wanted).unwrap();
        let (mut flows, mut buffer) = (Collector::default(), Vec::new());
        for row in block.rows() {
            let record = block.record(row, &mut buffer);
            if let Some(event) = readers[schema.index_of(record.format.id).unwrap()].read(record.bytes) {
                flows.push(record.time, &event);
            }
        }
        assert!(flows.all().len() > 1);
        format!("{:?}", flows.all())
    };
    assert!(flows(Projection::default()) == flows(Projection::fields(Collector::fields())), "a field is missing");
}

#[test]
fn only_the_wanted_connection_is_decoded() {
    let (schema, records) = capture("bulk-8-flows");
    let bytes = seal(&schema, &records, None);
    let whole = Block::decode(&bytes, &schema, &Projection::default()).unwrap();
    let readers: Vec<EventReader> = schema.formats().map(EventReader::new).collect();
    let connection = |block: &Block, row| {
        let mut buffer = Vec::new();
        let record = block.record(row, &mut buffer);
        let (local, peer) = readers[schema.index_of(record.format.id).unwrap()].read(record.bytes).unwrap().ends();
        connection_id(local, peer)
    };
    let id = connection(&whole, &whole.rows()[0]);
    let wanted = Projection { connections: Some([id].into()), ..Projection::default() };
    let one = Block::decode(&bytes, &schema, &wanted).unwrap();
    let expected: Vec<&Row> = whole.rows().iter().filter(|row| connection(&whole, row) == id).collect();
    assert!(!expected.is_empty() && expected.len() < records.len() / 4, "{} of {}", expected.len(), records.len());
    assert_eq!(one.rows().len(), expected.len());
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for (row, expected) in one.rows().iter().zip(expected) {
        let (record, expected) = (one.record(row, &mut a), whole.record(expected, &mut b));
        assert_eq!((record.time, record.cpu, record.bytes), (expected.time, expected.cpu, expected.bytes));
    }
}

#[test]
fn pointers_become_ids_that_join() {
    let (schema, records) = capture("ipv4-loss2");
    let block =
        Block::decode(&seal(&schema, &records, Some(&PointerKey::new([9; 16]))), &schema, &Projection::default())
            .unwrap();
    let (mut buffer, mut ids, mut pointers) = (Vec::new(), std::collections::HashMap::new(), 0);
    for (row, (_, _, original)) in block.rows().iter().zip(&records) {
        let record = block.record(row, &mut buffer);
        for (field, (now, then)) in record
            .format
            .fields
            .iter()
            .map(|field| (field, (Value::of(field, record.bytes).unwrap(), Value::of(field, original).unwrap())))
        {
            match (now, then) {
                (Value::Pointer(id), Value::Pointer(pointer)) if pointer != 0 => {
                    assert_ne!(id, pointer, "{} tells a kernel address", field.name);
                    assert_eq!(*ids.entry(pointer).or_insert(id), id);
                    pointers += 1;
                }
                (now, then) => assert_eq!(now, then, "{}", field.name),
            }
        }
    }
    assert!(pointers > 1000);
    let distinct: std::collections::HashSet<_> = ids.values().collect();
    assert_eq!(distinct.len(), ids.len());
}

/// Formats that no kernel has: any mixture of fields.
fn any_format(id: u16) -> impl Strategy<Value = Format> {
    let field = prop_oneof![
        Just(("u8", 1usize)),
        Just(("u16", 2)),
        Just(("int", 4)),
        Just(("u64", 8)),
        Just(("void *", 8)),
        Just(("astray", 8)),
        Just(("array", 7)),
        Just(("array", 28)),
        Just(("dynamic", 4))
    ];
    (prop::collection::vec((field, any::<bool>()), 0..12), any::<bool>()).prop_map(move |(fields, with_cookie)| {
        let mut text = format!("name: event{id}\nID: {id}\nformat:\n");
        text += "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n";
        text += "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n";
        text += "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n";
        text += "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
        let mut at = 8_usize;
        for (number, ((kind, size), signed)) in fields.iter().enumerate() {
            let signed = u8::from(*signed);
            at = match *kind {
                "array" => at,
                // No compiler lays a number across two words.
                "astray" => at.next_multiple_of(8) + 3,
                _ => at.next_multiple_of(*size),
            };
            let declared = match *kind {
                "astray" => format!("u64 f{number}"),
                "array" => format!("__u8 f{number}[{size}]"),
                "dynamic" => format!("__data_loc char[] f{number}"),
                kind => format!("{kind} f{number}"),
            };
            text += &format!("\tfield:{declared};\toffset:{at};\tsize:{size};\tsigned:{signed};\n");
            at += size;
        }
        if with_cookie {
            at = at.next_multiple_of(8);
            text += &format!("\tfield:__u64 sock_cookie;\toffset:{at};\tsize:8;\tsigned:0;\n");
        }
        text += "\nprint fmt: \"\"\n";
        Format::parse("test", &text).unwrap()
    })
}

/// Formats, and records of them: CPU, time, which format, and bytes to fill the record with.
type AnyRecords = (Vec<Format>, Vec<(u32, u64, usize, Vec<u8>)>);

fn any_records() -> impl Strategy<Value = AnyRecords> {
    let byte = prop_oneof![6 => Just(0u8), 2 => 0u8..3, 1 => any::<u8>()];
    let time = prop_oneof![8 => 0u64..5000, 1 => any::<u64>()];
    let record = (0u32..3, time, 0usize..3, prop::collection::vec(byte, 0..240));
    ((any_format(5), any_format(900), any_format(3)), prop::collection::vec(record, 0..120))
        .prop_map(|((a, b, c), records)| (vec![a, b, c], records))
}

/// A record of `format` with these bytes, its dynamic fields pointing to what is behind the fixed ones.
fn fill(format: &Format, bytes: &[u8]) -> Vec<u8> {
    let size = format.record_size();
    let mut record: Vec<u8> = bytes.iter().copied().chain(std::iter::repeat(0)).take(size.max(bytes.len())).collect();
    record[..2].copy_from_slice(&format.id.to_le_bytes());
    let tail = (record.len() - size) as u32;
    for field in format.fields.iter().filter(|field| field.kind == Kind::DataLoc) {
        let at = field.offset as usize;
        record[at..at + 4].copy_from_slice(&(tail << 16 | size as u32).to_le_bytes());
    }
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any fields, values that wrap, times that go backwards, between CPUs and on one.
    #[test]
    fn any_event_comes_back((formats, list) in any_records()) {
        let schema = Schema::new(formats.clone()).unwrap();
        let records: Vec<Recorded> =
            list.iter().map(|(cpu, time, which, bytes)| (*cpu, *time, fill(&formats[*which], bytes))).collect();
        let block = Block::decode(&seal(&schema, &records, None), &schema, &Projection::default()).unwrap();
        prop_assert_eq!(block.rows().len(), records.len());
        let mut buffer = Vec::new();
        for (row, (cpu, time, original)) in block.rows().iter().zip(&records) {
            let record = block.record(row, &mut buffer);
            prop_assert_eq!((record.cpu, record.time), (*cpu, *time));
            prop_assert_eq!(values(record.format, record.bytes), values(record.format, original));
        }
        check_columns(&block);
        check_identities(&block);
    }

    #[test]
    fn a_schema_comes_back((formats, _) in any_records()) {
        let schema = Schema::new(formats.clone()).unwrap();
        let back = Schema::decode(&schema.encode()).unwrap();
        prop_assert_eq!(back.id(), schema.id());
        prop_assert_eq!(back.formats().cloned().collect::<Vec<_>>(), formats);
    }

    /// The checksum keeps damage away from the decoder; it must bear it all the same.
    #[test]
    fn damage_never_panics(
        (formats, list) in any_records(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let schema = Schema::new(formats.clone()).unwrap();
        let records: Vec<Recorded> =
            list.iter().map(|(cpu, time, which, bytes)| (*cpu, *time, fill(&formats[*which], bytes))).collect();
        let mut bytes = seal(&schema, &records, None);
        for (place, value) in places {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(block) = Block::decode(&bytes, &schema, &Projection::default()) {
            let mut buffer = Vec::new();
            for row in block.rows() {
                prop_assert!(block.record(row, &mut buffer).bytes.len() >= 8);
            }
        }
    }
}

#[test]
fn records_that_the_schema_does_not_know_are_left_out() {
    let schema = Schema::new(Vec::<Format>::new()).unwrap();
    let mut builder = BlockBuilder::new(schema);
    let records: [Timed<'_>; 3] = [(1, &[]), (2, &[1]), (3, &[9; 40])];
    assert_eq!((builder.push(0, &records), builder.len()), (3, 0));
}

/// A format of so many fields of four bytes, the first at `start`.
fn wide_format(start: usize, fields: usize) -> Format {
    let line = |at: usize| format!("\tfield:u32 f{at};\toffset:{};\tsize:4;\tsigned:0;\n", start + 4 * at);
    let lines: String = (0..fields).map(line).collect();
    Format::parse("test", &format!("name: wide\nID: 1\nformat:\n{lines}\nprint fmt: \"\"\n")).unwrap()
}

/// A block of so many events and identities, in which nothing changes, by hand.
fn still_block(schema: &Schema, events: u32, identities: u32) -> Vec<u8> {
    const ZEROS: [u8; 3] = [2, 0, 0];
    let mut payload = schema.id().to_le_bytes().to_vec();
    payload.extend(events.to_le_bytes());
    payload.resize(HEAD_BYTES, 0);
    // One CPU and all events from it, no task; then of each identity the kind and the number of events.
    payload.push(1);
    payload.extend(ZEROS);
    let mut constant = vec![0];
    put_varint(&mut constant, u64::from(events));
    put_varint(&mut payload, constant.len() as u64);
    payload.extend(constant);
    [0, u64::from(identities)].iter().for_each(|&value| put_varint(&mut payload, value));
    (0..identities).for_each(|_| [0, u64::from(events / identities)].iter().for_each(|&n| put_varint(&mut payload, n)));
    // A deflated part with nothing in it; times, and identity numbers; which columns change, and nothing of any column.
    payload.extend([0; 3]);
    payload.extend(ZEROS.repeat(3));
    for group in schema.layouts()[0].columns.chunks(32) {
        payload.extend(ZEROS);
        payload.resize(payload.len() + group.len(), 0);
    }
    payload
}

/// What takes no room in a file must not take all of the memory.
#[test]
fn blocks_that_claim_too_much_are_refused() {
    let check = |format: Format, events: u32, identities: u32, reason: Option<&str>| {
        let schema = Schema::new(vec![format]).unwrap();
        let block = Block::decode(&still_block(&schema, events, identities), &schema, &Projection::default());
        assert_eq!(block.err().map(|error| error.to_string()).as_deref(), reason, "{events} events, {identities}");
    };
    check(wide_format(8, 200), 1000, 1, None);
    check(wide_format(8, 200), 1 << 20, 1, Some("block: more values than a block may have"));
    check(wide_format(65_532, 1), 1, 1, None);
    check(wide_format(65_532, 1), 10_000, 10_000, Some("block: bad list of identities"));
}

/// Columns are told in groups of 32; a word whose columns are of two groups changes for both.
#[test]
fn a_word_of_two_groups_changes_for_both() {
    let byte = |at: usize| format!("\tfield:u8 f{at};\toffset:{};\tsize:1;\tsigned:0;\n", 12 + at);
    let lines: String = (0..60).map(byte).collect();
    let text = format!("name: bytes\nID: 1\nformat:\n{lines}\nprint fmt: \"\"\n");
    let schema = Schema::new([Format::parse("test", &text).unwrap()]).unwrap();
    let record = |value: u8| [&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[value; 60][..]].concat();
    let records: Vec<Recorded> = (0..50).map(|at| (0, u64::from(at), record(at * 5))).collect();
    let block = Block::decode(&seal(&schema, &records, None), &schema, &Projection::default()).unwrap();
    let mut buffer = Vec::new();
    for (row, (_, _, original)) in block.rows().iter().zip(&records) {
        assert_eq!(block.record(row, &mut buffer).bytes, original);
    }
    check_columns(&block);
}
