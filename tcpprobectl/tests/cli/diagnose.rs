//! `diagnose`: the same of a job and of its file, as text and as JSON.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::common::capture::fixtures;
use crate::common::daemon::{Daemon, jobs};
use crate::common::{program, stderr, stdout};

#[test]
fn a_job_and_its_file_are_told_the_same() {
    let trace = fs::read(fixtures().join("diagnose/rcvbuf/trace.tcpp")).unwrap();
    let daemon = Daemon::start(jobs(), trace.clone());
    fs::write(daemon.directory().join("a.tcpp"), trace).unwrap();
    let diagnose = |arguments: &[&str]| {
        let mut command = program();
        command.arg("diagnose").args(arguments);
        command.env("TCPPROBED_SOCKET", daemon.socket()).current_dir(daemon.directory()).assert()
    };
    let text = stdout(&diagnose(&["a.tcpp"]).code(0));
    assert!(text.contains("receive window") && text.contains("→ on the receiver"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(stdout(&diagnose(&["web"]).code(0)), text);

    let told: Value = serde_json::from_str(&stdout(&diagnose(&["web", "--json"]).code(0))).unwrap();
    let [connection] = &told["connections"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(connection["headline"]["limit"], "receive_window");
    let shares: f64 = connection["limits"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");

    let none = diagnose(&["a.tcpp", "--connection", ":1"]).code(5);
    assert_eq!(stdout(&none), "");
}

/// A job that runs is told again and again; Ctrl-C is how it ends, and no failure. Nothing is left on a terminal to be undone.
#[test]
fn a_job_is_watched_until_it_is_interrupted() {
    let trace = fs::read(fixtures().join("diagnose/rcvbuf/trace.tcpp")).unwrap();
    let daemon = Daemon::start(jobs(), trace);
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("tcpprobectl"));
    command.env("TCPPROBED_SOCKET", daemon.socket()).args(["diagnose", "web", "--watch", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let (first, second) = (next(), next());
    assert!(!first["connections"].as_array().unwrap().is_empty());
    assert_eq!(first, second);
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().all(|line| !line.contains('\x1b')), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `limit == NAME` and `cause == NAME` choose whole connections.
#[test]
fn filters_choose_connections_by_what_is_found() {
    let trace = fixtures().join("diagnose/rcvbuf/trace.tcpp");
    let check = |filter: &str, code: i32, said: &str| {
        let assert = program().arg("diagnose").arg(&trace).args(["--filter", filter]).assert().code(code);
        let told = stdout(&assert) + &stderr(&assert);
        assert!(told.contains(said), "{filter}: {told}");
    };
    check("limit == receive_window", 0, "receive window");
    check("limit == receive_window && sport == 30222", 0, "receive window");
    check("limit == packet_loss", 5, "has no such events");
    check("cause == timeout", 5, "has no such events");
    check("limit == slowness", 2, "no limit slowness");
}

#[test]
fn a_summary_has_the_same_rows_in_each_form() {
    let trace = fixtures().join("diagnose/loss-reno/trace.tcpp");
    let summary = |arguments: &[&str]| {
        let mut command = program();
        stdout(&command.arg("summary").arg(&trace).args(arguments).assert().code(0))
    };
    let told: Value = serde_json::from_str(&summary(&["--json"])).unwrap();
    let [row] = &told["rows"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(row["headline"], "packet_loss");
    assert!((0.002..0.02).contains(&row["loss"].as_f64().unwrap()), "{row}");
    let csv = summary(&["--csv"]);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 2, "{csv}");
    let column = |name: &str| lines[1][lines[0].iter().position(|title| *title == name).unwrap()];
    assert_eq!(column("bytes_acked"), row["bytes_acked"].to_string());
    assert_eq!(column("srtt_p95_us"), row["srtt_us"]["p95"].to_string());
    let table = summary(&[]);
    assert!(table.starts_with("CONNECTION") && table.contains("packet loss"), "{table}");
    for by in ["peer", "port", "cc", "process", "unit"] {
        let told: Value = serde_json::from_str(&summary(&["--by", by, "--json"])).unwrap();
        assert_eq!(told["rows"][0]["bytes_acked"], row["bytes_acked"], "{by}");
    }
}

#[test]
fn every_name_is_explained() {
    let list = stdout(&program().arg("explain").assert().code(0));
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 30 && names.contains(&"receive_window"), "{names:?}");
    for name in names {
        let page = stdout(&program().args(["explain", name]).assert().code(0));
        for heading in ["How it is decided", "What looks like it", "How to confirm", "Remedy"] {
            assert!(page.contains(heading), "{name}: {page}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }
    let assert = program().args(["explain", "slowness"]).assert().code(2);
    assert!(stderr(&assert).contains("`tcpprobectl explain` lists all"), "{}", stderr(&assert));
}

#[test]
fn what_cannot_be_diagnosed_is_refused() {
    let assert = program().arg("diagnose").arg(fixtures().join("wild/clock-counter.txt")).assert().code(1);
    assert!(stderr(&assert).contains("its clock counts no nanoseconds"), "{}", stderr(&assert));
    let assert = program().args(["diagnose", "./there-is-none.tcpp"]).assert().code(1);
    assert!(stderr(&assert).contains("there-is-none.tcpp"), "{}", stderr(&assert));
    assert_eq!(stdout(&assert), "");
}

/// What differs is in a table, which a plot of the same traces has too, and each trace's numbers are those of a summary of it alone.
#[test]
fn several_traces_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let trace = |name: &str| fixtures().join("diagnose").join(name).join("trace.tcpp");
    for (name, file) in [("rcvbuf", "a.tcpp"), ("loss-reno", "b.tcpp")] {
        fs::copy(trace(name), folder.path().join(file)).unwrap();
    }
    let summary = |arguments: &[&str]| {
        let mut command = program();
        command.current_dir(folder.path()).arg("summary").args(arguments).assert()
    };
    let assert = summary(&["a.tcpp", "b.tcpp"]).code(0);
    let text = stdout(&assert);
    let lines: Vec<&str> = text.lines().collect();
    let [heading, first, second] = lines[..] else { panic!("{text}") };
    assert!(
        heading.starts_with("TRACE") && heading.contains("SRTT P95, MS") && heading.contains("PACKET LOSS"),
        "{text}"
    );
    assert!(first.starts_with("a.tcpp") && !first.contains(" %)"), "{text}");
    assert!(second.starts_with("b.tcpp") && second.contains("(\u{2212}50 %)"), "{text}");
    assert!(stderr(&assert).contains("in brackets: against the first"), "{}", stderr(&assert));
    // The cells are those of the picture.
    let picture =
        program().current_dir(folder.path()).args(["plot", "a.tcpp", "b.tcpp", "-o", "-", "--format", "svg"]).assert();
    let picture = stdout(&picture.code(0));
    for cell in second.split("  ").map(str::trim).filter(|cell| !cell.is_empty()) {
        assert!(picture.contains(&cell.replace('<', "&lt;")), "{cell}");
    }

    let told: Value = serde_json::from_str(&stdout(&summary(&["a.tcpp", "b.tcpp", "--json"]).code(0))).unwrap();
    for (row, file) in told["rows"].as_array().unwrap().iter().zip(["a.tcpp", "b.tcpp"]) {
        let alone: Value = serde_json::from_str(&stdout(&summary(&[file, "--json"]).code(0))).unwrap();
        assert_eq!(row["key"], file);
        for name in ["connections", "bytes_acked", "retransmissions", "srtt_us", "headline"] {
            assert_eq!(row[name], alone["rows"][0][name], "{file} {name}");
        }
        let shares: f64 = row["limits"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{row}");
    }
    assert_eq!(stdout(&summary(&["a.tcpp", "b.tcpp", "a.tcpp", "--csv"]).code(0)).lines().count(), 4);
    for (arguments, line) in [
        (
            ["a.tcpp", "b.tcpp", "--by", "peer"],
            "--by is of one trace, and several are compared; leave it out, or give one trace",
        ),
        (
            ["a.tcpp", "b.tcpp", "--run", "1"],
            "--run is of one job, and several are compared; write NAME:RUN for each job",
        ),
    ] {
        assert_eq!(stderr(&summary(&arguments).code(2)), format!("tcpprobectl: {line}\n"));
    }
}

#[test]
fn runs_of_a_job_are_compared() {
    let daemon = Daemon::start(jobs(), fs::read(fixtures().join("diagnose/rcvbuf/trace.tcpp")).unwrap());
    let mut command = program();
    command.env("TCPPROBED_SOCKET", daemon.socket()).args(["summary", "web:1", "web:2"]);
    let text = stdout(&command.assert().code(0));
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(lines[0].starts_with("web, run 1") && lines[1].starts_with("web, run 2"), "{text}");
    assert!(lines[1].contains("(=)"), "{text}");
    let asked = daemon.asked.lock().unwrap().join("\n");
    assert!(asked.contains("run: 1,") && asked.contains("run: 2,"), "{asked}");
}
