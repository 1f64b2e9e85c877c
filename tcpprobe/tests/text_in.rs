//! Text in: what kernels print is read back as the events that their pages hold, and rubbish is refused line by line.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "text_support/pointers.rs"]
mod pointers;

use std::io::Write;

use common::{captures, fixtures, inflate};
use pointers::without_pointers;
use proptest::prelude::*;
use tcpprobe::Error;
use tcpprobe::event::{Event, EventReader, Record};
use tcpprobe::export::{Columns, TextWriter};
use tcpprobe::kernel::text::{Layout, TextReader, parse_line};
use tcpprobe::source::{Item, Problem, Trace, TraceEvent, Wanted};

const PROBE: &str = "          iperf3-139     [001] ..s2.     4.516992: tcp_probe: family=AF_INET src=10.99.0.2:5201 \
    dest=10.99.0.1:54894 mark=0x0 data_len=37 snd_nxt=0xd6372c58 snd_una=0xd6372c57 snd_cwnd=10 ssthresh=2147483647 \
    snd_wnd=64256 srtt=31826 rcv_wnd=65160 sock_cookie=1f skbaddr=000000003370dd2e skaddr=0000000094f67711";
const RETRANSMIT: &str = "          <idle>-0       [000] ..s2.     9.067739: tcp_retransmit_skb: skbaddr=00000000105ba88a \
    skaddr=00000000273e15c6 family=AF_INET sport=57676 dport=5201 saddr=10.99.0.1 daddr=10.99.0.2 \
    saddrv6=::ffff:10.99.0.1 daddrv6=::ffff:10.99.0.2 state=TCP_ESTABLISHED err=-113";

/// A reason's number differs from kernel to kernel; its name is compared as text.
fn without_reason(mut event: Event) -> Event {
    if let Event::TcpSendReset(reset) = &mut event {
        reset.reason = None;
    }
    event
}

fn columns(format: &tcpprobe::kernel::format::Format, bytes: &[u8]) -> Vec<(String, String)> {
    let columns = Columns::new(format);
    let record = Record::new(0, 0, None, format, bytes);
    columns
        .cells(&record)
        .map(|(name, cell)| (name.to_owned(), cell.map_or_else(String::new, |c| c.to_string())))
        .collect()
}

/// Compares an event that was read with the record that was printed.
fn compare(event: &TraceEvent, record: &Record<'_>, pointers: bool) {
    assert_eq!(event.time, (record.time + 500) / 1000 * 1000);
    assert_eq!((event.cpu, &*event.format.name), (record.cpu, &*record.format.name));
    let read = Record::new(event.time, event.cpu, event.comm.as_deref(), &event.format, &event.bytes);
    assert_eq!(read.pid(), record.pid());
    if record.pid() != 0 {
        assert_eq!(event.comm.as_deref(), record.comm);
    }
    let mut expected = EventReader::new(record.format).read(record.bytes).map(without_reason);
    let mut found = event.event.map(without_reason);
    if !pointers {
        (expected, found) = (expected.map(without_pointers), found.map(without_pointers));
    }
    assert_eq!(found, expected, "{:?}", event.format);
    // Whatever both have, they have alike.
    let theirs = columns(record.format, record.bytes);
    for (name, value) in columns(&event.format, &event.bytes) {
        // Hashed, or of a family that the event has not, or numbered by the kernel itself.
        if ["skbaddr", "skaddr", "sk", "req", "reason"].contains(&&*name) || !pointers && name.ends_with("addr") {
            continue;
        }
        if let Some((_, expected)) = theirs.iter().find(|(known, _)| *known == name)
            && value.bytes().all(|byte| byte.is_ascii_digit())
        {
            assert_eq!(&value, expected, "{name} of {:?}", event.format);
        }
    }
}

/// The events of a text of which every line can be read.
fn events(text: &[u8]) -> Vec<TraceEvent> {
    let trace = Trace::text("text", text, Wanted::default()).unwrap();
    let mut events = trace.events();
    let all: Vec<TraceEvent> = events.by_ref().map(Result::unwrap).collect();
    assert_eq!(events.losses().damages, 0);
    all
}

