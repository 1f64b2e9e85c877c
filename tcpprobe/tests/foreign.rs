//! Traces of trace-cmd and perf: what is read of them is what those programs themselves print of them, and what is missing is told.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "text_support/pointers.rs"]
mod pointers;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use common::{fixtures, inflate};
use flate2::Compression;
use flate2::write::GzEncoder;
use pointers::without_pointers;
use tcpprobe::Error;
use tcpprobe::event::{Event, Value};
use tcpprobe::export::{self, ExportFormat, Options};
use tcpprobe::file::{Account, Select};
use tcpprobe::source::{Gap, Item, Losses, Problem, Trace, TraceEvent, Wanted};

/// A file as its program wrote it, and what that printed of it (`trace-cmd report -t`, `perf script --ns`).
struct Fixture {
    name: &'static str,
    text: &'static str,
    events: usize,
    clock: &'static str,
}

const fn fixture(name: &'static str, text: &'static str, events: usize, clock: &'static str) -> Fixture {
    Fixture { name, text, events, clock }
}

const FIXTURES: [Fixture; 11] = [
    fixture("trace-cmd-v6.dat.gz", "trace-cmd-v6.txt.gz", 66, "mono"),
    fixture("trace-cmd-v6-date.dat.gz", "trace-cmd-v6-date.txt.gz", 66, "global"),
    fixture("trace-cmd-v6-buffers.dat.gz", "trace-cmd-v6-buffers.txt.gz", 84, "mono"),
    fixture("trace-cmd-v7.dat.gz", "trace-cmd-v7.txt.gz", 74, "mono"),
    fixture("trace-cmd-v7-zstd.dat.gz", "trace-cmd-v7-zstd.txt.gz", 58, "mono"),
    fixture("perf.data.gz", "perf.txt.gz", 70, "perf"),
    fixture("perf-mono.data.gz", "perf-mono.txt.gz", 19, "mono"),
    fixture("perf-callgraph.data.gz", "perf-callgraph.txt.gz", 19, "perf"),
    fixture("perf-pipe.data.gz", "perf-pipe.txt.gz", 19, "perf"),
    fixture("perf-mixed.data.gz", "perf-mixed.txt.gz", 7, "perf"),
    fixture("perf-lost.data.gz", "perf-lost.txt.gz", 32, "perf"),
];

fn path(name: &str) -> PathBuf {
    fixtures().join("foreign").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    let path = path(name);
    if name.ends_with(".gz") { inflate(&path).unwrap() } else { std::fs::read(path).unwrap() }
}

/// What is in a trace.
#[derive(Debug, Default)]
struct Found {
    events: Vec<TraceEvent>,
    gaps: Vec<Gap>,
    accounts: Vec<Account>,
    problems: Vec<Problem>,
    losses: Losses,
    clock: String,
    kernel: String,
    host: String,
}

fn read(bytes: &[u8]) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut trace = Trace::sniff("trace", bytes, Wanted::default())?;
    for item in &mut trace {
        match item? {
            Item::Begin(about) => (found.clock, found.kernel, found.host) = (about.clock, about.kernel, about.host),
            Item::Lost(gap) => found.gaps.push(gap),
            Item::Accounts(accounts) => found.accounts.extend(accounts),
            Item::Problem(problem) => found.problems.push(problem),
            _ => {}
        }
    }
    found.losses = *trace.losses();
    found.events = Trace::sniff("trace", bytes, Wanted::default())?.events().map(Result::unwrap).collect();
    Ok(found)
}

/// The event without what the text does not tell.
fn as_text_tells(event: &TraceEvent) -> Option<Event> {
    let mut event = without_pointers(event.event?);
    if let Event::TcpSendReset(reset) = &mut event {
        reset.reason = None;
    }
    Some(event)
}

