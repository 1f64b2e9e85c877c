//! Instructions, counted by valgrind: the same at each run, so that two commits can be compared on any machine.
//!
//! Needs valgrind, and `gungraun-runner` of the version in `Cargo.toml`. Every case is of some 32 000 events: the real
//! captures of 31 696, the made-up ones of 32 768.
#![expect(missing_docs, unused_qualifications, reason = "of what the macros make")]
#![expect(clippy::expect_used, reason = "a benchmark stops by it")]

mod common;

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{library_benchmark, library_benchmark_group, main};
use tcpprobe::export::{self, ExportFormat, Options, TextWriter};
use tcpprobe::file::block::{Block, BlockBuilder, PointerKey, Projection, Schema, Seal, Timed};
use tcpprobe::filter::{Context, Filter, Predicate};
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::Page;
use tcpprobe::kernel::text::Layout;
use tcpprobe::source::{Trace, Wanted};

/// Events that are made up: a block's worth.
const EVENTS: usize = 32 << 10;
/// Records that a builder gets at a time, as from the daemon.
const BATCH_RECORDS: usize = 64;

/// Pages by CPU, and a builder that has its memory already.
struct Pages {
    cpus: Vec<Vec<u8>>,
    schema: Arc<Schema>,
    builder: BlockBuilder,
    key: PointerKey,
    out: Vec<u8>,
}

impl Pages {
    fn encode(&mut self) -> usize {
        common::encode(&mut self.builder, &self.cpus, &self.key, &mut self.out)
    }
}

fn pages(case: &str) -> Pages {
    let (cpus, schema) = common::pages(case).expect("a fixture of the repository");
    let (builder, key) = (BlockBuilder::new(Arc::clone(&schema)), PointerKey::new([7; 16]));
    let mut pages = Pages { cpus, schema, builder, key, out: Vec::new() };
    pages.encode();
    pages
}

fn payload(case: &str) -> (Vec<u8>, Arc<Schema>) {
    let pages = pages(case);
    (pages.out, pages.schema)
}

fn block(case: &str) -> Block {
    let (payload, schema) = payload(case);
    Block::decode(&payload, &schema, &Projection::default()).expect("a block just made")
}

/// Prints a block, and gives the writer back.
fn print(block: &Block, text: Vec<u8>) -> Vec<u8> {
    let (mut writer, mut buffer) = (TextWriter::new(text, Layout::default()), Vec::new());
    for row in block.rows() {
        writer.event(&block.record(row, &mut buffer)).expect("a write to memory");
    }
    writer.into_inner()
}

fn text(case: &str) -> Vec<u8> {
    print(&block(case), Vec::new())
}

/// A residual, and the records that it decides about.
fn residual(filter: &str) -> (Predicate, Vec<Vec<u8>>) {
    let pages = pages("bulk-8-flows");
    let format = pages.schema.formats().find(|format| format.name == "tcp_probe").expect("a fixture");
    let predicate = Filter::parse(filter).expect("a filter of the language").predicate(format);
    let bytes = pages.cpus.iter().flat_map(|cpu| cpu.chunks(common::PAGE_BYTES));
    let records =
        bytes.filter_map(|bytes| Page::parse(PageLayout::default(), bytes).ok()).flat_map(|page| page.records());
    (predicate, records.map(|(_, record)| record.to_vec()).collect())
}

/// Segments of bulk transfers, a few at a time of each of so many connections, in no order; and a builder that has its
/// memory already.
fn connections(count: usize) -> (BlockBuilder, Vec<(u64, Vec<u8>)>) {
    let (_, schema) = common::pages("bulk-8-flows").expect("a fixture of the repository");
    let format = schema.formats().find(|format| format.name == "tcp_probe").expect("a fixture");
    let mut segments = vec![0u32; count];
    let (mut random, mut connection, mut time) = (1u64, 0, 0);
    let mut next = |index: usize| {
        // Knuth's MMIX.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if index.is_multiple_of(4) {
            connection = (random >> 33) as usize % count;
        }
        time += random >> 52;
        segments[connection] += 1;
        (time, segment(format, connection as u64, segments[connection], random))
    };
    let records: Vec<(u64, Vec<u8>)> = (0..EVENTS).map(&mut next).collect();
    let mut builder = BlockBuilder::new(Arc::clone(&schema));
    encode(&mut builder, &records);
    (builder, records)
}