/// The event of a line, or what is wrong with it.
fn read(line: &str) -> Result<TraceEvent, String> {
    // Whether that is a trace at all, the first line tells.
    let text = format!("a-1 [000] 1.0: e: b=1\n{line}\n");
    for item in Trace::text("text", text.as_bytes(), Wanted::default()).unwrap() {
        match item.unwrap() {
            Item::Problem(Problem::BrokenLine(line)) => return Err(line.reason.to_string()),
            Item::Problem(hole @ Problem::Hole(_)) => return Err(hole.to_string()),
            _ => {}
        }
    }
    events(text.as_bytes()).into_iter().nth(1).ok_or_else(|| "a comment".to_owned())
}

/// The line that is printed of an event.
fn print(event: &TraceEvent, layout: Layout) -> String {
    let mut writer = TextWriter::new(Vec::new(), layout);
    writer.event(&Record::new(event.time, event.cpu, event.comm.as_deref(), &event.format, &event.bytes)).unwrap();
    assert_eq!(writer.notes().next(), None);
    String::from_utf8(writer.into_inner()).unwrap()
}

/// What of a line is in no column.
fn values(event: &TraceEvent, names: &[&str]) -> Vec<String> {
    let value = |name: &&str| columns(&event.format, &event.bytes).into_iter().find(|(known, _)| known == name);
    names.iter().map(|name| value(name).map_or_else(|| "-".to_owned(), |(_, value)| value)).collect::<Vec<_>>()
}

#[test]
fn what_is_written_is_read_back() {
    let mut typed = 0;
    for capture in captures() {
        let decoded = capture.decode();
        let layout = Layout::of_release(&capture.kernel);
        let mut writer = TextWriter::new(Vec::new(), layout);
        let records = decoded.merged();
        for record in &records {
            writer.event(record).unwrap();
        }
        let text = writer.into_inner();
        let events = events(&text);
        assert_eq!(events.len(), records.len());
        let lines = std::str::from_utf8(&text).unwrap().lines();
        for ((event, record), line) in events.iter().zip(&records).zip(lines) {
            compare(event, record, record.format.print_fmt.contains("skaddr="));
            assert_eq!(print(event, layout).trim_end(), line);
            typed += usize::from(event.event.is_some());
        }
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
        let mut trace = tcpprobe::open(&path).unwrap().events();
        let mut next = records.iter();
        for event in trace.by_ref() {
            compare(&event.unwrap(), next.next().unwrap(), false);
        }
        assert!(next.next().is_none(), "{}", path.display());
        assert_eq!(trace.losses().lost, decoded.lost());
    }
}

#[test]
fn trace_pipe_with_a_loss_mark() {
    let mut trace = tcpprobe::open(fixtures().join("text/trace_pipe-6.18.txt.gz")).unwrap();
    let mut gaps = Vec::new();
    let mut events = 0;
    for item in &mut trace {
        match item.unwrap() {
            Item::Lost(gap) => gaps.push((gap.cpu, gap.lost, events)),
            Item::Events(batch) => batch.for_each(|record| {
                let Some(Event::TcpProbe(probe)) = EventReader::new(record.format).read(record.bytes) else {
                    unreachable!()
                };
                assert!(probe.src.port() == 5297 || probe.dest.port() == 5297);
                events += 1;
            }),
            _ => {}
        }
    }
    assert_eq!((events, gaps), (131, vec![(1, Some(672), 0)]));
}

