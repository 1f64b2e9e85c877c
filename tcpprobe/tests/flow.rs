//! Connections and totals, over what a real kernel recorded and over made-up sockets.

mod pages;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use proptest::prelude::*;
use tcpprobe::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpProbe, TcpRetransmitSkb};
use tcpprobe::flow::{Collect, Collector, Curves, Limits, Metric, Moved, Totals};

const KERNEL: &str = "6.18.44-fc-v669";
const CASES: [&str; 4] = ["ipv4-loss2", "ipv4-tbf20", "ipv6-loss2-all", "overrun"];

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], port))
}

fn probe(port: u16, cookie: u64, skaddr: u64) -> Event {
    Event::TcpProbe(TcpProbe {
        family: AF_INET,
        src: address(1, port),
        dest: address(2, 80),
        mark: 0,
        data_len: 100,
        snd_nxt: 0,
        snd_una: 0,
        snd_cwnd: 10,
        ssthresh: SSTHRESH_INFINITE,
        snd_wnd: 65_535,
        srtt: 1000,
        rcv_wnd: 65_535,
        sock_cookie: cookie,
        skbaddr: 0,
        skaddr,
    })
}

fn retransmit(port: u16, skaddr: u64) -> Event {
    let (src, dest) = (address(1, port), address(2, 80));
    Event::TcpRetransmitSkb(TcpRetransmitSkb { family: AF_INET, src, dest, state: 1, skbaddr: 0, skaddr, err: None })
}

/// Which connection each event is found to belong to.
fn check_connections(events: &[(Event, u32)]) {
    let mut flows = Collector::default();
    let mut counts = BTreeMap::new();
    for (time, (event, id)) in events.iter().enumerate() {
        flows.push(time as u64, event);
        *counts.entry(*id).or_insert(0) += 1;
        let found: Vec<u64> = flows.all().iter().map(|flow| flow.totals.events).collect();
        assert_eq!(found, counts.values().copied().collect::<Vec<u64>>(), "after event {time}");
    }
}

#[test]
fn a_cookie_is_a_connection() {
    check_connections(&[(probe(1, 7, 0), 0), (probe(1, 8, 0), 1), (probe(1, 7, 0), 0), (probe(2, 7, 0), 2)]);
}

#[test]
fn retransmissions_join_by_socket_address() {
    let (a, b) = (0xa, 0xb);
    check_connections(&[
        (probe(1, 7, a), 0),
        (retransmit(1, a), 0),
        (probe(1, 8, b), 1), // the same 4-tuple again, by another socket
        (retransmit(1, b), 1),
        (retransmit(1, a), 0), // a late one of the first
    ]);
}

#[test]
fn retransmissions_join_by_tuple_where_the_probe_has_no_address() {
    let a = 0xa;
    check_connections(&[
        (probe(1, 7, 0), 0),
        (retransmit(1, a), 0),
        (probe(1, 8, 0), 1),   // closed and opened again with the same ports
        (retransmit(1, a), 1), // and the kernel used the same memory again: time decides
    ]);
}

#[test]
fn a_socket_address_used_again_is_another_connection() {
    let a = 0xa;
    check_connections(&[
        (probe(1, 7, a), 0),
        (probe(2, 8, a), 1), // other ports
        (retransmit(2, a), 1),
        (probe(2, 9, a), 2), // other cookie
        (retransmit(2, a), 2),
        (retransmit(3, a), 3), // never seen before: its probe may still come
        (probe(3, 10, a), 3),
        (probe(3, 10, 0xc), 3), // a later run has another id for the same socket
        (retransmit(3, 0xc), 3),
    ]);
}

#[test]
fn old_text_has_only_the_tuple() {
    check_connections(&[(probe(1, 0, 0), 0), (probe(2, 0, 0), 1), (retransmit(1, 0), 0), (probe(1, 0, 0), 0)]);
}

