//! Text as people have it: what is an event is read, with the right values, and what is missing is told.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tcpprobe::Error;
use tcpprobe::export::{self, ExportFormat, Options};
use tcpprobe::flow::Collector;
use tcpprobe::source::{Item, Losses, Problem, Trace, Wanted};

const BODY: &str = "family=AF_INET src=10.0.0.1:5201 dest=10.0.0.2:33960 mark=0x0 data_len=1448 snd_nxt=0x5f9e5332 \
    snd_una=0x5f9c9faa snd_cwnd=54 ssthresh=51 snd_wnd=197376 srtt=21125 rcv_wnd=64256 sock_cookie=4";
const CONTEXT: &str = "          iperf3-195     [001] ..s2.  1830.433505: tcp_probe: ";

/// What is in a text.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// Time, CPU, pid, comm, event.
    events: Vec<(u64, u32, i32, Option<String>, String)>,
    gaps: Vec<(u32, u64, u64, Option<u64>)>,
    problems: Vec<Problem>,
    notes: usize,
    losses: Losses,
    clock: String,
}

fn read(bytes: &[u8]) -> Result<Found, Error> {
    let mut trace = Trace::sniff("text", bytes, Wanted::default())?;
    let (mut found, mut has_begun) = (Found::default(), false);
    for item in &mut trace {
        match item? {
            Item::Begin(about) => (has_begun, found.clock) = (true, about.clock),
            Item::Events(batch) => batch.for_each(|record| {
                let (comm, name) = (record.comm.map(str::to_owned), record.format.name.clone());
                found.events.push((record.time, record.cpu, record.pid(), comm, name));
            }),
            Item::Lost(gap) => {
                assert!(has_begun, "a gap before the formats");
                found.gaps.push((gap.cpu, gap.from, gap.to, gap.lost));
            }
            Item::Problem(Problem::Note(_)) => found.notes += 1,
            Item::Problem(problem) => found.problems.push(problem),
            _ => {}
        }
    }
    found.losses = *trace.losses();
    Ok(found)
}

fn wild(name: &str) -> Vec<u8> {
    std::fs::read(common::fixtures().join("wild").join(name)).unwrap()
}

fn exported(bytes: &[u8], format: ExportFormat) -> Vec<u8> {
    let mut trace = Trace::sniff("text", bytes, Wanted::default()).unwrap();
    let (mut out, mut exporter) = (Vec::new(), format.exporter(&Options::default()));
    export::export(&mut trace, &mut *exporter, &mut out, |_| ()).unwrap();
    out
}

fn lines(bytes: &[u8], format: ExportFormat) -> Vec<String> {
    String::from_utf8(exported(bytes, format)).unwrap().lines().map(str::to_owned).collect()
}

