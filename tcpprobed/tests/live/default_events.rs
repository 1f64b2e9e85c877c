//! The sets of events on the kernel that runs: each event by a cause of its own, and the filter holds for each, also for those
//! that only name their socket.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tcpprobe::event::EventSet;
use tcpprobe::event::address::{Ends, socket_pointer};
use tcpprobe_proto::v1::JobSpec;

use crate::common::{Daemon, Event, Shadow, Site, assert_same, job};

/// What a number of an event says; 0 where it has none.
fn number(event: &Event, field: &str) -> u64 {
    event.format.field(field).and_then(|field| field.unsigned(&event.record)).unwrap_or(0)
}

/// The ports that an event tells itself.
fn ports(event: &Event) -> Option<[u16; 2]> {
    let (local, peer) = Ends::of(&event.format)?.read(&event.record)?;
    Some([local.port(), peer.port()])
}

/// Those of a recording that are of the job with the filter `port == …`: what an event says itself, or else what the events
/// before it said of its socket.
fn of_port(recorded: &[Event], port: u16) -> Vec<Event> {
    let mut sockets: HashMap<u64, [u16; 2]> = HashMap::new();
    let mut wanted = Vec::new();
    for event in recorded {
        let skaddr = socket_pointer(&event.format).and_then(|field| field.unsigned(&event.record)).unwrap_or(0);
        let told = ports(event);
        let name = event.format.name.as_str();
        let known = told.or_else(|| sockets.get(&skaddr).copied());
        if let Some(ports) = told.filter(|_| !matches!(name, "tcp_retransmit_synack" | "tcp_send_reset")) {
            sockets.insert(skaddr, ports);
        }
        if known.is_some_and(|ports| ports.contains(&port)) {
            wanted.push(event.clone());
        }
        if name == "tcp_destroy_sock" {
            sockets.remove(&skaddr);
        }
    }
    wanted
}

/// By name.
fn counts(events: &[Event]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    events.iter().for_each(|event| *counts.entry(event.format.name.clone()).or_insert(0) += 1);
    counts
}

/// A connection with both ends in our hands.
fn pair(site: &Site) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(site.address()).unwrap();
    (client, site.accept())
}

/// Closed with data unread, and aborted: the kernel resets, and tells the socket alone.
fn resets(site: &Site) {
    let (mut client, server) = pair(site);
    client.write_all(b"unread").unwrap();
    thread::sleep(Duration::from_millis(5));
    drop(server);
    // The reset comes.
    assert!(client.read(&mut [0; 8]).is_err());
    let (client, mut server) = pair(site);
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    assert!(server.read(&mut [0; 8]).is_err());
    // Nobody listens there: no socket is reset.
    let nobody = SocketAddr::from((Ipv4Addr::new(127, 0, 2, 1), site.port()));
    assert!(TcpStream::connect(nobody).is_err());
}

/// A SYN-ACK that is not heard, and comes again after a second.
fn unheard_syn_ack(site: &Site) {
    use socket2::{Domain, SockFilter, Socket, Type};
    /// `BPF_RET | BPF_K`, with 0 bytes of the packet to keep.
    const NOTHING: SockFilter = SockFilter::new(6, 0, 0, 0);
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.attach_filter(&[NOTHING]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| deaf.connect(&site.address().into()).unwrap());
        thread::sleep(Duration::from_millis(1500));
        deaf.detach_filter().unwrap();
    });
    drop(site.accept());
}

/// Traffic in which each event of the default set occurs.
fn all_causes(site: &Site) {
    site.ping_pong(50);
    site.bulk(2, 256 << 10);
    site.retransmission();
    unheard_syn_ack(site);
    resets(site);
}

#[test]
fn each_has_a_cause_and_the_filter_holds_for_each() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site, other) = (daemon.api(), Site::v4(), Site::v4());
    let started = api.start(job("web", &site.filter()));
    let events: Vec<&str> = started.plan.iter().map(|plan| plan.event.as_str()).collect();
    let lacking = api.get("web").lacking_events;
    assert_eq!(events.len() + lacking.len(), EventSet::Default.names().len(), "{events:?}");
    assert_eq!(api.get("web").spec.unwrap().events, ["default"]);
    let shadow = Shadow::start("default", &started.plan);
    all_causes(&site);
    resets(&other);
    all_causes(&site);
    let all = shadow.quiet();
    api.stop("web");
    let recorded = shadow.stop();
    let expected = of_port(&recorded.events, site.port());
    let counts = counts(&expected);
    println!("{counts:?} of {all}");
    for event in &events {
        let name = event.split_once(':').unwrap().1;
        assert!(counts.get(name).is_some_and(|&count| count > 1), "{name} did not occur: {counts:?}");
    }
    assert_same(&api.trace("web").events, &expected);
    let stored = expected.len() as u64;
    assert!(all > stored, "no stranger's reset was seen: this shows little");
    let ledger = api.ledger("web");
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (stored, all - stored, 0, 0));
    let of_us = |event: &Event, name: &str| event.format.name == name && number(event, "protocol") != 6;
    assert!(!recorded.events.iter().any(|event| of_us(event, "inet_sock_set_state")), "of another protocol");
}

/// What was sent and taken is told by events without ports.
#[test]
fn the_filter_holds_for_all_events() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site, other) = (daemon.api(), Site::v4(), Site::v4());
    let spec = JobSpec { events: vec!["all".to_owned()], ..job("web", &site.filter()) };
    let started = api.start(spec);
    let shadow = Shadow::start("all", &started.plan);
    for _ in 0..5 {
        site.ping_pong(200);
        other.ping_pong(200);
        resets(&site);
        resets(&other);
    }
    site.short(50);
    site.bulk(2, 1 << 20);
    let all = shadow.quiet();
    api.stop("web");
    let recorded = shadow.stop();
    let expected = of_port(&recorded.events, site.port());
    println!("{:?} of {all}", counts(&expected));
    assert_same(&api.trace("web").events, &expected);
    let stored = expected.len() as u64;
    let ledger = api.ledger("web");
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (stored, all - stored, 0, 0));
    if started.plan.iter().any(|plan| plan.event == "sock:sock_send_length") {
        let sent = |events: &[Event]| counts(events).get("sock_send_length").copied().unwrap_or(0);
        assert!(sent(&recorded.events) > sent(&expected) + 500 && sent(&expected) > 500, "this shows little");
    }
}
