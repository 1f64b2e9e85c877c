//! The tracefs module on the kernel that runs: what it promises, and the kernel's habits that it relies on.
//!
//! Needs root and tracefs; without them each test says so and passes, unless `TCPPROBE_REQUIRE_TRACEFS=1`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{CpuSet, sched_setaffinity};
use tcpprobe::event::EventSet;
use tcpprobe::kernel::page::{Lost, Page};
use tcpprobed::clock::ClockPair;
use tcpprobed::tracefs::{
    CpuReader, CpuStats, EventName, Instance, ReadOutcome, Settings, StatsFile, Tracefs, TracefsError, held_kb, page_kb,
};

const PREFIX: &str = "tcpprobe-test-";

/// The machine's tracefs; `None`, with the reason printed, where there is none for us.
fn tracefs() -> Option<Tracefs> {
    match Tracefs::locate(None) {
        Ok(tracefs) => Some(tracefs),
        Err(e) => skip(&e.to_string()),
    }
}

fn skip<T>(reason: &str) -> Option<T> {
    assert!(std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_none(), "TCPPROBE_REQUIRE_TRACEFS is set, but: {reason}");
    eprintln!("skipped: {reason}");
    None
}

/// An instance that is removed whatever happens.
struct Scratch<'a> {
    tracefs: &'a Tracefs,
    instance: Instance,
}

impl<'a> Scratch<'a> {
    fn new(tracefs: &'a Tracefs) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Scratch { tracefs, instance: Instance::create(tracefs, &name).unwrap() }
    }

    /// Records tcp_probe of the pair on `cpu`.
    fn recording(tracefs: &'a Tracefs, pair: &Pair, change: impl FnOnce(&mut Settings)) -> Self {
        let scratch = Scratch::new(tracefs);
        let mut settings = Settings {
            clock: "boot".to_owned(),
            buffer_kb: 1024,
            subbuf_kb: None,
            buffer_percent: None,
            overwrite: true,
            events: [(probe(), Some(pair.filter()))].into(),
            tracing: true,
        };
        change(&mut settings);
        scratch.instance.configure(&settings).unwrap();
        scratch
    }

    fn stats(&self, pair: &Pair) -> CpuStats {
        StatsFile::open(&self.instance, pair.cpu).unwrap().read().unwrap()
    }

    fn reader(&self, pair: &Pair) -> CpuReader {
        CpuReader::open(&self.instance, pair.cpu).unwrap()
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Ok(instance) = Instance::open(self.tracefs, self.instance.name())
            && let Err(e) = instance.remove()
        {
            eprintln!("left behind: {e}");
        }
    }
}

fn probe() -> EventName {
    EventName { system: "tcp".to_owned(), name: "tcp_probe".to_owned() }
}

/// A connection over loopback whose events all happen on one CPU: that of the thread which made it.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    cpu: u32,
}

impl Pair {
    fn new() -> Self {
        Pair::on(tcpprobed::tracefs::online_cpus().unwrap()[0])
    }

    fn on(cpu: u32) -> Self {
        let mut set = CpuSet::new();
        set.set(cpu as usize);
        sched_setaffinity(None, &set).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap().0;
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        Pair { client, server, cpu }
    }

    fn filter(&self) -> String {
        let port = self.server.local_addr().unwrap().port();
        // Bare ACKs left out: they come when the delayed-ACK timer wants.
        format!("data_len > 0 && (sport == {port} || dport == {port})")
    }

    /// A byte there and back, so many times: two events each.
    fn rounds(&self, count: usize) {
        let mut byte = [0];
        for _ in 0..count {
            for (mut from, mut to) in [(&self.client, &self.server), (&self.server, &self.client)] {
                from.write_all(&byte).unwrap();
                to.read_exact(&mut byte).unwrap();
            }
        }
    }
}

/// What reading until nothing is left gave.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drained {
    pages: usize,
    events: u64,
    lost: u64,
    lost_unknown: usize,
    times: Vec<u64>,
}