#[test]
fn plain_and_gzipped_files_are_told_apart_by_their_bytes() {
    let path = fixtures().join("text/trace_pipe-6.18.txt.gz");
    let text = inflate(&path).unwrap();
    let gzip = std::fs::read(&path).unwrap();
    let count = |bytes: &[u8]| -> Result<usize, Error> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Ok(tcpprobe::open(file.path())?.events().map(Result::unwrap).count())
    };
    assert_eq!(count(&text).unwrap(), 131);
    assert_eq!(count(&gzip).unwrap(), 131);
    assert_eq!(count(&[&*gzip, &*gzip].concat()).unwrap(), 262, "two members");
    assert_eq!(count(b"").unwrap(), 0);
    assert_eq!(count(b"#").unwrap(), 0);
    assert!(count(&gzip[..gzip.len() / 2]).unwrap() > 10);
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
    let expected = read(PROBE).unwrap().event;
    assert!(
        matches!(expected, Some(Event::TcpProbe(probe)) if probe.sock_cookie == 0x1f && probe.skaddr == 0x94f6_7711)
    );
    let mut words: Vec<_> = body.split(' ').collect();
    for _ in 0..words.len() {
        words.rotate_left(1);
        let line = format!("{context}{}", words.join(" "));
        let event = read(&line).unwrap();
        assert_eq!(event.event, expected, "{line}");
        assert_eq!(print(&event, Layout::default()), line + "\n");
    }
    let check = |line: String, more: &[(&str, &str)]| {
        let event = read(&line).unwrap();
        assert_eq!(event.event, expected, "{line}");
        let (names, expected): (Vec<&str>, Vec<&str>) = more.iter().copied().unzip();
        assert_eq!(values(&event, &names), expected);
        assert_eq!(print(&event, Layout::default()).trim_end(), line.trim_end());
    };
    check(PROBE.replace("family=AF_INET ", ""), &[]);
    check(PROBE.replace("data_len=", "length="), &[("length", "37")]);
    check(PROBE.replace("srtt=", "colour=blue sky srtt="), &[("colour", "blue sky")]);
    check(format!("{PROBE} err=-1 reason=NOT SPECIFIED [F S]"), &[("err", "-1"), ("reason", "NOT SPECIFIED [F S]")]);
    check(format!("{PROBE} [F S]"), &[]);
    check(format!("{PROBE} srtt=5"), &[("srtt", "31826"), ("srtt_2", "5")]);
    check(format!("{PROBE}\r\n"), &[]);
    let mapped =
        PROBE.replace("10.99.0.2:5201", "[::ffff:10.99.0.2]:5201").replace("10.99.0.1:", "[::ffff:10.99.0.1]:");
    check(mapped, &[]);
}

#[test]
fn retransmissions_of_all_times() {
    let retransmit = |line: &str| match read(line).unwrap().event {
        Some(Event::TcpRetransmitSkb(retransmit)) => retransmit,
        other => unreachable!("{other:?}"),
    };
    let full = retransmit(RETRANSMIT);
    assert_eq!((full.src.to_string(), full.dest.to_string()), ("10.99.0.1:57676".into(), "10.99.0.2:5201".into()));
    assert_eq!((full.family, full.state, full.err, full.skaddr), (2, 1, Some(-113), 0x273e_15c6));
    let oldest =
        "sport=57676 dport=5201 saddr=10.99.0.1 daddr=10.99.0.2 saddrv6=::ffff:10.99.0.1 daddrv6=::ffff:10.99.0.2";
    let context = &RETRANSMIT[..RETRANSMIT.find("skbaddr").unwrap()];
    let old = retransmit(&format!("{context}{oldest}"));
    assert_eq!((old.src, old.dest, old.family, old.state), (full.src, full.dest, 2, 0));
    // Without a family the addresses tell; the IPv4 ones of an IPv6 socket hold anything.
    let v6 = oldest.replace("::ffff:10.99.0.1", "fd99::1").replace("::ffff:10.99.0.2", "fd99::2");
    let expected = ("[fd99::1]:57676".to_owned(), "[fd99::2]:5201".to_owned(), 10);
    let v6 = retransmit(&format!("{context}{v6} state=TCP_NEW_SYN_RECV"));
    assert_eq!((v6.src.to_string(), v6.dest.to_string(), v6.family), expected);
    assert_eq!(v6.state, 12);
    let mapped = retransmit(
        &RETRANSMIT.replace("family=AF_INET", "family=AF_INET6").replace("saddr=10.99.0.1", "saddr=0.0.0.0"),
    );
    assert_eq!((mapped.src, mapped.family), (full.src, 10));
    assert_eq!(retransmit(&RETRANSMIT.replace("TCP_ESTABLISHED", "0x1f")).state, 31);
    let unknown = RETRANSMIT.replace("TCP_ESTABLISHED", "TCP_BRAND_NEW");
    assert_eq!(values(&read(&unknown).unwrap(), &["state"]), ["TCP_BRAND_NEW"]);
    assert_eq!(retransmit(&unknown).state, 0);
}

