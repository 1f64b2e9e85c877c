//! fetch, tail, trace and convert, with a trace of events that a kernel recorded.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::capture::{BOOT_WALL_NS, text, trace};
use crate::common::daemon::{Daemon, jobs};
use crate::common::{check_failure, program, run, stderr, stdout};

const CASE: &str = "ipv4-loss2";

fn daemon() -> Daemon {
    Daemon::start(jobs(), trace(CASE, 0))
}

/// What two texts of the same events agree on: all but the hashes that `%p` prints, and names of tasks that the kernel
/// had forgotten when it printed one and not when it printed the other.
fn comparable(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("EVENTS]"));
    let without = |line: &str| -> String {
        let words =
            line.split_whitespace().filter(|word| !word.starts_with("skbaddr=") && !word.starts_with("skaddr="));
        words.skip_while(|word| !word.starts_with('[')).collect::<Vec<_>>().join(" ")
    };
    lines.map(without).collect()
}

#[test]
fn text_is_the_kernels() {
    let daemon = daemon();
    let ours = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "text"]).code(0));
    let (ours, kernels) = (comparable(&ours), comparable(&text(CASE)));
    assert!(kernels.len() > 2000);
    assert_eq!(ours.len(), kernels.len());
    let differing = ours.iter().zip(&kernels).find(|(ours, kernels)| ours != kernels);
    assert_eq!(differing, None);
}

#[test]
fn tcpp_is_as_stored_and_converts_like_the_job() {
    let daemon = daemon();
    let path = daemon.directory().join("web.tcpp");
    let assert = run(&daemon.socket(), &["fetch", "web", "-o", path.to_str().unwrap()]).code(0);
    let wrote = format!("tcpprobectl: wrote {} (tcpp)\n", path.display());
    assert_eq!((stdout(&assert).as_str(), stderr(&assert)), ("", wrote));
    assert_eq!(fs::read(&path).unwrap(), trace(CASE, 0));
    for format in ["text", "json", "csv"] {
        let fetched = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", format]).code(0));
        let convert = ["convert", path.to_str().unwrap(), "-o", "-", "--format", format];
        assert_eq!(stdout(&program().args(convert).assert().code(0)), fetched, "{format}");
    }
}

#[test]
fn json_has_every_field_by_name() {
    let daemon = daemon();
    let lines = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "json"]).code(0));
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), comparable(&text(CASE)).len());
    let first = |name: &str| lines.lines().find(|line| line.contains(&format!("\"event\":\"{name}\""))).unwrap();
    insta::assert_snapshot!("json", [first("tcp_probe"), first("tcp_retransmit_skb")].join("\n"));
    let clock = events[0]["clock_ns"].as_i64().unwrap();
    assert_eq!(events[0]["time_ns"].as_i64(), Some(BOOT_WALL_NS + clock));
    assert!(events.windows(2).all(|pair| pair[0]["clock_ns"].as_u64() <= pair[1]["clock_ns"].as_u64()));
}

#[test]
fn csv_is_one_table() {
    let daemon = daemon();
    let table = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "csv"]).code(0));
    let header = table.lines().next().unwrap();
    let columns = header.split(',').count();
    assert!(table.lines().all(|line| line.split(',').count() == columns));
    let first = |name: &str| table.lines().find(|line| line.contains(&format!(",{name},"))).unwrap();
    insta::assert_snapshot!("csv", [header, first("tcp_probe"), first("tcp_retransmit_skb")].join("\n"));
    let probes = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "csv", "--events", "tcp_probe"]).code(0));
    assert!(!probes.contains("saddr_v6"), "only the columns of the events asked for");
}

#[test]
fn gzipped_text_comes_back() {
    let daemon = daemon();
    let path = daemon.directory().join("web.txt.gz");
    run(&daemon.socket(), &["fetch", "web", "-o", path.to_str().unwrap()]).code(0);
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "text"]).code(0)));
    // And as input: text again, line for line.
    let again =
        stdout(&program().args(["convert", path.to_str().unwrap(), "-o", "-", "--format", "text"]).assert().code(0));
    assert_eq!(again, unpacked);
}

