//! doctor: a line a check, and the exit code that says whether a capture would work.

use std::path::Path;

use tcpprobe_proto::v1::{CheckLevel, Job, JobSpec};

use crate::common::daemon::{Daemon, check};
use crate::common::{run, stderr, stdout};

/// A daemon that finds this.
fn finding(level: CheckLevel) -> Daemon {
    let checks = vec![
        check("access", CheckLevel::Ok, "uid 0 may do everything", ""),
        check("tcp:tcp_probe", CheckLevel::Ok, "all 17 fields that features use are there", ""),
        check("store", level, "/var: 1 MB free", "free space there"),
    ];
    Daemon::with_checks(Vec::new(), Vec::new(), checks)
}

/// With the path of the socket taken out.
fn lines(daemon: &Daemon, code: i32) -> (String, String) {
    let assert = run(&daemon.socket(), &["doctor"]).code(code);
    (stdout(&assert).replace(daemon.socket().to_str().unwrap(), "SOCKET"), stderr(&assert))
}

#[test]
fn a_line_a_check() {
    let (out, words) = lines(&finding(CheckLevel::Warning), 0);
    insta::assert_snapshot!(out);
    assert_eq!(words, "tcpprobectl: captures work, with 1 warning\n");
    let (out, words) = lines(&finding(CheckLevel::Ok), 0);
    assert!(out.ends_with("ok       store          /var: 1 MB free; free space there\n"), "{out}");
    assert_eq!(words, "tcpprobectl: captures work\n");
}

#[test]
fn a_failure_is_1() {
    let (out, words) = lines(&finding(CheckLevel::Failure), 1);
    assert!(out.ends_with("failure  store          /var: 1 MB free; free space there\n"), "{out}");
    assert_eq!(words, "tcpprobectl: captures do not work: 1 failure\n");
}

#[test]
fn json() {
    let daemon = finding(CheckLevel::Failure);
    let text = stdout(&run(&daemon.socket(), &["doctor", "--json"]).code(1));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["works"], false);
    let checks = report["checks"].as_array().unwrap();
    let of = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(of("store")["level"], "failure");
    assert_eq!(of("store")["remedy"], "free space there");
    assert_eq!((&of("daemon")["level"], &of("daemon")["remedy"]), (&"ok".into(), &serde_json::Value::Null));
    assert_eq!(of("systemd")["level"], "skipped");
}

#[test]
fn who_may_not_start_jobs_is_4() {
    let viewer = check("access", CheckLevel::Failure, "uid 1000 may look and fetch, but start no jobs", "ask");
    let daemon = Daemon::with_checks(Vec::new(), Vec::new(), vec![viewer]);
    assert!(lines(&daemon, 4).0.contains("failure  access   uid 1000 may look"));
    let denied = Job { spec: Some(JobSpec { name: "denied".into(), ..JobSpec::default() }), ..Job::default() };
    let (out, words) = lines(&Daemon::start(vec![denied], Vec::new()), 4);
    assert!(out.starts_with("failure  daemon   denied; to be let in: ask\n"), "{out}");
    assert_eq!(words, "tcpprobectl: captures do not work: 1 failure\n");
}

#[test]
fn without_a_daemon_it_is_3_and_the_machine_is_looked_at() {
    let none = Path::new("/nonexistent/socket");
    let assert = run(none, &["doctor"]).code(3);
    let out = stdout(&assert);
    let first = "failure  daemon    tcpprobed does not answer on /nonexistent/socket: No such file or directory (os error 2); \
                 start it: tcpprobed --socket /nonexistent/socket\n";
    assert!(out.starts_with(first), "{out}");
    for name in ["group", "systemd", "kernel", "tracefs", "lockdown", "events"] {
        assert_eq!(out.lines().filter(|line| line.split_whitespace().nth(1) == Some(name)).count(), 1, "{name}: {out}");
    }
    assert!(stderr(&assert).starts_with("tcpprobectl: captures do not work: "), "{}", stderr(&assert));
    let report = stdout(&run(none, &["doctor", "--json"]).code(3));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report).unwrap()["works"], false);
}
