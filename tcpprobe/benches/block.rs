//! Pages to blocks, blocks to columns and to records; and the bytes that an event takes.

mod common;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use tcpprobe::file::block::{Block, BlockBuilder, PointerKey, Projection};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let key = PointerKey::new([7; 16]);
    for case in common::CASES {
        let (cpus, schema) = common::pages(case)?;
        let mut builder = BlockBuilder::new(Arc::clone(&schema));
        let mut out = Vec::new();
        let events = common::encode(&mut builder, &cpus, &key, &mut out);
        eprintln!("{case}: {events} events, {:.3} bytes each", out.len() as f64 / events as f64);
        let block = out.clone();

        let mut group = criterion.benchmark_group("block");
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(format!("encode/{case}"), |bencher| {
            bencher.iter(|| common::encode(&mut builder, black_box(&cpus), &key, &mut out));
        });
        group.bench_function(format!("decode/{case}"), |bencher| {
            bencher.iter(|| {
                Block::decode(black_box(&block), &schema, &Projection::default()).map(|block| block.rows().len())
            });
        });
        let decoded = Block::decode(&block, &schema, &Projection::default())?;
        let mut buffer = Vec::new();
        group.bench_function(format!("records/{case}"), |bencher| {
            bencher
                .iter(|| decoded.rows().iter().map(|row| decoded.record(row, &mut buffer).bytes.len()).sum::<usize>());
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
