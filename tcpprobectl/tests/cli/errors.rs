//! Every failure is one line that says what to do next, and ends with its own exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::daemon::{Daemon, jobs};
use crate::common::{check_failure, program, run, stderr};

fn daemon() -> Daemon {
    Daemon::start(jobs(), Vec::new())
}

#[test]
fn an_unknown_job_is_5() {
    let daemon = daemon();
    let line = "no job nosuch; `tcpprobectl list` shows the jobs";
    for arguments in [
        &["status", "nosuch"][..],
        &["status", "nosuch", "--watch"],
        &["stop", "nosuch"],
        &["rm", "nosuch"],
        &["fetch", "nosuch", "-o", "/dev/null"],
        &["fetch", "nosuch", "--last", "5m"],
        &["tail", "nosuch"],
    ] {
        check_failure(run(&daemon.socket(), arguments), 5, line);
    }
}

#[test]
fn a_job_without_events_is_5_and_leaves_no_file() {
    let daemon = daemon();
    let path = daemon.directory().join("out");
    for format in ["tcpp", "text", "text.gz", "json", "csv", "parquet", "perfetto"] {
        let arguments = ["fetch", "web", "--format", format, "-o", path.to_str().unwrap()];
        let line = "job web has no such events; take a wider range or filter, or wait for TCP traffic";
        check_failure(run(&daemon.socket(), &arguments), 5, line);
        assert!(!path.exists(), "{format}");
    }
    let missing_run = "job broken has no run; `tcpprobectl status broken` shows its runs";
    check_failure(run(&daemon.socket(), &["fetch", "broken", "--last", "5m"]), 5, missing_run);
}

#[test]
fn denied_is_4_with_the_way_in() {
    let daemon = daemon();
    let way_in = "add yourself to group tcpprobe: sudo usermod -aG tcpprobe $USER, then log in again";
    check_failure(run(&daemon.socket(), &["start", "denied"]), 4, &format!("uid 1000 may not start jobs; {way_in}"));
    check_failure(run(&daemon.socket(), &["status", "denied"]), 4, &format!("uid 1000 may not see jobs; {way_in}"));
}

#[test]
fn a_socket_that_may_not_be_used_is_4() {
    // Root may use any socket, so somebody else has to try.
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root to become somebody else");
        assert!(std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_none(), "this run may not skip");
        return;
    }
    let daemon = daemon();
    let socket = daemon.socket();
    fs::set_permissions(daemon.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let copy = Path::new("/tmp").join(format!("tcpprobectl-test-{}", std::process::id()));
    // Not by this process: others that its tests just start would hold the file open for writing, and then it cannot run.
    let program = assert_cmd::cargo::cargo_bin!("tcpprobectl");
    assert!(std::process::Command::new("cp").arg(program).arg(&copy).status().unwrap().success());
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&copy)
        .args(["list", "--socket"])
        .arg(&socket)
        .output();
    fs::remove_file(&copy).unwrap();
    let output = output.expect("setpriv (util-linux) is there");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "tcpprobectl: you may not use {}; \
             add yourself to group tcpprobe: sudo usermod -aG tcpprobe $USER, then log in again\n",
            socket.display()
        )
    );
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn nobody_at_the_socket_is_3() {
    let none = Path::new("/nonexistent/socket");
    let line = "tcpprobed does not answer on /nonexistent/socket: No such file or directory (os error 2); \
                start it: tcpprobed --socket /nonexistent/socket";
    check_failure(run(none, &["list"]), 3, line);
    check_failure(program().args(["list", "--socket", "/nonexistent/socket"]).assert(), 3, line);

    let directory = tempfile::tempdir().unwrap();
    let stale = directory.path().join("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let assert = run(&stale, &["list"]).code(3);
    assert!(stderr(&assert).contains("Connection refused"), "{}", stderr(&assert));
}

#[test]
fn what_is_neither_file_nor_job_is_said_to_be_neither() {
    let none = Path::new("/nonexistent/socket");
    let line = |assert: assert_cmd::assert::Assert| stderr(&assert);
    for verb in ["plot", "diagnose"] {
        let no_daemon = line(run(none, &[verb, "nosuch"]).code(3));
        assert!(
            no_daemon.starts_with("tcpprobectl: there is no file nosuch here: tcpprobed does not answer"),
            "{no_daemon}"
        );
        let no_file = line(run(none, &[verb, "nosuch.log"]).code(1));
        assert!(no_file.contains("nosuch.log: No such file"), "{no_file}");
        assert!(!no_file.contains("does not answer"), "{no_file}");
        let no_job = line(run(&daemon().socket(), &[verb, "nosuch"]).code(5));
        assert!(no_job.contains("no job nosuch"), "{no_job}");
    }
}

#[test]
fn something_else_at_the_socket_is_3() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("other");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let other = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mail.example.com ESMTP\r\n").unwrap();
    });
    let assert = run(&socket, &["list"]).code(3);
    other.join().unwrap();
    assert_eq!(stderr(&assert).lines().count(), 1, "{}", stderr(&assert));
}

