//! A saved ring buffer is read whatever the size of its sub-buffers, and whatever happened to its files.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use proptest::prelude::*;
use tcpprobe::kernel::format::PageLayout;
use tcpprobe::kernel::page::Lost;
use tcpprobe::kernel::ring::{BadPage, Buffer, Item, Loss};

/// A sub-buffer of `size` bytes with a record of 8 bytes every 10 ns from `time` on, each with its time in it.
fn page(size: usize, time: u64, records: usize, lost: Option<u64>) -> Vec<u8> {
    let length = 12 * records;
    let flags = if lost.is_some() { 0xc000_0000 } else { 0 };
    let mut bytes = [time.to_le_bytes(), (flags | length as u64).to_le_bytes()].concat();
    for record in 0..records as u64 {
        let delta = if record == 0 { 0 } else { 10 };
        bytes.extend((2u32 | delta << 5).to_le_bytes());
        bytes.extend((time + 10 * record).to_le_bytes());
    }
    bytes.extend(lost.unwrap_or(0).to_le_bytes());
    assert!(bytes.len() <= size);
    bytes.resize(size, 0);
    bytes
}

#[derive(Debug, Default, PartialEq)]
struct Found {
    /// CPU and time.
    records: Vec<(u32, u64)>,
    losses: Vec<Loss>,
    bad: Vec<BadPage>,
}

fn read(told: usize, cpus: &[(u32, &[u8])]) -> Found {
    let layout = PageLayout { size: told, ..PageLayout::default() };
    let mut buffer = Buffer::new(layout, cpus.iter().copied());
    let mut found = Found::default();
    while let Some(item) = buffer.next_item().unwrap() {
        match item {
            Item::Record { time, cpu, bytes } => {
                assert_eq!(bytes, time.to_le_bytes());
                found.records.push((cpu, time));
            }
            Item::Lost(loss) => found.losses.push(loss),
            Item::Bad(bad) => found.bad.push(bad),
        }
    }
    found
}

fn times(time: u64, records: usize) -> impl Iterator<Item = u64> {
    (0..records as u64).map(move |record| time + 10 * record)
}

#[test]
fn the_size_of_sub_buffers_is_found_whatever_was_told() {
    // Full, nearly empty, empty, and full ones, as a reader gets them who reads while events come.
    let fill = |size: usize| [(size - 24) / 12, 1, 0, 3, (size - 24) / 12, 2, (size - 24) / 24];
    for shift in 12..=19 {
        let size = 1 << shift;
        let (mut raw, mut expected) = (Vec::new(), Vec::new());
        for (number, records) in fill(size).into_iter().enumerate() {
            let time = 1_000_000 * (number as u64 + 1);
            // Nobody writes a page in which nothing is but zeros.
            raw.extend(if records == 0 { vec![0; size] } else { page(size, time, records, None) });
            expected.extend(times(time, records).map(|time| (0, time)));
        }
        for told in [4096, size / 2, size, 2 * size, 1 << 19, 0, 4000] {
            let found = read(told, &[(0, &raw)]);
            assert_eq!(found.bad, [], "{size}, told {told}");
            assert_eq!(found.records, expected, "{size}, told {told}");
        }
        // And where the first ones are as good as empty.
        let begin = size;
        let found = read(4096, &[(0, &raw[begin..])]);
        assert_eq!((found.bad, found.records.len()), (vec![], expected.len() - fill(size)[0]), "{size}");
    }
}

#[test]
fn cpus_are_merged_by_time_and_then_by_number() {
    let (a, b, c) = (page(4096, 100, 3, None), page(4096, 100, 2, None), page(4096, 105, 1, None));
    let found = read(4096, &[(11, &b), (2, &a), (3, &[]), (7, &c)]);
    assert_eq!(found.records, [(2, 100), (11, 100), (7, 105), (2, 110), (11, 110), (2, 120)]);
}

#[test]
fn losses_are_told_before_the_first_record_behind_them() {
    let raw = [
        page(4096, 100, 1, Some(7)),
        page(4096, 200, 1, None),
        page(4096, 300, 0, Some(4)),
        page(4096, 400, 1, Some(5)),
        page(4096, 500, 0, Some(1)),
    ]
    .concat();
    let found = read(4096, &[(1, &raw)]);
    let loss = |from, to, count| Loss { cpu: 1, from, to, lost: Lost::Events(count) };
    assert_eq!(found.losses, [loss(None, Some(100), 7), loss(Some(200), Some(400), 9), loss(Some(400), None, 1)]);
    // Without the number, only the flag stands.
    let mut raw = page(4096, 100, 1, None);
    raw[11] = 0x80;
    assert_eq!(read(4096, &[(0, &raw)]).losses[0].lost, Lost::Unknown);
}

