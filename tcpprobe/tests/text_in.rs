//! Text in: what kernels print is read back as the events that their pages hold, and rubbish is refused line by line.

mod common;

use std::io::Write;

use common::{captures, fixtures, inflate};
use proptest::prelude::*;
use tcpprobe::event::{Event, EventReader, Record};
use tcpprobe::kernel::page::Lost;
use tcpprobe::kernel::text::{Layout, Line, TextEvent, TextReader, TextWriter, parse_line, parse_trace};

const PROBE: &str = "          iperf3-139     [001] ..s2.     4.516992: tcp_probe: family=AF_INET src=10.99.0.2:5201 \
    dest=10.99.0.1:54894 mark=0x0 data_len=37 snd_nxt=0xd6372c58 snd_una=0xd6372c57 snd_cwnd=10 ssthresh=2147483647 \
    snd_wnd=64256 srtt=31826 rcv_wnd=65160 sock_cookie=1f skbaddr=000000003370dd2e skaddr=0000000094f67711";
const RETRANSMIT: &str = "          <idle>-0       [000] ..s2.     9.067739: tcp_retransmit_skb: skbaddr=00000000105ba88a \
    skaddr=00000000273e15c6 family=AF_INET sport=57676 dport=5201 saddr=10.99.0.1 daddr=10.99.0.2 \
    saddrv6=::ffff:10.99.0.1 daddrv6=::ffff:10.99.0.2 state=TCP_ESTABLISHED err=-113";

/// The event without what the text of its kernel does not tell.
fn without_pointers(event: Event) -> Event {
    match event {
        Event::TcpProbe(mut probe) => {
            (probe.skbaddr, probe.skaddr) = (0, 0);
            Event::TcpProbe(probe)
        }
        Event::TcpRetransmitSkb(mut retransmit) => {
            (retransmit.skbaddr, retransmit.skaddr) = (0, 0);
            Event::TcpRetransmitSkb(retransmit)
        }
    }
}

/// Compares an event that was read with the record that was printed.
fn compare(event: &TextEvent<'_>, record: &Record<'_>, pointers: bool) {
    assert_eq!(event.time, (record.time + 500) / 1000 * 1000);
    assert_eq!((event.cpu, event.pid, event.name), (record.cpu, record.pid(), &*record.format.name));
    let comm = if record.pid() == 0 { "<idle>" } else { record.comm.unwrap_or("<...>") };
    assert_eq!(event.comm, comm);
    let mut expected = EventReader::new(record.format).read(record.bytes);
    let mut found = event.event;
    if !pointers {
        (expected, found) = (expected.map(without_pointers), found.map(without_pointers));
    }
    assert_eq!(found, expected, "{}", event.body);
    // Untyped events keep every field, and typed ones have none left over.
    if event.event.is_some() {
        assert_eq!(event.extras().count(), 0, "{}", event.body);
    } else {
        assert_eq!(event.extras().count(), event.body.matches('=').count(), "{}", event.body);
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut typed = 0;
    for capture in captures() {
        let decoded = capture.decode();
        let mut writer = TextWriter::new(Vec::new(), Layout::of_release(&capture.kernel));
        let records = decoded.merged();
        for record in &records {
            writer.event(record).unwrap();
        }
        let text = writer.into_inner();
        let mut reader = TextReader::new(&*text);
        for record in &records {
            let Line::Event(event) = reader.next_line().unwrap().unwrap().unwrap() else { unreachable!() };
            compare(&event, record, record.format.print_fmt.contains("skaddr="));
            typed += usize::from(event.event.is_some());
        }
        assert!(reader.next_line().unwrap().is_none());
    }
    assert!(typed > 30_000, "{typed} typed events");
}

#[test]
fn what_kernels_printed_is_read() {
    for capture in captures() {
        if capture.text().is_none() {
            continue;
        }
        let path = capture.dir.join("trace.txt.gz");
        let decoded = capture.decode();
        let records = decoded.merged();
        let lost = decoded.lost();
        let mut next = records.iter();
        let mut entries = None;
        let mut trace = parse_trace(&path).unwrap();
        while let Some(line) = trace.next_line().unwrap() {
            match line.unwrap() {
                Line::Event(event) => compare(&event, next.next().unwrap(), false),
                Line::Entries { in_buffer, written } => entries = Some((in_buffer, written)),
                Line::Comment(_) => {}
                Line::Lost { .. } => unreachable!("trace has no such marks"),
            }
        }
        assert!(next.next().is_none(), "{}", path.display());
        assert_eq!(entries, Some((records.len() as u64, records.len() as u64 + lost)));
    }
}

#[test]
fn trace_pipe_with_a_loss_mark() {
    let mut trace = parse_trace(fixtures().join("text/trace_pipe-6.18.txt.gz")).unwrap();
    assert_eq!(trace.next_line().unwrap(), Some(Ok(Line::Lost { cpu: 1, lost: Lost::Events(672) })));
    let mut events = 0;
    while let Some(line) = trace.next_line().unwrap() {
        let Line::Event(event) = line.unwrap() else { unreachable!() };
        let Some(Event::TcpProbe(probe)) = event.event else { unreachable!() };
        assert!(probe.src.port() == 5297 || probe.dest.port() == 5297);
        events += 1;
    }
    assert_eq!(events, 131);
}

#[test]
fn plain_and_gzipped_files_are_told_apart_by_their_bytes() {
    let path = fixtures().join("text/trace_pipe-6.18.txt.gz");
    let text = inflate(&path).unwrap();
    let gzip = std::fs::read(&path).unwrap();
    let count = |bytes: &[u8]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut trace = parse_trace(file.path()).unwrap();
        let mut lines = 0;
        while let Some(line) = trace.next_line().map_err(|error| (lines, error.kind()))? {
            line.unwrap();
            lines += 1;
        }
        Ok(lines)
    };
    assert_eq!(count(&text), Ok(132));
    assert_eq!(count(&gzip), Ok(132));
    assert_eq!(count(&[&*gzip, &*gzip].concat()), Ok(264), "two members");
    assert_eq!(count(b""), Ok(0));
    assert_eq!(count(b"#"), Ok(1));
    let (lines, kind) = count(&gzip[..gzip.len() / 2]).unwrap_err();
    assert!(lines > 10 && kind == std::io::ErrorKind::UnexpectedEof, "{lines} {kind:?}");
}