fn json(bytes: &[u8]) -> Vec<serde_json::Value> {
    lines(bytes, ExportFormat::Json).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asserts that each of these lines is the event of [`CONTEXT`] and nothing is wrong.
#[track_caller]
fn check_dressed(text: &[u8], events: usize) {
    let found = read(text).unwrap();
    let expected = (1_830_433_505_000, 1, 195, Some("iperf3".to_owned()), "tcp_probe".to_owned());
    assert_eq!(found.events, vec![expected; events], "{}", String::from_utf8_lossy(text));
    assert_eq!((found.problems, found.losses), (vec![], Losses::default()), "{}", String::from_utf8_lossy(text));
}

#[test]
fn marks_of_trace_cmd_are_losses_and_its_header_is_no_damage() {
    let text = wild("trace-cmd-report.txt");
    let found = read(&text).unwrap();
    assert_eq!((found.events.len(), found.losses.lost, found.losses.gaps_unknown, found.losses.damages), (5, 22, 1, 0));
    let gaps = [(1, 1_830_435_505_000, 1_830_533_505_000, Some(22)), (1, 1_830_533_505_000, 1_830_633_505_000, None)];
    assert_eq!(found.gaps, gaps);
    // In every output, in order.
    let objects = json(&text);
    let lost: Vec<_> = objects.iter().filter(|object| object["event"].is_null()).collect();
    assert_eq!((objects.len(), lost.len()), (7, 2));
    assert_eq!(
        (&lost[0]["lost"], &lost[0]["cpu"], &lost[1]["lost"]),
        (&22.into(), &1.into(), &serde_json::Value::Null)
    );
    assert_eq!(lost[0]["clock_ns"], 1_830_435_505_000_u64);
    assert_eq!(lost[0]["until_clock_ns"], 1_830_533_505_000_u64);
    assert!(objects[3]["event"].is_null());
    let rows = lines(&text, ExportFormat::Csv);
    assert!(rows[0].ends_with(",other,lost"), "{}", rows[0]);
    assert!(rows[4].starts_with(",,1830435505000,1,,,,") && rows[4].ends_with(",22"), "{}", rows[4]);
    let cells = |row: &String| row.split(',').count();
    assert!(rows.iter().all(|row| cells(row) == cells(&rows[0])));
    assert!(lines(&text, ExportFormat::Text).contains(&"CPU:1 [LOST 22 EVENTS]".to_owned()));
    let again = read(&exported(&text, ExportFormat::Tcpp)).unwrap();
    assert_eq!((again.events.len(), again.losses.lost), (5, 23), "an unknown number is one in a ledger");
    assert_eq!(again.gaps[0], gaps[0]);
}

#[test]
fn losses_before_the_first_event_are_in_every_output() {
    let lossy = format!("CPU:1 [LOST 672 EVENTS]\n{CONTEXT}{BODY}\n");
    let overwritten = format!("# entries-in-buffer/entries-written: 1/673   #P:2\n{CONTEXT}{BODY}\n");
    for text in [lossy.as_bytes(), overwritten.as_bytes()] {
        assert_eq!(read(text).unwrap().losses.lost, 672);
        let lost: u64 = json(text).iter().filter_map(|object| object["lost"].as_u64()).sum();
        assert_eq!(lost, 672);
        assert!(lines(text, ExportFormat::Csv).iter().any(|row| row.ends_with(",672")));
        let again = read(&exported(text, ExportFormat::Tcpp)).unwrap();
        assert_eq!((again.events.len(), again.losses.lost), (1, 672));
    }
}

#[test]
fn a_page_of_systrace_holds_its_events() {
    let found = read(&wild("systrace-html.txt")).unwrap();
    assert_eq!((found.events.len(), found.losses, found.notes), (4, Losses::default(), 1));
    let empty = b"<!DOCTYPE html>\n<p>nothing\n";
    assert!(matches!(read(empty), Err(Error::Foreign { what: "an HTML page without events", .. })));
}

#[test]
fn a_hole_of_nuls_is_told() {
    let found = read(&wild("nul-hole-copytruncate.txt")).unwrap();
    assert_eq!((found.events.len(), found.problems), (40, vec![Problem::Hole(8192)]));
    // At the front, in the middle of a line, at the end, of any length.
    for hole in [1, 300 << 10] {
        let hole = "\0".repeat(hole);
        let text = format!("{hole}{CONTEXT}{BODY}\n{hole}{CONTEXT}{BODY}\n{hole}");
        let found = read(text.as_bytes()).unwrap();
        assert_eq!((found.events.len(), found.losses.damages), (2, found.problems.len() as u64));
        let holes = found.problems.iter().map(|problem| match problem {
            Problem::Hole(bytes) => *bytes as usize,
            other => panic!("{other}"),
        });
        assert_eq!(holes.sum::<usize>(), 3 * hole.len());
    }
}

#[test]
fn utf_16_with_a_mark_and_without_in_either_order() {
    let little = wild("powershell-utf16le.txt");
    let units: Vec<u16> = little.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let mut twice = little.clone();
    twice.extend(&little);
    for (text, events) in [(&little[..], 40), (&little[2..], 40), (&big, 40), (&big[2..], 40), (&twice, 80)] {
        let found = read(text).unwrap();
        assert_eq!((found.events.len(), found.losses), (events, Losses::default()));
    }
    let gzipped = gzip(&little);
    assert_eq!(read(&gzipped).unwrap().events.len(), 40);
    let marked = format!("\u{feff}{CONTEXT}{BODY}\r\n\u{feff}{CONTEXT}{BODY}\r\n");
    check_dressed(marked.as_bytes(), 2);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn a_cut_gzip_stream_gives_what_came_before() {
    let cut = wild("ctrl-c-cut.txt.gz");
    let found = read(&cut).unwrap();
    assert_eq!(found.events.len(), 2660);
    assert!(matches!(&found.problems[..], [Problem::Cut(words)] if words.contains("cut")), "{:?}", found.problems);
    assert_eq!(json(&cut).len(), 2660);
    assert_eq!(lines(&cut, ExportFormat::Csv).len(), 2661);
    assert_eq!(read(&exported(&cut, ExportFormat::Tcpp)).unwrap().events.len(), 2660);
    let mut flows = Collector::default();
    Trace::sniff("text", &*cut, Wanted::default()).unwrap().for_each(|item| flows.item(&item.unwrap()));
    assert_eq!(flows.get(flows.top(1)[0]).unwrap().totals.events, 2660);
    // A trace, cut anywhere.
    let packed = gzip(&exported(&cut, ExportFormat::Tcpp));
    for end in (30..packed.len()).step_by(packed.len() / 11) {
        if let Ok(found) = read(&packed[..end]) {
            assert!(found.problems.iter().any(|problem| matches!(problem, Problem::Cut(_))), "cut at {end}");
        }
    }
}

#[test]
fn gzip_as_gzip_takes_it() {
    let line = format!("{CONTEXT}{BODY}\n");
    let one = gzip(line.as_bytes());
    check_dressed(&one, 1);
    check_dressed(&[&one[..], &one].concat(), 2);
    check_dressed(&[&one[..], &[0; 70_000]].concat(), 1);
    check_dressed(&[&one[..], &[0; 512], &one, &[0; 3]].concat(), 2);
    check_dressed(&[&gzip(b"")[..], &one].concat(), 1);
    let check_damaged = |bytes: &[u8], events: usize| {
        let found = read(bytes).unwrap();
        assert_eq!((found.events.len(), found.losses.damages), (events, 1), "{:?}", found.problems);
    };
    check_damaged(&[&one[..], b"behind it"].concat(), 1);
    let mut wrong_sum = one.clone();
    let end = wrong_sum.len();
    wrong_sum[end - 8] ^= 1;
    check_damaged(&wrong_sum, 1);
    check_damaged(&[&one[..], &one[..15]].concat(), 1);
}

#[test]
fn latency_format() {
    let found = read(&wild("latency-format.txt")).unwrap();
    let times: Vec<u64> = found.events.iter().map(|event| event.0).collect();
    assert_eq!((times, found.losses), (vec![1_830_433_505_000, 1_830_433_605_000], Losses::default()));
    assert_eq!(found.events[0].1, 1);
    for line in [
        "  iperf3-195       1..s2. 1830433505us!: ",
        "iperf3-195     1..s2 1830433505us : ",
        "iperf3-195 1d.s2. 1830.433505: ",
    ] {
        check_dressed(format!("{line}tcp_probe: {BODY}\n").as_bytes(), 1);
    }
}

#[test]
fn ticks_are_never_called_nanoseconds() {
    let text = wild("clock-counter.txt");
    let found = read(&text).unwrap();
    assert_eq!((found.events.len(), found.events[0].0, &*found.clock, found.notes), (20, 7, "ticks", 1));
    let tcpp = exported(&text, ExportFormat::Tcpp);
    for bytes in [&text, &tcpp] {
        let (json, csv) = (lines(bytes, ExportFormat::Json), lines(bytes, ExportFormat::Csv));
        assert!(json.iter().all(|line| !line.contains("clock_ns") && line.contains("\"clock_ticks\":")));
        assert!(csv[0].starts_with("time,time_ns,clock_ticks,cpu,") && csv[1].starts_with(",,7,1,"));
        assert!(lines(bytes, ExportFormat::Text)[0].contains("            7: tcp_probe: "));
    }
}

#[test]
fn cookies_and_pointers_join_the_same_sockets_in_every_event() {
    let objects = json(&wild("cookies-and-pointers.txt"));
    let of = |key: &str| -> Vec<&serde_json::Value> { objects.iter().map(|object| &object[key]).collect() };
    let null = &serde_json::Value::Null;
    assert_eq!(of("sock_cookie"), [&16.into(), &10.into(), &16.into(), null, null, &16.into()]);
    let (a, b) = (&"0x87654321".into(), &"0xbbbbbbbb".into());
    assert_eq!(of("skaddr"), [a, b, null, null, a, a]);
    assert_eq!(objects[5]["field_time"], 398);
}

/// The keys of a JSON object, as they are written.
fn keys(line: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = line;
    while let Some((_, behind)) = rest.split_once(['{', ',']) {
        rest = behind;
        if let Some((key, _)) = behind.strip_prefix('"').and_then(|key| key.split_once("\":")) {
            keys.push(key.to_owned());
        }
    }
    keys
}

#[test]
fn no_key_stands_twice() {
    let fields = "time=1 pid=2 cpu=3 comm=a event=b time=4 clock_ns=5 lost=6 field_time=7 common_pid=8 a=1 a=2 a_2=3";
    let sockets = "saddr=10.0.0.1 src=10.0.0.1:80 sport=81 dport=5 dest=10.0.0.2:82";
    for body in [fields, sockets, &format!("{fields} {sockets}")] {
        for line in lines(format!("{}e: {body}\n", &CONTEXT[..51]).as_bytes(), ExportFormat::Json) {
            let keys = keys(&line);
            assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{line}");
        }
    }
}

#[test]
fn an_attempt_that_sent_nothing_is_no_retransmission() {
    let mut flows = Collector::default();
    let text = wild("retransmit-err.txt");
    Trace::sniff("text", &*text, Wanted::default()).unwrap().for_each(|item| flows.item(&item.unwrap()));
    let totals = &flows.get(flows.top(1)[0]).unwrap().totals;
    assert_eq!((totals.retransmissions, totals.not_sent), (1, 1));
}

#[test]
fn a_dress_changes_nothing() {
    for dress in [
        "Nov 28 06:52:28 host tracer[42]: ",
        "2026-11-28T06:52:28+0000 host tracer[42]: ",
        "<34>1 2026-11-28T06:52:28.123Z host tracer 42 - - ",
        "<34>Nov 28 06:52:28 host tracer[42]: ",
        "[pod/web-0/trace] 2026-11-28T06:52:28.123456789Z ",
        "2026-11-28T06:52:28.123456789Z stdout F ",
        "web-1  | ",
        "\u{1b}[36mweb-1  | \u{1b}[0m",
        "web: ",
        "     ",
        "[ 1830.433505] ",
        "<4>[ 1830.433505][    T195] ",
        "some log of its own > ",
    ] {
        let event = format!("{dress}{CONTEXT}{BODY}");
        check_dressed(format!("{event}\n{event}\r\n").as_bytes(), 2);
        let lossy = format!("{event}\n{dress}CPU:1 [LOST 7 EVENTS]\n{event}\n");
        if !dress.starts_with("some") {
            let comment = if dress == "web: " { "#" } else { dress };
            check_dressed(format!("{event}\n{comment}\n{comment}# a comment\n{event}\n").as_bytes(), 2);
            assert_eq!(read(lossy.as_bytes()).unwrap().gaps.len(), 1, "{dress}");
        }
        // A log may keep no blanks at the front; a buffer's name could then be of the task's.
        if dress != "web: " {
            check_dressed(format!("{dress}{}{BODY}\n", CONTEXT.trim_start()).as_bytes(), 1);
        }
    }
    let log =
        serde_json::json!({"log": format!("{CONTEXT}{BODY}\n"), "stream": "stdout", "time": "2026-11-28T06:52:28Z"});
    check_dressed(format!("{log}\n{log}\n").as_bytes(), 2);
    let journal = serde_json::json!({"__CURSOR": "s=1", "MESSAGE": format!("{CONTEXT}{BODY}")});
    check_dressed(format!("{journal}\n").as_bytes(), 1);
    check_dressed(format!("{CONTEXT}{BODY}\n").replace("     [", "\t[").replace(" src", "\tsrc").as_bytes(), 1);
}

#[test]
fn a_comm_stays_the_comm() {
    for comm in
        ["my task", "a: b", "a=1 b=2", "[x/y]", "a-1 [000]", "web: x", "Web Content", "kworker/u8:0-ev", "-", "#1"]
    {
        for dress in ["", "Nov 28 06:52:28 host tracer[42]: ", "2026-11-28T06:52:28.123456789Z ", "web: "] {
            let line = format!("{dress}{comm:>16}{}{BODY}\n", &CONTEXT[16..]);
            let found = read(line.as_bytes()).unwrap();
            assert_eq!(found.events[0].3.as_deref(), Some(comm), "{line}");
        }
    }
}

#[test]
fn tools_and_functions_around_events_are_no_damage() {
    let event = format!("{CONTEXT}{BODY}\n");
    for between in [
        "cpus=2\nCPU 0 is empty\n",
        "          iperf3-195     [001] ..s2.  1830.433505: tcp_rcv_established <-tcp_v4_do_rcv\n",
        "          iperf3-195     [001] ..s2.  1830.433505: <stack trace>\n => tcp_rcv_established\n => tcp_v4_do_rcv\n",
        "          iperf3-195     [001] ..s2.  1830.433505: kernel_stack:         <stack trace >\n=> tcp_v4_do_rcv (ffffffff81c2)\n",
        "  0)   1.234 us    |  tcp_ack();\n ------------------------------------------\n 0)  iperf3-195   =>  bash-2\n",
        "Dumping ftrace buffer:\n---------------------------------\n",
        "##### CPU 1 buffer started ####\n",
        "\tffffffff81c2a5d4 tcp_rcv_established+0x4d4 ([kernel.kallsyms])\n\n",
        "-- Boot 0a1b2c --\n",
    ] {
        check_dressed(format!("{between}{event}{between}{event}{between}").as_bytes(), 2);
    }
    let foreign = format!("{event}{}{event}", "what is this\n".repeat(5000));
    let found = read(foreign.as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.damages), (2, 5000));
}

#[test]
fn perf_script() {
    for line in [
        "iperf3   195 [001]  1830.433505: tcp:tcp_probe: ",
        "          iperf3   195 [001]  1830.433505:                    tcp:tcp_probe: ",
        "iperf3   190/195   [001]  1830.433505:          1 tcp:tcp_probe: ",
        "iperf3   195 [001]  1830.433505000: tcp:tcp_probe: ",
    ] {
        check_dressed(format!("{line}{BODY}\n\tffffffff81c2a5d4 tcp_ack+0x4 ([kernel.kallsyms])\n\n").as_bytes(), 1);
    }
    let found = read(format!("Web Content 195 [001] 1.5: tcp:tcp_probe: {BODY}\n").as_bytes()).unwrap();
    assert_eq!(found.events[0].3.as_deref(), Some("Web Content"));
}

#[test]
fn losses_that_perf_script_shows() {
    let line = |time: &str, rest: &str| format!("iperf3   195 [001]  1830.{time}: {rest}\n");
    let text = [
        line("433505", &format!("tcp:tcp_probe: {BODY}")),
        line("433506", "PERF_RECORD_LOST lost 42"),
        line("433507", &format!("tcp:tcp_probe: {BODY}")),
    ];
    let found = read(text.concat().as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.lost, found.losses.damages), (2, 42, 0));
    assert_eq!(found.gaps, [(1, 1_830_433_505_000, 1_830_433_507_000, Some(42))]);
}

