//! The commands about jobs, and what they print.

use crate::common::daemon::{Daemon, jobs};
use crate::common::{check_failure, run, stderr, stdout};

fn daemon() -> Daemon {
    Daemon::start(jobs(), Vec::new())
}

#[test]
fn list() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["list"]).code(0);
    insta::assert_snapshot!(stdout(&assert));
    assert!(stdout(&assert).lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn list_json() {
    insta::assert_snapshot!(stdout(&run(&daemon().socket(), &["list", "--json"]).code(0)));
}

#[test]
fn the_examples_of_the_help_ask_for_what_is_there() {
    let daemon = daemon();
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&stdout(&run(&daemon.socket(), arguments).code(0))).unwrap()
    };
    let lost = |job: &serde_json::Value| job["runs"].as_array().and_then(|runs| runs.last()?["lost"].as_u64());
    let all = json(&["list", "--json"]);
    assert!(all.as_array().unwrap().iter().any(|job| lost(job) > Some(0)), "{all}");
    assert!(lost(&json(&["status", "web", "--json"])).is_some());
    for verb in ["list", "status"] {
        let help = stdout(&run(&daemon.socket(), &[verb, "--help"]).code(0));
        let asked = help.lines().find_map(|line| line.split_once("jq ")).map(|(_, asked)| asked);
        assert!(asked.is_some_and(|asked| asked.contains(".runs[-1].lost")), "{help}");
    }
}

#[test]
fn list_of_nothing() {
    let daemon = Daemon::start(Vec::new(), Vec::new());
    let assert = run(&daemon.socket(), &["list"]).code(0);
    assert_eq!(
        (stdout(&assert).as_str(), stderr(&assert).as_str()),
        ("", "tcpprobectl: no jobs; `tcpprobectl start NAME` makes one\n")
    );
    assert_eq!(stdout(&run(&daemon.socket(), &["list", "--json"]).code(0)), "[]\n");
}

/// How long a run has lasted that is running is another with every second, and with it the width of the table's column.
fn settled(status: &str) -> String {
    let is_running = |line: &str| line.ends_with(" running");
    let without_time = |line: &str| {
        let words = line.split_whitespace().enumerate().filter(|(at, _)| *at != 4 || !is_running(line));
        words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    };
    let settle = |paragraph: &str| match paragraph.lines().any(is_running) {
        true => paragraph.lines().map(without_time).collect::<Vec<_>>().join("\n"),
        false => paragraph.to_owned(),
    };
    status.split("\n\n").map(settle).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn status() {
    insta::assert_snapshot!(settled(&stdout(&run(&daemon().socket(), &["status", "web"]).code(0))));
}

#[test]
fn status_of_all() {
    insta::assert_snapshot!(settled(&stdout(&run(&daemon().socket(), &["status"]).code(0))));
}

#[test]
fn status_json() {
    insta::assert_snapshot!(stdout(&run(&daemon().socket(), &["status", "web", "--json"]).code(0)));
}

#[test]
fn status_watch_into_a_pipe() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["status", "--watch"]).code(0);
    assert_eq!(
        stdout(&assert),
        "web: running, 12,345 events/s, 2,234,567 stored\n\
         lossy: stopped, - events/s, 500 stored, 42 LOST\n\
         broken: failed, - events/s, 0 stored (cannot read cpu1: Input/output error)\n"
    );
    let assert = run(&daemon.socket(), &["status", "web", "--watch", "--json"]).code(0);
    let line: serde_json::Value = serde_json::from_str(&stdout(&assert)).unwrap();
    assert_eq!(line["name"], "web");
}

#[test]
fn start_sends_what_was_typed() {
    let daemon = daemon();
    let arguments = [
        "start",
        "web",
        "--filter",
        "sport==80",
        "--events",
        "tcp_probe,tcp:tcp_*",
        "--buffer",
        "2000000",
        "--duration",
        "2h30m",
        "--max-size",
        "500M",
        "--max-age",
        "1d",
        "--no-clear",
    ];
    let assert = run(&daemon.socket(), &arguments).code(0);
    assert_eq!(stdout(&assert), "");
    insta::assert_snapshot!(stderr(&assert));
    insta::assert_snapshot!("start_asked", daemon.asked.lock().unwrap().join("\n"));
}

#[test]
fn start_dry_run() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["start", "web", "--dry-run"]).code(0);
    insta::assert_snapshot!(stdout(&assert));
    let assert = run(&daemon.socket(), &["start", "web", "--dry-run", "--json"]).code(0);
    insta::assert_snapshot!("start_dry_run_json", stdout(&assert));
}

#[test]
fn a_dry_run_tells_limits_also_while_the_job_runs() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["start", "web", "--dry-run", "--max-size", "2G", "--max-age", "7d"]).code(0);
    let limits = "limits: stops after 2h30m, keeps at most 2.15 GB, keeps the last 7d; all jobs keep at most 10.0 GB\n";
    assert!(stdout(&assert).contains(limits), "{}", stdout(&assert));
    assert!(stderr(&assert).contains("web runs: this is what it would do"), "{}", stderr(&assert));
    let assert = run(&daemon.socket(), &["start", "new", "--dry-run"]).code(0);
    assert!(
        stdout(&assert).contains("limits: none of its own; all jobs keep at most 10.0 GB\n"),
        "{}",
        stdout(&assert)
    );
    assert!(!stderr(&assert).contains("runs"), "{}", stderr(&assert));
}

