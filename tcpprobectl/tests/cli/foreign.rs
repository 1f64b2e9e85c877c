//! Traces of trace-cmd and perf over the command line: every verb that reads takes them, and through `.tcpp` they stay the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::capture::fixtures;
use crate::common::{check_failure, program, stderr, stdout};

fn foreign(name: &str) -> PathBuf {
    fixtures().join("foreign").join(name)
}

/// The events of a file as JSON, without pointers: they are ids of the process that read them.
fn events(path: &Path, code: i32) -> Vec<Value> {
    let assert = program().arg("convert").arg(path).args(["-o", "-", "--format", "json"]).assert().code(code);
    let without_pointers = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        ["skaddr", "skbaddr", "sock_cookie", "sk"]
            .iter()
            .for_each(|name| drop(event.as_object_mut().unwrap().remove(*name)));
        event
    };
    stdout(&assert).lines().map(without_pointers).collect()
}

/// What is read, and with which exit code.
const FILES: [(&str, i32); 0] = [];

#[test]
fn through_tcpp_they_stay_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for (name, code) in FILES {
        let (tcpp, text) = (directory.path().join("file.tcpp"), directory.path().join("file.txt.gz"));
        program().arg("convert").arg(foreign(name)).arg("-o").arg(&tcpp).assert().code(code);
        let direct = events(&foreign(name), code);
        assert!(direct.len() > 20, "{name}");
        assert_eq!(events(&tcpp, code), direct, "{name}");
        // Text has microseconds, and no times of day.
        program().arg("convert").arg(&tcpp).arg("-o").arg(&text).assert().code(code);
        let of_text = events(&text, code);
        let told = |events: &[Value]| {
            let told = |event: &Value| [event["event"].clone(), event["snd_nxt"].clone(), event["cpu"].clone()];
            events.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(told(&of_text), told(&direct), "{name}");
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
        for verb in ["summary", "diagnose"] {
            let told: Value = serde_json::from_str(&run(&[verb, path, "--json"])).unwrap();
            assert!(!told["connections"].as_array().unwrap().is_empty(), "{name}: {told}");
        }
        run(&["convert", path, "-o", "x.csv"]);
        run(&["convert", path, "-o", "x.parquet"]);
    }
}