#[test]
fn perf_script_with_other_columns() {
    // CPU, pid and comm, as far as the columns tell.
    for (columns, cpu, pid, comm) in [
        ("          iperf3   195  1830.433505:  tcp:tcp_probe: ", 0, 195, Some("iperf3")),
        ("Web Content   190/195    1830.433505:          1 tcp:tcp_probe: ", 0, 195, Some("Web Content")),
        ("          iperf3  1830.433505:  tcp:tcp_probe: ", 0, 0, Some("iperf3")),
        ("  195  1830.433505:  tcp:tcp_probe: ", 0, 195, None),
        ("[001]  1830.433505:  tcp:tcp_probe: ", 1, 0, None),
        ("  1830.433505:  tcp:tcp_probe: ", 0, 0, None),
    ] {
        let found = read(format!("{columns}{BODY}\n").as_bytes()).unwrap();
        let expected = (1_830_433_505_000, cpu, pid, comm.map(str::to_owned), "tcp_probe".to_owned());
        assert_eq!((found.events, found.losses), (vec![expected], Losses::default()), "{columns}");
    }
}

#[test]
fn perf_script_as_perf_6_1_prints_it() {
    let body = "family=AF_INET src=127.0.0.1:44667 dest=127.0.0.1:54380 mark=0 data_len=1000 snd_nxt=0xf2d6cbd1 \
                snd_una=0xf2d6cbd1 snd_cwnd=10 ssthresh=2147483647 snd_wnd=65536 srtt=29 rcv_wnd=65483 \
                sock_cookie=a7df4 skbaddr=0xffff88828a9236e0 skaddr=0xffff888283258000";
    for columns in [
        "         python3 12188 [000] 34618.765288:          ",
        "         python3 12188 [000] 34618.765288808:          ",
        "         python3 12188 [000]     0.000017:          ",
        "         python3 34618.765288:          ",
        "         python3 12188/12188 34618.765288:          ",
        "         python3 12188 [000] K     34618.765288:          ",
        "         python3 12188 [000] 34618.765288:          1          ",
    ] {
        for behind in ["", " ffffffff8207fbe7 tcp_rcv_established", " /system.slice/web.service"] {
            let line = format!("{columns}tcp:tcp_probe: {body}{behind}\n");
            let found = read(line.as_bytes()).unwrap();
            assert_eq!((found.events.len(), found.losses), (1, Losses::default()), "{line}");
            assert_eq!(found.events[0].3.as_deref(), Some("python3"), "{line}");
            let object = &json(line.as_bytes())[0];
            let wanted = [("snd_cwnd", 10), ("srtt", 29), ("sock_cookie", 0xa_7df4), ("mark", 0), ("sport", 44667)];
            assert!(wanted.iter().all(|(name, value)| object[*name] == *value), "{object}");
        }
    }
}

