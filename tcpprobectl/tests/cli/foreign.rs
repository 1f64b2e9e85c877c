//! Traces of trace-cmd and perf over the command line: every verb that reads takes them, and through `.tcpp` they stay the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::capture::fixtures;
use crate::common::{check_failure, program, stdout};

/// What is read, and with which exit code.
const FILES: [(&str, i32); 7] = [
    ("trace-cmd-v6.dat.gz", 0),
    ("trace-cmd-v7-zstd.dat.gz", 0),
    ("trace-cmd-v7-lost.dat.gz", 6),
    ("perf.data.gz", 0),
    ("perf-mono.data.gz", 0),
    ("perf-pipe.data.gz", 0),
    ("perf-lost.data.gz", 6),
];

fn foreign(name: &str) -> PathBuf {
    fixtures().join("foreign").join(name)
}

/// The events of a file as JSON, without pointers: they are ids of the process that read them.
fn events(path: &Path, code: i32) -> Vec<Value> {
    let assert = program().arg("convert").arg(path).args(["-o", "-", "--format", "json"]).assert().code(code);
    let mut events: Vec<Value> = stdout(&assert).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The others are marks of loss.
    events.retain(|event| !event["event"].is_null());
    for event in &mut events {
        let fields = event.as_object_mut().unwrap();
        ["skaddr", "skbaddr", "skb_addr"].into_iter().for_each(|name| drop(fields.remove(name)));
    }
    events
}

#[test]
fn through_tcpp_they_stay_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for (name, code) in FILES {
        let (tcpp, text) = (directory.path().join("file.tcpp"), directory.path().join("file.txt.gz"));
        program().arg("convert").arg(foreign(name)).arg("-o").arg(&tcpp).assert().code(code);
        let direct = events(&foreign(name), code);
        assert!(direct.len() > 15, "{name}");
        assert_eq!(events(&tcpp, code), direct, "{name}");
        // Text has microseconds, and no times of day.
        program().arg("convert").arg(&tcpp).arg("-o").arg(&text).assert().code(code);
        let told = |events: &[Value]| {
            let told = |event: &Value| [event["event"].clone(), event["snd_nxt"].clone(), event["cpu"].clone()];
            events.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(told(&events(&text, code)), told(&direct), "{name}");
    }
}

#[test]
fn every_verb_takes_them() {
    let directory = tempfile::tempdir().unwrap();
    for (name, code) in FILES {
        let run = |arguments: &[&str]| {
            let assert = program().current_dir(&directory).args(arguments).assert().code(code);
            stdout(&assert)
        };
        let path = foreign(name);
        let path = path.to_str().unwrap();
        run(&["plot", path, "-o", "x.svg"]);
        assert!(fs::read_to_string(directory.path().join("x.svg")).unwrap().contains("</svg>"), "{name}");
        for (verb, list) in [("summary", "rows"), ("diagnose", "connections")] {
            let told: Value = serde_json::from_str(&run(&[verb, path, "--json"])).unwrap();
            assert!(!told[list].as_array().unwrap().is_empty(), "{name}: {told}");
        }
        run(&["convert", path, "-o", "x.csv"]);
        run(&["convert", path, "-o", "x.parquet"]);
    }
}

#[test]
fn a_part_by_times_of_day() {
    let convert = |name: &str, range: &[&str]| {
        let path = foreign(name);
        program().arg("convert").arg(&path).args(range).args(["-o", "-", "--format", "json"]).assert()
    };
    let all = stdout(&convert("perf-mono.data.gz", &[]).code(0)).lines().count();
    let last = stdout(&convert("perf-mono.data.gz", &["--last", "1ms"]).code(0)).lines().count();
    assert!((1..all).contains(&last), "{last} of {all}");
    let none = format!(
        "{} does not tell the time of day; leave out --since, --until and --last",
        foreign("perf.data.gz").display()
    );
    check_failure(convert("perf.data.gz", &["--last", "1ms"]), 2, &none);
}

#[test]
fn what_perf_compressed_is_named_with_the_way_out() {
    let path = foreign("perf-z.data.gz");
    let assert = program().arg("summary").arg(&path).assert();
    let line =
        "has compressed records (perf record -z); make text of it, which is read: perf script -i FILE > FILE.txt";
    check_failure(assert, 1, &format!("{} {line}", path.display()));
}
