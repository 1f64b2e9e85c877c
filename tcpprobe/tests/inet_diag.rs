//! What the kernel says of sockets: replies that a real one gave, against what ss said of the same sockets at the same moment.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "inet_diag_support/ss.rs"]
mod ss;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tcpprobe::event::address::sockaddr;
use tcpprobe::event::{AF_INET, AF_INET6, Event, EventKind, EventReader, Record, Socket, Value, tcp_info};
use tcpprobe::export::{Columns, TextWriter};
use tcpprobe::file::OWN_CPU;
use tcpprobe::file::block::{Block, BlockBuilder, BlockHead, Projection, Schema, Seal, connection_id};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::inet_diag::{
    Reply, SocketDiag, SocketId, States, TCP_INFO, TCP_INFO_BYTES_MIN, TcpInfo, put_dump, put_look_up, replies,
};
use tcpprobe::kernel::text::Layout;
use tcpprobe::source::{Trace, Wanted};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/inet_diag")
}

/// The one socket of a reply that was saved.
fn saved(bytes: &[u8]) -> SocketDiag<'_> {
    match replies(bytes).collect::<Vec<_>>()[..] {
        [Reply::Socket { sequence: 1, socket }] => socket,
        ref other => panic!("{other:?}"),
    }
}

fn socket_of(said: &SocketDiag<'_>) -> Socket {
    Socket { family: said.family, local: said.local, peer: said.peer, cookie: said.cookie, skaddr: 0 }
}