#[test]
fn what_the_journal_gives_as() {
    let line = format!("{CONTEXT}{BODY}");
    let entry =
        format!("__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1764312748123456\n_PID=42\nPRIORITY=6\nMESSAGE={line}\n\n");
    check_dressed(entry.repeat(2).as_bytes(), 2);
    let entry =
        format!("Sat 2026-11-28 06:52:28.1 UTC [s=1;i=2;b=3]\n    PRIORITY=6\n    MESSAGE={line}\n    _PID=42\n");
    check_dressed(entry.repeat(2).as_bytes(), 2);
    let bytes: Vec<u8> = line.replace("tcp_probe", "\u{1b}[1mtcp_probe\u{1b}[0m").into_bytes();
    let object = serde_json::json!({"__CURSOR": "s=1", "MESSAGE": bytes});
    check_dressed(format!("{object}\n\u{1e}{object}\ndata: {object}\n\n").as_bytes(), 3);
    check_dressed(format!("[{object},\n{object}]\n").as_bytes(), 2);
    let object = serde_json::json!({"__CURSOR": "s=1", "MESSAGE": line, "_PID": "42"});
    check_dressed(format!("{object:#}\n{object:#}\n").as_bytes(), 2);
    for dress in ["2026-11-28 06:52:28 +0000 app.x: ", "2026-11-28T06:52:28.1Z stdout F "] {
        check_dressed(format!("{dress}{object}\n").as_bytes(), 1);
    }
    // What else was logged is told, as of any log.
    let found = read(format!("_PID=42\nMESSAGE=another\n\n_PID=42\nMESSAGE={line}\n\n").as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.damages), (1, 1));
}

