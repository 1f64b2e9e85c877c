//! Makes the inputs that fuzzing begins with, from the fixtures: `fuzz/seeds/TARGET/made-*`.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read is missing")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../fuzz/src/kernels.rs"]
#[expect(dead_code, reason = "the targets use all of it")]
mod kernels;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use common::{Capture, Decoded, captures, fixtures, inflate};
use tcpprobe::event::Record;
use tcpprobe::file::block::{BlockBuilder, Schema, Seal};
use tcpprobe::file::{Account, Anchor, Header, Writer};
use tcpprobe::filter::HELP;
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::Page;

/// Kernels whose captures seeds are made of, among the fixtures: the first, the last, one between.
const KERNELS: [u8; 3] = [0, 3, 5];
/// Captures of each: one with few events of many kinds, one with IPv6, one with losses.
const CASES: [&str; 4] = ["reset-and-synretrans", "ipv6-loss1-reorder-all", "ipv6-loss2-all", "overrun"];
/// Events in a block: some, and enough for all streams of a column.
const BLOCK_EVENTS: [usize; 2] = [40, 600];
/// Events in a trace.
const TRACE_EVENTS: usize = 20;

/// Filters beside the examples of the help.
const FILTERS: &[&str] = &[
    "",
    "!(port != 22) && !(addr == ::ffff:10.0.0.1)",
    "saddr == 10.0.0.1-10.0.0.9 || daddr != fe80::/10 || host in {::1, 127.0.0.1}",
    "rtt_us < 1.5s && srtt == 300us-20ms",
    "common_pid > 0 && CPU & 1 && CPU != 3",
    "comm in {\"curl\", 'nginx'} || comm ~ \"[!a-m]*\\\\?\"",
    "state in {SYN_SENT, 3, FIN_WAIT1} || newstate == CLOSE || oldstate != LISTEN",
    "skaddr != 0 && skbaddr == 0xffff888000000000 || sock_cookie > 18446744073709551614",
    "family == ipv4 && protocol == TCP && cong_state >= RECOVERY",
    "err == -111 || err in {-1, 0-5}",
    "sport = 80",
    "(((((sport == 1) && snd_cwnd > 4294967296)))",
    "é == 1 || saddr == 300.1.1.1",
];

/// Lines that these captures do not have.
const LINES: &str = "\
# TASK-PID     CPU#  TIMESTAMP  FUNCTION
a-b (x)-12  (  7) [003] d.h2. 4294967296.000001: tcp_probe: family=AF_INET6 src=[fe80::1%2]:0 dest=[::ffff:1.2.3.4]:65535 mark=0xff
CPU:1 [LOST 672 EVENTS]
CPU:0 [LOST EVENTS]
<...>--1    [000] 5: sched_switch: prev_comm=x y prev_pid=1 ==> next_comm=\"z
python3-1   [001] .....     1.066758: tcp_retransmit_skb: skbaddr=00000000ee9ad17b skaddr=0x1 sport=1 dport=2 saddr=1.2.3.4 daddr=5.6.7.8 saddrv6=:: daddrv6=::ffff:5.6.7.8 state=0x63 err=-113
##### CPU 3 buffer started ####
a-1 [000] ..... 9.000003: tcp_probe: family=AF_INET src=127.0.0.1:1 dest=127.0.0.1:2 mark=0x0 data_len=1 snd_nxt=0x2 snd_una=0x1 snd_cwnd=18 ssthresh=7 snd_wnd=6 srtt=13 rcv_wnd=5 sock_cookie=1d
a-1 [000] ..... 1.000001: tcp_probe: family=AF_INET src=127.0.0.1:1 dest=127.0.0.1:2 mark=0x0 data_len=1 snd_nxt=0x2 snd_una=0x1 snd_cwnd=18 ssthresh=7 snd_wnd=6 srtt=13 rcv_wnd=5 sock_cookie=1d
a-1 [000] ..... 5.000002: tcp_probe: family=AF_INET src=127.0.0.1:1 dest=127.0.0.1:2 mark=0x0 data_len=1 snd_nxt=0x2 snd_una=0x1 snd_cwnd=18 ssthresh=7 snd_wnd=6 srtt=13 rcv_wnd=5 sock_cookie=1d
156 kworker/1:2\r
";