/// The record of a connection's `number`th segment.
fn segment(format: &Format, connection: u64, number: u32, random: u64) -> Vec<u8> {
    let mut record = vec![0; format.record_size()];
    let mut put = |name: &str, at: usize, bytes: &[u8]| {
        let start = format.field(name).map_or(0, |field| field.offset as usize) + at;
        record[start..start + bytes.len()].copy_from_slice(bytes);
    };
    let port = 1024 + (connection % 60_000) as u16;
    let acked = (connection as u32).wrapping_mul(0x9e37_79b9).wrapping_add(number * 1448);
    put("common_type", 0, &format.id.to_le_bytes());
    put("saddr", 0, &[2, 0, port.to_be_bytes()[0], port.to_be_bytes()[1], 10, 0, 0, 1]);
    put("daddr", 0, &[2, 0, 0, 80, 10, 0, 0, 2]);
    put("sport", 0, &port.to_le_bytes());
    put("dport", 0, &80u16.to_le_bytes());
    put("family", 0, &2u16.to_le_bytes());
    put("snd_una", 0, &acked.to_le_bytes());
    put("snd_nxt", 0, &acked.wrapping_add(14_480).to_le_bytes());
    put("snd_cwnd", 0, &(10 + number).to_le_bytes());
    put("ssthresh", 0, &0x7fff_ffffu32.to_le_bytes());
    put("snd_wnd", 0, &65_536u32.to_le_bytes());
    put("srtt", 0, &(20_000 + (random >> 40) as u32 % 64).to_le_bytes());
    put("rcv_wnd", 0, &65_536u32.to_le_bytes());
    put("sock_cookie", 0, &(connection + 1).to_le_bytes());
    put("skbaddr", 0, &(0xffff_8880_0100_0000 + (random >> 58) * 0x100).to_le_bytes());
    put("skaddr", 0, &(0xffff_8880_0000_0000 + connection * 0x940).to_le_bytes());
    record
}

fn encode(builder: &mut BlockBuilder, records: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut batch: Vec<Timed<'_>> = Vec::with_capacity(BATCH_RECORDS);
    for records in records.chunks(BATCH_RECORDS) {
        batch.clear();
        batch.extend(records.iter().map(|(time, record)| (*time, &record[..])));
        builder.push(0, &batch);
    }
    let mut out = Vec::new();
    builder.seal(&Seal::default(), Some(&PointerKey::new([7; 16])), |_| Some("iperf3"), &mut out);
    out
}

#[library_benchmark(setup = pages)]
#[bench::bulk("bulk-8-flows")]
#[bench::ping_pong("ping-pong")]
fn pages_to_block(mut pages: Pages) -> (usize, Pages) {
    (black_box(pages.encode()), pages)
}

#[library_benchmark(setup = payload)]
#[bench::bulk("bulk-8-flows")]
#[bench::ping_pong("ping-pong")]
fn block_to_columns((payload, schema): (Vec<u8>, Arc<Schema>)) -> Option<Block> {
    Block::decode(black_box(&payload), &schema, &Projection::default()).ok()
}

#[library_benchmark(setup = block)]
#[bench::bulk("bulk-8-flows")]
#[bench::ping_pong("ping-pong")]
fn columns_to_records(block: Block) -> (usize, Block) {
    let mut buffer = Vec::new();
    let bytes = block.rows().iter().map(|row| black_box(block.record(row, &mut buffer)).bytes.len()).sum();
    (bytes, block)
}

#[library_benchmark(setup = text)]
#[bench::bulk("bulk-8-flows")]
fn text_in(text: Vec<u8>) -> (u64, Vec<u8>) {
    let mut trace = Trace::text("text", &text[..], Wanted::default()).expect("nothing is wanted of it");
    (&mut trace).for_each(|item| drop(black_box(item)));
    let events = trace.selected();
    drop(trace);
    (events, text)
}

#[library_benchmark(setup = text)]
#[bench::bulk("bulk-8-flows")]
fn text_to_json(text: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut out = Vec::with_capacity(32 << 20);
    let mut trace = Trace::text("text", &text[..], Wanted::default()).expect("nothing is wanted of it");
    let mut exporter = ExportFormat::Json.exporter(&Options::default());
    export::export(&mut trace, &mut *exporter, &mut out, |_| ()).expect("nothing fails");
    drop(trace);
    (out, text)
}

// With the records made, which `columns_to_records` counts alone.
#[library_benchmark(setup = block)]
#[bench::bulk("bulk-8-flows")]
fn text_out(block: Block) -> (Vec<u8>, Block) {
    (print(&block, Vec::with_capacity(16 << 20)), block)
}

#[library_benchmark(setup = residual)]
#[bench::address_and_port("addr == 127.0.0.1 && port == 263")]
#[bench::set("addr in {10.0.0.1, 10.0.0.3, 10.0.0.5, 10.0.0.7, 10.0.0.9, ::1, 2001:db8::5, 10.0.0.11}")]
fn filter((predicate, records): (Predicate, Vec<Vec<u8>>)) -> (usize, Vec<Vec<u8>>) {
    let context = Context::default();
    (records.iter().filter(|record| predicate.matches(black_box(record), &context)).count(), records)
}

#[library_benchmark(setup = connections)]
#[bench::one(1)]
#[bench::hundred(100)]
#[bench::thousand(1000)]
#[bench::ten_thousand(10_000)]
fn connections_to_block(
    (mut builder, records): (BlockBuilder, Vec<(u64, Vec<u8>)>),
) -> (usize, BlockBuilder, Vec<(u64, Vec<u8>)>) {
    let bytes = encode(&mut builder, black_box(&records)).len();
    (bytes, builder, records)
}

library_benchmark_group!(name = blocks; benchmarks = pages_to_block, block_to_columns, columns_to_records);
library_benchmark_group!(name = texts; benchmarks = text_in, text_to_json, text_out);
library_benchmark_group!(name = filters; benchmarks = filter);
library_benchmark_group!(name = scale; benchmarks = connections_to_block);
main!(library_benchmark_groups = blocks, texts, filters, scale);
