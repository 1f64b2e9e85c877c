//! What hostile inputs cost when they grow: what is allocated, in all, grows as they do, and what is held at once has a bound. Sorting
//! or copying all that came before at each step would allocate by the square.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::alloc::System;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use cap::Cap;
use flate2::Compression;
use flate2::write::GzEncoder;
use tcpprobe::export::{self, ExportFormat, Options};
use tcpprobe::file::block::{BlockBuilder, Schema, Seal};
use tcpprobe::file::{Account, Anchor, Header, Kind, Writer, encode_accounts, put_frame};
use tcpprobe::flow::Collector;
use tcpprobe::kernel::ring::saved_cmdlines;
use tcpprobe::source::{Trace, Wanted};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Held at once, whatever the input has: what waits for its order, above all.
const HELD_AHEAD: usize = 300 << 20;
/// Held at once for each byte of the input. Its making counts too.
const HELD_EACH: usize = 16;
/// Allocated more or less by chance: a buffer that doubles.
const CHANCE: usize = 4 << 20;

const EVENT: &str = "          iperf3-195     [001] ..s2.  1830.433505: tcp_probe: family=AF_INET src=10.0.0.1:5201 dest=10.0.0.2:33960 \
    mark=0x0 data_len=1448 snd_nxt=0x5f9e5332 snd_una=0x5f9c9faa snd_cwnd=54 ssthresh=51 snd_wnd=197376 srtt=21125 rcv_wnd=64256 \
    sock_cookie=4\n";

/// Asserts it of what `read` does with inputs of n, 2n and 4n pieces.
fn check_growth(pieces: usize, input: impl Fn(usize) -> Vec<u8>, read: impl Fn(&[u8])) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cost = |pieces: usize| {
        let input = input(pieces);
        let (total, held) = (MEMORY.total_allocated(), MEMORY.allocated());
        read(&input);
        let (total, most) = (MEMORY.total_allocated() - total, MEMORY.max_allocated().saturating_sub(held));
        assert!(most <= HELD_AHEAD + HELD_EACH * input.len(), "{pieces} pieces of {} bytes: {most}", input.len());
        total
    };
    let [one, two, four] = [1, 2, 4].map(|times| cost(times * pieces));
    let (first, second) = (two.saturating_sub(one), four.saturating_sub(two));
    assert!(second <= first * 5 / 2 + CHANCE, "allocated of n, 2n and 4n pieces: {one}, {two}, {four}");
}

/// Reads it as flows, and writes it in every format.
fn all(input: &[u8]) {
    let trace = || Trace::sniff("input", input, Wanted::default());
    for format in [ExportFormat::Tcpp, ExportFormat::Text, ExportFormat::Json, ExportFormat::Csv] {
        let Ok(mut trace) = trace() else { return };
        let mut exporter = format.exporter(&Options::default());
        // What is no trace is told at its end.
        let _ = export::export(&mut trace, &mut *exporter, &mut std::io::sink(), |_| ());
    }
    let mut flows = Collector::default();
    trace().unwrap().filter_map(Result::ok).for_each(|item| flows.item(&item));
}

/// Text of an event, and of so many pieces, between two of which there may be an event.
fn text(pieces: usize, piece: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = EVENT.to_owned();
    (0..pieces).for_each(|at| text.push_str(&piece(at)));
    text.push_str(EVENT);
    text.into_bytes()
}

fn schema() -> Arc<Schema> {
    let found =
        common::captures().into_iter().find(|c| c.kernel.starts_with("6.12") && c.case == "ipv4-loss2").unwrap();
    Schema::new(found.decode().formats.values().cloned()).unwrap()
}

/// A trace of so many pieces and no events but theirs.
fn tcpp(schema: &Arc<Schema>, pieces: usize, mut piece: impl FnMut(usize, &mut Vec<u8>)) -> Vec<u8> {
    let writer = Writer::new(Vec::new(), &Header::new("a"), schema, &[]).unwrap();
    let mut bytes = writer.finish().unwrap().0;
    (0..pieces).for_each(|at| piece(at, &mut bytes));
    bytes
}

#[test]
fn marks_of_loss() {
    check_growth(20_000, |pieces| text(pieces, |_| "CPU:1 [LOST 5 EVENTS]\n".to_owned()), all);
    check_growth(20_000, |pieces| text(pieces, |cpu| format!("CPU:{cpu} [LOST 5 EVENTS]\n")), all);
    check_growth(5_000, |pieces| text(pieces, |_| format!("CPU:1 [LOST EVENTS]\n{EVENT}")), all);
}

#[test]
fn numbers_of_cpus() {
    let event = |cpu: usize| EVENT.replace("[001]", &format!("[{cpu:03}]"));
    check_growth(5_000, |pieces| text(pieces, event), all);
}

