//! Reading while a run goes on, and reading parts of it.

use std::time::{Duration, Instant};

use tcpprobe::file::{Reader, Select};
use tcpprobe_proto::v1::{Job, JobState, ReadRequest};

use crate::common::{Api, Client, Daemon, Event, Shadow, Site, Trace, assert_same, job, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

fn all_of(name: &str) -> ReadRequest {
    ReadRequest { name: name.into(), ..Default::default() }
}

/// Events in blocks of a trace that may be a piece.
fn count(bytes: &[u8]) -> u64 {
    if bytes.is_empty() { 0 } else { Trace::decode(bytes).events.len() as u64 }
}

#[test]
fn events_come_as_they_are_recorded() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("follow", &api.start(job("web", &site.filter())).plan);
    site.ping_pong(100);
    let stream = api.follow("web");
    let mut bytes = Vec::new();
    for round in 0..4 {
        let traced = shadow.quiet();
        // Those before the stream began, and those of each round before the next.
        while count(&bytes) < traced {
            let reply = stream.next(PATIENCE).expect("the events come").expect("the stream goes on");
            bytes.extend_from_slice(&reply.frames);
        }
        assert_eq!(count(&bytes), traced, "round {round}");
        site.ping_pong(100);
    }
    shadow.quiet();
    api.stop("web");
    while let Some(reply) = stream.next(PATIENCE).expect("the stream ends with the run") {
        bytes.extend_from_slice(&reply.frames);
    }
    let recorded = shadow.stop();
    assert_same(&Trace::decode(&bytes).events, &recorded.events);
    assert!(bytes == api.read(all_of("web")), "a follower has the file as it is stored");
}

/// Blocks come sooner while somebody follows: four a second, instead of one.
#[test]
fn a_follower_waits_for_a_part_of_a_second() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(job("web", &site.filter()));
    let stream = api.follow("web");
    let mut quickest = PATIENCE;
    for _ in 0..5 {
        let began = Instant::now();
        site.ping_pong(3);
        let mut events = 0;
        while events == 0 {
            let reply = stream.next(PATIENCE).expect("the events come").expect("the stream goes on");
            events = tcpprobe_blocks(&reply.frames);
        }
        quickest = quickest.min(began.elapsed());
    }
    // The age of a block without a follower is a second; a busy machine may be slow some of the times, not all.
    assert!(quickest < Duration::from_millis(900), "{quickest:?}");
}

/// Events in the blocks of a piece, which need not begin with a header.
fn tcpprobe_blocks(piece: &[u8]) -> u64 {
    use tcpprobe::file::block::BlockHead;
    use tcpprobe::file::{Frames, Kind, Scanned};
    let mut frames = Frames::new(piece);
    let mut events = 0;
    while let Some(found) = frames.next_frame().unwrap() {
        let Scanned::Frame(frame) = found else { panic!("{found:?}") };
        if frame.kind == Kind::Block {
            events += u64::from(BlockHead::decode(frame.payload()).unwrap().events);
        }
    }
    events
}

#[test]
fn followers_pass_from_segment_to_segment() {
    let Some(daemon) = Daemon::configured("[store]\nsegment_seconds = 1\n") else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("segments", &api.start(job("web", &site.filter())).plan);
    let stream = api.follow("web");
    wait_until("there are some segments", || {
        site.ping_pong(20);
        api.get("web").runs[0].segments > 3
    });
    shadow.quiet();
    api.stop("web");
    let mut bytes = Vec::new();
    while let Some(reply) = stream.next(PATIENCE).expect("the stream ends with the run") {
        bytes.extend_from_slice(&reply.frames);
    }
    assert_same(&Trace::decode(&bytes).events, &shadow.stop().events);
}

#[test]
fn followers_end_with_the_daemon() {
    let Some(mut daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(job("web", &site.filter()));
    let stream = api.follow("web");
    site.ping_pong(10);
    daemon.terminate();
    let mut bytes = Vec::new();
    while let Some(reply) = stream.next(PATIENCE).expect("the stream ends with the daemon") {
        bytes.extend_from_slice(&reply.frames);
    }
    assert!(count(&bytes) > 0);
}

/// Readers that stop reading, or die, cost the capture nothing, and others are served.
#[test]
fn a_reader_that_does_not_read() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("slow", &api.start(job("web", &site.filter())).plan);
    let lazy: Vec<Api> = (0..20).map(|_| daemon.api()).collect();
    let streams: Vec<_> = lazy.iter().map(|api| api.follow("web")).collect();
    site.bulk(8, 16 << 20);
    site.ping_pong(5000);
    drop(streams.into_iter().skip(10).collect::<Vec<_>>());
    site.ping_pong(1000);
    shadow.quiet();
    api.stop("web");
    assert_same(&api.trace("web").events, &shadow.stop().events);
}