#[test]
fn a_filter_gives_the_same_events_in_every_format() {
    let daemon = daemon();
    let selection = ["--filter", "snd_cwnd > 10 && sport == 56150", "--events", "tcp_pro*"];
    let fetch = |format: &str, more: &[&str]| {
        let arguments = [&["fetch", "web", "--format", format], &selection[..], more].concat();
        stdout(&run(&daemon.socket(), &arguments).code(0))
    };
    let json = fetch("json", &[]);
    let all = comparable(&text(CASE)).len();
    assert!((50..all / 2).contains(&json.lines().count()), "{} of {all}", json.lines().count());
    for line in json.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["event"], "tcp_probe");
        assert!(event["snd_cwnd"].as_u64().unwrap() > 10 && event["sport"] == 56150);
    }
    let path = daemon.directory().join("some.tcpp");
    fetch("tcpp", &["-o", path.to_str().unwrap()]);
    let copied = ["convert", path.to_str().unwrap(), "-o", "-", "--format", "json"];
    assert_eq!(stdout(&program().args(copied).assert().code(0)), json, "through a .tcpp of the selection");
    let from_text = daemon.directory().join("some.txt");
    fs::write(&from_text, text(CASE)).unwrap();
    let convert = [&["convert", from_text.to_str().unwrap(), "-o", "-", "--format", "json"], &selection[..]].concat();
    assert_eq!(stdout(&program().args(convert).assert().code(0)).lines().count(), json.lines().count());
}

#[test]
fn what_text_does_not_tell_is_not_made_up() {
    let daemon = daemon();
    let path = daemon.directory().join("old.txt");
    let ends = "sport=1 dport=2 saddr=10.0.0.1 daddr=10.0.0.2 saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2";
    fs::write(&path, format!("  <idle>-0 [000] ..s2. 9.067739: tcp_retransmit_skb: {ends}\n")).unwrap();
    let convert = ["convert", path.to_str().unwrap(), "-o", "-", "--format", "json"];
    let event: serde_json::Value = serde_json::from_str(&stdout(&program().args(convert).assert().code(0))).unwrap();
    assert_eq!(event["sport"], 1);
    for field in ["state", "err", "skbaddr", "skaddr"] {
        assert_eq!(event.get(field), None, "{field}");
    }
}

#[test]
fn a_range_is_exact() {
    let daemon = daemon();
    let all = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "json"]).code(0));
    let times: Vec<i64> = all
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["time_ns"].as_i64().unwrap())
        .collect();
    let (since, until) = (times[times.len() / 4], times[times.len() / 2]);
    let seconds = |ns: i64| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    let arguments = ["fetch", "web", "--format", "json", "--since", &seconds(since), "--until", &seconds(until)];
    let part = stdout(&run(&daemon.socket(), &arguments).code(0));
    assert_eq!(part.lines().count(), times.iter().filter(|time| (since..=until).contains(time)).count());
    let asked = daemon.asked.lock().unwrap().last().unwrap().clone();
    assert!(asked.contains(&format!("since_ns: {since}, until_ns: {until}")), "{asked}");
}

#[test]
fn the_last_counts_from_the_runs_newest_event() {
    let daemon = daemon();
    // The newest event of run 2 is an hour after noon, that of run 1 89 s after it; the trace is older than both.
    run(&daemon.socket(), &["fetch", "web", "--last", "10m"]).code(0);
    run(&daemon.socket(), &["fetch", "web", "--last", "9s", "--run", "1"]).code(0);
    let asked = daemon.asked.lock().unwrap().join("\n");
    assert!(asked.contains(&format!("since_ns: {}", BOOT_WALL_NS + 3_000_000_000_000)), "{asked}");
    assert!(asked.contains(&format!("run: 1, since_ns: {}", BOOT_WALL_NS + 80_000_000_000)), "{asked}");
}