/// What a text tells of an event too.
fn told(event: &TraceEvent) -> (u64, u32, String, i32, Option<Event>) {
    let pid = match event.get("common_pid") {
        Some(Value::Signed(pid)) => pid as i32,
        other => panic!("{other:?}"),
    };
    (event.time, event.cpu, event.format.name.clone(), pid, as_text_tells(event))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn events_are_those_that_their_own_programs_print() {
    for Fixture { name, text, events, clock } in FIXTURES {
        let (found, printed) = (read(&bytes(name)).unwrap(), read(&bytes(text)).unwrap());
        assert_eq!((found.events.len(), printed.events.len(), &*found.clock), (events, events, clock), "{name}");
        assert!(found.events.is_sorted_by_key(|event| event.time), "{name}");
        let sorted = |found: &Found| {
            let mut events: Vec<&TraceEvent> = found.events.iter().collect();
            events.sort_by_key(|event| (event.time, event.cpu));
            events.into_iter().cloned().collect::<Vec<_>>()
        };
        for (event, line) in sorted(&found).iter().zip(&sorted(&printed)) {
            // `trace-cmd record --date` has its report print times of day; the clock's are in the file.
            let mut event_told = told(event);
            if name.contains("date") {
                event_told.0 = event.wall_ns.unwrap().cast_unsigned();
            }
            assert_eq!(event_told, told(line), "{name}");
            // Of the idle task each has a name of its own.
            if told(event).3 != 0 && event.comm.is_some() {
                assert_eq!(event.comm, line.comm, "{name}");
            }
        }
        assert!(found.kernel.contains('.') && !found.host.is_empty(), "{name}: {} {}", found.kernel, found.host);
    }
}

/// Gzipped, and through `.tcpp`, the same.
#[test]
fn everything_works_from_there() {
    for Fixture { name, .. } in FIXTURES {
        let whole = bytes(name);
        let found = read(&whole).unwrap();
        let events = |found: &Found| found.events.iter().map(told).collect::<Vec<_>>();
        assert_eq!(events(&read(&gzip(&whole)).unwrap()), events(&found), "{name}");
        let mut trace = Trace::sniff(name, &whole[..], Wanted::default()).unwrap();
        let mut exporter = ExportFormat::Tcpp.exporter(&Options::default());
        let mut out = Vec::new();
        export::export(&mut trace, &mut *exporter, &mut out, |_| ()).unwrap();
        let again = read(&out).unwrap();
        assert_eq!(events(&again), events(&found), "{name}");
        assert_eq!(again.losses.lost, found.losses.lost, "{name}");
        let walls = |found: &Found| found.events.iter().map(|event| event.wall_ns).collect::<Vec<_>>();
        assert_eq!(walls(&again), walls(&found), "{name}");
    }
}

/// A kernel's addresses are nobody's business, and yet they join the events of a socket.
#[test]
fn pointers_are_ids() {
    for Fixture { name, .. } in FIXTURES.into_iter().filter(|fixture| !fixture.name.contains("zstd")) {
        let whole = bytes(name);
        let mut sockets = BTreeMap::new();
        for event in read(&whole).unwrap().events {
            let Some(Value::Pointer(id)) = event.get("skaddr").filter(|value| *value != Value::Pointer(0)) else {
                continue;
            };
            assert!(!whole.windows(8).any(|bytes| bytes == id.to_le_bytes()), "{name}: {id:#x} is in the file");
            if let Some(Value::Unsigned(cookie)) = event.get("sock_cookie") {
                assert_eq!(*sockets.entry(cookie).or_insert(id), id, "{name}");
            }
        }
        assert!(!sockets.is_empty(), "{name}");
    }
}

/// Wherever it is cut, there is no panic, and what is missing is told or is why nothing can be read.
#[test]
fn cut_files() {
    for Fixture { name, .. } in FIXTURES {
        let whole = bytes(name);
        let all = read(&whole).unwrap().events.len();
        for part in 1..24 {
            let length = whole.len() * part / 24;
            match read(&whole[..length]) {
                Ok(found) => {
                    let is_told = found.losses.damages > 0 || found.losses.undescribed;
                    assert!(is_told && found.events.len() <= all, "{name} cut at {length}: {:?}", found.problems);
                }
                Err(Error::Unreadable { what, hint, .. }) => assert!(!what.is_empty() && !hint.is_empty()),
                Err(error) => panic!("{name} cut at {length}: {error}"),
            }
        }
    }
}

/// The gaps that are told: CPU, and how many events.
fn lost(found: &Found) -> Vec<(u32, Option<u64>)> {
    found.gaps.iter().map(|gap| (gap.cpu, gap.lost)).collect()
}

#[test]
fn what_was_lost_is_in_the_ledger() {
    let check = |name: &str, events: usize, gaps: &[(u32, Option<u64>)]| {
        let found = read(&bytes(name)).unwrap();
        assert_eq!((found.events.len(), &*lost(&found)), (events, gaps), "{name}");
        let sum = gaps.iter().filter_map(|(_, lost)| *lost).sum::<u64>();
        assert_eq!(found.losses, Losses { lost: sum, ..Losses::default() }, "{name}: {:?}", found.problems);
        assert_eq!(found.accounts.iter().map(|account| account.stored).sum::<u64>(), events as u64, "{name}");
        for gap in &found.gaps {
            let behind = found.events.iter().find(|event| event.cpu == gap.cpu && event.time >= gap.to);
            assert!(behind.is_some() && gap.from <= gap.to, "{name}: {gap:?}");
        }
    };
    // As trace-cmd report and perf script --show-lost-events tell it.
    check("trace-cmd-v6-lost.dat.gz", 274, &[(1, Some(28)), (0, Some(28))]);
    check("trace-cmd-v7-lost.dat.gz", 185, &[(0, Some(252))]);
    check("perf-lost.data.gz", 32, &[(1, Some(760))]);
}

#[test]
fn times_of_day() {
    let wall = |text: &str| text.parse::<i64>().unwrap();
    // 2026-11-28, by `perf record -k CLOCK_MONOTONIC`, and 2026-11-28 by `trace-cmd record --date`.
    let (from, to) = (wall("1795824000000000000"), wall("1795910400000000000"));
    for name in ["perf-mono.data.gz", "trace-cmd-v6-date.dat.gz"] {
        let whole = bytes(name);
        let all = read(&whole).unwrap().events;
        assert!(all.iter().all(|event| event.wall_ns.is_some_and(|wall| (from..to).contains(&wall))), "{name}");
        let since = all[all.len() / 2].wall_ns;
        let until = all[all.len() - 2].wall_ns;
        let select = Select { since, until, ..Select::default() };
        let some: Vec<TraceEvent> = Trace::sniff(name, &whole[..], Wanted { select, ..Wanted::default() })
            .unwrap()
            .events()
            .map(Result::unwrap)
            .collect();
        let is_between = |event: &&TraceEvent| event.wall_ns >= since && event.wall_ns <= until;
        assert_eq!(some.len(), all.iter().filter(is_between).count(), "{name}");
        assert!(some.len() < all.len(), "{name}");
    }
    let select = Select { since: Some(0), ..Select::default() };
    let wanted = Wanted { select, ..Wanted::default() };
    for name in ["perf.data.gz", "trace-cmd-v7.dat.gz"] {
        let whole = bytes(name);
        let opened = Trace::sniff(name, &whole[..], wanted.clone());
        assert!(matches!(opened, Err(Error::NoWallClock { .. })), "{name}");
    }
}

/// What should be known of a file, in words.
fn notes(name: &str) -> Vec<String> {
    let found = read(&bytes(name)).unwrap();
    assert!(found.losses.is_none(), "{name}");
    found.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_should_be_known_is_told() {
    assert_eq!(notes("trace-cmd-v6.dat.gz"), [""; 0]);
    assert_eq!(notes("trace-cmd-v6-buffers.dat.gz"), ["trace: holds 2 buffers (states, web), read as one"]);
    assert_eq!(notes("trace-cmd-v7-buffers.dat.gz").len(), 1);
    let ticks = "trace: the clock x86-tsc does not count nanoseconds; times are its ticks";
    assert_eq!(notes("trace-cmd-v7-tsc.dat.gz"), [ticks]);
    let functions = "trace: 37 entries of tracers and stacks are no events, and are passed over";
    assert_eq!(notes("trace-cmd-v7-function.dat.gz"), [functions]);
    assert_eq!(read(&bytes("trace-cmd-v7-function.dat.gz")).unwrap().events.len(), 33);
    let mixed = "trace: 84 samples of what is no tracepoint are passed over";
    assert_eq!(notes("perf-mixed.data.gz"), [mixed]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let check = |bytes: &[u8], expected: &str, way_out: &str| match read(bytes) {
        Err(Error::Unreadable { what, hint, .. }) => {
            assert_eq!(what, expected);
            assert!(hint.contains(way_out), "{hint}");
        }
        other => panic!("{expected}: {other:?}"),
    };
    check(&bytes("perf-z.data.gz"), "has compressed records (perf record -z)", "perf script -i FILE");
    let mut never_ended = bytes("perf.data.gz");
    // The size of the records, which perf writes last.
    never_ended[48..56].fill(0);
    let unfinished = "was never completed: what describes its events is missing";
    check(&never_ended, unfinished, "record again");
    let mut other = bytes("trace-cmd-v7-zstd.dat.gz");
    let at = other.windows(5).position(|bytes| bytes == b"zstd\0").unwrap();
    other[at..at + 4].copy_from_slice(b"lzma");
    check(&other, "is compressed by lzma", "--compression none");
    let options = "is cut within its options, which stand at the end";
    let mut killed = bytes("trace-cmd-v7.dat.gz");
    // Where the options are, which trace-cmd writes last: behind the name and the version of no compression.
    let at = killed.windows(5).position(|bytes| bytes == b"none\0").unwrap() + 5;
    let at = at + killed[at..].iter().position(|byte| *byte == 0).unwrap() + 1;
    killed[at..at + 8].fill(0);
    check(&killed, options, "record again");
}