#[test]
fn lines_that_are_no_events() {
    check_growth(20_000, |pieces| text(pieces, |_| "what is this\n".to_owned()), all);
    check_growth(20_000, |pieces| text(pieces, |_| "a-b-c-d-e-f [ [ [ : | ".to_owned()), all);
    check_growth(1 << 20, |pieces| text(pieces, |_| "\0".to_owned()), all);
    check_growth(20_000, |pieces| text(pieces, |_| "\0\n".to_owned()), all);
}

#[test]
fn names_of_events_and_fields() {
    check_growth(2_000, |pieces| text(pieces, |at| format!("a-1 [000] 1.5: event_{at}: a=1\n")), all);
    check_growth(2_000, |pieces| text(pieces, |at| format!("a-1 [000] 1.5: event: field_{at}=1\n")), all);
    let fields = |pieces| {
        let mut line = "a-1 [000] 1.5: event:".to_owned();
        (0..pieces).for_each(|at| write!(line, " f{at}=1").unwrap());
        format!("{EVENT}{line}\n{line}\n").into_bytes()
    };
    check_growth(1_000, fields, all);
}

#[test]
fn members_of_gzip() {
    let member = |text: &str| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let (event, empty) = (member(EVENT), member(""));
    check_growth(500, |pieces| event.repeat(pieces), all);
    check_growth(500, |pieces| [empty.repeat(pieces), event.clone()].concat(), all);
}

#[test]
fn anchors_headers_schemas_and_accounts() {
    let schema = schema();
    let anchors = |pieces: usize| {
        tcpp(&schema, pieces, |at, out| {
            let time = (pieces - at) as u64;
            put_frame(Kind::Anchor, out, |out| Anchor { time, wall: 7 }.encode(out));
        })
    };
    check_growth(20_000, anchors, all);
    let accounts = |pieces| {
        tcpp(&schema, pieces, |at, out| {
            let account = Account { cpu: at as u32, from: at as u64, to: at as u64 + 1, lost: 1, ..Account::default() };
            put_frame(Kind::Ledger, out, |out| encode_accounts(&[account], 0, out));
        })
    };
    check_growth(2_000, accounts, all);
    let headers = |pieces| {
        tcpp(&schema, pieces, |at, out| {
            put_frame(Kind::Header, out, |out| Header::new(&format!("trace-{at}")).encode(out));
        })
    };
    check_growth(2_000, headers, all);
    let encoded = schema.encode();
    let schemas = |pieces| tcpp(&schema, pieces, |_, out| put_frame(Kind::Schema, out, |out| out.extend(&encoded)));
    check_growth(10, schemas, all);
}

/// Blocks of the same times, of which none says what is complete: all wait for those behind them.
#[test]
fn blocks_that_never_are_complete() {
    let found =
        common::captures().into_iter().find(|c| c.kernel.starts_with("6.12") && c.case == "ipv4-loss2").unwrap();
    let decoded = found.decode();
    let (schema, records) = (Schema::new(decoded.formats.values().cloned()).unwrap(), decoded.merged());
    let block = |sequence: u64, out: &mut Vec<u8>| {
        let mut builder = BlockBuilder::new(Arc::clone(&schema));
        for record in &records[..63] {
            assert_eq!(builder.push(record.cpu, &[(record.time, record.bytes)]), 0);
        }
        put_frame(Kind::Block, out, |out| {
            builder.seal(&Seal { sequence, complete_until: 0, pages: 0..0 }, None, |_| None, out);
        });
    };
    let blocks = |pieces| tcpp(&schema, pieces, |at, out| block(at as u64 * 2 + 1, out));
    check_growth(150, blocks, all);
}

#[test]
#[should_panic(expected = "allocated of n, 2n and 4n pieces")]
fn sorting_all_at_each_step_would_be_seen() {
    let sorted = |bytes: &[u8]| {
        let mut waiting = Vec::new();
        for at in bytes.chunks(100) {
            waiting.push((at.len(), [0; 2]));
            // A stable sort has a buffer.
            waiting.reverse();
            waiting.sort_by_key(|entry| entry.0);
        }
    };
    check_growth(1_000, |pieces| vec![0; pieces * 100], |bytes| bytes.chunks(100).for_each(drop));
    check_growth(2_000, |pieces| (0..pieces * 100).map(|at| at as u8).collect(), sorted);
}

#[test]
fn names_of_tasks() {
    let lines = |pieces| (0..pieces).map(|pid| format!("{pid} task-{pid}\n")).collect::<String>().into_bytes();
    check_growth(100_000, lines, |bytes| drop(saved_cmdlines(bytes)));
}