#[test]
fn losses_are_told_and_are_6() {
    let daemon = Daemon::start(jobs(), trace(CASE, 1234));
    for (format, mark) in [("tcpp", ""), ("text", "[LOST 1234 EVENTS]"), ("json", "\"lost\":1234"), ("csv", ",1234\n")]
    {
        let assert = run(&daemon.socket(), &["fetch", "web", "--format", format]).code(6);
        assert!(String::from_utf8_lossy(&assert.get_output().stdout).contains(mark), "{format}");
        assert_eq!(stderr(&assert), "tcpprobectl: job web: 1,234 events were lost while recording\n", "{format}");
    }
    let text = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "text"]));
    assert!(text.contains("CPU:1 [LOST 1234 EVENTS]\n"));
    let path = daemon.directory().join("lossy.txt");
    fs::write(&path, text).unwrap();
    let assert = program().args(["convert", path.to_str().unwrap(), "-o", "/dev/null", "--format", "json"]).assert();
    assert_eq!(
        stderr(&assert.code(6)),
        format!("tcpprobectl: {}: 1,234 events were lost while recording\n", path.display())
    );
}

#[test]
fn a_damaged_trace_gives_what_is_left_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let whole = trace(CASE, 0);
    let convert = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        program().args(["convert", path.to_str().unwrap(), "-o", "-", "--format", "json"]).assert()
    };
    // Its first frame is written twice.
    let mut flipped = whole.clone();
    flipped[20] ^= 1;
    let assert = convert("flipped.tcpp", &flipped).code(6);
    assert_eq!(stdout(&assert).lines().count(), comparable(&text(CASE)).len());
    assert!(stderr(&assert).contains("flipped.tcpp: byte 0: a frame whose checksum is wrong"), "{}", stderr(&assert));
    // The only block is cut.
    let assert = convert("cut.tcpp", &whole[..whole.len() / 2]).code(5);
    assert_eq!(stdout(&assert), "");
    assert!(stderr(&assert).contains("cut short"), "{}", stderr(&assert));
}

#[test]
fn what_is_no_trace_is_1() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8], code: i32, line: &str| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        for format in ["json", "text"] {
            let arguments = ["convert", path.to_str().unwrap(), "-o", "-", "--format", format];
            check_failure(program().args(arguments).assert(), code, &line.replace("PATH", path.to_str().unwrap()));
        }
    };
    let no_trace = "PATH is not a trace; it takes .tcpp, ftrace text, trace.dat and perf.data, all also with .gz";
    check("passwd", b"root:x:0:0:root:/root:/bin/sh\n", 1, no_trace);
    let binary = "PATH is no trace but binary data of no known kind; Perfetto's traces and what brotli packed look so; \
                  it takes .tcpp, ftrace text, trace.dat and perf.data, all also with .gz";
    check("binary", &[0, 1, 2, 3, 0xff], 1, binary);
    check("long", "rubbish\n".repeat(100_000).as_bytes(), 1, no_trace);
    let nothing = "PATH has no such events; take a wider range or filter, or wait for TCP traffic";
    check("empty", b"", 5, nothing);
    check("comment", b"# tracer: nop\n", 5, nothing);
    let missing = program().args(["convert", "/nonexistent.tcpp", "-o", "x.json"]).assert();
    check_failure(missing, 1, "cannot read /nonexistent.tcpp: No such file or directory (os error 2)");
    let to_tcpp = directory.path().join("text.txt");
    fs::write(&to_tcpp, text(CASE)).unwrap();
    check_failure(
        program().args(["convert", to_tcpp.to_str().unwrap(), "-o", "x.dat"]).current_dir(&directory).assert(),
        2,
        "the name x.dat does not tell the format; end it in .tcpp, .txt, .txt.gz, .json, .csv, .parquet or .pftrace, or give --format",
    );
}

#[test]
fn text_becomes_a_tcpp_that_tells_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (from_text, tcpp) = (in_folder("a.txt"), in_folder("a.tcpp"));
    fs::write(&from_text, text(CASE)).unwrap();
    let assert = program().args(["convert", &from_text, "-o", &tcpp]).assert().code(0);
    assert_eq!((stdout(&assert).as_str(), stderr(&assert).as_str()), ("", ""));
    assert!(fs::metadata(&tcpp).unwrap().len() < fs::metadata(&from_text).unwrap().len() / 20, "it is compressed");
    for format in ["text", "json"] {
        let convert =
            |file: &str| stdout(&program().args(["convert", file, "-o", "-", "--format", format]).assert().code(0));
        assert_eq!(convert(&tcpp), convert(&from_text), "{format}");
    }
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let again = stdout(&program().args(["convert", &tcpp, "-o", "-", "--format", "text"]).assert().code(0));
    assert_eq!(lines(&again), lines(&text(CASE)), "the kernel's own lines, hashes of pointers and all");
}