#[test]
fn errors_say_where_and_what() {
    let check = |line: &str, expected: &str| assert_eq!(parse_line(line).unwrap_err().to_string(), expected, "{line}");
    check("hello", "column 1: the task (comm-pid [cpu]) is missing");
    check("# tracer: nop", "column 1: the line is a comment, not an event");
    check("CPU:3 [LOST EVENTS]", "column 1: the line is a loss mark, not an event");
    check("  sh-1  [000] ..... x: demo: a", "column 21: the time is missing or no number");
    check("  sh-1  [000] ..... 1.5 demo: a", "column 21: the time is missing or no number");
    check("  sh-1  [000] ..... 1.5: do_it <-then", "column 1: the line is a comment, not an event");
    check("  sh-1  [000] ..... 1.5: do it then", "column 26: the event's name is missing");
    check("  sh-1  [000] ..... 99999999999.5: demo: a", "column 21: the time is missing or no number");
    let check_body = |line: &str, expected: &str| assert_eq!(read(line).map(|_| ()).unwrap_err(), expected, "{line}");
    let column = |line: &str, word: &str| line.find(word).unwrap() + 1;
    let broken = PROBE.replace("snd_cwnd=10", "snd_cwnd=ten");
    check_body(&broken, &format!("column {}: snd_cwnd is not a number of its size", column(&broken, "ten")));
    let broken = PROBE.replace("data_len=37", "data_len=65536");
    check_body(&broken, &format!("column {}: data_len is not a number of its size", column(&broken, "65536")));
    let broken = PROBE.replace("src=10.99.0.2:5201", "src=(einval)");
    check_body(&broken, &format!("column {}: src is not an address with a port", column(&broken, "(einval)")));
    let broken = RETRANSMIT.replace("daddr=10.99.0.2", "daddr=10.99.0");
    check_body(&broken, &format!("column {}: daddr is not an address", column(&broken, "10.99.0 ")));
    let cut = &PROBE[..PROBE.find(" srtt").unwrap()];
    check_body(cut, &format!("column {}: srtt is missing", cut.len() + 1));
    let cut = &RETRANSMIT[..RETRANSMIT.find(" dport").unwrap()];
    check_body(cut, &format!("column {}: dport is missing", cut.len() + 1));
}

#[test]
fn other_events_keep_all_they_say() {
    let check = |body: &str, more: &[(&str, &str)]| {
        let line = format!("            bash-224     [000] .....    14.188718: {body}");
        let event = read(&line).unwrap();
        assert_eq!(event.event, None, "{line}");
        assert_eq!(print(&event, Layout::default()).trim_end(), line);
        let (names, expected): (Vec<&str>, Vec<&str>) = more.iter().copied().unzip();
        assert_eq!(values(&event, &names), expected, "{line}");
    };
    check(
        "inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP newstate=TCP_SYN_SENT",
        &[("family", "2"), ("protocol", "6"), ("newstate", "2")],
    );
    check(
        "tcp_sendmsg_locked: skb_addr 0000000000000000 skb_len 0",
        &[("text", "skb_addr 0000000000000000 skb_len 0")],
    );
    check("sched_wakeup: comm=a b pid=7 prio=-1 target_cpu=007", &[("pid", "-"), ("field_pid", "7"), ("prio", "-1")]);
    check("a: x=1 then y=0x10 100%s \"quoted\\\" z=", &[("x", "1 then"), ("z", "")]);
    check("a: 7family=AF_INET 8=9 8=x 0x1=2", &[("_7family", "AF_INET"), ("_8", "9"), ("_8_2", "x"), ("_0x1", "2")]);
    check("a: words x=18446744073709551615 sk=ffff888001020304 x=-5", &[("x_2", "-5"), ("sk", "0xffff888001020304")]);
    check("tcp_bad_csum: src=10.0.0.1:80 dest=[fd99::1]:81", &[("saddr", "10.0.0.1"), ("dport", "81")]);
    check("tcp_bad_csum: src=elsewhere dest=10.0.0.1:80", &[("src", "elsewhere"), ("daddr", "10.0.0.1")]);
    check(&format!("long: {}", "a=1 ".repeat(300).trim_end()), &[]);
}