fn drain(tracefs: &Tracefs, reader: &CpuReader) -> Drained {
    let layout = tracefs.page_layout().unwrap();
    let mut buffer = vec![0; reader.subbuf_bytes()];
    let mut sum = Drained::default();
    loop {
        match reader.read(&mut buffer).unwrap() {
            ReadOutcome::Page(length) => {
                assert_eq!(length, buffer.len(), "a read gives a whole sub-buffer");
                let page = Page::parse(layout, &buffer[..length]).unwrap();
                let mut records = page.records();
                sum.times.extend(records.by_ref().map(|(time, _)| time));
                assert_eq!(records.error(), None);
                sum.pages += 1;
                sum.events = sum.times.len() as u64;
                match page.lost {
                    Lost::None => {}
                    Lost::Events(count) => sum.lost += count,
                    Lost::Unknown => sum.lost_unknown += 1,
                }
            }
            ReadOutcome::Empty => return sum,
            other => panic!("{other:?}"),
        }
    }
}

/// Lines of tcp_probe in the kernel's own text.
fn text_events(instance: &Instance) -> u64 {
    let text = fs::read_to_string(instance.dir().join("trace")).unwrap();
    text.lines().filter(|line| line.contains(" tcp_probe: ")).count() as u64
}

#[test]
fn what_the_kernel_offers() {
    let Some(tracefs) = tracefs() else { return };
    let events = tracefs.events().unwrap();
    assert!(events.contains(&probe()) && events.iter().all(|e| e.system == "tcp" || e.system == "sock"));
    for event in &events {
        let format = tracefs.format(event).unwrap();
        assert_eq!((format.system.as_str(), format.name.as_str()), (event.system.as_str(), event.name.as_str()));
    }
    let names = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        tracefs.resolve(&patterns).map(|list| list.events.keys().map(EventName::to_string).collect::<Vec<_>>())
    };
    let mut default = EventSet::Default.names().to_vec();
    default.sort_unstable();
    assert_eq!(names(&[]).unwrap(), default);
    assert_eq!(names(&["default"]).unwrap(), default);
    assert_eq!(names(&["minimal"]).unwrap(), ["tcp:tcp_probe", "tcp:tcp_retransmit_skb"]);
    assert_eq!(names(&["all"]).unwrap().len(), events.len());
    assert_eq!(names(&["minimal", "tcp_destroy*"]).unwrap().len(), 3);
    assert_eq!(names(&["tcp_probe", "tcp/tcp_probe", "*:tcp_pro?e"]).unwrap(), ["tcp:tcp_probe"]);
    assert_eq!(names(&["sock:inet_*_state"]).unwrap(), ["sock:inet_sock_set_state"]);
    assert_eq!(names(&["*"]).unwrap().len(), events.len());
    assert_eq!(names(&["tcp_*", "inet_*", "sock_*"]).unwrap().len(), events.len());
    let message = names(&["tcp_probe", "tcp_prbe"]).unwrap_err().to_string();
    assert!(message.contains("`tcp_prbe`, did you mean `tcp:tcp_probe`?"), "{message}");
    assert!(matches!(names(&["sched:*"]), Err(TracefsError::UnknownEvent { nearest: None, .. })));
    tracefs.page_layout().unwrap();
    assert!(tracefs.records_cmdlines().is_ok());
    assert!(!tcpprobed::tracefs::kernel_release().is_empty());
}