#[test]
fn tasks_of_any_name() {
    let check = |context: &str, comm: &str, pid: i32, cpu: u32, flags: &str, time: u64| {
        for body in ["demo: a=1", "demo:   a=1"] {
            let line = format!("{context}{body}");
            let event = parse_line(&line).unwrap();
            let found = (event.comm, event.pid, event.cpu, event.flags, event.time, event.name, event.body);
            assert_eq!(found, (comm, pid, cpu, flags, time, "demo", "a=1"), "{line}");
        }
    };
    let second = 1_000_000_000;
    check("          iperf3-139     [001] ..s2.     1.000000: ", "iperf3", 139, 1, "..s2.", second);
    check("           <...>-12345678 [128] d....     1.000001: ", "<...>", 12_345_678, 128, "d....", second + 1000);
    check("          <idle>-0       [000] ..s1     1.000000: ", "<idle>", 0, 0, "..s1", second);
    check(" kworker/u8:0-ev-12      [000] .....     1.000000: ", "kworker/u8:0-ev", 12, 0, ".....", second);
    check("     my task-1-77      [000] .....     1.000000: ", "my task-1", 77, 0, ".....", second);
    check("     a-1 [000] b-77      [003] .....     1.000000: ", "a-1 [000] b", 77, 3, ".....", second);
    check("               a--1      [000] .....     1.000000: ", "a", -1, 0, ".....", second);
    check("             sh-42      (     40) [001] .....     1.000000: ", "sh", 42, 1, ".....", second);
    check("             sh-42      (-------) [001] .....     1.000000: ", "sh", 42, 1, ".....", second);
    check("             sh-42      [001]     1.000000: ", "sh", 42, 1, "", second);
    check("sh-42 [001] .... 1.000000: ", "sh", 42, 1, "....", second);
    check("my task-1-77 (1) [000] 1.000000: ", "my task-1", 77, 0, "", second);
    check("x--5 [000] 1.000000: ", "x", -5, 0, "", second);
    check("             sh-42      [001] ..... 1234567890: ", "sh", 42, 1, ".....", 1_234_567_890);
    check("             sh-42      [001] .....     1.000000001: ", "sh", 42, 1, ".....", second + 1);
    check("             sh-42      [001] ..... 123456.5: ", "sh", 42, 1, ".....", 123_456_500_000_000);
}

