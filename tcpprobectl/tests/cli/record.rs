//! `record`, as far as it is the client's: what it asks of the daemon and when, and what it refuses before the command runs.

use std::fs;

use assert_cmd::assert::Assert;

use crate::common::capture::trace;
use crate::common::daemon::{Daemon, jobs};
use crate::common::{check_failure, program, stderr, stdout};

fn record(daemon: &Daemon, arguments: &[&str]) -> Assert {
    let mut command = program();
    command.env("TCPPROBED_SOCKET", daemon.socket()).current_dir(daemon.directory());
    command.arg("record").args(arguments).assert()
}

#[test]
fn the_command_runs_while_the_daemon_records() {
    let daemon = Daemon::start(jobs(), trace("ipv4-loss2", 0));
    let own = assert_cmd::cargo::cargo_bin!("tcpprobectl").display().to_string();
    let arguments = ["--filter", "dport==443", "--events", "minimal", "--snapshots", "off", "--max-size", "2G", "--"];
    let assert = record(&daemon, &[&arguments[..], &[&own, "stop", "web"]].concat()).code(0);
    let asked = daemon.asked.lock().unwrap().clone();
    let verbs: Vec<&str> = asked.iter().map(|asked| asked.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["start", "watch", "stop", "stop", "read", "rm"], "{asked:?}");
    assert_eq!(asked[2], "stop web", "the command's own");
    for told in [
        "filter: \"dport==443\"",
        "[\"minimal\", \"sched:sched_process_fork\", \"sock:inet_sock_set_state\", \"tcp:tcp_destroy_sock\"]",
        "max_size_bytes: 2147483648",
        "snapshots_s: Some(0)",
    ] {
        assert!(asked[0].contains(told), "without {told}: {}", asked[0]);
    }
    assert!(asked[1].starts_with("watch [\"record-"), "{asked:?}");
    assert!(asked[5].ends_with(" true"), "{asked:?}");
    // Its trace tells nothing of the command, and has fewer events than it says were stored.
    let words = stderr(&assert);
    assert!(words.contains("had no TCP connection; nothing was written"), "{words}");
    assert!(words.contains("the first 1,232,455 events went, for the recording was too large"), "{words}");
}

/// The command's words are its own, and so is its status.
#[test]
fn it_ends_as_the_command_does() {
    let daemon = Daemon::start(jobs(), trace("ipv4-loss2", 0));
    let assert = record(&daemon, &["sh", "-c", "echo out; exit 3"]).code(3);
    assert_eq!(stdout(&assert), "out\n");
    let assert = record(&daemon, &["--", "no-such-program"]).code(127);
    assert!(stderr(&assert).contains("cannot run no-such-program: "), "{}", stderr(&assert));
    let asked = daemon.asked.lock().unwrap().clone();
    assert!(asked.last().unwrap().starts_with("rm record-"), "{asked:?}");
    assert_eq!(fs::read_dir(daemon.directory()).unwrap().count(), 1, "the socket alone");
}

#[test]
fn what_is_refused_before_the_command_runs() {
    let daemon = Daemon::start(jobs(), Vec::new());
    let touch = |arguments: &[&str]| record(&daemon, &[arguments, &["--", "touch", "ran"]].concat());
    check_failure(touch(&["-o", "-"]), 2, "stdout is the command's; give the name of a file");
    check_failure(
        touch(&["-o", "no/such/folder/x.tcpp"]),
        1,
        "cannot write no/such/folder/x.tcpp: No such file or directory (os error 2); give another name with -o",
    );
    check_failure(touch(&["-o", "."]), 1, "cannot write .: it is a folder; give another name with -o");
    let assert = touch(&["-o", "x.pcap"]).code(2);
    assert!(stderr(&assert).contains("x.pcap cannot be written"), "{}", stderr(&assert));
    let assert = touch(&["--filter", "sport = 80"]).code(2);
    assert!(stderr(&assert).contains("a single = compares nothing"), "{}", stderr(&assert));
    let assert = touch(&["--filter", "unit == nginx.service"]).code(2);
    assert!(stderr(&assert).contains("about owners"), "{}", stderr(&assert));
    record(&daemon, &[]).code(2);
    assert!(!daemon.directory().join("ran").exists());
    assert!(daemon.asked.lock().unwrap().is_empty());
}