#[test]
fn fields_are_chosen() {
    let daemon = daemon();
    let fetch = |format: &str| {
        stdout(&run(&daemon.socket(), &["fetch", "web", "--format", format, "--fields", "sport,snd_cwnd"]).code(0))
    };
    let probe = |lines: &str| -> serde_json::Value {
        serde_json::from_str(lines.lines().find(|line| line.contains("\"event\":\"tcp_probe\"")).unwrap()).unwrap()
    };
    let first = probe(&fetch("json"));
    assert!(first["snd_cwnd"].as_u64().unwrap() > 0 && first["sport"].as_u64().unwrap() > 0);
    assert_eq!(first.get("srtt"), None);
    assert!(fetch("csv").starts_with("time,time_ns,clock_ns,cpu,pid,comm,event,sport,snd_cwnd,lost\n"));
    let all = probe(&stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "json"]).code(0)));
    assert_eq!((&first["snd_cwnd"], &first["sport"], &first["time"]), (&all["snd_cwnd"], &all["sport"], &all["time"]));
    let refused = run(&daemon.socket(), &["fetch", "web", "--format", "text", "--fields", "srtt"]);
    check_failure(refused, 2, "--fields goes with json and csv; text has all fields; leave it out");
}

#[test]
fn broken_lines_are_told_by_number_and_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.txt");
    let whole = text(CASE);
    let lines: Vec<&str> = whole.lines().collect();
    let broken = [&lines[..50], &["what is this"], &lines[50..]].concat().join("\n");
    fs::write(&path, broken).unwrap();
    let assert = program().args(["convert", path.to_str().unwrap(), "-o", "-", "--format", "json"]).assert().code(6);
    assert_eq!(stdout(&assert).lines().count(), comparable(&whole).len());
    assert!(stderr(&assert).contains("broken.txt: line 51, column 1: "), "{}", stderr(&assert));
    assert_eq!(stderr(&assert).lines().count(), 1);
}

#[test]
fn convert_takes_a_part_of_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.tcpp");
    fs::write(&path, trace(CASE, 0)).unwrap();
    let lines = |more: &[&str]| {
        let arguments = [&["convert", path.to_str().unwrap(), "-o", "-", "--format", "json"], more].concat();
        stdout(&program().args(arguments).assert().code(0)).lines().count()
    };
    let (all, last) = (lines(&[]), lines(&["--last", "500ms"]));
    assert!(last > 0 && last < all, "{last} of {all}");
    assert_eq!(lines(&["--since", "1"]), all);
    let text_path = directory.path().join("a.txt");
    fs::write(&text_path, text(CASE)).unwrap();
    program()
        .args(["convert", text_path.to_str().unwrap(), "-o", "-", "--format", "json", "--last", "1s"])
        .assert()
        .code(2);
}

#[test]
fn tail_has_json_and_short_lines_of_100_columns() {
    let daemon = daemon();
    let tail =
        |format: &str| stdout(&run(&daemon.socket(), &["tail", "web", "-n", "100000", "--format", format]).code(0));
    let json = tail("json");
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert!(first["time"].is_string() && first["event"].is_string(), "{first}");
    let short = tail("short");
    assert_eq!(short.lines().count(), json.lines().count());
    assert!(short.lines().all(|line| line.chars().count() <= 100), "{short}");
    let words = ["cwnd ", "srtt ", "flight ", "retransmit_skb ESTABLISHED"];
    assert!(words.iter().all(|word| short.contains(word)), "{short}");
}

