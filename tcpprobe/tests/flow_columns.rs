//! Columns and records tell the same of connections; and the table of connections stays within its limits.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::sync::{Arc, LazyLock};

use common::{captures, formats};
use proptest::prelude::*;
use tcpprobe::event::address::sockaddr;
use tcpprobe::event::{AF_INET, EventReader, Record};
use tcpprobe::file::block::Schema;
use tcpprobe::file::{Header, Item, Reader, Writer};
use tcpprobe::flow::{Collect, Collector, Connection, CountTotals, FlowTable, Limits, Totals};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::names::state;

const KERNEL: &str = "6.18.44-fc-v669";
const EVENTS: [&str; 5] =
    ["tcp_probe", "tcp_retransmit_skb", "tcp_cong_state_set", "inet_sock_set_state", "tcp_destroy_sock"];

/// The formats of [`EVENTS`], in that order.
static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let all = formats(KERNEL);
    EVENTS.map(|name| all.values().find(|format| format.name == name).unwrap().clone()).into()
});

/// What is kept, by the way of columns and by that of records.
fn both_ways(trace: &[u8], limits: Limits) -> [String; 2] {
    let (mut columns, mut records) = (Collector::new(Collect::All, limits), Collector::new(Collect::All, limits));
    let mut reader = Reader::new(trace);
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Events(batch) = item else { continue };
        columns.push_batch(&batch);
        batch.for_each(|record| {
            if let Some(event) = EventReader::new(record.format).read(record.bytes) {
                records.push(record.time, &event);
            }
        });
    }
    [columns, records]
        .map(|flows| format!("{:#?}\n{:?} {:?} {}", flows.all(), flows.untracked(), flows.time_range(), flows.events()))
}

fn written<'r>(schema: &Arc<Schema>, records: impl IntoIterator<Item = Record<'r>>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Header::new("t"), schema, &[]).unwrap();
    for record in records {
        assert!(writer.push(&record).unwrap());
    }
    writer.finish().unwrap().0
}

