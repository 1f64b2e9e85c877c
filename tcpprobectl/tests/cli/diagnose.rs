//! `diagnose`: the same of a job and of its file, as text and as JSON.

use std::fs;

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

#[test]
fn what_cannot_be_diagnosed_is_refused() {
    let assert = program().arg("diagnose").arg(fixtures().join("wild/clock-counter.txt")).assert().code(1);
    assert!(stderr(&assert).contains("its clock counts no nanoseconds"), "{}", stderr(&assert));
    let assert = program().args(["diagnose", "./there-is-none.tcpp"]).assert().code(1);
    assert!(stderr(&assert).contains("there-is-none.tcpp"), "{}", stderr(&assert));
    assert_eq!(stdout(&assert), "");
}