fn main() {
    let is_used = |capture: &Capture| CASES.contains(&&*capture.case) && KERNELS.contains(&kernel(capture).0);
    let captures: Vec<Capture> = captures().into_iter().filter(is_used).collect();
    captures.iter().for_each(of_a_capture);
    formats();
    filters(&captures);
    text_of_other_kinds();
    foreign();
}

/// Files of trace-cmd and perf, and how much of each: all, or what a disk that is full leaves.
const FOREIGN: [(&str, usize); 12] = [
    ("trace-cmd-v6.dat", usize::MAX),
    ("trace-cmd-v6.dat", 33_000),
    ("trace-cmd-v6-buffers.dat", usize::MAX),
    ("trace-cmd-v7.dat", usize::MAX),
    ("trace-cmd-v7-function.dat", usize::MAX),
    ("trace-cmd-v7-buffers.dat", usize::MAX),
    ("trace-cmd-v7-zstd.dat", usize::MAX),
    ("trace-cmd-v7-zstd.dat", 10_000),
    ("trace-cmd-v7-lost.dat", usize::MAX),
    ("perf-mono.data", usize::MAX),
    ("perf-pipe.data", usize::MAX),
    ("perf-pipe.data", 128_000),
];

fn foreign() {
    for (name, length) in FOREIGN {
        let bytes = inflate(&fixtures().join("foreign").join(format!("{name}.gz"))).expect("a fixture");
        let cut = if length < bytes.len() { "-cut" } else { "" };
        put("foreign", &format!("{name}{cut}"), &bytes[..length.min(bytes.len())]);
    }
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(format!("made-{name}")), bytes).expect("a file can be written");
}

fn of_a_capture(capture: &Capture) {
    let decoded = capture.decode();
    let (number, release) = kernel(capture);
    let name = format!("{release}-{}", capture.case);
    for events in BLOCK_EVENTS.into_iter().filter(|&events| events == BLOCK_EVENTS[0] || number == KERNELS[1]) {
        put(
            "block",
            &format!("{name}-{events}"),
            &[&[number], &*block(&decoded, kernels::schema(number), events)].concat(),
        );
    }
    put("trace", &name, &trace(&decoded));
    put("page", &name, &pages(capture));
    put("text", &name, lines(&capture.text().expect("it has one")).as_bytes());
}

/// The kernel's number among the fixtures, and its release up to the dash.
fn kernel(capture: &Capture) -> (u8, String) {
    let kernels = kernels::folder(&fixtures().join("formats"));
    let number = kernels.iter().position(|kernel| kernel.ends_with(&capture.kernel)).expect("its formats");
    let release = capture.kernel.split(['-', '+']).next().unwrap_or_default();
    (number as u8, release.to_owned())
}

fn block(decoded: &Decoded, schema: &Arc<Schema>, events: usize) -> Vec<u8> {
    let mut builder = BlockBuilder::new(Arc::clone(schema));
    for (cpu, time, bytes) in decoded.records.iter().take(events) {
        assert_eq!(builder.push(*cpu, &[(*time, bytes)]), 0);
    }
    let seal = Seal { sequence: 3, complete_until: 1 << 40, pages: 5..9 };
    let mut out = Vec::new();
    builder.seal(&seal, None, |pid| decoded.comms.get(&pid).map(String::as_str), &mut out);
    out
}

