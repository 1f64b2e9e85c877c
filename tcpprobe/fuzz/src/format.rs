//! A format file, a NUL, and bytes for a record of its event.

use tcpprobe::event::{EventReader, Value};
use tcpprobe::file::block::{Block, BlockBuilder, Layout, Projection, Schema, Seal};
use tcpprobe::filter::{Context, Filter};
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::print::Printer;

use super::{input, kernels};

/// Longest text of a record.
const PRINTED_BYTES_MAX: usize = 32 << 10;
/// Filters that ask a format for what it has.
const FILTERS: [&str; 4] = [
    "port == 80 && addr == 10.0.0.0/8 || family == ipv4",
    "state == ESTABLISHED || newstate in {SYN_SENT, 3} || reason == no_socket",
    "common_pid > 5 && comm ~ \"*x\" && CPU & 1 || skaddr != 0",
    "!(srtt > 20ms && saddr != 2001:db8::/32) && name == \"eth0\" && length < 5",
];

pub fn run(input: &[u8]) {
    let (text, bytes) = input::split(input);
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(PageLayout { commit, data, size }) = PageLayout::parse(text) {
        assert!(commit + 8 <= data && data <= size);
    }
    let format = match Format::parse("tcp", text) {
        Ok(format) => format,
        Err(error) => return assert!(error.line <= text.lines().count(), "{error}"),
    };
    assert_eq!(Format::parse("tcp", &format.text).as_ref(), Ok(&format));
    let record = kernels::record(&format, bytes);
    prints(&format, &record);
    filters(&format, &record);
    stores(&format, &record);
}

/// What is printed has an end, is the same each time, and touches nothing before it; a record that is cut short is printed too.
fn prints(format: &Format, record: &[u8]) {
    let printer = Printer::new(format);
    let (mut once, mut twice) = (Vec::new(), b"before".to_vec());
    printer.print(record, &mut once);
    printer.print(record, &mut twice);
    assert!(once.len() <= PRINTED_BYTES_MAX && twice.strip_prefix(b"before") == Some(&*once));
    for length in [0, 7, 8, record.len() / 2, record.len() - 1] {
        printer.print(&record[..length], &mut Vec::new());
        let _ = EventReader::new(format).read(&record[..length]);
    }
}

/// A filter is understood; what its residual leaves out is not of the whole.
fn filters(format: &Format, record: &[u8]) {
    let context = Context { cpu: 1, comm: Some("nginx"), pid: None, ..Context::default() };
    for text in FILTERS {
        let filter = Filter::parse(text).expect("it is a filter");
        let _ = filter.check_capture(std::slice::from_ref(format));
        let kept = filter.compile(format).residual.is_none_or(|residual| residual.matches(record, &context));
        assert!(kept || !filter.predicate(format).matches(record, &context), "{text}");
    }
}

/// Each byte of each field has one place in a block, and every value comes back from it; the format from a schema.
fn stores(format: &Format, record: &[u8]) {
    let Ok(schema) = Schema::new(vec![format.clone()]) else { return };
    let again = Schema::decode(&schema.encode()).expect("what was written is read");
    assert!(again.id() == schema.id() && again.formats().eq([format]));
    has_a_place_for_each_byte(&schema.layouts()[0]);

    let mut builder = BlockBuilder::new(again);
    assert!(builder.takes(record));
    // The second one tells what changed since the first.
    let changed: Vec<u8> = record.iter().map(|byte| byte.wrapping_mul(3)).collect();
    let other = kernels::record(format, &changed);
    let records = [(5, record), (u64::MAX, &*other), (0, record)];
    assert_eq!(builder.push(7, &records), 0);
    let mut payload = Vec::new();
    builder.seal(&Seal::default(), None, |_| None, &mut payload);
    let block = Block::decode(&payload, &schema, &Projection::default()).expect("what was written is read");
    let mut buffer = Vec::new();
    for (row, (time, original)) in block.rows().iter().zip(records) {
        let record = block.record(row, &mut buffer);
        assert_eq!((record.time, record.cpu), (time, 7));
        for field in format.fields.iter().filter(|field| field.name != "common_type") {
            let (found, expected) = (Value::of(field, record.bytes), Value::of(field, original));
            assert_eq!(found, expected, "{}", field.name);
        }
    }
}

fn has_a_place_for_each_byte(layout: &Layout) {
    let mut places = vec![0; layout.size];
    for part in layout.identity.iter().chain(&layout.columns) {
        places[part.offset..part.offset + part.size].iter_mut().for_each(|count| *count += 1);
    }
    for field in layout.format.fields.iter().filter(|field| field.name != "common_type") {
        let own = &places[field.offset as usize..(field.offset + field.size) as usize];
        assert!(own.iter().all(|&count| count == 1), "{}", field.name);
    }
    assert!(layout.columns.iter().all(|part| part.offset % 8 + part.size <= 8));
}
