//! ftrace text, in and out, on the text and pages of real captures.
#![expect(clippy::unwrap_used, reason = "a benchmark stops by it")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::io::Write;

use common::{Capture, captures};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tcpprobe::event::Record;
use tcpprobe::export::{self, ExportFormat, Options, TextWriter};
use tcpprobe::kernel::text::Layout;
use tcpprobe::source::{Trace, Wanted};

const CASES: [&str; 2] = ["ipv4-loss2", "ipv6-loss2-all"];

fn cases() -> impl Iterator<Item = Capture> {
    captures().into_iter().filter(|capture| capture.kernel.starts_with("6.18") && CASES.contains(&&*capture.case))
}

fn read(criterion: &mut Criterion) {
    for capture in cases() {
        // Some eight MB, so that it comes from memory and not from a cache.
        let text = capture.text().unwrap().repeat(12);
        let lines = text.lines().count() as u64;
        for (unit, throughput) in
            [("bytes", Throughput::Bytes(text.len() as u64)), ("lines", Throughput::Elements(lines))]
        {
            let mut group = criterion.benchmark_group(format!("text-in/{unit}"));
            group.throughput(throughput);
            group.bench_function(&capture.case, |bencher| bencher.iter(|| black_box(count(open(&text)))));
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut group = criterion.benchmark_group("text-in/gzip");
        group.throughput(Throughput::Bytes(text.len() as u64));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &gzip).unwrap();
        group.bench_function(&capture.case, |bencher| {
            bencher.iter(|| black_box(count(tcpprobe::open(file.path()).unwrap())));
        });
        group.bench_function(format!("{} (inflate alone)", capture.case), |bencher| {
            let inflate = || std::io::copy(&mut flate2::read::MultiGzDecoder::new(&*gzip), &mut std::io::sink());
            bencher.iter(|| black_box(inflate().unwrap()));
        });
    }
}

fn open(text: &str) -> Trace<'_> {
    Trace::text("text", text.as_bytes(), Wanted::default()).unwrap()
}

/// The number of records that a trace gives.
fn count(mut trace: Trace<'_>) -> u64 {
    (&mut trace).for_each(|item| drop(black_box(item.unwrap())));
    trace.selected()
}

fn convert(criterion: &mut Criterion) {
    for capture in cases() {
        let text = capture.text().unwrap().repeat(12);
        for format in [ExportFormat::Json, ExportFormat::Csv] {
            let mut group = criterion.benchmark_group(format!("text-to-{}/lines", format.name()));
            group.throughput(Throughput::Elements(text.lines().count() as u64));
            group.bench_function(&capture.case, |bencher| {
                bencher.iter(|| {
                    let mut exporter = format.exporter(&Options::default());
                    export::export(&mut open(&text), &mut *exporter, &mut std::io::sink(), |_| ()).unwrap();
                });
            });
        }
    }
}

fn write(criterion: &mut Criterion) {
    for capture in cases() {
        let decoded = capture.decode();
        assert!(decoded.losses.is_empty());
        let records = decoded.merged();
        let mut group = criterion.benchmark_group("text-out/lines");
        group.throughput(Throughput::Elements(records.len() as u64));
        group.bench_function(&capture.case, |bencher| bencher.iter(|| black_box(print(&records))));
    }
}

fn print(records: &[Record<'_>]) -> usize {
    let mut writer = TextWriter::new(Vec::with_capacity(1 << 20), Layout::default());
    for record in records {
        writer.event(record).unwrap();
    }
    writer.into_inner().len()
}

criterion_group!(benches, read, convert, write);
criterion_main!(benches);