/// A trace of the first events, whose schema has their formats only.
fn trace(decoded: &Decoded) -> Vec<u8> {
    let records = decoded.merged();
    let records = &records[..records.len().min(TRACE_EVENTS)];
    let mut formats: Vec<Format> = records.iter().map(|record: &Record<'_>| record.format.clone()).collect();
    formats.sort_by_key(|format| format.id);
    formats.dedup();
    let schema = Schema::new(formats).expect("they are of a kernel");
    let anchors = [
        Anchor { time: 0, wall: 1_700_000_000_000_000_000 },
        Anchor { time: 1 << 38, wall: 1_800_000_000_000_000_000 },
    ];
    let header = Header::new("seed").with("clock", "boot").with("job", "web");
    let mut writer = Writer::new(Vec::new(), &header, &schema, &anchors).expect("nothing fails");
    // At one moment, the higher CPU first.
    let twice = [1, 0].map(|cpu| Record { cpu, ..records[0] });
    twice.iter().chain(records).for_each(|record| assert!(writer.push(record).expect("nothing fails")));
    let account = Account { cpu: 1, from: 5, to: 9, stored: records.len() as u64 + 2, lost: 3, ..Account::default() };
    writer.account(&[account]).expect("nothing fails");
    writer.finish().expect("nothing fails").0
}

/// The first page of each CPU, as much of it as there is data in it.
fn pages(capture: &Capture) -> Vec<u8> {
    let mut out = vec![0, 0];
    for cpu in 0..2u8 {
        let raw = inflate(&capture.dir.join(format!("cpu{cpu}.raw.gz"))).unwrap_or_default();
        let Some(length) = Page::claimed(PageLayout::default(), &raw) else { continue };
        let page = &raw[..length.min(4096)];
        out.extend((page.len() as u16 | u16::from(cpu) << 14).to_le_bytes());
        out.extend(page);
    }
    out
}

/// The beginning of a text, and the first line of each kind.
fn lines(text: &str) -> String {
    let mut known = BTreeSet::new();
    let kind =
        |line: &str| line.split(' ').find(|word| word.contains("_") && word.ends_with(':')).unwrap_or("").to_owned();
    let is_new = |(number, line): &(usize, &str)| *number < 14 || known.insert(kind(line));
    text.lines().enumerate().filter(is_new).map(|(_, line)| format!("{line}\n")).collect()
}

/// The last kernel's description of each event and of a page, and of the first kernel's what is described otherwise.
fn formats() {
    let mut known = BTreeSet::new();
    for number in [KERNELS[2], KERNELS[0]] {
        for format in kernels::schema(number).formats() {
            let print = format.print_fmt.len();
            if known.insert((format.name.clone(), if number == KERNELS[0] { print } else { 0 }))
                && (number == KERNELS[2] || print < 500)
            {
                put("format", &format!("{number}-{}", format.name), &[format.text.as_bytes(), b"\0", RECORD].concat());
            }
        }
    }
    let header = fixtures().join("formats/6.18.44-fc-v669/events/header_page");
    put("format", "header_page", &fs::read(header).expect("a fixture"));
    put("format", "nested", nested_format().as_bytes());
}

/// Bytes of a record, none of them 0.
const RECORD: &[u8] =
    b"\x02\x01\x01\x01\x07\x01\x01\x01\x02\x0a\x0a\x0a\x02\x01\x1f\x90\x7f\x01\x01\x01eth0.42\x01\xff\xfe";

/// A format with parentheses in one another.
fn nested_format() -> String {
    let (open, close) = ("(".repeat(300), ")".repeat(300));
    format!(
        "name: a\nID: 7\nformat:\n\tfield:int x;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", {open}REC->x{close}\n"
    )
}

fn filters(captures: &[Capture]) {
    let examples = HELP.lines().filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')));
    let examples = examples.map(|line| line.split("   ").next().unwrap_or_default().trim());
    let nested = format!("{}port == 80{}", "!(".repeat(64), ")".repeat(64));
    let deeper = format!("{}port == 80{}", "(".repeat(400), ")".repeat(400));
    let all = examples.chain(FILTERS.iter().copied()).chain([nested.as_str(), &deeper]);
    let of_all_kinds = captures.iter().filter(|capture| capture.case.starts_with("ipv6"));
    let of_all_kinds: Vec<(u8, Decoded)> = of_all_kinds.map(|capture| (kernel(capture).0, capture.decode())).collect();
    for (number, text) in all.enumerate() {
        let (kernel, Decoded { records, .. }) = &of_all_kinds[number % of_all_kinds.len()];
        let (_, _, record) = &records[number * 37 % records.len()];
        let event = kernels::schema(*kernel).index_of(u16::from_le_bytes([record[0], record[1]])).expect("its format");
        put("filter", &format!("{number:02}"), &[&[*kernel, event as u8], text.as_bytes(), b"\0", record].concat());
    }
}

/// What is beside a buffer, gzipped text, and lines that are not of these captures.
fn text_of_other_kinds() {
    let case = fixtures().join("captures/6.18.44-fc-v669/ipv4-loss2");
    for name in ["cpu0.stats", "trace_clock"] {
        put("text", name, &fs::read(case.join(name)).expect("a fixture"));
    }
    put("text", "lines", LINES.as_bytes());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(LINES.as_bytes()).expect("nothing fails");
    put("text", "lines.gz", &gzip.finish().expect("nothing fails"));
}