#[test]
fn a_small_store_is_told_by_list_and_status() {
    let warning = "/var/lib/tcpprobed: traces have 1.00 GB of at most 10.0 GB, 8.00 MB are free; free space";
    let mut jobs = jobs();
    jobs.iter_mut().for_each(|job| warning.clone_into(&mut job.store_warning));
    let daemon = Daemon::start(jobs, Vec::new());
    let assert = run(&daemon.socket(), &["list"]).code(0);
    assert_eq!(stderr(&assert), format!("tcpprobectl: {warning}\n"));
    let assert = run(&daemon.socket(), &["status", "web"]).code(0);
    assert!(stdout(&assert).contains(&format!("  store:   {warning}\n")), "{}", stdout(&assert));
}

#[test]
fn a_dry_run_with_a_sample_estimates() {
    let daemon = daemon();
    let sample = ["start", "web", "--dry-run", "--sample"];
    insta::assert_snapshot!(stdout(&run(&daemon.socket(), &sample).code(0)));
    let json = stdout(&run(&daemon.socket(), &[&sample[..], &["--json"]].concat()).code(0));
    let sample = &serde_json::from_str::<serde_json::Value>(&json).unwrap()["sample"];
    assert_eq!(sample["events_per_s"], 10_002.0);
    assert_eq!(sample["bytes_per_day"], 3_456_691_200_u64);
    assert_eq!(sample["events"][1], serde_json::json!({"event": "tcp:tcp_retransmit_skb", "stored": 4, "filtered": 0}));
    let line = "the following required arguments were not provided: --dry-run; see `tcpprobectl start --help`";
    check_failure(run(&daemon.socket(), &["start", "web", "--sample"]), 2, line);
}

#[test]
fn rm() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["rm", "web", "--force"]).code(0);
    assert_eq!(stderr(&assert), "tcpprobectl: removed web with 8.94 MB\n");
    assert_eq!(daemon.asked.lock().unwrap().as_slice(), ["rm web true"]);
}

#[test]
fn rm_and_stop_take_many_and_go_on_after_a_failure() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["rm", "nosuch", "web", "lossy", "--force"]).code(5);
    let asked = || std::mem::take(&mut *daemon.asked.lock().unwrap());
    assert_eq!(asked(), ["rm nosuch true", "rm web true", "rm lossy true"]);
    assert!(stderr(&assert).contains("removed lossy"), "{}", stderr(&assert));
    if rustix::process::getuid().is_root() {
        run(&daemon.socket(), &["stop", "--all"]).code(0);
        assert_eq!(asked(), ["stop web", "stop broken"], "what is stopped already is left alone");
    }
    run(&daemon.socket(), &["stop", "--all", "web"]).code(2);
    run(&daemon.socket(), &["stop"]).code(2);
}

#[test]
fn start_keeps_what_is_not_named_and_says_what_changes() {
    let daemon = daemon();
    let start = |arguments: &[&str]| {
        let assert = run(&daemon.socket(), &[&["start", "web"], arguments].concat()).code(0);
        (std::mem::take(&mut *daemon.asked.lock().unwrap()).join("\n"), stderr(&assert))
    };
    let (asked, said) = start(&["--buffer", "128M"]);
    for kept in ["sport==80", "buffer_kb: 131072", "duration_s: 9000", "max_size_bytes: 500000000", "max_age_s: 86400"]
    {
        assert!(asked.contains(kept), "{kept}: {asked}");
    }
    assert!(said.contains("web changed: buffer: 134 MB, was 2.05 GB\n"), "{said}");
    assert_eq!(said.matches("changed:").count(), 1, "{said}");
    let (_, said) = start(&[]);
    assert_eq!(said.matches("changed:").count(), 0, "{said}");

    let (asked, said) = start(&["--filter", "", "--max-age", "none"]);
    assert!(asked.contains("filter: \"\"") && asked.contains("max_age_s: 0"), "{asked}");
    assert!(said.contains("filter: none, was sport==80") && said.contains("max-age: default, was 1d"), "{said}");
    // All of it, which must not pass for a spec that names nothing.
    let defaults = ["--filter", "", "--events", "", "--buffer", "none", "--duration", "none", "--max-size", "none"];
    let (asked, _) = start(&[&defaults[..], &["--max-age", "default"]].concat());
    assert!(asked.contains("events: [\"default\"]"), "{asked}");
}

#[test]
fn what_was_meant_is_told() {
    let daemon = daemon();
    let said = |arguments: &[&str]| stderr(&run(&daemon.socket(), arguments).code(2));
    for (arguments, meant) in [
        (&["start", "web", "sport==80"][..], "did you mean `--filter 'sport==80'`?"),
        (&["st"], "did you mean start, stop or status?"),
        (&["stat"], "did you mean `status`?"),
        (&["plto"], "did you mean `plot`?"),
        (&["rename"], "see `tcpprobectl --help`"),
        (&["import"], "see `tcpprobectl --help`"),
    ] {
        assert!(said(arguments).contains(meant), "{arguments:?}: {}", said(arguments));
    }
    let future = said(&["fetch", "web", "--since", "2100-01-01", "-o", "/dev/null"]);
    assert!(future.contains("--since is in the future"), "{future}");
}

#[test]
fn version() {
    let daemon = daemon();
    insta::assert_snapshot!(stdout(&run(&daemon.socket(), &["version"]).code(0)));
    insta::assert_snapshot!("version_json", stdout(&run(&daemon.socket(), &["version", "--json"]).code(0)));
    let assert = run(std::path::Path::new("/nonexistent"), &["version"]).code(3);
    assert_eq!(stdout(&assert), "tcpprobectl  0.1.0\n");
}