#[test]
fn a_carriage_return_ends_a_line_too() {
    let line = format!("{CONTEXT}{BODY}");
    check_dressed(format!("# tracer: nop\r#\r{line}\r{line}\r").as_bytes(), 2);
    check_dressed(format!("{line}\r{line}").as_bytes(), 2);
    check_dressed(format!("{line}\r\r\n{line}\r\n{line}\n{line}\r{line}\r").as_bytes(), 5);
    check_dressed(format!("  10%\r  50%\r100%\r{line}\n").as_bytes(), 1);
    check_dressed(format!("\u{1b}[?2004l\r{line}\r\n").as_bytes(), 1);
    // More than a buffer.
    assert_eq!(read(format!("{line}\r").repeat(3000).as_bytes()).unwrap().events.len(), 3000);
    // What was an event once is damage, whatever ends it; and lines are counted as an editor counts them.
    let cut = &line[..120];
    let found = read(format!("{line}\r\n{cut}\r{line}\r").as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.damages), (2, 1));
    assert!(found.problems[0].to_string().starts_with("line 2, "), "{:?}", found.problems);
}

#[test]
fn what_stands_around_pasted_text_is_no_damage() {
    let line = format!("{CONTEXT}{BODY}");
    for text in [
        format!("```\n{line}\n{line}\n```\n"),
        format!("> ```text\n> {line}\n> {}\n> ```\n", line.trim_start()),
        format!("{{noformat}}\n{line}\n{line}\n{{noformat}}\n"),
        format!("{{code:java}}\n    {line}\n    {line}\n{{code}}\n"),
        format!("<pre>\n{line}\n{line}\n</pre>\n"),
        format!("<html><body><pre>{line}\n{line}</pre></body></html>\n"),
        format!("root@host:/# cat trace_pipe\n{line}\n{line}\n^C\nroot@host:/#\n"),
        format!("$ cat trace\n{line}\n{line}\n"),
        format!(
            "Script started on 2026-11-28 06:52:28 [TERM=\"xterm\"]\n{line}\r\n{line}\r\n\nScript done on 2026-11-28\n"
        ),
        format!("\"{line}\"\n\"Nov 28, 2026 @ 06:52:28.1\",\"{line}\"\n"),
    ] {
        check_dressed(text.as_bytes(), 2);
    }
}

