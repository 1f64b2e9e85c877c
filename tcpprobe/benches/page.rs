//! Pages to records.

mod common;

use std::error::Error;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tcpprobe::kernel::format::PageLayout;
use tcpprobe::kernel::page::Page;

fn walk(cpus: &[Vec<u8>]) -> u64 {
    let pages = cpus.iter().flat_map(|bytes| bytes.chunks(common::PAGE_BYTES));
    let records =
        pages.filter_map(|bytes| Page::parse(PageLayout::default(), bytes).ok()).flat_map(|page| page.records());
    records.map(|(time, record)| time ^ record.len() as u64).fold(0, u64::wrapping_add)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    for case in common::CASES {
        let (cpus, _) = common::pages(case)?;
        let bytes: usize = cpus.iter().map(Vec::len).sum();
        let mut group = criterion.benchmark_group("page");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("walk/{case}"), |bencher| bencher.iter(|| walk(black_box(&cpus))));
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