#[test]
fn instances_come_and_go() {
    let Some(tracefs) = tracefs() else { return };
    let scratch = Scratch::new(&tracefs);
    let name = scratch.instance.name().to_owned();
    assert!(matches!(Instance::create(&tracefs, &name), Err(TracefsError::Exists { .. })));
    assert_eq!(tracefs.instances(&name).unwrap(), [name.as_str()]);
    assert_eq!(scratch.instance.cpus().unwrap(), tcpprobed::tracefs::possible_cpus().unwrap());
    assert_eq!(scratch.instance.enabled_events().unwrap(), []);

    drop(scratch.instance.clone());
    assert!(Instance::exists(&tracefs, &name), "dropping leaves it in the kernel");
    let stats = StatsFile::open(&scratch.instance, 0).unwrap();
    let busy = scratch.instance.clone().remove().unwrap_err();
    let expected = format!("tracing instance {name} is in use by {} (", std::process::id());
    assert!(busy.to_string().starts_with(&expected), "{busy}");
    drop(stats);

    scratch.instance.clone().remove().unwrap();
    assert!(!Instance::exists(&tracefs, &name));
    assert!(matches!(scratch.instance.clone().remove(), Err(TracefsError::NoInstance { .. })));
    assert!(matches!(Instance::open(&tracefs, &name), Err(TracefsError::NoInstance { .. })));
    for bad in ["", ".", "..", "a/b", "a\0", &"x".repeat(256)] {
        assert!(matches!(Instance::create(&tracefs, bad), Err(TracefsError::Name { .. })), "{bad:?}");
    }
}

#[test]
fn what_is_set_can_be_read_back() {
    let Some(tracefs) = tracefs() else { return };
    let scratch = Scratch::new(&tracefs);
    let instance = &scratch.instance;
    let features = tracefs.features();
    let retransmit = EventName { system: "tcp".to_owned(), name: "tcp_retransmit_skb".to_owned() };
    let wanted = Settings {
        clock: "boot".to_owned(),
        buffer_kb: 1000,
        subbuf_kb: Some(64),
        buffer_percent: Some(25),
        overwrite: false,
        events: [(probe(), Some("sport == 80 || dport == 80".to_owned())), (retransmit, None)].into(),
        tracing: false,
    };
    let made = instance.configure(&wanted).unwrap();
    let buffer_kb = if features.subbuf_size { held_kb(1000, 64) } else { 1000 };
    let expected = Settings {
        buffer_kb,
        subbuf_kb: features.subbuf_size.then_some(64),
        buffer_percent: features.buffer_percent.then_some(25),
        ..wanted.clone()
    };
    assert_eq!(made, expected, "rounded up to whole sub-buffers of 65536 - 16 bytes of data");
    assert_eq!(Instance::open(&tracefs, instance.name()).unwrap().settings().unwrap(), made);
    let online = tcpprobed::tracefs::online_cpus().unwrap().len() as u64;
    assert_eq!(instance.kernel_memory_kb().unwrap(), buffer_kb * online);

    let fewer = Settings { events: BTreeMap::from([(probe(), None)]), overwrite: true, tracing: true, ..wanted };
    let made = instance.configure(&fewer).unwrap();
    assert_eq!((made.events, made.overwrite, made.tracing), (fewer.events, true, true), "the others were disabled");
}

#[test]
fn sizes() {
    let Some(tracefs) = tracefs() else { return };
    let scratch = Scratch::new(&tracefs);
    let (instance, features) = (&scratch.instance, tracefs.features());
    if instance.set_subbuf_kb(4).unwrap().is_some() {
        for asked in [5, 12, 512, 1] {
            let became = u64::max(asked, page_kb()).next_power_of_two();
            assert_eq!(instance.set_subbuf_kb(asked).unwrap(), Some(became));
        }
        assert!(matches!(instance.set_subbuf_kb(256 * page_kb()), Err(TracefsError::Value { .. })));
    } else {
        eprintln!("skipped: sub-buffer sizes, which this kernel has not");
    }
    for asked in [1, 100, 4096] {
        let became = instance.set_buffer_kb(asked).unwrap();
        let held = held_kb(asked, page_kb());
        assert!((asked..=held + 2 * page_kb()).contains(&became), "{asked}: {became}, not {held}");
        if features.subbuf_size {
            assert_eq!(became, held, "of {asked}");
        }
        assert_eq!(instance.buffer_kb().unwrap(), became);
    }
    assert!(matches!(instance.set_buffer_kb(0), Err(TracefsError::Value { .. })));

    let before = instance.buffer_kb().unwrap();
    // The kernel shifts the number by 10 bits and takes what is left: 2^54 would be 0.
    for asked in [1 << 40, 1 << 54, u64::MAX] {
        let error = instance.set_buffer_kb(asked).unwrap_err();
        let TracefsError::OutOfMemory { asked_kb, fits_kb, cpus, .. } = &error else { panic!("{error}") };
        assert_eq!((*asked_kb, *cpus), (asked, tcpprobed::tracefs::online_cpus().unwrap().len()));
        assert!(*fits_kb > before && *fits_kb < asked, "{error}");
    }
    assert_eq!(instance.buffer_kb().unwrap(), before);
}