#[test]
fn characters_that_stand_for_others() {
    let line = format!("{CONTEXT}{BODY}");
    for text in [
        line.replace('=', "&#61;"),
        line.replace("  ", "&nbsp; "),
        line.replace("  ", "\u{a0} "),
        line.replace(' ', "\u{a0}"),
        format!("<p>{line}</p>"),
        format!("{line}<br>"),
        line.replace("srtt", "\u{1b}[01;31m\u{1b}[Ksrtt\u{1b}[m\u{1b}[K"),
        format!("\u{1b}]0;root@host: ~\u{7}{line}"),
        format!("12:{line}"),
        format!("trace.txt-12-{line}"),
        format!("     1\t{line}"),
        format!("{line}   "),
        line.split_whitespace().collect::<Vec<_>>().join(" "),
    ] {
        check_dressed(format!("{text}\n{text}\n").as_bytes(), 2);
    }
    for (comm, expected) in [("&lt;idle&gt;", Some("<idle>")), ("&lt;...&gt;", None), ("a&b;c", Some("a&b;c"))] {
        let found = read(line.replace("iperf3", comm).as_bytes()).unwrap();
        assert_eq!(found.events[0].3.as_deref(), expected);
    }
}

#[test]
fn what_trace_cmd_and_graphs_of_functions_add() {
    let (task, time) = (&CONTEXT[..25], "1830.433505");
    for line in [
        format!("{task}[001]  {time}: (+12) tcp_probe:            {BODY}"),
        format!("{task}[001] ..s2.  {time}000: tcp:tcp_probe: {BODY}"),
        format!("  {time} |   1)   iperf3-195   | ..s2. |               |  /* tcp_probe: {BODY} */"),
        format!(" {time} |  1)   iperf3-195   |               |  /* tcp_probe: {BODY} */"),
    ] {
        check_dressed(format!("{line}\n{line}\n").as_bytes(), 2);
    }
    // Without a time it is damage, not silence.
    let found = read(format!("{CONTEXT}{BODY}\n 1)               |  /* tcp_probe: {BODY} */\n").as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.damages), (1, 1));
    assert!(found.problems[0].to_string().contains("funcgraph-abstime"), "{:?}", found.problems);
}