#[test]
fn tail_of_a_job_that_does_not_run_says_so() {
    let daemon = daemon();
    let mut child = spawn(&daemon.socket(), &["tail", "lossy", "-f"]);
    daemon.wait_for("read");
    std::thread::sleep(std::time::Duration::from_millis(300));
    interrupt(&child);
    let mut said = String::new();
    Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    child.wait().unwrap();
    assert!(said.contains("job lossy does not run"), "{said}");
}

#[test]
fn the_end_of_a_name_tells_the_format_or_is_refused() {
    let daemon = daemon();
    let path = |name: &str| daemon.directory().join(name).to_str().unwrap().to_owned();
    let fetch = |name: &str| run(&daemon.socket(), &["fetch", "web", "-o", &path(name)]);
    fetch("a.log").code(0);
    fetch("a.txt").code(0);
    assert_eq!(fs::read(path("a.log")).unwrap(), fs::read(path("a.txt")).unwrap());
    let assert = fetch("a").code(0);
    assert_eq!(stderr(&assert), format!("tcpprobectl: wrote {} (tcpp)\n", path("a")));
    let assert = fetch("a.pcap").code(2);
    assert!(stderr(&assert).contains("the name ends in .pcap; end it in"), "{}", stderr(&assert));
    assert!(!daemon.directory().join("a.pcap").exists());
}

#[test]
fn an_empty_newest_run_does_not_hide_the_one_before() {
    let mut jobs = jobs();
    jobs[0].runs[1].ledger = None;
    let daemon = Daemon::start(jobs, trace(CASE, 0));
    let assert = run(&daemon.socket(), &["fetch", "web", "--format", "text"]).code(0);
    assert_eq!(stderr(&assert), "tcpprobectl: run 2 of web has no events yet; this is run 1\n");
    daemon.wait_for("read ReadRequest { name: \"web\", run: 1,");
}

#[test]
fn tail_shows_the_newest() {
    let daemon = daemon();
    let all = stdout(&run(&daemon.socket(), &["fetch", "web", "--format", "text"]).code(0));
    let lines: Vec<&str> = all.lines().collect();
    let newest = |count: usize| lines[lines.len() - count..].iter().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(stdout(&run(&daemon.socket(), &["tail", "web"]).code(0)), newest(10));
    assert_eq!(stdout(&run(&daemon.socket(), &["tail", "web", "-n", "1"]).code(0)), newest(1));
    assert_eq!(stdout(&run(&daemon.socket(), &["tail", "web", "-n", "0"]).code(0)), "");
    assert_eq!(stdout(&run(&daemon.socket(), &["tail", "web", "-n", "100000"]).code(0)), all);
    let filtered = stdout(&run(&daemon.socket(), &["tail", "web", "-n", "3", "--filter", "sport == 5297"]).code(0));
    assert_eq!(filtered.lines().count(), 3);
    let refused = run(&daemon.socket(), &["tail", "web", "--filter", "unit == nginx.service"]).code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("chooses whole connections"));
}