#[test]
fn every_event_is_read_once() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    for subbuf_kb in [4, 16, 64, 256] {
        let scratch = Scratch::recording(&tracefs, &pair, |s| s.subbuf_kb = Some(subbuf_kb));
        let shadow = Scratch::recording(&tracefs, &pair, |_| ());
        let reader = scratch.reader(&pair);
        let mut sum = drain(&tracefs, &reader);
        assert_eq!(sum, Drained::default());

        let before = ClockPair::now();
        // Few events leave a sub-buffer partly written, which is read as it is and goes on being written.
        for rounds in [1, 3, 500, 2] {
            pair.rounds(rounds);
            let part = drain(&tracefs, &reader);
            assert!(part.pages > 0 && part.events == 2 * rounds as u64, "{part:?}");
            sum.events += part.events;
            sum.times.extend(part.times);
        }
        let after = ClockPair::now();
        let stats = scratch.stats(&pair);
        assert_eq!((stats.read_events, stats.entries, stats.lost()), (sum.events, 0, 0), "sub-buffers of {subbuf_kb}");
        assert_eq!(text_events(&shadow.instance), sum.events);
        assert!(sum.times.is_sorted());
        assert!(sum.times.iter().all(|t| (before.boot_ns..=after.boot_ns).contains(t)), "in the clock of the anchors");
        assert!(stats.now_ns.unwrap().abs_diff(after.boot_ns) < 10_000_000_000, "{stats:?}");
    }
}

#[test]
fn what_is_overwritten_is_counted_on_pages_and_in_stats() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    for subbuf_kb in [4, 16, 64] {
        let small = |s: &mut Settings| (s.subbuf_kb, s.buffer_kb) = (Some(subbuf_kb), 32);
        let scratch = Scratch::recording(&tracefs, &pair, small);
        let shadow = Scratch::recording(&tracefs, &pair, |_| ());
        pair.rounds(1500);
        let full = scratch.stats(&pair);
        assert!(full.overrun > 0 && full.lost() == full.overrun, "{full:?}");
        let reader = scratch.reader(&pair);
        let first = drain(&tracefs, &reader);
        assert_eq!(first.events, full.entries);
        pair.rounds(1500);
        let second = drain(&tracefs, &reader);
        let stats = scratch.stats(&pair);
        assert_eq!((stats.entries, stats.read_events), (0, first.events + second.events));
        // A sub-buffer that its events fill to the last byte (455 of 144 bytes in 64 KiB) has no room for the count.
        let marks = (first.lost + second.lost, first.lost_unknown + second.lost_unknown);
        assert!(marks == (stats.overrun, 0) || marks.1 > 0, "{marks:?} {stats:?}");
        assert_eq!(stats.generated(), text_events(&shadow.instance));
    }
}

#[test]
fn what_is_dropped_is_counted_in_stats_alone() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    for subbuf_kb in [4, 16, 64] {
        let small = |s: &mut Settings| (s.subbuf_kb, s.buffer_kb, s.overwrite) = (Some(subbuf_kb), 32, false);
        let scratch = Scratch::recording(&tracefs, &pair, small);
        let shadow = Scratch::recording(&tracefs, &pair, |_| ());
        let reader = scratch.reader(&pair);
        let mut read = 0;
        for _ in 0..2 {
            pair.rounds(1500);
            let part = drain(&tracefs, &reader);
            assert_eq!((part.lost, part.lost_unknown), (0, 0), "no mark on any page");
            read += part.events;
        }
        let stats = scratch.stats(&pair);
        assert!(stats.dropped_events > 0, "{stats:?}");
        assert_eq!((stats.entries, stats.read_events, stats.overrun), (0, read, 0));
        assert_eq!(stats.generated(), text_events(&shadow.instance));
    }
}