#[test]
fn text_that_was_wrapped() {
    let line = format!("{CONTEXT}{BODY}");
    let hard = |columns: usize| {
        let pieces = line.as_bytes().chunks(columns).map(|piece| std::str::from_utf8(piece).unwrap());
        pieces.collect::<Vec<_>>().join("\n")
    };
    let soft = |columns: usize, indent: &str| {
        let mut text = format!("{indent}{}", &line[..38]);
        let mut column = text.len();
        for word in line[38..].split(' ').filter(|word| !word.is_empty()) {
            let is_full = column + 1 + word.len() > columns;
            text.push_str(&if is_full { format!("\n{indent}") } else { " ".to_owned() });
            column = if is_full { indent.len() } else { column + 1 } + word.len();
            text.push_str(word);
        }
        text
    };
    for columns in (72..=160).step_by(4) {
        check_dressed(format!("# tracer: nop\n#\n{0}\n{0}\n", hard(columns)).as_bytes(), 2);
        for indent in ["", "  ", "> "] {
            check_dressed(format!("{0}\r\n{0}\r\n{0}\r\n", soft(columns, indent)).as_bytes(), 3);
        }
    }
    let lossy = format!("{0}\nCPU:1 [LOST 7 EVENTS]\n{0}\n", hard(80));
    let found = read(lossy.as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.lost, found.losses.damages), (2, 7, 0));
}

#[test]
fn proc_net_tcpprobe() {
    let eleven = "12.000345678 10.0.0.1:5201 10.0.0.2:33960 1448 0x5f9e5332 0x5f9c9faa 54 51 197376 21125 64256\n";
    let ten = "12.000345678 10.0.0.1:5201 10.0.0.2:33960 1448 0x5f9e5332 0x5f9c9faa 54 51 197376 21125\n";
    for (text, rcv_wnd) in [(eleven, Some(64256)), (ten, None)] {
        let found = read(text.repeat(3).as_bytes()).unwrap();
        assert_eq!((found.events.len(), found.losses, found.notes), (3, Losses::default(), 1), "the unit of srtt");
        let object = &json(text.as_bytes())[0];
        assert_eq!((&object["clock_ns"], &object["comm"]), (&12_000_345_678_u64.into(), &serde_json::Value::Null));
        assert_eq!(
            (&object["snd_cwnd"], &object["length"], &object["sport"]),
            (&54.into(), &1448.into(), &5201.into())
        );
        assert_eq!(object.get("rcv_wnd").and_then(serde_json::Value::as_u64), rcv_wnd);
        let mut flows = Collector::default();
        Trace::sniff("text", text.as_bytes(), Wanted::default()).unwrap().for_each(|item| flows.item(&item.unwrap()));
        assert_eq!(flows.top(1).len(), 1);
    }
}

