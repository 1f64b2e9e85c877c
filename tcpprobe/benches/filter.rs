//! What a residual filter costs an event.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tcpprobe::filter::{Context, Filter};
use tcpprobe::kernel::format::Format;

const RECORDS: usize = 1024;

fn format(event: &str) -> Format {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/6.18.44-fc-v669/events/tcp");
    let text = std::fs::read_to_string(folder.join(event).join("format")).expect("a fixture of the repository");
    Format::parse("tcp", &text).expect("a fixture of the repository")
}

/// Records of 16 connections in turn, half of them IPv6, with ports and addresses that differ in the last byte.
fn records(format: &Format) -> Vec<Vec<u8>> {
    let record = |number: usize| {
        let mut bytes = vec![0; format.record_size()];
        let mut put = |name: &str, at: usize, value: &[u8]| {
            let Some(field) = format.field(name) else { return };
            let start = field.offset as usize + at;
            if let Some(bytes) = bytes.get_mut(start..start + value.len()) {
                bytes.copy_from_slice(value);
            }
        };
        let last = (number * 7 % 16) as u8;
        let family = if number.is_multiple_of(2) { 2 } else { 10 };
        for (array, array_v6, port) in [("saddr", "saddr_v6", "sport"), ("daddr", "daddr_v6", "dport")] {
            put(array_v6, 10, &[0xff, 0xff, 10, 0, 0, last]);
            put(port, 0, &[last, 1]);
            if format.field(array).is_some_and(|field| field.size == 4) {
                put(array, 0, &[10, 0, 0, last]);
            } else if family == 2 {
                put(array, 0, &[2, 0, 1, last, 10, 0, 0, last]);
            } else {
                put(array, 0, &[10, 0, 1, last]);
                put(array, 8, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            }
        }
        put("family", 0, &[family, 0]);
        bytes
    };
    (0..RECORDS).map(record).collect()
}

fn residual(criterion: &mut Criterion) {
    let filters = [
        ("address and port", "addr == 10.0.0.7 && port == 263"),
        ("own address or peer address", "saddr == 10.0.0.7 || daddr == 10.0.0.9"),
        ("prefix, not a port", "addr == 10.0.0.0/29 && port != 260"),
        ("eight addresses", "addr in {10.0.0.1, 10.0.0.3, 10.0.0.5, 10.0.0.7, 10.0.0.9, ::1, 2001:db8::5, 10.0.0.11}"),
    ];
    for event in ["tcp_probe", "tcp_retransmit_skb"] {
        let format = format(event);
        let records = records(&format);
        let context = Context::default();
        let mut group = criterion.benchmark_group(event);
        group.throughput(Throughput::Elements(RECORDS as u64));
        for (name, filter) in filters {
            let predicate = Filter::parse(filter).expect("a filter of the language").predicate(&format);
            group.bench_function(name, |bencher| {
                bencher.iter(|| records.iter().filter(|record| predicate.matches(black_box(record), &context)).count());
            });
        }
        group.finish();
    }
}

fn parse(criterion: &mut Criterion) {
    let format = format("tcp_probe");
    criterion.bench_function("parse and compile", |bencher| {
        bencher
            .iter(|| Filter::parse(black_box("addr == 10.0.0.7 && port == 263")).map(|filter| filter.compile(&format)));
    });
}

criterion_group!(benches, residual, parse);
criterion_main!(benches);