#[test]
fn of_every_capture() {
    let mut seen = 0;
    for capture in captures() {
        let decoded = capture.decode();
        let schema = Schema::new(decoded.formats.values().cloned()).unwrap();
        let trace = written(&schema, decoded.merged());
        for limits in [Limits::default(), Limits { connections: 2, open: 2, bins: 8, bins_total: 1 << 10 }] {
            let [columns, records] = both_ways(&trace, limits);
            assert!(columns == records, "{}", capture.dir.display());
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen} captures");
}

/// A made-up event: which, and whose.
#[derive(Debug, Clone, Copy)]
struct Made {
    event: usize,
    port: u16,
    /// 0 stands for a kernel that does not say.
    cookie: u64,
    skaddr: u64,
    number: u32,
    state: u8,
    later_ns: u64,
}

impl Made {
    fn bytes(&self) -> Vec<u8> {
        let format = &FORMATS[self.event];
        let mut record = vec![0; format.record_size()];
        record[..2].copy_from_slice(&format.id.to_le_bytes());
        let ends = [([10, 0, 0, 1], self.port), ([10, 0, 0, 2], 80)];
        for ((ip, port), [address, v6, port_name]) in
            ends.into_iter().zip([["saddr", "saddr_v6", "sport"], ["daddr", "daddr_v6", "dport"]])
        {
            let end = (ip, port).into();
            match format.field(address).unwrap().size {
                28 => put(format, &mut record, address, &sockaddr(end, AF_INET)),
                _ => put(format, &mut record, address, &ip),
            }
            put(format, &mut record, v6, &std::net::Ipv4Addr::from(ip).to_ipv6_mapped().octets());
            put(format, &mut record, port_name, &port.to_le_bytes());
        }
        let numbers = [
            ("family", u64::from(AF_INET)),
            ("protocol", 6),
            ("sock_cookie", self.cookie),
            ("skaddr", self.skaddr),
            ("snd_una", u64::from(self.number)),
            ("snd_nxt", u64::from(self.number.wrapping_add(1448))),
            ("data_len", u64::from(self.number & 0xffff)),
            ("snd_cwnd", u64::from(self.number % 100)),
            ("ssthresh", if self.number.is_multiple_of(3) { 0x7fff_ffff } else { 7 }),
            ("srtt", u64::from(self.number >> 8)),
            ("state", u64::from(self.state % 12 + 1)),
            ("err", if self.number.is_multiple_of(4) { u64::from((-113_i32).cast_unsigned()) } else { 0 }),
            ("cong_state", u64::from(self.state % 5)),
            ("oldstate", u64::from(self.state % 12 + 1)),
            ("newstate", u64::from(self.number % 12 + 1)),
        ];
        numbers.iter().for_each(|(name, number)| put(format, &mut record, name, &number.to_le_bytes()));
        record
    }
}

/// Sets a field, where the event has it.
fn put(format: &Format, record: &mut [u8], name: &str, value: &[u8]) {
    if let Some(field) = format.field(name) {
        let size = field.size as usize;
        record[field.offset as usize..][..size].copy_from_slice(&value[..size]);
    }
}

fn trace(made: &[Made]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = made.iter().map(Made::bytes).collect();
    let schema = Schema::new(FORMATS.iter().cloned()).unwrap();
    let mut time = 1_000;
    let record = |(made, bytes): (&Made, &'_ Vec<u8>)| {
        time += made.later_ns;
        (time, made.event, bytes.clone())
    };
    let all: Vec<(u64, usize, Vec<u8>)> = made.iter().zip(&bytes).map(record).collect();
    written(&schema, all.iter().map(|(time, event, bytes)| Record::new(*time, 0, None, &FORMATS[*event], bytes)))
}

fn made() -> impl Strategy<Value = Made> {
    // Few of each, so that all of them are used again and again; some pauses outlast a closed connection.
    let later = prop_oneof![8 => 0u64..1_000_000, 1 => 50_000_000u64..400_000_000];
    (0..EVENTS.len(), 1u16..5, 0u64..5, 0u64..4, any::<u32>(), 0u8..24, later).prop_map(
        |(event, port, cookie, skaddr, number, state, later_ns)| {
            let skaddr = if skaddr == 0 { 0 } else { 0xffff_8880_0000_0000 + skaddr * 64 };
            Made { event, port, cookie, skaddr, number, state, later_ns }
        },
    )
}

proptest! {
    #[test]
    fn of_anything(events in prop::collection::vec(made(), 1..300), open in 1usize..6, kept in 1usize..6) {
        let limits = Limits { connections: kept, open, bins: 8, bins_total: 1 << 10 };
        let [columns, records] = both_ways(&trace(&events), limits);
        prop_assert_eq!(columns, records);
    }
}

/// The same event, seen through the shortcut of columns, must claim the address of a socket again when another connection that had
/// it too has left: the next event without a cookie is found by it.
#[test]
fn an_address_of_two_falls_to_the_one_that_stays() {
    let address = 0xffff_8880_0000_0040;
    let of = |event: &str, port, cookie, skaddr, later_ns| {
        let event = EVENTS.iter().position(|known| *known == event).unwrap();
        Made {
            event,
            port,
            cookie,
            skaddr,
            number: u32::from(state::CLOSE_WAIT) - 1,
            state: state::LISTEN - 1,
            later_ns,
        }
    };
    let events = [
        of("tcp_probe", 2, 2, address, 0),
        of("tcp_retransmit_skb", 3, 0, address, 0),
        of("tcp_destroy_sock", 3, 3, 0, 0),
        of("tcp_probe", 2, 2, address, 99_000_000),
        of("tcp_probe", 2, 2, address, 1_000_000),
        of("inet_sock_set_state", 2, 0, address, 0),
        of("tcp_probe", 2, 0, 0, 0),
    ];
    let [columns, records] = both_ways(&trace(&events), Limits::default());
    assert_eq!(columns, records);
}

/// An event of connection `n`, whose port, cookie and address are used again after a while, as a kernel does.
fn of_connection(n: u64, event: &str, number: u32, state: u8) -> Made {
    let event = EVENTS.iter().position(|known| *known == event).unwrap();
    let skaddr = 0xffff_8880_0000_0000 + n % 7 * 64;
    Made { event, port: (n % 20_000) as u16 + 1, cookie: n + 1, skaddr, number, state, later_ns: 0 }
}

fn typed(made: &Made) -> tcpprobe::event::Event {
    EventReader::new(&FORMATS[made.event]).read(&made.bytes()).unwrap()
}

#[test]
fn closed_connections_leave_and_come_back_as_others() {
    for (last, number) in [("tcp_destroy_sock", 0), ("inet_sock_set_state", u32::from(state::CLOSE) - 1)] {
        let mut flows = Collector::default();
        let (one, two) = (of_connection(0, "tcp_probe", 5000, 0), of_connection(0, "tcp_probe", 9_000_000, 0));
        flows.push(0, &typed(&one));
        flows.push(1_000, &typed(&of_connection(0, last, number, 0)));
        // Just behind its end: still of the one that closed, and no ghost.
        flows.push(2_000, &typed(&of_connection(0, "tcp_retransmit_skb", 1, 0)));
        assert_eq!(flows.all().len(), 1, "{last}");
        // The address and the ports again, with another cookie.
        flows.push(3_000, &typed(&Made { cookie: 99, ..two }));
        let events: Vec<u64> = flows.all().iter().map(|flow| flow.totals.events).collect();
        assert_eq!(events, [2, 1], "{last}");
    }
}

#[test]
fn what_sent_nothing_is_no_retransmission() {
    let mut flows = Collector::default();
    flows.push(0, &typed(&of_connection(0, "tcp_probe", 1, 0)));
    // `Made` gives every fourth number an error.
    for (time, number) in [(1, 4), (2, 5), (3, 6), (4, 8)] {
        flows.push(time, &typed(&of_connection(0, "tcp_retransmit_skb", number, 0)));
    }
    let totals = *flows.all()[0].totals;
    assert_eq!((totals.retransmissions, totals.not_sent, totals.events), (2, 2, 5));
}

#[test]
fn the_one_longest_without_an_event_makes_room() {
    let left = std::cell::RefCell::new(Vec::new());
    let observer = CountTotals::new(|connection: &Connection, totals: Totals| {
        left.borrow_mut().push((connection.cookie, totals.events))
    });
    let mut table = FlowTable::new(observer, 3);
    for (time, n) in [0, 1, 2, 0, 3].into_iter().enumerate() {
        table.event(time as u64, &typed(&of_connection(n, "tcp_probe", 1, 0)));
    }
    let mut cookies: Vec<u64> = table.iter().map(|(connection, _)| connection.cookie).collect();
    cookies.sort_unstable();
    assert_eq!((cookies, table.opened()), (vec![1, 3, 4], 4));
    assert_eq!(*left.borrow(), [(2, 1)], "it tells what it was");
    table.finish();
    let mut all = left.take();
    all.sort_unstable();
    assert_eq!(all, [(1, 2), (2, 1), (3, 1), (4, 1)], "each once");
}

#[test]
fn many_short_connections_are_all_counted_and_none_stays() {
    let (count, limits) = (200_000, Limits { connections: 100, open: 1000, bins: 8, bins_total: 1 << 10 });
    let readers: Vec<EventReader> = FORMATS.iter().map(EventReader::new).collect();
    let mut flows = Collector::new(Collect::All, limits);
    for n in 0..count {
        for (event, later) in [("tcp_probe", 0), ("tcp_probe", 1), ("tcp_destroy_sock", 2)] {
            let made = of_connection(n, event, later * 1448, 0);
            flows.push(n * 10_000 + u64::from(later), &readers[made.event].read(&made.bytes()).unwrap());
        }
    }
    let all = flows.all();
    let bytes: u64 = all.iter().map(|flow| flow.totals.bytes_acked).sum();
    assert_eq!(all.len(), limits.connections);
    assert_eq!(flows.events(), 2 * count);
    assert_eq!(bytes + flows.untracked().bytes_acked, count * 1448, "no byte is lost with those that are not kept");
}