#[test]
fn any_order_old_names_and_new_fields() {
    let (context, body) = PROBE.split_at(PROBE.find("family").unwrap());
    let expected = parse_line(PROBE).unwrap().event;
    assert!(
        matches!(expected, Some(Event::TcpProbe(probe)) if probe.sock_cookie == 0x1f && probe.skaddr == 0x94f6_7711)
    );
    let mut words: Vec<_> = body.split(' ').collect();
    for _ in 0..words.len() {
        words.rotate_left(1);
        let line = format!("{context}{}", words.join(" "));
        let event = parse_line(&line).unwrap();
        assert_eq!((event.event, event.extras().count()), (expected, 0), "{line}");
    }
    let check = |line: String, extras: &[(&str, &str)]| {
        let event = parse_line(&line).unwrap();
        assert_eq!(event.event, expected, "{line}");
        assert_eq!(event.extras().collect::<Vec<_>>(), extras);
    };
    check(PROBE.replace("family=AF_INET ", ""), &[]);
    check(PROBE.replace("data_len=", "length="), &[]);
    check(PROBE.replace("srtt=", "colour=blue sky srtt="), &[("colour", "blue sky")]);
    check(format!("{PROBE} err=-1 reason=NOT SPECIFIED [F S]"), &[("err", "-1"), ("reason", "NOT SPECIFIED [F S]")]);
    check(format!("{PROBE} [F S]"), &[("skaddr", "0000000094f67711 [F S]")]);
    check(format!("{PROBE} srtt=5"), &[("srtt", "5")]);
    check(format!("{PROBE}\r\n"), &[]);
    let mapped =
        PROBE.replace("10.99.0.2:5201", "[::ffff:10.99.0.2]:5201").replace("10.99.0.1:", "[::ffff:10.99.0.1]:");
    check(mapped, &[]);
}

#[test]
fn retransmissions_of_all_times() {
    let read = |line: &str| match parse_line(line).unwrap().event {
        Some(Event::TcpRetransmitSkb(retransmit)) => retransmit,
        other => unreachable!("{other:?}"),
    };
    let full = read(RETRANSMIT);
    assert_eq!((full.src.to_string(), full.dest.to_string()), ("10.99.0.1:57676".into(), "10.99.0.2:5201".into()));
    assert_eq!((full.family, full.state, full.err, full.skaddr), (2, 1, Some(-113), 0x273e_15c6));
    let oldest =
        "sport=57676 dport=5201 saddr=10.99.0.1 daddr=10.99.0.2 saddrv6=::ffff:10.99.0.1 daddrv6=::ffff:10.99.0.2";
    let context = &RETRANSMIT[..RETRANSMIT.find("skbaddr").unwrap()];
    let old = read(&format!("{context}{oldest}"));
    assert_eq!((old.src, old.dest, old.family, old.state), (full.src, full.dest, 2, 0));
    // Without a family the addresses tell; the IPv4 ones of an IPv6 socket hold anything.
    let v6 = oldest.replace("::ffff:10.99.0.1", "fd99::1").replace("::ffff:10.99.0.2", "fd99::2");
    let expected = ("[fd99::1]:57676".to_owned(), "[fd99::2]:5201".to_owned(), 10);
    let v6 = read(&format!("{context}{v6} state=TCP_NEW_SYN_RECV"));
    assert_eq!((v6.src.to_string(), v6.dest.to_string(), v6.family), expected);
    assert_eq!(v6.state, 12);
    let mapped =
        read(&RETRANSMIT.replace("family=AF_INET", "family=AF_INET6").replace("saddr=10.99.0.1", "saddr=0.0.0.0"));
    assert_eq!((mapped.src, mapped.family), (full.src, 10));
    assert_eq!(read(&RETRANSMIT.replace("TCP_ESTABLISHED", "0x1f")).state, 31);
    let unknown = RETRANSMIT.replace("TCP_ESTABLISHED", "TCP_BRAND_NEW");
    let event = parse_line(&unknown).unwrap();
    assert_eq!(event.extras().collect::<Vec<_>>(), [("state", "TCP_BRAND_NEW")]);
    assert_eq!(read(&unknown).state, 0);
}

#[test]
fn errors_say_where_and_what() {
    let check = |line: &str, expected: &str| assert_eq!(parse_line(line).unwrap_err().to_string(), expected, "{line}");
    check("hello", "column 1: the task (comm-pid [cpu]) is missing");
    check("# tracer: nop", "column 1: the line is a comment, not an event");
    check("CPU:3 [LOST EVENTS]", "column 1: the line is a loss mark, not an event");
    check("  sh-1  [000] ..... x: demo: a", "column 21: the time is missing or no number");
    check("  sh-1  [000] ..... 1.5 demo: a", "column 21: the time is missing or no number");
    check("  sh-1  [000] ..... 1.5: do_it <-then", "column 26: the event's name is missing");
    check("  sh-1  [000] ..... 99999999999.5: demo: a", "column 21: the time is missing or no number");
    let column = |line: &str, word: &str| line.find(word).unwrap() + 1;
    let broken = PROBE.replace("snd_cwnd=10", "snd_cwnd=ten");
    check(&broken, &format!("column {}: snd_cwnd is not a number of its size", column(&broken, "ten")));
    let broken = PROBE.replace("data_len=37", "data_len=65536");
    check(&broken, &format!("column {}: data_len is not a number of its size", column(&broken, "65536")));
    let broken = PROBE.replace("src=10.99.0.2:5201", "src=(einval)");
    check(&broken, &format!("column {}: src is not an address with a port", column(&broken, "(einval)")));
    let broken = RETRANSMIT.replace("daddr=10.99.0.2", "daddr=10.99.0");
    check(&broken, &format!("column {}: daddr is not an address", column(&broken, "10.99.0 ")));
    let cut = &PROBE[..PROBE.find(" srtt").unwrap()];
    check(cut, &format!("column {}: srtt is missing", cut.len() + 1));
    let cut = &RETRANSMIT[..RETRANSMIT.find(" dport").unwrap()];
    check(cut, &format!("column {}: dport is missing", cut.len() + 1));
}