#[test]
fn what_is_left_of_a_torn_file_is_given() {
    for (size, told) in [(4096, 4096), (65536, 65536), (65536, 4096)] {
        let raw = [page(size, 1_000, 300, None), page(size, 1_000_000, 300, Some(3))].concat();
        let last = size + 16;
        for (length, records) in
            [(last - 1, 0), (last, 0), (last + 11, 0), (last + 12, 1), (last + 30, 2), (last + 3599, 299)]
        {
            let found = read(told, &[(0, &raw[..length])]);
            assert_eq!(found.records.len(), 300 + records, "{size} {told} {length}");
            assert_eq!(found.bad.len(), 1, "{size} {told} {length}: {:?}", found.bad);
        }
        // Only zeros are missing, and the number of lost events.
        let found = read(told, &[(0, &raw[..last + 3600])]);
        assert_eq!((found.records.len(), found.bad.len(), found.losses[0].lost), (600, 0, Lost::Unknown));
    }
}

#[test]
fn a_damaged_page_costs_no_other() {
    let pages: Vec<Vec<u8>> = (1..=8).map(|number| page(4096, 1_000_000 * number, 200, None)).collect();
    let check = |damage: &dyn Fn(&mut [u8]), left: usize| {
        let mut raw = pages.concat();
        damage(&mut raw[3 * 4096..4 * 4096]);
        let found = read(4096, &[(0, &raw)]);
        assert_eq!(found.bad.len(), 1, "{:?}", found.bad);
        assert!((3 * 4096..=4 * 4096).contains(&found.bad[0].offset), "{:?}", found.bad);
        assert_eq!(found.records.len(), 7 * 200 + left);
    };
    // The header claims more than any page has, then more than this one has.
    check(&|page| page[8..12].copy_from_slice(&[0xff; 4]), 0);
    check(&|page| page[9] = 0x1f, 200);
    // Data that is zeros; a record that is too long.
    check(&|page| page[16..].fill(0), 0);
    check(&|page| page[16 + 1200] = 0, 100);
}

#[test]
fn what_is_no_page_is_told() {
    for rubbish in [&b"# tracer: nop\n#\n".repeat(2000)[..], &[0xff; 10_000], &[1; 5]] {
        let found = read(4096, &[(0, rubbish)]);
        assert_eq!(found.records, []);
        assert_eq!(found.bad.len(), rubbish.len().div_ceil(4096));
    }
    assert_eq!(read(4096, &[(0, &[0; 100_000])]), Found::default());
}

#[test]
fn a_failing_input_is_an_error_and_a_damaged_one_is_not() {
    struct Broken(std::io::ErrorKind);
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
    }
    use std::io::Read as _;
    let whole = page(4096, 5, 1, None);
    let read = |kind| {
        let mut buffer = Buffer::new(PageLayout::default(), [(0, whole.chain(Broken(kind)))]);
        assert!(matches!(buffer.next_item(), Ok(Some(Item::Record { .. }))));
        let next = buffer.next_item();
        next.map(|item| matches!(item, Some(Item::Bad(_)))).map_err(|error| error.source.kind())
    };
    assert_eq!(read(std::io::ErrorKind::PermissionDenied), Err(std::io::ErrorKind::PermissionDenied));
    assert_eq!(read(std::io::ErrorKind::UnexpectedEof), Ok(true));
    assert_eq!(read(std::io::ErrorKind::InvalidInput), Ok(true), "as flate2 says of a damaged stream");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_go_on_for_ever(
        sizes in prop::collection::vec(12u32..15, 1..4),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        length in any::<prop::sample::Index>(),
        told in 0usize..200_000,
    ) {
        let pages = sizes.iter().enumerate().map(|(n, shift)| page(1 << shift, 1000 * n as u64, 100, Some(1)));
        let mut raw = pages.collect::<Vec<_>>().concat();
        for (at, byte) in edits {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        raw.truncate(length.index(raw.len() + 1));
        let layout = PageLayout { size: told, ..PageLayout::default() };
        let mut buffer = Buffer::new(layout, [(0, &raw[..]), (1, &raw[raw.len() / 2..])]);
        let mut items = 0;
        while buffer.next_item().unwrap().is_some() {
            items += 1;
            prop_assert!(items <= raw.len());
        }
    }
}
