//! Whose connections are, and their congestion control, told by recorded events: the same from a .tcpp file and from text.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::io::Cursor;

use common::captures;
use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::event::{Event, EventReader, Owner, Record, Socket, owner};
use tcpprobe::export::TextWriter;
use tcpprobe::file::block::{Projection, Schema};
use tcpprobe::file::{Header, OWN_CPU, Select, Writer};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::text::Layout;
use tcpprobe::source::{EventFilter, Trace, Wanted};

/// A capture with the sockets of its tcp_probe events, each with its first and its last time.
fn sockets(records: &[Record<'_>]) -> Vec<(Socket, u64, u64)> {
    let mut found: Vec<(Socket, u64, u64)> = Vec::new();
    for record in records {
        let Some(Event::TcpProbe(probe)) = EventReader::new(record.format).read(record.bytes) else { continue };
        let socket = probe.socket();
        match found.iter_mut().find(|(known, ..)| (known.local, known.peer) == (socket.local, socket.peer)) {
            Some((.., last)) => *last = record.time,
            None => found.push((socket, record.time, record.time)),
        }
    }
    found
}

fn diagnose(bytes: Vec<u8>, projected: bool) -> Vec<Diagnosis> {
    let mut select = Select::default();
    if projected {
        select.wanted = Projection::fields(Diagnoser::fields());
    }
    let wanted = Wanted { select, events: EventFilter::default() };
    let mut diagnoser = Diagnoser::default();
    for item in Trace::sniff("t", Cursor::new(bytes), wanted).unwrap() {
        diagnoser.item(&item.unwrap());
    }
    diagnoser.finish()
}

#[test]
fn before_and_after_the_connection_begins() {
    let capture =
        captures().into_iter().find(|one| one.kernel.starts_with("6.18") && one.case == "ipv6-loss2-all").unwrap();
    let decoded = capture.decode();
    let merged = decoded.merged();
    let sockets = sockets(&merged);
    assert!(sockets.len() >= 2, "{sockets:?}");
    let format: Format = owner::format().unwrap();
    let of = |n: usize| Owner {
        pid: 100 + n as i32,
        uid: 1000,
        comm: format!("program {n}").into_bytes(),
        unit: b"web.service".to_vec(),
        ..Owner::default()
    };
    // Told before the connection's first event, and of every second one again, of another process, in its middle.
    let mut told: Vec<(u64, Box<[u8]>)> = Vec::new();
    for (n, (socket, first, last)) in sockets.iter().enumerate() {
        told.push((first - 1, owner::record(socket, &of(n))));
        if n % 2 == 1 {
            told.push(((first + last) / 2 + 1, owner::record(socket, &of(50 + n))));
        }
    }
    let mut records: Vec<Record<'_>> = merged;
    records.extend(told.iter().map(|(time, bytes)| Record::new(*time, OWN_CPU, None, &format, bytes)));
    records.sort_by_key(|record| record.time);

    let schema = Schema::new(decoded.formats.values().chain([&format]).cloned()).unwrap();
    let mut writer = Writer::new(Vec::new(), &Header::new("t"), &schema, &[]).unwrap();
    records.iter().for_each(|record| assert!(writer.push(record).unwrap()));
    let file = writer.finish().unwrap().0;
    let mut text = TextWriter::new(Vec::new(), Layout::default());
    records.iter().for_each(|record| text.event(record).unwrap());
    for (name, found) in [
        ("all fields", diagnose(file.clone(), false)),
        ("its fields", diagnose(file, true)),
        ("text", diagnose(text.into_inner(), false)),
    ] {
        assert_eq!(found.len(), sockets.len(), "{name}");
        for (n, (socket, first, last)) in sockets.iter().enumerate() {
            let ends = (socket.local, socket.peer);
            let one = found.iter().find(|one| (one.connection.local, one.connection.peer) == ends).unwrap();
            let last_told = if n % 2 == 1 && first < last { of(50 + n) } else { of(n) };
            assert_eq!(one.told.owner.as_deref(), Some(&last_told), "{name}: {socket:?}");
        }
    }
}
