//! Traces of trace-cmd and perf: what is read of them is what those programs themselves print of them, and what is missing is told.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::io::Write;
use std::path::PathBuf;

use common::{fixtures, inflate};
use flate2::Compression;
use flate2::write::GzEncoder;
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

const FIXTURES: [Fixture; 0] = [];

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

/// The event without its pointers, which text has hashed or not at all.
fn without_pointers(event: &TraceEvent) -> Option<Event> {
    let mut event = event.event?;
    match &mut event {
        Event::TcpProbe(probe) => (probe.skbaddr, probe.skaddr) = (0, 0),
        Event::TcpRetransmitSkb(retransmit) => (retransmit.skbaddr, retransmit.skaddr) = (0, 0),
        Event::TcpSendReset(reset) => (reset.skbaddr, reset.socket.skaddr, reset.reason) = (0, 0, None),
        Event::TcpRetransmitSynack(synack) => (synack.req, synack.socket.skaddr) = (0, 0),
        Event::TcpCongStateSet(set) => set.socket.skaddr = 0,
        Event::InetSockSetState(set) => set.socket.skaddr = 0,
        Event::TcpDestroySock(destroy) => destroy.socket.skaddr = 0,
        Event::TcpReceiveReset(reset) => reset.socket.skaddr = 0,
        Event::TcpRcvSpaceAdjust(adjust) => adjust.socket.skaddr = 0,
        _ => {}
    }
    Some(event)
}

/// What a text tells of an event too.
fn told(event: &TraceEvent) -> (u64, u32, String, i32, Option<Event>) {
    let pid = match event.get("common_pid") {
        Some(Value::Signed(pid)) => pid as i32,
        other => panic!("{other:?}"),
    };
    (event.time, event.cpu, event.format.name.clone(), pid, without_pointers(event))
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
            assert_eq!(told(event), told(line), "{name}");
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

/// A kernel's addresses are nobody's business.
#[test]
fn pointers_are_ids() {
    for Fixture { name, .. } in FIXTURES {
        for event in read(&bytes(name)).unwrap().events {
            if let Some(Value::Pointer(pointer)) = event.get("skaddr") {
                assert!(pointer >> 48 == 0, "{name}: {pointer:#x}");
            }
        }
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
