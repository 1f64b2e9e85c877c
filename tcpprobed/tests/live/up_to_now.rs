//! A job that runs is read up to the moment somebody asks, and asking does not make its blocks small.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tcpprobe::file::BLOCK_EVENTS;
use tcpprobe::file::{Frames, Kind, Scanned};
use tcpprobe_proto::v1::ReadRequest;

use crate::common::{Client, Daemon, Shadow, Site, Trace, assert_same, job};

#[test]
fn all_is_there_at_once() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("at-once", &api.start(job("web", &site.filter())).plan);
    for round in 0..4 {
        site.ping_pong(50);
        let traced = shadow.count();
        let read = match round {
            0 => api.trace("web").events.len() as u64,
            1 => api.ledger("web").stored,
            2 => api.list()[0].runs[0].ledger.unwrap().stored,
            _ => {
                let newest = ReadRequest { name: "web".into(), last_events: traced, ..Default::default() };
                Trace::decode(&api.read(newest)).events.len() as u64
            }
        };
        assert!(read >= traced, "round {round}: {read} of {traced}");
    }
    if let Some(client) = Client::of(&daemon) {
        let lines = |text: String| text.lines().filter(|line| !line.starts_with('#')).count() as u64;
        site.ping_pong(50);
        let traced = shadow.count();
        assert!(lines(client.run(&["fetch", "web", "--format", "text"]).expect(0)) >= traced);
        site.ping_pong(50);
        let traced = shadow.count();
        assert!(lines(client.run(&["tail", "web", "-n", "100000"]).expect(0)) >= traced);
    }
    // The last ones in the hands of the kernel may come while the shadow is looked at.
    let traced = shadow.quiet();
    let trace = api.trace("web");
    assert_eq!(trace.events.len() as u64, traced);
    assert_same(&trace.events, &shadow.stop().events);
}

#[test]
fn many_who_ask_leave_blocks_large() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("asking", &api.start(job("web", &site.filter())).plan);
    let (stop, asked, began) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    let readers: Vec<_> = (0..20).map(|_| daemon.api()).collect();
    thread::scope(|scope| {
        for reader in &readers {
            let (stop, asked) = (&stop, &asked);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    reader.list();
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let traffic = scope.spawn(|| site.steady(&stop, 20_000));
        thread::sleep(Duration::from_secs(4));
        stop.store(true, Ordering::Relaxed);
        traffic.join().unwrap();
    });
    let quarters = began.elapsed().as_millis() / 250;
    let traced = shadow.quiet();
    api.stop("web");
    let bytes = api.read(ReadRequest { name: "web".into(), ..Default::default() });
    let (mut blocks, mut frames) = (0, Frames::new(&bytes[..]));
    while let Some(Scanned::Frame(frame)) = frames.next_frame().unwrap() {
        blocks += u128::from(frame.kind == Kind::Block);
    }
    let asked = asked.into_inner();
    eprintln!("{asked} questions, {traced} events, {blocks} blocks in {quarters} quarters of a second");
    assert!(u128::from(asked) > blocks, "{asked} questions show little");
    // One for each quarter of a second, those that were full, and those by age and at the end.
    let full = u128::from(traced) / BLOCK_EVENTS as u128;
    assert!(blocks <= quarters + full + 4, "{blocks} blocks in {quarters} quarters of a second");
    assert_same(&Trace::decode(&bytes).events, &shadow.stop().events);
}