#[test]
fn other_events_keep_all_they_say() {
    let line = "            bash-224     [000] .....    14.188718: inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP newstate=TCP_SYN_SENT";
    let event = parse_line(line).unwrap();
    let expected = [("family", "AF_INET"), ("protocol", "IPPROTO_TCP"), ("newstate", "TCP_SYN_SENT")];
    assert_eq!(event.event, None);
    assert_eq!(event.fields().collect::<Vec<_>>(), expected);
    assert_eq!(event.extras().collect::<Vec<_>>(), expected);
    let line =
        "            bash-224     [000] .....    14.188718: tcp_sendmsg_locked: skb_addr 0000000000000000 skb_len 0";
    let event = parse_line(line).unwrap();
    assert_eq!((event.body, event.fields().count()), ("skb_addr 0000000000000000 skb_len 0", 0));
}

/// Reads everything of a line that can be read.
fn exercise(line: &str) {
    if let Ok(event) = parse_line(line) {
        assert!(line.contains(event.comm) && line.ends_with(event.body) || line.ends_with(['\n', '\r']));
        for (name, value) in event.fields() {
            assert!(event.body.contains(name) && event.body.contains(value));
        }
        assert!(event.extras().count() <= event.fields().count());
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in ".{0,400}") {
        exercise(&line);
    }

    #[test]
    fn no_damage_to_a_line_makes_it_panic(
        retransmit in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[-:=. \\[\\]()0-9a-fx%é]{0,3}"), 0..6),
    ) {
        let mut line = if retransmit { RETRANSMIT } else { PROBE }.to_owned();
        for (at, with) in edits {
            let (start, _) = line.char_indices().nth(at.index(line.chars().count())).unwrap();
            let end = line[start..].char_indices().nth(1).map_or(line.len(), |(end, _)| start + end);
            line.replace_range(start..end, &with);
            if line.is_empty() {
                break;
            }
        }
        exercise(&line);
        if !line.is_empty() {
            let (end, _) = line.char_indices().nth(cut.index(line.chars().count())).unwrap();
            exercise(&line[..end]);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_lose_count(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b' ')], 0..2000)) {
        let mut reader = TextReader::new(&*bytes);
        let mut lines = 0;
        while let Some(line) = reader.next_line().unwrap() {
            lines += 1;
            if let Err(broken) = line {
                prop_assert_eq!(broken.number, lines);
            }
        }
        let ends = bytes.iter().filter(|b| **b == b'\n').count() as u64;
        prop_assert_eq!(lines, ends + u64::from(bytes.last().is_some_and(|b| *b != b'\n')));
    }

    /// In the kernel's order and shuffled, the same event is read: the fast way and the slow one agree.
    #[test]
    fn both_ways_of_reading_agree(numbers in prop::array::uniform8(any::<u32>()), cookie in any::<u64>(), v6 in any::<bool>()) {
        let [mark, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd] = numbers;
        let (src, port) = (if v6 { "[fd99::1:2]" } else { "192.0.2.1" }, mark as u16);
        let rest = format!(
            "mark={mark:#x} data_len={port} snd_nxt={snd_nxt:#x} snd_una={snd_una:#x} snd_cwnd={snd_cwnd} ssthresh={ssthresh} \
             snd_wnd={snd_wnd} srtt={srtt} rcv_wnd={rcv_wnd} sock_cookie={cookie:x} skbaddr={cookie:016x} skaddr={cookie:016x}"
        );
        let ends = format!("src={src}:{port} dest={src}:80");
        let fast = format!("a-1 [000] 1.0: tcp_probe: {ends} {rest}");
        let slow = format!("a-1 [000] 1.0: tcp_probe: {rest} {ends}");
        let (fast, slow) = (parse_line(&fast).unwrap().event, parse_line(&slow).unwrap().event);
        prop_assert_eq!(fast, slow);
        let Some(Event::TcpProbe(probe)) = fast else { unreachable!() };
        prop_assert_eq!([probe.mark, probe.snd_nxt, probe.snd_una, probe.snd_cwnd, probe.ssthresh, probe.snd_wnd, probe.srtt, probe.rcv_wnd], numbers);
        prop_assert_eq!((probe.sock_cookie, probe.src.port()), (cookie, port));
    }
}