#[test]
fn filtered_events_are_counted_nowhere() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |s| {
        s.events.insert(probe(), Some("sport == 1".to_owned()));
    });
    pair.rounds(50);
    assert_eq!(scratch.stats(&pair).generated(), 0);
}

#[test]
fn resizing_and_clearing() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |_| ());
    let instance = &scratch.instance;
    let rounds = 25 * page_kb();
    pair.rounds(rounds as usize);
    let before = scratch.stats(&pair);
    assert_eq!(before.entries, 2 * rounds);

    instance.set_buffer_kb(2048).unwrap();
    assert_eq!(scratch.stats(&pair).entries, before.entries, "growing keeps the events");
    instance.set_buffer_kb(3 * page_kb()).unwrap();
    let shrunk = scratch.stats(&pair);
    assert!(shrunk.overrun > 0 && shrunk.generated() == before.generated(), "shrinking counts what it pushes out");

    if tracefs.features().subbuf_size {
        instance.set_subbuf_kb(4 * page_kb()).unwrap();
        assert_eq!(scratch.stats(&pair).generated(), 0, "the counts were cleared with the events");
        let reader = scratch.reader(&pair);
        pair.rounds(5);
        assert_eq!(drain(&tracefs, &reader).events, scratch.stats(&pair).generated());
    }
    pair.rounds(5);
    instance.set_clock("mono").unwrap();
    assert_eq!(scratch.stats(&pair).generated(), 0, "a new clock clears too");
    pair.rounds(5);
    instance.clear().unwrap();
    assert_eq!(scratch.stats(&pair).generated(), 0);
}

/// What [`Instance::set_subbuf_kb`] clears the buffer for.
#[test]
fn a_new_sub_buffer_size_leaves_wrong_counts() {
    let Some(tracefs) = tracefs() else { return };
    if !tracefs.features().subbuf_size {
        return eprintln!("skipped: this kernel has one sub-buffer size");
    }
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |s| s.subbuf_kb = Some(4));
    pair.rounds(10);
    let before = scratch.stats(&pair);
    fs::write(scratch.instance.dir().join("buffer_subbuf_size_kb"), (4 * page_kb()).to_string()).unwrap();
    assert_eq!(text_events(&scratch.instance), 0, "the events are gone");
    assert_eq!(scratch.stats(&pair).entries, before.entries, "but counted as being there");
    pair.rounds(10);
    let drained = drain(&tracefs, &scratch.reader(&pair));
    let after = scratch.stats(&pair);
    assert_eq!((after.entries, after.read_events), (before.entries, drained.events));
}

#[test]
fn a_refused_filter_says_why_and_changes_nothing() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |s| {
        s.events.insert(probe(), Some("sport == 1".to_owned()));
    });
    let instance = &scratch.instance;
    for (filter, why, at) in [
        ("foo == 80", "Field not found", Some(5)),
        ("sport == 80 && foo == 1", "Field not found", Some(20)),
        ("sport = 80", "Invalid operator", None),
        ("(sport == 80", "Too many '('", Some(1)),
        ("sport == \"x\"", "Expecting numeric field", None),
        ("", "empty, or more than one line", None),
        ("sport == 80\nsport == 81", "empty, or more than one line", None),
        (&format!("sport == 80{}", " || sport == 80".repeat(300)), "longer than 4091 bytes", None),
    ] {
        let error = instance.set_filter(&probe(), Some(filter)).unwrap_err();
        let TracefsError::Filter { reason, column, event, .. } = &error else { panic!("{filter}: {error}") };
        assert_eq!((reason.as_str(), event.as_str()), (why, "tcp:tcp_probe"), "{filter}");
        assert!(at.is_none() || at == *column, "{filter}: column {column:?}");
        assert_eq!(instance.filter(&probe()).unwrap().as_deref(), Some("sport == 1"));
    }
    pair.rounds(10);
    assert_eq!(scratch.stats(&pair).generated(), 0, "the old filter is in force");

    let long = format!("sport == 80{}", " || sport == 80".repeat(270));
    instance.set_filter(&probe(), Some(&long)).unwrap();
    assert_eq!(instance.filter(&probe()).unwrap(), Some(long), "the longest is read back whole");
    instance.set_filter(&probe(), None).unwrap();
    assert_eq!(instance.filter(&probe()).unwrap(), None);
    let missing = EventName { system: "tcp".to_owned(), name: "tcp_nothing".to_owned() };
    assert!(instance.set_filter(&missing, None).is_err() && instance.enable(&missing, true).is_err());
}