#[test]
fn marks_of_loss_are_all_counted_however_many() {
    let event = "a-1 [000] 1.0: e: b=1\n";
    let check = |text: String, lost: u64, gaps_unknown: u64| {
        let mut trace = Trace::text("text", text.as_bytes(), Wanted::default()).unwrap();
        (&mut trace).for_each(|item| drop(item.unwrap()));
        assert_eq!((trace.losses().lost, trace.losses().gaps_unknown), (lost, gaps_unknown));
    };
    let unknown = "CPU:0 [LOST EVENTS]\n".repeat(5000);
    check(format!("{event}{unknown}{event}"), 0, 5000);
    check(format!("{event}{unknown}"), 0, 5000);
    check(format!("{event}{}{event}", "CPU:0 [LOST 5 EVENTS]\n".repeat(5000)), 25_000, 0);
    let of_cpus: String =
        (0..70_000).map(|cpu| format!("CPU:{cpu} [LOST 2 EVENTS]\nCPU:{cpu} [LOST EVENTS]\n")).collect();
    check(format!("{of_cpus}{event}"), 140_000, 70_000);
}

#[test]
fn a_gap_lies_between_the_events_around_it() {
    let events = [1, 2, 3].map(|second| format!("a-1 [000] {second}.0: e: b=1\n"));
    let text = events.join("CPU:0 [LOST 7 EVENTS]\n");
    let gaps =
        Trace::text("text", text.as_bytes(), Wanted::default()).unwrap().filter_map(|item| match item.unwrap() {
            Item::Lost(gap) => Some((gap.from / 1_000_000_000, gap.to / 1_000_000_000, gap.lost)),
            _ => None,
        });
    assert_eq!(gaps.collect::<Vec<_>>(), [(1, 2, Some(7)), (2, 3, Some(7))]);
}

#[test]
fn formats_without_end_take_turns() {
    // Every line is of a format of its own.
    let text: String = (0..1000).map(|n| format!("a-1 [000] ..... {n}.0: event_{n}: field_{n}={n}\n")).collect();
    let mut trace = Trace::text("text", text.as_bytes(), Wanted::default()).unwrap();
    let (mut formats, mut events) = (0, 0);
    for item in &mut trace {
        match item.unwrap() {
            Item::Begin(about) => formats = about.formats.len(),
            Item::Events(batch) => batch.for_each(|record| {
                assert!(formats <= 255 && record.index < formats);
                assert_eq!(record.format.name, format!("event_{events}"));
                events += 1;
            }),
            _ => {}
        }
    }
    assert_eq!(events, 1000);
}

/// Reads everything of a line that can be read.
fn exercise(line: &str) {
    if let Ok(event) = read(line) {
        // What is printed of it is read as the same.
        let again = read(&print(&event, Layout::default())).unwrap();
        assert_eq!((again.event, &again.format.name), (event.event, &event.format.name), "{line}");
    }
    if let Ok(event) = parse_line(line) {
        assert!(line.contains(event.comm) && line.ends_with(event.body) || line.ends_with(['\n', '\r']));
        for (name, value) in event.fields() {
            assert!(event.body.contains(name) && event.body.contains(value));
        }
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
    fn no_bytes_make_the_reader_panic_or_lose_count(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b' ')], 0..2000)) {
        let mut reader = TextReader::new(&*bytes);
        let mut lines = 0;
        while let Some(line) = reader.next_line().unwrap() {
            lines += 1;
            if let Err(broken) = line {
                prop_assert_eq!(broken.number, lines);
            }
        }
        // Carriage returns end a line where no line feed follows them.
        let is_end = |pair: &&[u8]| pair[0] == b'\n' || pair[0] == b'\r' && !matches!(pair[1], b'\r' | b'\n');
        let ends = bytes.windows(2).filter(is_end).count() as u64;
        prop_assert_eq!(lines, ends + u64::from(!bytes.is_empty()));
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
        let (fast, slow) = (read(&fast).unwrap().event, read(&slow).unwrap().event);
        prop_assert_eq!(fast, slow);
        let Some(Event::TcpProbe(probe)) = fast else { unreachable!() };
        prop_assert_eq!([probe.mark, probe.snd_nxt, probe.snd_una, probe.snd_cwnd, probe.ssthresh, probe.snd_wnd, probe.srtt, probe.rcv_wnd], numbers);
        prop_assert_eq!((probe.sock_cookie, probe.src.port()), (cookie, port));
    }
}