#[test]
fn a_daemon_that_goes_away_is_3_and_leaves_no_file() {
    let daemon = Daemon::start(jobs(), vec![0; 100_000]);
    let path = daemon.directory().join("out.tcpp");
    let arguments = ["fetch", "breaks", "-o", path.to_str().unwrap()];
    check_failure(run(&daemon.socket(), &arguments), 3, "the daemon is stopping; try again later");
    let left: Vec<_> = fs::read_dir(daemon.directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["socket"]);
}

#[test]
fn the_wrong_state_is_1_and_the_daemons_words_stand() {
    let daemon = daemon();
    check_failure(run(&daemon.socket(), &["start", "twice"]), 1, "twice runs already; stop it: tcpprobectl stop twice");
    check_failure(run(&daemon.socket(), &["rm", "web"]), 1, "web runs; stop it first, or rm --force");
    let large = "a buffer of 2 GB is more than there is; 512000 KB fit";
    check_failure(run(&daemon.socket(), &["start", "large", "--buffer", "2000000"]), 1, large);
}

#[test]
fn a_wrong_command_line_is_2() {
    let daemon = daemon();
    let check = |arguments: &[&str], line: &str| check_failure(run(&daemon.socket(), arguments), 2, line);
    check(&["strat", "web"], "unrecognized subcommand 'strat'; did you mean `start`?");
    check(&["start"], "the following required arguments were not provided: <NAME>; see `tcpprobectl start --help`");
    check(&["start", "web", "--fliter", "x"], "unexpected argument '--fliter' found; did you mean `--filter`?");
    check(
        &["start", "web", "--max-size", "500X"],
        "invalid value '500X' for '--max-size <S>': unknown unit `X`: K, M, G, T (1024) or KB, MB, GB, TB (1000); \
         see `tcpprobectl start --help`",
    );
    check(
        &["start", "web", "--duration", "5"],
        "invalid value '5' for '--duration <D>': 5 what? write 5s, 5m, 5h or 5d; see `tcpprobectl start --help`",
    );
    check(&["start", "web", "--filter", "sport = 80"], "filter, column 7: a single = compares nothing; write ==");
    check(&["trace", "sport = 80"], "filter, column 7: a single = compares nothing; write ==");
    check(
        &["fetch", "web", "--run", "all"],
        "invalid value 'all' for '--run <N>': a run at a time; `tcpprobectl status NAME` lists them; \
         see `tcpprobectl fetch --help`",
    );
    check(
        &["tail", "web", "-n", "100000000"],
        "invalid value '100000000' for '--lines <N>': at most 100000; `tcpprobectl fetch NAME --format text` gives all; \
         see `tcpprobectl tail --help`",
    );
    check(&["start", "../etc"], "`../etc` is no name for a job; use letters and digits");
    check(
        &["fetch", "web", "--format", "jsn"],
        "invalid value 'jsn' for '--format <FORMAT>' [possible values: tcpp, text, text.gz, json, csv, parquet, perfetto]; \
         did you mean `json`?",
    );
    check(
        &["fetch", "web", "--last", "5m", "--since", "10:30"],
        "the argument '--last <D>' cannot be used with '--since <T>'; see `tcpprobectl fetch --help`",
    );
    assert!(daemon.asked.lock().unwrap().iter().all(|asked| asked.contains("../etc")), "nothing else was asked");
}

#[test]
fn no_command_shows_the_overview_and_is_2() {
    let assert = program().assert().code(2);
    assert!(stderr(&assert).contains("Record:\n  start"), "{}", stderr(&assert));
}

#[test]
fn stop_goes_on_after_a_job_that_it_cannot_stop() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["stop", "nosuch", "lossy", "web"]).code(5);
    assert_eq!(
        stderr(&assert),
        "tcpprobectl: no job nosuch; `tcpprobectl list` shows the jobs\n\
         tcpprobectl: stopped lossy: 500 events stored, 42 LOST\n\
         tcpprobectl: stopped web: 1,234,567 events stored, none lost\n"
    );
    run(&daemon.socket(), &["stop", "lossy"]).code(6);
    run(&daemon.socket(), &["stop", "web"]).code(0);
}