/// Why [`Instance::set_filter`] puts the old filter back.
#[test]
fn the_kernel_drops_a_filter_when_it_refuses_the_next() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |s| {
        s.events.insert(probe(), Some("sport == 1".to_owned()));
    });
    let path = scratch.instance.dir().join("events/tcp/tcp_probe/filter");
    assert!(fs::write(path, "foo == 1").is_err());
    pair.rounds(10);
    assert!(scratch.stats(&pair).generated() >= 20, "everything passes, bare ACKs and other people's events too");
}

#[test]
fn clocks_are_each_instances_own() {
    let Some(tracefs) = tracefs() else { return };
    let (one, two) = (Scratch::new(&tracefs), Scratch::new(&tracefs));
    let before = two.instance.clock().unwrap();
    one.instance.set_clock("boot").unwrap();
    assert_eq!((one.instance.clock().unwrap(), two.instance.clock().unwrap()), ("boot".to_owned(), before));
    assert!(matches!(one.instance.set_clock("sundial"), Err(TracefsError::Value { .. })));
}

#[test]
fn stack_traces_of_other_people_do_not_fill_the_buffer() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |_| ());
    let instance = &scratch.instance;
    // As an instance has it that was made while the top level's option was on.
    fs::write(instance.dir().join("trace_options"), "stacktrace").unwrap();
    pair.rounds(10);
    let with = scratch.stats(&pair).generated();
    instance.set_plain_options().unwrap();
    instance.clear().unwrap();
    pair.rounds(10);
    let without = scratch.stats(&pair).generated();
    assert_eq!((with, without), (40, 20));
}

#[test]
fn reading_with_open_descriptors() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |_| ());
    let reader = scratch.reader(&pair);
    assert!(reader.read(&mut [0; 100]).is_err(), "too small for a sub-buffer");
    // After this, the kernel (6.12 and later) says 0 where it said EAGAIN.
    drop(reader.as_fd().try_clone_to_owned().unwrap());
    let mut buffer = vec![0; reader.subbuf_bytes()];
    assert_eq!(reader.read(&mut buffer).unwrap(), ReadOutcome::Empty);
    pair.rounds(5);
    assert!(drain(&tracefs, &reader).events == 10, "and it is not the end");
    assert_eq!(reader.read(&mut buffer).unwrap(), ReadOutcome::Empty);
    scratch.instance.set_tracing(false).unwrap();
    pair.rounds(5);
    assert_eq!(reader.read(&mut buffer).unwrap(), ReadOutcome::Empty);
    assert!(reader.as_fd().as_raw_fd() > 2);
}

fn wakes(reader: &CpuReader, within: Duration) -> bool {
    let mut fds = [PollFd::new(reader, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::try_from(within).unwrap())).unwrap() == 1
}