#[test]
fn a_console_dump() {
    let dump = format!(
        "[ 1900.000001] Dumping ftrace buffer:\n[ 1900.000002] ---------------------------------\n\
         [ 1900.000003] CPU:1 [LOST 42 EVENTS]\n\
         [ 1900.000004]   iperf3-195       1..s2. 1830433505us : tcp_probe: {BODY}\n\
         [ 1900.000005] ---------------------------------\n"
    );
    let found = read(dump.as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.lost, found.losses.damages), (1, 42, 0));
    assert_eq!((found.events[0].0, found.events[0].3.as_deref()), (1_830_433_505_000, Some("iperf3")));
}

#[test]
fn pointers_that_a_kernel_does_not_print() {
    for word in ["(____ptrval____)", "(ptrval)", "(null)"] {
        check_dressed(format!("{CONTEXT}{BODY} skbaddr={word} skaddr={word}\n").as_bytes(), 1);
    }
}

#[test]
fn a_truncated_last_line_is_told() {
    let text = format!("{CONTEXT}{BODY}\n{CONTEXT}{}", &BODY[..60]);
    let found = read(text.as_bytes()).unwrap();
    assert_eq!((found.events.len(), found.losses.damages), (1, 1));
}

#[test]
fn what_is_no_trace_is_named() {
    let check = |bytes: &[u8], expected: &str| match read(bytes) {
        Err(Error::Foreign { what, .. }) => assert_eq!(what, expected),
        other => panic!("{expected}: {other:?}"),
    };
    let line = format!("{CONTEXT}{BODY}\n");
    check(&gzip(&gzip(line.as_bytes())), "compressed by gzip twice");
    check(&gzip(b"\xd4\xc3\xb2\xa1\x02\0\x04\0"), "a packet capture (pcap)");
    check(b"\x0a\x0d\x0d\x0a\x1c\0\0\0", "a packet capture (pcapng)");
    check(b"\x02\x21\x4c\x18\x10\0", "compressed by lz4");
    check(b"\x28\xb5\x2f\xfd\x24\x05", "compressed by zstd");
    check(b"\x17\x08\x44tracing7\0\x01\x08", "a trace.dat of trace-cmd of a big-endian machine");
    check(&[0; 4096], "nothing but NULs");
    check(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0", "a core dump (ELF)");
    let tar = [&[b'a'; 257][..], b"ustar\x0000", &[b'x'; 512]].concat();
    check(&tar, "a tar archive");
    check(&gzip(&tar), "a tar archive");
    check(b"LPKSHHRH\0\0\0\0", "a file of the journal");
    check(b"\x8b\x02\x80hello\x03", "binary data of no known kind");
    check(b"name: tcp_probe\nID: 1\nformat:\n\nprint fmt: \"\"\n", "the format of an event");
    check(b"H4sIAAAAAAAAA+3TQQ\n", "gzip in base64");
    for (text, expected) in [
        ("06:52:28.1 IP 10.0.0.1.5201 > 10.0.0.2.33960: Flags [P.], seq 1:1449, ack 1, win 502", "output of tcpdump"),
        ("    1   0.0    10.0.0.1 → 10.0.0.2    TCP 74 33960 → 5201 [SYN] Seq=0 Win=64240 Len=0", "output of tshark"),
        ("State Recv-Q Send-Q Local Address:Port Peer Address:Port Process", "output of ss or netstat"),
        ("Attaching 1 probe...", "output of bpftrace without lines of ftrace"),
        ("Connecting to host 10.0.0.1, port 5201", "output of iperf3"),
        (
            "     0.000 python3/12316 tcp:tcp_probe(saddr: 0x7f9c891b039c, sport: 42501, family: 2)",
            "output of perf trace",
        ),
        ("a-1 [000] 1.5: tcp_probe:  saddr=ARRAY[02, 00] snd_cwnd=10\nb", "raw output of trace-cmd"),
    ] {
        check(format!("{text}\n").as_bytes(), expected);
    }
    let timeless = "output of perf script without times, or with columns that are not read";
    check(format!("iperf3   195 [001] tcp:tcp_probe: {BODY}\n").as_bytes(), timeless);
    check(format!(" 1)    |  /* tcp_probe: {BODY} */\n").as_bytes(), "a graph of functions without times");
    // What stands somewhere in a text is no magic.
    for comm in ["TCPPworker", "PERFILE2", "%PDF-", "BZh", "<html>"] {
        let text = line.replace("          iperf3", &format!("{comm:>16}")).repeat(2);
        assert_eq!(read(text.as_bytes()).unwrap().events[1].3.as_deref(), Some(comm));
    }
}
