//! What connections, totals and curves cost an event: on real captures and on made-up traffic.

#[path = "../tests/pages/mod.rs"]
mod pages;

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tcpprobe::event::{AF_INET, Event, TcpProbe};
use tcpprobe::flow::{Collect, Collector, Limits};

const EVENTS: usize = 1_000_000;

/// A million events that take turns between `connections` sockets, 10 µs apart.
fn synthetic(connections: u32) -> Vec<(u64, Event)> {
    let event = |number: usize| {
        let turn = number as u32 / connections;
        let socket = number as u32 % connections;
        let host = |net: u8| SocketAddr::from(([10, net, (socket >> 8) as u8, socket as u8], 1000 + u16::from(net)));
        Event::TcpProbe(TcpProbe {
            family: AF_INET,
            src: host(1),
            dest: host(2),
            mark: 0,
            data_len: 1448,
            snd_nxt: turn * 1448 + 14_480,
            snd_una: turn * 1448,
            snd_cwnd: 10 + turn % 977,
            ssthresh: 100 + turn % 13,
            snd_wnd: 65_536,
            srtt: 1000 + turn.wrapping_mul(0x9e37_79b9) % 500,
            rcv_wnd: 65_536,
            sock_cookie: u64::from(socket) + 1,
            skbaddr: 0,
            skaddr: 0xffff_8880_0000_0000 + u64::from(socket) * 0x940,
        })
    };
    (0..EVENTS).map(|number| (number as u64 * 10_000, event(number))).collect()
}

/// A real capture over and over until there are a million events.
fn repeated(case: &str) -> Vec<(u64, Event)> {
    let events = match pages::read("6.18.44-fc-v669", case) {
        Ok(capture) => capture.events,
        Err(error) => panic!("{case}: {error}"),
    };
    let length = events[events.len() - 1].0 - events[0].0 + 1;
    let rounds = (0..).flat_map(|round| events.iter().map(move |(time, event)| (time + round * length, *event)));
    rounds.take(EVENTS).collect()
}

fn reduce(events: &[(u64, Event)], collect: Collect) -> Collector {
    let mut flows = Collector::new(collect, Limits::default());
    for (time, event) in events {
        flows.push(*time, event);
    }
    flows
}

fn series(criterion: &mut Criterion) {
    let inputs = [
        ("synthetic, 8 connections", synthetic(8)),
        ("synthetic, 10,000 connections", synthetic(10_000)),
        ("ipv4-tbf20 repeated", repeated("ipv4-tbf20")),
        ("ipv6-loss2-all repeated", repeated("ipv6-loss2-all")),
    ];
    let mut group = criterion.benchmark_group("series");
    group.sample_size(20).throughput(Throughput::Elements(EVENTS as u64));
    for (name, events) in &inputs {
        let top = reduce(events, Collect::Nothing).top(8);
        let passes = [("totals", Collect::Nothing), ("all", Collect::All), ("top 8", Collect::Only(top))];
        for (pass, collect) in passes {
            group.bench_with_input(BenchmarkId::new(pass, name), events, |bencher, events| {
                bencher.iter(|| reduce(black_box(events), collect.clone()));
            });
        }
    }
}

criterion_group!(benches, series);
criterion_main!(benches);
