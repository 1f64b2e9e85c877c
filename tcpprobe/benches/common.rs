//! Real pages for benchmarks: 31 696 events each of eight bulk flows and of a ping-pong, recorded on 6.18.
#![allow(dead_code, reason = "each benchmark uses its part of it")]

use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tcpprobe::file::block::{BlockBuilder, PointerKey, Schema, Seal, Timed};
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::Page;

const KERNEL: &str = "6.18.44-fc-v669";

/// Bytes of a page in the fixtures.
pub const PAGE_BYTES: usize = 4096;

/// The names of the cases.
pub const CASES: [&str; 2] = ["bulk-8-flows", "ping-pong"];

/// A CPU's pages, one after the other.
type Pages = Vec<u8>;

/// `fixtures/` of the repository.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The pages of a case, by CPU, and the schema that explains them.
pub fn pages(case: &str) -> Result<(Vec<Pages>, Arc<Schema>), Box<dyn Error>> {
    let fixtures = fixtures();
    let mut formats = Vec::new();
    for event in ["tcp_probe", "tcp_retransmit_skb"] {
        let path = fixtures.join("formats").join(KERNEL).join("events/tcp").join(event).join("format");
        formats.push(Format::parse("tcp", &fs::read_to_string(path)?)?);
    }
    let mut cpus = Vec::new();
    for cpu in 0..2 {
        let path = fixtures.join("captures").join(KERNEL).join(case).join(format!("cpu{cpu}.raw.gz"));
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(path)?).read_to_end(&mut bytes)?;
        cpus.push(bytes);
    }
    Ok((cpus, Schema::new(formats)?))
}

/// From pages to a sealed block, as a capture does it: page by page.
pub fn encode(builder: &mut BlockBuilder, cpus: &[Vec<u8>], key: &PointerKey, out: &mut Vec<u8>) -> usize {
    let mut batch: Vec<Timed<'_>> = Vec::new();
    for (cpu, bytes) in cpus.iter().enumerate() {
        for page in bytes.chunks(PAGE_BYTES).filter_map(|b| Page::parse(PageLayout::default(), b).ok()) {
            batch.clear();
            batch.extend(page.records());
            builder.push(cpu as u32, &batch);
        }
    }
    let events = builder.len();
    out.clear();
    builder.seal(&Seal::default(), Some(key), |_| Some("iperf3"), out);
    events
}
