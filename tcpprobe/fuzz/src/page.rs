//! Ring-buffer pages as they were saved. Two bytes say which size of sub-buffers is told and which they have; pages follow,
//! each as a word with its length and its CPU, and its bytes, which zeros fill up to the size.

use std::io::Read;

use tcpprobe::kernel::format::PageLayout;
use tcpprobe::kernel::page::Page;
use tcpprobe::kernel::ring::{Buffer, Item};

use super::input::Trickle;

/// CPUs there are.
const CPUS: usize = 3;

pub fn run(input: &[u8]) {
    let [told, size, pages @ ..] = input else { return };
    let layout = PageLayout { size: 4096 << (told & 7), ..PageLayout::default() };
    // From 4 to 64 KiB, or not filled up: then pages follow one another anyhow.
    let size = if size & 8 == 0 { 4096 << (size % 5) } else { 1 };
    let mut cpus = [const { Vec::new() }; CPUS];
    let mut rest = pages;
    while let [low, high, bytes @ ..] = rest {
        let (page, after) = bytes.split_at(bytes.len().min(usize::from(u16::from_le_bytes([*low, *high & 0x1f]))));
        one_page(layout, page);
        let cpu: &mut Vec<u8> = &mut cpus[usize::from(high >> 6) % CPUS];
        cpu.extend(page);
        cpu.resize(cpu.len().next_multiple_of(size), 0);
        rest = after;
    }
    merged(layout, &cpus);
}

/// Records lie in their page one behind the other, and of a part of it those that are there come all the same.
fn one_page(layout: PageLayout, bytes: &[u8]) {
    let Ok((page, is_whole)) = Page::parse_part(layout, bytes) else {
        assert!(Page::parse(layout, bytes).is_err());
        return;
    };
    assert_eq!(Page::parse(layout, bytes).is_ok(), is_whole);
    let mut records = page.records();
    let all: Vec<(u64, &[u8])> = records.by_ref().collect();
    let place = |record: &[u8]| record.as_ptr().addr() - bytes.as_ptr().addr();
    let mut end = layout.data;
    for (_, record) in &all {
        assert!(place(record) >= end + 4, "a record lies on another, or has no head");
        end = place(record) + record.len();
    }
    assert!(end <= layout.data + page.data_len() && page.data_len() <= bytes.len() - layout.data);
    assert!(records.error().is_none_or(|error| error.offset <= bytes.len()));
    if let Ok((part, _)) = Page::parse_part(layout, &bytes[..end.midpoint(layout.data)]) {
        assert!(part.records().eq(all.iter().copied().take(part.records().count())));
    }
}

/// The records of all CPUs are those of each, in the order of time, of equal times the lowest CPU's first; it matters not by
/// which pieces the pages come.
fn merged(layout: PageLayout, cpus: &[Vec<u8>; CPUS]) {
    let numbered = || (0..).zip(cpus);
    let all = read(layout, numbered().map(|(cpu, bytes)| (cpu, bytes.as_slice())));
    let own: Vec<Vec<Found>> = numbered().map(|(cpu, bytes)| read(layout, [(cpu, Trickle::new(bytes))])).collect();
    for (cpu, own) in (0..).zip(&own) {
        assert!(own.iter().eq(all.iter().filter(|found| found.cpu == cpu)), "CPU {cpu}");
    }
    let mut waiting: Vec<_> = own.iter().map(|own| own.iter().filter_map(Found::place).peekable()).collect();
    for place in all.iter().filter_map(Found::place) {
        let first = waiting.iter_mut().filter_map(|own| own.peek().copied()).min();
        assert_eq!(first, Some(place));
        waiting[place.1 as usize].next();
    }
}

/// What pages hold: a record, or what stands for anything else.
#[derive(Debug, PartialEq)]
struct Found {
    cpu: u32,
    time: Option<u64>,
    bytes: Vec<u8>,
}

impl Found {
    /// What its place among the records is told by; `None` for anything else.
    fn place(&self) -> Option<(u64, u32)> {
        self.time.map(|time| (time, self.cpu))
    }
}

fn read<R: Read>(layout: PageLayout, cpus: impl IntoIterator<Item = (u32, R)>) -> Vec<Found> {
    let mut buffer = Buffer::new(layout, cpus);
    let mut found = Vec::new();
    while let Some(item) = buffer.next_item().expect("nothing fails") {
        let other = |cpu, what: String| Found { cpu, time: None, bytes: what.into_bytes() };
        found.push(match item {
            Item::Record { time, cpu, bytes } => Found { cpu, time: Some(time), bytes: bytes.to_vec() },
            Item::Lost(lost) => other(lost.cpu, format!("{lost:?}")),
            Item::Bad(bad) => other(bad.cpu, bad.to_string()),
        });
    }
    found
}