#[test]
fn connections_beyond_the_limit_are_counted() {
    let mut flows = Collector::new(Collect::All, Limits { connections: 2, ..Limits::default() });
    for cookie in 1..=10 {
        flows.push(cookie, &probe(1, cookie, 0));
        flows.push(cookie, &retransmit(1, cookie));
    }
    assert_eq!(flows.all().len(), 2);
    let beyond = Totals { events: 16, retransmissions: 8, bytes_received: 800, srtt_sum: 8000, ..Totals::default() };
    assert_eq!(flows.untracked(), Totals { first_time: 3, last_time: 10, ..beyond });
    assert_eq!((flows.events(), flows.time_range()), (20, Some((1, 10))));
}

#[test]
fn curves_are_shed_from_the_smallest_connections() {
    let limits = Limits { bins: 16, bins_total: 200, ..Limits::default() };
    let mut flows = Collector::new(Collect::All, limits);
    let mut time = 0;
    for round in 0..100_000_u64 {
        // Connection n brings an event in every n-th round.
        for cookie in (1..=20).filter(|cookie| round % cookie == 0) {
            time += 1;
            flows.push(time, &probe(1, cookie, 0));
        }
    }
    let with_curves: Vec<bool> = flows.all().iter().map(|flow| flow.curves.is_some()).collect();
    let kept = with_curves.iter().filter(|kept| **kept).count();
    assert!((1..20).contains(&kept), "{kept} kept");
    assert!(with_curves[..kept].iter().all(|kept| *kept), "the largest are kept: {with_curves:?}");
    assert!(!flows.lacks_curves(&flows.top(kept)) && flows.lacks_curves(&flows.top(kept + 1)));
}

/// Totals by cookie, computed without any of the shortcuts.
fn naive_totals(events: &[(u64, Event)]) -> BTreeMap<u64, Totals> {
    let mut cookies = HashMap::new();
    for (_, event) in events {
        if let Event::TcpProbe(probe) = event {
            cookies.insert((probe.skaddr, probe.src, probe.dest), probe.sock_cookie);
        }
    }
    let mut totals: BTreeMap<u64, Totals> = BTreeMap::new();
    let mut furthest: HashMap<u64, (i64, i64)> = HashMap::new();
    for (time, event) in events {
        let cookie = match event {
            Event::TcpProbe(probe) => probe.sock_cookie,
            Event::TcpRetransmitSkb(event) => {
                cookies.get(&(event.skaddr, event.src, event.dest)).copied().unwrap_or_default()
            }
            _ => continue,
        };
        let sum = totals.entry(cookie).or_insert(Totals { first_time: *time, ..Totals::default() });
        sum.events += 1;
        sum.last_time = *time;
        match event {
            Event::TcpRetransmitSkb(_) => sum.retransmissions += 1,
            Event::TcpProbe(probe) => {
                sum.bytes_received += u64::from(probe.data_len);
                sum.srtt_sum += u64::from(probe.srtt);
                let now = (i64::from(probe.snd_una), i64::from(probe.snd_nxt));
                let before = furthest.entry(cookie).or_insert(now);
                // Sequence numbers as if they never wrapped: the one nearest to the last.
                let unwrap = |before: i64, now: i64| before.max(now + ((before - now + (1 << 31)) >> 32 << 32));
                let after = (unwrap(before.0, now.0), unwrap(before.1, now.1));
                sum.bytes_acked += (after.0 - before.0) as u64;
                sum.bytes_sent += (after.1 - before.1) as u64;
                *before = after;
            }
            _ => {}
        }
    }
    totals
}

#[test]
fn totals_of_real_captures() {
    for case in CASES {
        let events = pages::read(KERNEL, case).unwrap().events;
        let mut flows = Collector::default();
        for (time, event) in &events {
            flows.push(*time, event);
        }
        let found: BTreeMap<u64, Totals> = flows.all().iter().map(|f| (f.connection.cookie, *f.totals)).collect();
        assert_eq!(found.len(), flows.all().len(), "{case}: a cookie twice");
        assert_eq!(found, naive_totals(&events), "{case}");
    }
}

