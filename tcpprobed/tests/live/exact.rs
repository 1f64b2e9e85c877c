//! A job stores exactly what the kernel traced, and tells it in the kernel's own words.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::mpsc;

use tcpprobe::event::EventReader;
use tcpprobe_proto::v1::JobSpec;

use crate::common::{
    Alone, Api, CLIENT, Client, Daemon, Event, Recorded, Shadow, Site, assert_same, assert_same_lines,
    assert_same_names, assert_same_text, job,
};

/// Runs a job of this spec under `traffic` and checks all that it stored. The traffic comes twice: first while the daemon
/// is stopped, so that the kernel can be asked for the text of the very buffer that the job will read, with the job's
/// own times; then while it records.
fn check(what: &str, spec: JobSpec, traffic: impl Fn()) {
    let Some(daemon) = Daemon::start() else { return };
    let api = daemon.api();
    let name = spec.name.clone();
    // The kernel cannot tell whose resets are; the others' are counted as filtered (`default_events.rs`).
    let spec = if spec.events.is_empty() { JobSpec { events: vec!["minimal".into()], ..spec } } else { spec };
    let shadow = Shadow::start(what, &api.start(spec).plan);
    daemon.pause();
    traffic();
    let waiting = shadow.quiet();
    let kernels = lines(&fs::read_to_string(daemon.instance(&name).join("trace")).unwrap());
    daemon.go_on();
    let follower = api.follow(&name);
    traffic();
    let all = shadow.quiet();
    assert!(waiting > 0 && all > waiting, "{waiting} events and then {all}: this shows little");
    let job = api.stop(&name);
    drop(follower);
    let recorded = shadow.stop();

    check_store(&api, &name, &recorded);
    let run = job.runs.last().unwrap();
    let ledger = run.ledger.unwrap();
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (all, 0, 0, 0));
    assert!(run.first_event_ns >= run.started_ns && run.last_event_ns <= run.ended_ns, "{run:?}");
    let Some(client) = Client::of(&daemon) else { return };
    let ours = lines(&client.run(&["fetch", &name, "--format", "text"]).expect(0));
    assert_eq!(ours.len() as u64, all);
    assert_same_text(&ours[..kernels.len()], &kernels);
    assert_same_lines(&ours, &recorded.text);
    assert_same_names(&ours, &recorded.text);
}

fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn check_store(api: &Api, name: &str, recorded: &Recorded) {
    let trace = api.trace(name);
    assert_same(&trace.events, &recorded.events);
    assert!(trace.events.is_sorted_by_key(|event| (event.time, event.cpu)), "not in the order of time");
    assert_eq!(trace.totals.stored, trace.events.len() as u64);
}

#[test]
fn a_ping_pong() {
    let site = Site::v4();
    check("ping-pong", job("web", &site.filter()), || site.ping_pong(2000));
}

#[test]
fn eight_bulk_flows() {
    let site = Site::v4();
    check("bulk", job("web", &site.filter()), || site.bulk(8, 16 << 20));
}

#[test]
fn ipv6() {
    let site = Site::v6();
    check("ipv6", job("web", &site.filter()), || {
        site.ping_pong(500);
        site.bulk(2, 4 << 20);
    });
}

#[test]
fn many_short_connections() {
    let site = Site::v4();
    check("short", job("web", &site.filter()), || site.short(150));
}

#[test]
fn ipv4_on_a_socket_for_both() {
    let site = Site::mapped();
    check("mapped", job("web", &site.filter()), || site.ping_pong(500));
}

#[test]
fn a_retransmission() {
    let site = Site::v4();
    check("retransmission", job("web", &site.filter()), || {
        site.ping_pong(10);
        site.retransmission();
    });
}

/// Each has exactly what the kernel traced, as if it were alone.
#[test]
fn eight_jobs_at_once() {
    let Some(daemon) = Daemon::start() else { return };
    let api = daemon.api();
    let site = Site::v4();
    let names: Vec<String> = (0..8).map(|number| format!("job{number}")).collect();
    let plans = names.iter().map(|name| api.start(job(name, &site.filter())).plan).collect::<Vec<_>>();
    let shadow = Shadow::start("eight-jobs", &plans[0]);
    site.ping_pong(2000);
    site.bulk(4, 8 << 20);
    shadow.quiet();
    names.iter().for_each(|name| drop(api.stop(name)));
    let recorded = shadow.stop();
    names.iter().for_each(|name| check_store(&api, name, &recorded));
}

/// What the kernel cannot filter, the daemon does.
#[test]
fn a_filter_that_the_kernel_does_not_know() {
    let wanted = Ipv4Addr::new(127, 0, 0, 2);
    let Some(daemon) = Daemon::start() else { return };
    let api = daemon.api();
    let site = Site::any_v4();
    let started = api.start(job("web", &format!("addr == {wanted} && port == {}", site.port())));
    let probe = started.plan.iter().find(|plan| plan.event == "tcp:tcp_probe").unwrap();
    assert!(!probe.residual.is_empty(), "{probe:?}");
    let shadow = Shadow::start("residual", &started.plan);
    for address in [1, 2, 3, 2].map(|last| Ipv4Addr::new(127, 0, 0, last)) {
        site.towards(address).ping_pong(300);
    }
    let all = shadow.quiet();
    api.stop("web");
    let mut recorded = shadow.stop();
    recorded.events.retain(|event| is_of(event, wanted));
    let stored = recorded.events.len() as u64;
    assert!(stored > 600 && all - stored > 600, "{stored} of {all}: this shows little");
    check_store(&api, "web", &recorded);
    let ledger = api.ledger("web");
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (stored, all - stored, 0, 0));
}

fn is_of(event: &Event, address: Ipv4Addr) -> bool {
    let (src, dest) = EventReader::new(&event.format).read(&event.record).unwrap().ends();
    [src, dest].iter().any(|end| end.ip() == IpAddr::V4(address))
}

/// Every event of tcp and the changes of state, all at once. Not all of them have ports, so the filter is the task that
/// makes the traffic, both ends of it.
#[test]
fn all_events() {
    let (go, goes) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel();
    let goes = Mutex::new(goes);
    std::thread::scope(|scope| {
        // Dropped when the test fails, so that the task ends.
        let go = go;
        let task = std::thread::Builder::new().name(CLIENT.to_owned()).spawn_scoped(scope, move || {
            let site = Alone::new();
            done.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            for () in goes.lock().unwrap().iter() {
                site.talk(100);
                done.send(0).unwrap();
            }
        });
        task.unwrap();
        let task = is_done.recv().unwrap();
        let events = vec!["tcp:*".to_owned(), "sock:inet_sock_set_state".to_owned()];
        let spec = JobSpec { events, ..job("all", &format!("common_pid == {task}")) };
        check("all-events", spec, || {
            go.send(()).unwrap();
            is_done.recv().unwrap();
        });
    });
}