/// The program, started, with its stdout to be read.
fn spawn(socket: &Path, arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("tcpprobectl"));
    command.env("TCPPROBED_SOCKET", socket).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn tail_follows_until_it_is_interrupted() {
    let daemon = daemon();
    let mut child = spawn(&daemon.socket(), &["tail", "web", "-n", "2", "-f"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // It shows them although the stream does not end.
    out.read_line(&mut line).unwrap();
    out.read_line(&mut line).unwrap();
    assert_eq!(line.lines().count(), 2);
    interrupt(&child);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn trace_records_prints_and_stops() {
    let daemon = daemon();
    let mut child = spawn(&daemon.socket(), &["trace", "sport==80", "--name", "trace-x", "--buffer", "1000"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    // As timeout(1) does: the program, and its group.
    interrupt(&child);
    std::thread::sleep(std::time::Duration::from_millis(10));
    interrupt(&child);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((first + &rest).lines().count(), comparable(&text(CASE)).len(), "all of it, also after Ctrl-C");
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        words,
        "tcpprobectl: the buffer was rounded to 2000000 KB\n\
         tcpprobectl: recording as job trace-x; Ctrl-C ends it\n\
         tcpprobectl: 2,112 events, kept in job trace-x: `tcpprobectl plot trace-x` draws them\n"
    );
    let asked = daemon.asked.lock().unwrap().clone();
    assert!(asked[0].contains("filter: \"sport==80\"") && asked[0].contains("buffer_kb: 1000"), "{asked:?}");
    assert!(asked[1].contains("run: 3") && asked[1].contains("follow: true"), "{asked:?}");
    assert_eq!(asked[2..], ["stop trace-x"]);
}

#[test]
fn trace_stops_its_job_when_nobody_reads() {
    let daemon = daemon();
    let mut child = spawn(&daemon.socket(), &["trace", "--name", "trace-x"]);
    // As `| head -1` does.
    let mut out = BufReader::with_capacity(128, child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    drop(out);
    daemon.wait_for("stop trace-x");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_interrupted_conversion_leaves_no_file() {
    let daemon = daemon();
    let path = daemon.directory().join("out.tcpp");
    fs::write(&path, "old").unwrap();
    // Nothing ends this: the trace comes from a pipe that nobody closes.
    let fifo = daemon.directory().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let mut child = spawn(&daemon.socket(), &["convert", fifo.to_str().unwrap(), "-o", path.to_str().unwrap()]);
    let mut pipe = fs::File::options().write(true).open(&fifo).unwrap();
    std::io::Write::write_all(&mut pipe, &trace(CASE, 0)).unwrap();
    let temporary = || {
        fs::read_dir(daemon.directory())
            .unwrap()
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
    };
    while !temporary() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    interrupt(&child);
    // The read that was under way ends; the next one sees the signal.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let _ = std::io::Write::write_all(&mut pipe, &[0; 100_000]);
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(!temporary());
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn an_interrupted_fetch_leaves_no_file() {
    let daemon = daemon();
    let path = daemon.directory().join("out.tcpp");
    let mut child = spawn(&daemon.socket(), &["fetch", "hangs", "-o", path.to_str().unwrap()]);
    daemon.wait_for("read");
    std::thread::sleep(std::time::Duration::from_millis(200));
    interrupt(&child);
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(words, "tcpprobectl: interrupted before all was written\n");
    let left: Vec<_> = fs::read_dir(daemon.directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["socket"]);
}

#[test]
fn a_connection_is_read_alone() {
    let daemon = daemon();
    let fetch = |more: &[&str]| {
        let arguments = [&["fetch", "web", "--format", "json"], more].concat();
        let lines = stdout(&run(&daemon.socket(), &arguments).code(0));
        lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let all = fetch(&[]);
    let ends = |event: &serde_json::Value| {
        let end = |address: &str, port: &str| {
            format!("{}:{}", event[address].as_str().unwrap_or_default(), event[port].as_u64().unwrap_or_default())
        };
        [end("saddr", "sport"), end("daddr", "dport")]
    };
    let [one, other] = ends(all.iter().find(|event| event["event"] == "tcp_probe").unwrap());
    let of_it: Vec<_> = all
        .iter()
        .filter(|event| [[&one, &other], [&other, &one]].contains(&ends(event).each_ref()))
        .cloned()
        .collect();
    assert!(of_it.len() < all.len(), "{one} is not alone");
    for connection in [format!("{one},{other}"), format!("{other},{one}")] {
        assert!(fetch(&["--connection", &connection]) == of_it, "{connection}");
    }
    let few = of_it.iter().filter(|event| event["snd_cwnd"].as_u64().is_none_or(|cwnd| cwnd > 10)).count();
    let found = fetch(&["--connection", &format!("{one},{other}"), "--filter", "snd_cwnd > 10"]);
    assert_eq!(found.len(), few);
    let port = &one[one.rfind(':').unwrap()..];
    assert!(fetch(&["--connection", port]).len() >= of_it.len());

    let refused = run(&daemon.socket(), &["fetch", "web", "--connection", "443"]).code(2);
    assert!(stderr(&refused).contains("write ADDR, :PORT, ADDR:PORT"), "{}", stderr(&refused));
    let refused = run(&daemon.socket(), &["fetch", "web", "--connection", ":443", "--filter", "sprot == 1"]).code(2);
    assert!(stderr(&refused).contains("filter, column 1: no event"), "as it was typed: {}", stderr(&refused));
}