fn number(format: &Format, record: &[u8], name: &str) -> Option<u64> {
    match Value::of(format.field(name)?, record)? {
        Value::Unsigned(number) => Some(number),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_socket_is_as_ss_shows_it() {
    for name in ["cubic", "bbr", "reno", "mapped"] {
        let bytes = fs::read(folder().join(format!("{name}.bin"))).unwrap();
        let shown = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
        let said = saved(&bytes);
        let info_bytes = said.info.unwrap().0.len();
        assert_eq!((info_bytes, said.state), (280, 1), "{name}");
        let format = tcp_info::format(info_bytes).unwrap();
        let record = tcp_info::record(&socket_of(&said), &said, info_bytes, 7).unwrap();
        assert_eq!(record.len(), format.record_size());
        let expected = ss::fields(&shown);
        assert!(expected.len() > 30, "{name}: {expected:?}");
        for (field, value) in expected {
            let found = number(&format, &record, field);
            if field.starts_with("tcpi_last_") {
                // An age in milliseconds, which went on between the two.
                assert!(found.is_some_and(|age| (value..value + 100).contains(&age)), "{name}: {field}");
            } else {
                assert_eq!(found, Some(value), "{name}: {field}");
            }
        }
        // What ss leaves out is 0.
        for field in
            ["tcpi_notsent_bytes", "tcpi_lost", "tcpi_total_retrans", "tcpi_rwnd_limited", "tcpi_sndbuf_limited"]
        {
            assert_eq!(number(&format, &record, field), Some(0), "{name}: {field}");
        }
        let cc = Value::of(format.field("cc").unwrap(), &record);
        assert_eq!(cc, Some(Value::Text(ss::congestion(&shown).as_bytes())), "{name}");
        assert_eq!(number(&format, &record, "has_bbr"), Some(u64::from(name == "bbr")));
        let hexadecimal = format!("sk:{:x} ", said.cookie);
        assert!(shown.contains(&hexadecimal) && shown.contains(&format!("ino:{}", said.inode)), "{name}");
        let ends = [said.local, said.peer].map(|end| match (name, end.ip()) {
            ("mapped", ip) => format!("[::ffff:{ip}]:{}", end.port()),
            _ => end.to_string(),
        });
        assert!(ends.iter().all(|end| shown.contains(end)), "{name}: {ends:?}");
        assert_eq!(said.family, if ["reno", "mapped"].contains(&name) { AF_INET6 } else { AF_INET });
    }
}

#[test]
fn a_socket_that_is_not_there_is_an_error_of_its_request() {
    let bytes = fs::read(folder().join("none.bin")).unwrap();
    assert_eq!(replies(&bytes).collect::<Vec<_>>(), [Reply::Error { sequence: 1, errno: 2 }]);
}

/// Kernels give tcp_info of 192 (4.16) to 280 bytes (6.18): what one does not give, the event has not.
#[test]
fn what_the_kernel_does_not_give_is_no_zero() {
    let bytes = fs::read(folder().join("bbr.bin")).unwrap();
    let whole = saved(&bytes);
    for (length, last, first_missing) in [
        (192, "tcpi_sndbuf_limited", Some("tcpi_delivered")),
        (232, "tcpi_snd_wnd", Some("tcpi_rcv_wnd")),
        (248, "tcpi_total_rto_time", Some("tcpi_received_ce")),
        (250, "tcpi_total_rto_time", Some("tcpi_received_ce")),
        (280, "tcpi_received_ce_bytes", None),
        (400, "tcpi_received_ce_bytes", None),
    ] {
        let format = tcp_info::format(length).unwrap();
        assert!(format.field(last).is_some() && first_missing.is_none_or(|name| format.field(name).is_none()));
        let mut info = whole.info.unwrap().0.to_vec();
        info.resize(length, 0xee);
        let said = SocketDiag { info: Some(TcpInfo(&info)), ..whole };
        let record = tcp_info::record(&socket_of(&said), &said, length, 7).unwrap();
        assert_eq!(number(&format, &record, "tcpi_snd_mss"), Some(53248));
        let Some(Event::TcpInfo(event)) = EventReader::new(&format).read(&record) else { panic!("typed") };
        assert_eq!((event.socket, event.snapshot.snd_mss, event.snapshot.is_bbr), (socket_of(&said), 53248, true));
        assert_eq!((event.snapshot.wmem_queued, event.snapshot.sndbuf), (0, 4_194_304));
        // Less than the format has is no record of it.
        let short = SocketDiag { info: Some(TcpInfo(&info[..length.min(276) - 4])), ..said };
        assert_eq!(tcp_info::record(&socket_of(&said), &short, length, 7), None, "{length}");
    }
    assert_eq!(TCP_INFO.iter().filter(|(_, offset, size)| offset + size <= TCP_INFO_BYTES_MIN).count(), 44);
    for said in [SocketDiag { meminfo: None, ..whole }, SocketDiag { congestion: None, ..whole }] {
        assert_eq!(tcp_info::record(&socket_of(&said), &said, 280, 7), None);
    }
}

/// What the kernel tells of a socket that closes is tcp_info alone, by which its record is known for a final one; of one that was
/// disconnected before, it has nothing to tell.
#[test]
fn the_last_of_a_socket_that_closed() {
    let closed = |name: &str| fs::read(folder().join(format!("{name}.bin"))).unwrap();
    let message = |bytes: &[u8]| match replies(bytes).collect::<Vec<_>>()[..] {
        [Reply::Socket { sequence: 0, socket }] => {
            (socket.cookie, socket.is_disconnected(), socket.info.unwrap().0.to_vec())
        }
        ref other => panic!("{other:?}"),
    };
    let (cookie, is_disconnected, info) = message(&closed("closed"));
    assert!(!is_disconnected && info.len() == 280);
    let (local, peer) = ("127.0.0.1:41000".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
    let socket = Socket { family: AF_INET, local, peer, cookie, skaddr: 0 };
    for length in [192, 232, 248, 280] {
        let format = tcp_info::format(length).unwrap();
        let record = tcp_info::final_record(&socket, TcpInfo(&info), length, 7).unwrap();
        assert_eq!(record.len(), format.record_size());
        // 3000 bytes and the FIN were sent and acknowledged, 6 bytes and a FIN received.
        for (field, value) in [("tcpi_state", 7), ("tcpi_bytes_acked", 3002), ("tcpi_bytes_received", 7), ("sndbuf", 0)]
        {
            assert_eq!(number(&format, &record, field), Some(value), "{field}");
        }
        assert_eq!(Value::of(format.field("cc").unwrap(), &record), Some(Value::Text(b"")));
        let Some(Event::TcpInfo(event)) = EventReader::new(&format).read(&record) else { panic!("typed") };
        assert_eq!(event.socket, socket);
        assert!(event.snapshot.is_final());
        assert_eq!(tcp_info::final_record(&socket, TcpInfo(&info[..length.min(276) - 4]), length, 7), None);
    }
    let asked = fs::read(folder().join("cubic.bin")).unwrap();
    let record = tcp_info::record(&socket, &saved(&asked), 280, 7).unwrap();
    let Some(Event::TcpInfo(event)) = EventReader::new(&tcp_info::format(280).unwrap()).read(&record) else { panic!() };
    assert!(!event.snapshot.is_final());
    let (_, is_disconnected, emptied) = message(&closed("emptied"));
    assert!(is_disconnected);
    assert_eq!(TcpInfo(&emptied).get("tcpi_bytes_acked"), Some(0), "3001 bytes were");
}

#[test]
fn its_text_reads_back() {
    let bytes = fs::read(folder().join("reno.bin")).unwrap();
    let said = saved(&bytes);
    let format = tcp_info::format(280).unwrap();
    let record = tcp_info::record(&socket_of(&said), &said, 280, 7).unwrap();
    let mut writer = TextWriter::new(Vec::new(), Layout::default());
    let event = Record::new(5_000_000_000, OWN_CPU, Some("tcpprobed"), &format, &record);
    writer.event(&event).unwrap();
    assert_eq!(writer.notes().count(), 0);
    let text = String::from_utf8(writer.into_inner()).unwrap();
    let expected = "tcpprobed-7       [65535] .....     5.000000: tcp_info: family=AF_INET6 sport=39272 dport=60353 saddr=0.0.0.0 \
                    daddr=0.0.0.0 saddrv6=::1 daddrv6=::1 sock_cookie=a55b7 cc=reno tcpi_state=1 tcpi_ca_state=0 ";
    assert!(text.trim_start().starts_with(expected), "{text}");
    let mut read = Trace::text("it", text.as_bytes(), Wanted::default()).unwrap().events();
    let found = read.next().unwrap().unwrap();
    assert_eq!((found.time, found.cpu), (5_000_000_000, OWN_CPU));
    assert_eq!(found.event, EventReader::new(&format).read(&record));
    let cells = |format: &Format, bytes: &[u8]| -> BTreeMap<String, String> {
        let columns = Columns::new(format);
        let record = Record::new(0, 0, None, format, bytes);
        let cells = columns.cells(&record);
        cells.map(|(name, cell)| (name.to_owned(), cell.map_or_else(String::new, |cell| cell.to_string()))).collect()
    };
    assert_eq!(cells(&found.format, &found.bytes), cells(&format, &record));
}

#[test]
fn the_kernel_is_asked_for_all_of_it() {
    let id = |local: &str, peer: &str| SocketId {
        local: local.parse().unwrap(),
        peer: peer.parse().unwrap(),
        cookie: 0x1_0000_0002,
    };
    let mut request = Vec::new();
    put_look_up(&id("10.0.0.1:80", "[::ffff:10.0.0.2]:443"), 9, &mut request);
    let expected = [
        &[72, 0, 0, 0, 20, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0][..],
        // IPv4, TCP; INFO, what congestion control says, its name, SKMEMINFO.
        &[2, 6, 0b100_1110, 0, 255, 255, 255, 255, 0, 80, 1, 187],
        &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0],
    ];
    assert_eq!(request, expected.concat());
    request.clear();
    put_look_up(&id("[fd99::1]:80", "[fd99::2]:443"), 9, &mut request);
    assert_eq!((request[16], &request[28..30], request.len()), (10, &[0xfd, 0x99][..], 72));
    request.clear();
    put_dump(true, States::LISTEN, 3, &mut request);
    assert_eq!(
        (request.len(), request[6..8] == [1, 3], &request[16..24]),
        (72, true, &[10, 6, 0b100_1110, 0, 0, 4, 0, 0][..])
    );
}

#[test]
fn a_kind_of_its_own() {
    assert_eq!(EventKind::of("tcp_info"), EventKind::TcpInfo);
    assert_eq!(tcp_info::format(280).unwrap().system, "tcpprobe");
}

/// A builder of blocks of snapshots and tcp_probe, with so many of each socket.
fn builder(sockets: &[(u64, u16, usize)]) -> BlockBuilder {
    let probe = "../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_probe/format";
    let probe = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(probe)).unwrap();
    let formats = [Format::parse("tcp", &probe).unwrap(), tcp_info::format(280).unwrap()];
    let (id, size) = (formats[0].id, formats[0].record_size());
    let offset = |name: &str| formats[0].field(name).unwrap().offset as usize;
    let (saddr, daddr, cookie_at) = (offset("saddr"), offset("daddr"), offset("sock_cookie"));
    let mut builder = BlockBuilder::new(Schema::new(formats).unwrap());
    for &(cookie, port, events) in sockets {
        let mut record = vec![0; size];
        record[..2].copy_from_slice(&id.to_le_bytes());
        record[saddr..saddr + 28].copy_from_slice(&sockaddr(([10, 0, 0, 1], 80).into(), AF_INET));
        record[daddr..daddr + 28].copy_from_slice(&sockaddr(([10, 0, 0, 2], port).into(), AF_INET));
        record[cookie_at..cookie_at + 8].copy_from_slice(&cookie.to_le_bytes());
        assert_eq!(builder.push(0, &vec![(7, &record[..]); events]), 0);
    }
    builder
}

#[test]
fn the_busiest_sockets_of_a_block() {
    let builder = builder(&[(1, 4001, 3), (2, 4002, 9), (0, 4003, 99), (3, 4004, 1), (4, 4005, 5)]);
    let busiest = |kinds: &[EventKind], most: usize| {
        let (sockets, more) = builder.busiest(kinds, most);
        (sockets.iter().map(|(socket, events)| (socket.cookie, socket.peer.port(), *events)).collect::<Vec<_>>(), more)
    };
    let probe = [EventKind::TcpProbe];
    // One without a cookie cannot be asked about.
    assert_eq!(busiest(&probe, 9), (vec![(2, 4002, 9), (4, 4005, 5), (1, 4001, 3), (3, 4004, 1)], 0));
    assert_eq!(busiest(&probe, 3), (vec![(2, 4002, 9), (4, 4005, 5)], 2));
    assert_eq!(busiest(&[EventKind::TcpInfo], 9), (vec![], 0));
}

/// A snapshot is an event of its connection: blocks are found by it, and other connections are not.
#[test]
fn a_block_with_a_snapshot_is_found_by_its_connection() {
    let bytes = fs::read(folder().join("cubic.bin")).unwrap();
    let said = saved(&bytes);
    let record = tcp_info::record(&socket_of(&said), &said, 280, 7).unwrap();
    let mut builder = builder(&[]);
    assert_eq!(builder.push(OWN_CPU, &[(9, &record)]), 0);
    let (mut payload, schema) = (Vec::new(), Arc::clone(builder.schema()));
    builder.seal(&Seal::default(), None, |_| None, &mut payload);
    let head = BlockHead::decode(&payload).unwrap();
    assert!(head.may_hold(connection_id(said.local, said.peer)));
    assert_eq!(head.connections.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
    let held = |connection: u64| {
        let wanted = Projection { connections: Some([connection].into()), ..Projection::default() };
        Block::decode(&payload, &schema, &wanted).unwrap().rows().len()
    };
    assert_eq!((held(connection_id(said.local, said.peer)), held(connection_id(said.peer, said.local))), (1, 0));
}

proptest! {
    /// Whatever comes, each message is one, and nothing is read that is not there.
    #[test]
    fn any_bytes_are_replies(mut bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>(), which in 0usize..6) {
        let name = ["cubic", "bbr", "reno", "mapped", "none", "closed"][which];
        let mut real = fs::read(folder().join(format!("{name}.bin"))).unwrap();
        prop_assert!(replies(&bytes).count() <= bytes.len() / 16 + 1);
        // A real reply that is cut, that is damaged, and that others follow.
        let cut = at.index(real.len());
        prop_assert!(replies(&real[..cut]).count() <= 1);
        let is_socket = |reply: &Reply<'_>| matches!(reply, Reply::Socket { .. });
        prop_assert!(!replies(&real[..cut]).any(|reply| is_socket(&reply)));
        if let Some(byte) = bytes.first() {
            real[cut] ^= byte;
        }
        for reply in replies(&real) {
            if let Reply::Socket { socket, .. } = reply {
                prop_assert!(socket.info.is_none_or(|info| info.0.len() <= real.len()));
                let _ = tcp_info::record(&socket_of(&socket), &socket, 280, 1);
                let _ = socket.info.and_then(|info| tcp_info::final_record(&socket_of(&socket), info, 280, 1));
            }
        }
        bytes.truncate(64);
        let both = [fs::read(folder().join("bbr.bin")).unwrap(), fs::read(folder().join("none.bin")).unwrap(), bytes].concat();
        let mut found = replies(&both);
        prop_assert!(found.next().as_ref().is_some_and(is_socket));
        prop_assert_eq!(found.next(), Some(Reply::Error { sequence: 1, errno: 2 }));
    }
}