#[test]
fn a_second_pass_finds_the_same_connections() {
    for case in CASES {
        let events = pages::read(KERNEL, case).unwrap().events;
        let pass = |collect| {
            let mut flows = Collector::new(collect, Limits::default());
            for (time, event) in &events {
                flows.push(*time, event);
            }
            flows
        };
        let first = pass(Collect::Nothing);
        let top = first.top(2);
        assert!(first.lacks_curves(&top));
        let second = pass(Collect::Only(top.clone()));
        assert!(!second.lacks_curves(&top));
        assert_eq!(second.all().iter().filter(|flow| flow.curves.is_some()).count(), top.len(), "{case}");
        for (a, b) in first.all().iter().zip(second.all()) {
            assert_eq!((a.connection, a.totals), (b.connection, b.totals), "{case}");
        }
    }
}

#[test]
fn curves_hold_every_value_of_a_small_capture() {
    let events = pages::read(KERNEL, "ipv4-tbf20").unwrap().events;
    let mut flows = Collector::default();
    for (time, event) in &events {
        flows.push(*time, event);
    }
    let flow = flows.get(flows.top(1)[0]).unwrap();
    let curves = flow.curves.as_ref().unwrap();
    let own = events.iter().filter_map(|(time, event)| match event {
        Event::TcpProbe(probe) if probe.sock_cookie == flow.connection.cookie => Some((*time, *probe)),
        _ => None,
    });
    assert!(own.clone().count() > 500);
    for (time, probe) in own {
        assert_eq!(curves.at(Metric::SndCwnd, time), Some(probe.snd_cwnd));
        assert_eq!(curves.at(Metric::Srtt, time), Some(probe.srtt));
        assert_eq!(curves.at(Metric::Ssthresh, time), Some(probe.ssthresh).filter(|&n| n != SSTHRESH_INFINITE));
        assert_eq!(curves.at(Metric::InFlight, time), Some(probe.snd_nxt.wrapping_sub(probe.snd_una)));
        assert_eq!(curves.at(Metric::SndWnd, time), Some(probe.snd_wnd));
        assert_eq!(curves.at(Metric::RcvWnd, time), Some(probe.rcv_wnd));
    }
}

/// Events of a few sockets whose sequence numbers advance, wrap and fall back.
fn arbitrary_events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let step = prop_oneof![4 => 0u32..100_000, 2 => 0u32..1 << 31, 1 => (1u32..1 << 20).prop_map(u32::wrapping_neg)];
    let event = (1u64..5, step.clone(), step, 0u8..10, any::<u16>());
    proptest::collection::vec(event, 1..300).prop_map(|steps| {
        let mut numbers = [(0u32, 0u32); 5];
        let mut time = 0;
        steps
            .into_iter()
            .map(|(cookie, una, nxt, kind, data_len)| {
                time += 10;
                let port = cookie as u16;
                let Event::TcpProbe(mut event) = probe(port, cookie, cookie + 100) else { unreachable!() };
                let number = &mut numbers[cookie as usize];
                *number = (number.0.wrapping_add(una), number.1.wrapping_add(nxt));
                (event.snd_una, event.snd_nxt, event.data_len) = (number.0, number.1, data_len);
                (time, if kind == 0 { retransmit(port, cookie + 100) } else { Event::TcpProbe(event) })
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn totals_equal_the_naive_ones(events in arbitrary_events()) {
        let mut flows = Collector::default();
        for (time, event) in &events {
            flows.push(*time, event);
        }
        // What moved over time is all that moved.
        for flow in flows.all() {
            let moved: Vec<Moved> = flow.curves.into_iter().flat_map(Curves::moved).collect();
            let sums = (moved.iter().map(|one| one.acked).sum(), moved.iter().map(|one| one.received).sum());
            prop_assert_eq!(sums, (flow.totals.bytes_acked, flow.totals.bytes_received));
        }
        // A socket with retransmissions alone never told its cookie: 0 in both.
        let mut found: BTreeMap<u64, Totals> = BTreeMap::new();
        for flow in flows.all().iter().filter(|flow| flow.connection.cookie != 0) {
            prop_assert!(found.insert(flow.connection.cookie, *flow.totals).is_none());
        }
        let mut naive = naive_totals(&events);
        naive.remove(&0);
        prop_assert_eq!(found, naive);
    }
}
