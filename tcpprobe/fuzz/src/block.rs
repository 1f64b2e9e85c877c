//! The payload of a block of a kernel's events: a byte that says which kernel's, and the payload.

use std::collections::HashMap;
use std::sync::Arc;

use tcpprobe::event::{EventReader, Record, Value};
use tcpprobe::file::block::{Block, BlockBuilder, BlockHead, Projection, Schema, Seal, connection_id};

use super::kernels;

/// The fields that are wanted of all.
const FIELDS: &[&str] = &["snd_cwnd", "skbaddr", "newstate"];

pub fn run(input: &[u8]) {
    let Some((&kernel, payload)) = input.split_first() else { return };
    let schema = kernels::schema(kernel);
    let mut payload = payload.to_vec();
    tame(&mut payload, schema);
    check(&payload, schema);
}

/// Makes a block one of this schema, and one of few events: a million of them take no room in a file, but a second to read.
pub fn tame(payload: &mut [u8], schema: &Schema) {
    if let Some(head) = payload.first_chunk_mut::<8>() {
        head[..4].copy_from_slice(&schema.id().to_le_bytes());
        head[5] &= 0x0f;
        head[6..].fill(0);
    }
}

fn check(payload: &[u8], schema: &Arc<Schema>) {
    let fields = Projection::fields(FIELDS.iter().copied());
    let some = Block::decode(payload, schema, &fields);
    let Ok(block) = Block::decode(payload, schema, &Projection::default()) else { return };
    assert_eq!(block.rows().len(), block.head.events as usize);
    has_the_wanted(&block, &some.expect("to leave something out is no error"));
    has_the_connection(payload, &block);
    comes_back(&block);
}

/// The wanted fields are as in the whole block, and others 0.
fn has_the_wanted(whole: &Block, some: &Block) {
    assert_eq!(whole.rows(), some.rows());
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for row in whole.rows() {
        let (whole, some) = (whole.record(row, &mut a), some.record(row, &mut b));
        assert_eq!((whole.pid(), whole.comm, whole.bytes.len()), (some.pid(), some.comm, some.bytes.len()));
        for field in &whole.format.fields {
            let (all, part) = (field.bytes(whole.bytes), field.bytes(some.bytes));
            let none = Value::of(field, some.bytes);
            let is_none = matches!(none, Some(Value::Unsigned(0) | Value::Signed(0) | Value::Pointer(0)));
            assert!(all == part || is_none && !FIELDS.contains(&field.name.as_str()), "{}", field.name);
        }
    }
}

/// The connection of each event, where it is known.
fn connections(block: &Block) -> Vec<Option<u64>> {
    let readers: Vec<EventReader> = block.schema().formats().map(EventReader::new).collect();
    let mut buffer = Vec::new();
    let connection = |row| {
        let record = block.record(row, &mut buffer);
        let reader = block.schema().index_of(record.format.id).map(|index| &readers[index]);
        let socket = reader.and_then(|reader| reader.read(record.bytes))?.socket();
        socket.has_ends().then(|| connection_id(socket.local, socket.peer))
    };
    block.rows().iter().map(connection).collect()
}

/// The events of a connection are those of the whole block.
fn has_the_connection(payload: &[u8], whole: &Block) {
    let all = connections(whole);
    let Some(wanted) = all.iter().copied().flatten().next() else { return };
    let expected = whole.rows().iter().zip(&all).filter(|(_, id)| id.is_none_or(|id| id == wanted));
    let of_one = Projection { fields: None, connections: Some([wanted].into()) };
    let one = Block::decode(payload, whole.schema(), &of_one).expect("to leave something out is no error");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let records: Vec<_> = one.rows().iter().map(|row| plain(&one.record(row, &mut a))).collect();
    assert!(expected.map(|(row, _)| plain(&whole.record(row, &mut b))).eq(records));
}

/// Encoded again, it has the same events, in the same bytes each time.
fn comes_back(block: &Block) {
    let bytes = encode(block);
    let again = Block::decode(&bytes, block.schema(), &Projection::default()).expect("what was written is read");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    assert_eq!(block.rows().len(), again.rows().len());
    for (row, other) in block.rows().iter().zip(again.rows()) {
        let (record, other) = (block.record(row, &mut a), again.record(other, &mut b));
        assert_eq!(plain(&record), plain(&other));
        assert!((again.head.times.0..=again.head.times.1).contains(&other.time));
        // What is no UTF-8 may become longer than names are.
        assert!(record.comm == other.comm || record.comm.is_some_and(|comm| comm.len() > 255));
    }
    assert!(encode(&again) == bytes);
    tells_what_is_in_it(block, &again.head);
}

/// What a head says of its block, so that the rest need not be read: times and connections; and what it was given to say.
fn tells_what_is_in_it(block: &Block, head: &BlockHead) {
    let mut times: Vec<u64> = block.rows().iter().map(|row| row.time).collect();
    times.sort_unstable();
    assert_eq!(times.first().copied().zip(times.last().copied()).unwrap_or(head.times), head.times);
    assert!(
        connections(block).into_iter().all(|id| id.map_or(head.connections == [u64::MAX; 4], |id| head.may_hold(id)))
    );
    let BlockHead { schema, events, sequence, complete_until, pages, .. } = &block.head;
    assert_eq!((*schema, *events, *sequence), (head.schema, head.events, head.sequence));
    assert_eq!((*complete_until, pages), (head.complete_until, &head.pages));
}

fn plain(record: &Record<'_>) -> (u64, u32, Vec<u8>) {
    (record.time, record.cpu, record.bytes.to_vec())
}

fn encode(block: &Block) -> Vec<u8> {
    let mut builder = BlockBuilder::new(Arc::clone(block.schema()));
    let (mut comms, mut buffer, mut out) = (HashMap::new(), Vec::new(), Vec::new());
    for row in block.rows() {
        let record = block.record(row, &mut buffer);
        assert_eq!(builder.push(record.cpu, &[(record.time, record.bytes)]), 0);
        comms.extend(record.comm.map(|comm| (record.pid(), comm.to_owned())));
    }
    let head = &block.head;
    let seal = Seal { sequence: head.sequence, complete_until: head.complete_until, pages: head.pages.clone() };
    builder.seal(&seal, None, |pid| comms.get(&pid).map(String::as_str), &mut out);
    out
}