#[test]
fn poll_wakes_at_the_percentage() {
    let Some(tracefs) = tracefs() else { return };
    if !tracefs.features().subbuf_size {
        return eprintln!(
            "skipped: before 6.9 poll may sleep through the percentage, and 6.8 is as near as files tell"
        );
    }
    let pair = Pair::new();
    let short = Duration::from_millis(50);
    let pages = (page_kb() / 4) as usize;
    for (percent, enough) in [(10, 200 * pages), (50, 900 * pages)] {
        let scratch = Scratch::recording(&tracefs, &pair, |s| {
            (s.buffer_kb, s.buffer_percent, s.subbuf_kb) = (64 * page_kb(), Some(percent), Some(page_kb()));
        });
        let reader = scratch.reader(&pair);
        pair.rounds(10);
        assert!(!wakes(&reader, short), "few events wake nobody");
        pair.rounds(enough / 2);
        assert!(wakes(&reader, short), "{percent} % of 64 pages is less than {enough} events");
        drain(&tracefs, &reader);
        assert!(!wakes(&reader, short));
    }
    let scratch = Scratch::recording(&tracefs, &pair, |s| s.buffer_percent = Some(0));
    let reader = scratch.reader(&pair);
    pair.rounds(1);
    assert!(wakes(&reader, short), "at 0 a single event does");
    scratch.instance.set_buffer_percent(101).unwrap_err();
}

#[test]
fn the_kernel_remembers_names() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let _scratch = Scratch::recording(&tracefs, &pair, |_| ());
    let pid = rustix::thread::gettid().as_raw_nonzero().get();
    rustix::thread::set_name(c"tcp probe\ttest").unwrap();
    // A name is noted when the task is switched out or in after an event of its own.
    for _ in 0..100 {
        pair.rounds(5);
        std::thread::sleep(Duration::from_millis(5));
        if tracefs.saved_cmdlines().unwrap().get(&pid).is_some_and(|name| name == "tcp probe\ttest") {
            return;
        }
    }
    panic!("{:?}", tracefs.saved_cmdlines().unwrap());
}

#[test]
fn an_open_stats_file_is_read_anew() {
    let Some(tracefs) = tracefs() else { return };
    let pair = Pair::new();
    let scratch = Scratch::recording(&tracefs, &pair, |_| ());
    let file = StatsFile::open(&scratch.instance, pair.cpu).unwrap();
    let first = file.read().unwrap();
    pair.rounds(5);
    let second = file.read().unwrap();
    assert!(second.entries == first.entries + 10 && second.now_ns > first.now_ns);
}

/// Takes a CPU offline and brings it back, which everybody on the machine notices: only where that is asked for.
#[test]
fn a_cpu_that_comes_and_goes() {
    let Some(tracefs) = tracefs() else { return };
    if std::env::var_os("TCPPROBE_TEST_HOTPLUG").is_none() {
        return eprintln!("skipped: takes a CPU offline; set TCPPROBE_TEST_HOTPLUG=1 where nobody minds");
    }
    let last = *tcpprobed::tracefs::online_cpus().unwrap().last().unwrap();
    let switch = |on: &str| fs::write(format!("/sys/devices/system/cpu/cpu{last}/online"), on).unwrap();
    let pair = Pair::on(last);
    let early = Scratch::recording(&tracefs, &pair, |_| ());
    let early_reader = early.reader(&pair);
    pair.rounds(10);
    switch("0");
    assert_eq!(drain(&tracefs, &early_reader).events, 20, "what was recorded can be read");
    let mut buffer = vec![0; early_reader.subbuf_bytes()];
    assert_eq!(early_reader.read(&mut buffer).unwrap(), ReadOutcome::Empty);
    assert_eq!(early.reader(&pair).read(&mut buffer).unwrap(), ReadOutcome::Empty, "by a new reader too");

    let late = Scratch::recording(&tracefs, &pair, |_| ());
    assert!(late.instance.cpus().unwrap().contains(&last));
    let late_reader = late.reader(&pair);
    assert_eq!(late_reader.read(&mut buffer).unwrap(), ReadOutcome::Offline, "it never had a buffer for this CPU");
    assert_eq!(late.stats(&pair).generated(), 0);

    switch("1");
    let pair = Pair::on(last);
    for (scratch, reader) in [(&early, &early_reader), (&late, &late_reader)] {
        scratch.instance.set_filter(&probe(), Some(&pair.filter())).unwrap();
        pair.rounds(10);
        assert_eq!(drain(&tracefs, reader).events, 20);
        assert_eq!(scratch.instance.buffer_kb().unwrap(), early.instance.buffer_kb().unwrap());
    }
}