#[test]
fn watchers_see_every_state() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(job("other", "port == 1"));
    let watcher = daemon.api();
    let stream = watcher.watch(&["web"]);
    let wait = |what: &str, is_so: &dyn Fn(Option<&Job>) -> bool| loop {
        let reply = stream.next(PATIENCE).unwrap_or_else(|()| panic!("in vain: {what}")).unwrap();
        assert!(reply.jobs.iter().all(|job| job.spec.as_ref().unwrap().name == "web"), "{reply:?}");
        if is_so(reply.jobs.first()) {
            return;
        }
    };
    wait("no job", &|job| job.is_none());
    api.start(job("web", &site.filter()));
    wait("running", &|job| job.is_some_and(|job| job.state() == JobState::Running));
    site.ping_pong(100);
    wait("events", &|job| job.is_some_and(|job| job.runs[0].ledger.unwrap().stored > 200 && job.events_per_s > 0.0));
    api.stop("web");
    wait("stopped", &|job| job.is_some_and(|job| job.state() == JobState::Stopped && job.runs[0].ended_ns > 0));
    api.remove("web", false).unwrap();
    wait("removed", &|job| job.is_none());
}

fn wall_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

/// A job with three bursts of events, each in a block of its own; the wall-clock times between them; its events; what listens.
fn bursts(daemon: &Daemon) -> ([i64; 2], [u64; 3], Site) {
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("bursts", &api.start(job("web", &site.filter())).plan);
    let _sooner = api.follow("web");
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        times.push(wall_ns());
        site.ping_pong(100);
        let traced = shadow.quiet();
        counts.push(traced - counts.iter().sum::<u64>());
        wait_until("the burst is stored", || api.ledger("web").stored == traced);
    }
    ([times[1], times[2]], counts.try_into().unwrap(), site)
}

#[test]
fn a_range_of_time() {
    let Some(daemon) = Daemon::start() else { return };
    let ([second, third], [a, b, c], _listens) = bursts(&daemon);
    let api = daemon.api();
    // While it runs, when it is stopped, and after a restart.
    for stage in 0..2 {
        for (since_ns, until_ns, events) in [
            (0, 0, a + b + c),
            (second, 0, b + c),
            (third, 0, c),
            (0, third, a + b),
            (0, second, a),
            (second, third, b),
            (wall_ns(), 0, 0),
            (0, 1, 0),
        ] {
            let bytes = api.read(ReadRequest { since_ns, until_ns, ..all_of("web") });
            let bound = |time| (time != 0).then_some(time);
            let select = Select { since: bound(since_ns), until: bound(until_ns), ..Select::default() };
            // No block lies on a bound, so whole blocks are exact here.
            assert_eq!(tcpprobe_blocks(&bytes), events, "{since_ns} to {until_ns}, stage {stage}");
            let found = if bytes.is_empty() { 0 } else { Trace::read(Reader::select(&bytes[..], select)).events.len() };
            assert_eq!(found as u64, events, "{since_ns} to {until_ns}, stage {stage}");
        }
        if stage == 0 {
            api.stop("web");
        }
    }
    let Some(client) = Client::of(&daemon) else { return };
    let seconds = |ns: i64| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    let text = |arguments: &[&str]| client.run(&[&["fetch", "web", "--format", "text"], arguments].concat());
    let lines = |text: String| text.lines().filter(|line| !line.starts_with('#')).count() as u64;
    assert_eq!(lines(text(&["--since", &seconds(second), "--until", &seconds(third)]).expect(0)), b);
    text(&["--until", &seconds(second - 3_600_000_000_000)]).refused(5, &["web"]);
}

#[test]
fn the_newest_events() {
    let Some(daemon) = Daemon::start() else { return };
    let (_, [a, b, c], _listens) = bursts(&daemon);
    let api = daemon.api();
    for stage in 0..2 {
        for (last_events, events) in
            [(1, c), (c, c), (c + 1, b + c), (b + c, b + c), (b + c + 1, a + b + c), (9999, a + b + c)]
        {
            let bytes = api.read(ReadRequest { last_events, ..all_of("web") });
            assert_eq!(count(&bytes), events, "the last {last_events}, stage {stage}");
        }
        if stage == 0 {
            api.stop("web");
        }
    }
    let Some(client) = Client::of(&daemon) else { return };
    let newest: Vec<String> = client.run(&["tail", "web", "-n", "7"]).expect(0).lines().map(str::to_owned).collect();
    let all = client.run(&["fetch", "web", "--format", "text"]).expect(0);
    let all: Vec<&str> = all.lines().collect();
    assert_eq!(newest, all[all.len() - 7..]);
}

/// The events of one connection, by its id; wrong blocks may come, right ones may not be missing.
#[test]
fn one_connection() {
    use tcpprobe::event::EventReader;
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(job("web", &site.filter()));
    let _sooner = api.follow("web");
    for _ in 0..5 {
        let before = api.ledger("web").stored;
        site.ping_pong(20);
        wait_until("a block of its own", || api.ledger("web").stored > before);
    }
    api.stop("web");
    let id = |event: &Event| {
        let (local, peer) = EventReader::new(&event.format).read(&event.record).unwrap().ends();
        tcpprobe::file::block::connection_id(local, peer)
    };
    let all = api.trace("web");
    // A socket that has no port yet, or listens, is none of them.
    let received = all.events.iter().filter(|event| event.format.name == "tcp_probe");
    let connections: std::collections::BTreeSet<u64> = received.map(id).collect();
    assert_eq!(connections.len(), 10, "two ends of each");
    for connection in connections {
        let part = Trace::decode(&api.read(ReadRequest { connections: vec![connection], ..all_of("web") }));
        let of_it = |events: &[Event]| events.iter().filter(|event| id(event) == connection).count();
        assert_eq!(of_it(&part.events), of_it(&all.events));
    }
}
