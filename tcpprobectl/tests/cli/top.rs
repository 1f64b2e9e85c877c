//! `top`: as JSON, as a table, and on a terminal, which is afterwards as it was before however it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::capture::fixtures;
use crate::common::daemon::{Daemon, jobs};
use crate::common::tmux::Tmux;
use crate::common::{check_failure, run, stderr, stdout};

fn daemon() -> Daemon {
    Daemon::start(jobs(), fs::read(fixtures().join("diagnose/rcvbuf/trace.tcpp")).unwrap())
}

#[test]
fn a_table_once_where_there_is_no_terminal() {
    let daemon = daemon();
    let told = stdout(&run(&daemon.socket(), &["top", "web", "-d", "0.2"]).code(0));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("CONNECTION") && lines[0].contains("HELD BACK BY"), "{told}");
    assert!(lines[1].starts_with("[fd5a:38::2]:30222 → [fd5a:38::1]:34522"), "{told}");
    assert_eq!(lines.len(), 2, "{told}");
    // All that run are one.
    assert_eq!(stdout(&run(&daemon.socket(), &["top", "-d", "0.2"]).code(0)).lines().count(), 2);
    let chosen = |filter: &str| {
        stdout(&run(&daemon.socket(), &["top", "web", "-d", "0.1", "--filter", filter]).code(0)).lines().count() - 1
    };
    assert_eq!((chosen("sport == 30222"), chosen("sport == 1"), chosen("fd5a:38")), (1, 0, 1));
    assert_eq!((chosen("limit == receive_window"), chosen("limit == policer")), (1, 0));
    daemon.wait_for("read");
    let asked = daemon.asked.lock().unwrap().clone();
    let reads: Vec<&String> = asked.iter().filter(|asked| asked.starts_with("read")).collect();
    assert!(reads.iter().all(|read| read.contains("follow: true")), "{reads:?}");
}

#[test]
fn json_is_a_line_each_time() {
    let daemon = daemon();
    let told = stdout(&run(&daemon.socket(), &["top", "web", "--json", "-n", "3", "-d", "0.1"]).code(0));
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let [connection] = &lines[0]["connections"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!((&connection["job"], &connection["local"]), (&"web".into(), &"[fd5a:38::2]:30222".into()));
    assert!(connection["srtt_us"].as_u64().unwrap() > 50_000, "{connection}");
    assert_eq!(connection["retransmissions"]["timeout"], 0);
    for name in ["lost", "gaps_unknown", "untracked"] {
        assert_eq!(lines[0]["jobs"][0][name], 0, "{name}");
    }
    assert!(lines[0]["jobs"][0]["events"].as_u64().unwrap() > 1000);
    let none =
        stdout(&run(&daemon.socket(), &["top", "web", "--json", "-n1", "-d", "0.1", "--filter", "sport == 1"]).code(0));
    let none: Value = serde_json::from_str(&none).unwrap();
    assert_eq!((&none["connections"], &none["left_out"]), (&Value::Array(Vec::new()), &0.into()));
}

/// Ctrl-C is how it ends, and no failure.
#[test]
fn json_goes_on_until_it_is_interrupted() {
    let daemon = daemon();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("tcpprobectl"));
    command.env("TCPPROBED_SOCKET", daemon.socket()).args(["top", "web", "--json", "-d", "0.1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (0..3).for_each(|_| assert!(lines.next().unwrap().unwrap().starts_with('{')));
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    lines.for_each(|line| drop(line.unwrap()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_shown_is_said_with_its_exit_code() {
    let daemon = daemon();
    let check = |arguments: &[&str], code, line: &str| {
        let arguments: Vec<&str> = ["top"].iter().chain(arguments).copied().collect();
        check_failure(run(&daemon.socket(), &arguments), code, line);
    };
    check(&["lossy"], 5, "job lossy does not run; start it, or see what it recorded: tcpprobectl summary lossy");
    check(&["nosuch"], 5, "no job nosuch; `tcpprobectl list` shows the jobs");
    check(&["denied"], 4, &stderr(&run(&daemon.socket(), &["status", "denied"])).trim_end()["tcpprobectl: ".len()..]);
    check(&["web", "--filter", "sport = 80"], 2, "filter, column 7: a single = compares nothing; write ==");
    check(
        &["web", "-d", "0.01"],
        2,
        "invalid value '0.01' for '--delay <D>': from 0.1s to 1h; see `tcpprobectl top --help`",
    );
    let idle = Daemon::start(Vec::new(), Vec::new());
    check_failure(run(&idle.socket(), &["top"]), 5, "no job runs; start one: tcpprobectl start NAME");
}

#[test]
fn a_daemon_that_breaks_off_ends_it() {
    let daemon = daemon();
    let assert = run(&daemon.socket(), &["top", "breaks", "-d", "0.1", "-n", "50"]).code(3);
    assert!(stderr(&assert).contains("the daemon is stopping"), "{}", stderr(&assert));
}

/// What was lost is in its words, and in the exit code.
#[test]
fn losses_are_told() {
    let daemon = Daemon::start(jobs(), crate::common::capture::trace("ipv4-loss2", 42));
    let assert = run(&daemon.socket(), &["top", "web", "--json", "-n", "1", "-d", "0.1"]).code(6);
    let told: Value = serde_json::from_str(&stdout(&assert)).unwrap();
    assert!(told["jobs"][0]["lost"].as_u64().unwrap() >= 42, "{told}");
    assert!(stderr(&assert).contains("events were lost"), "{}", stderr(&assert));
}

/// A terminal in which `top` runs, and how the terminal was before.
struct Watched {
    tmux: Tmux,
    before: String,
}

impl Watched {
    fn begin(daemon: &Daemon, arguments: &str) -> Option<Self> {
        let tmux = Tmux::open(120, 20)?;
        let before = tmux.settings("before");
        let binary = assert_cmd::cargo::cargo_bin!("tcpprobectl");
        let (binary, socket) = (binary.display(), daemon.socket());
        tmux.run(&format!("clear; {binary} --socket {} {arguments}; echo it ended with $?", socket.display()));
        Some(Watched { tmux, before })
    }

    fn top(daemon: &Daemon) -> Option<Self> {
        let watched = Self::begin(daemon, "top web -d 0.2")?;
        watched.tmux.wait("top shows a connection", |screen| screen.contains("fd5a:38::2"));
        assert_eq!(watched.tmux.is_taken(), (true, true));
        Some(watched)
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.tmux.child().unwrap()).unwrap(), signal).unwrap();
    }

    /// Checks that it ended so, said no more than that, and left the terminal as it was.
    #[track_caller]
    fn ended(&self, code: i32, said: &str) {
        let end = format!("it ended with {code}");
        let screen = self.tmux.wait(&end, |screen| screen.lines().any(|line| line == end));
        assert_eq!(self.tmux.is_taken(), (false, false), "{screen}");
        assert!(screen.contains(said), "{screen}");
        assert!(!screen.contains("HELD BACK BY"), "nothing of it is left: {screen}");
        let of = |settings: &str| settings.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(&self.tmux.settings("after")), of(&self.before));
    }
}

#[test]
fn keys_do_what_they_say_and_q_gives_the_terminal_back() {
    let daemon = daemon();
    let Some(watched) = Watched::top(&daemon) else { return };
    let tmux = &watched.tmux;
    let screen = tmux.screen();
    assert!(screen.lines().next().unwrap().contains("tcpprobectl top  web  none lost  1 connections"), "{screen}");
    assert!(screen.contains("▼BIT/S"), "{screen}");
    tmux.press("s");
    tmux.wait("it is sorted by what is in flight", |screen| screen.contains("▼FLIGHT"));
    tmux.press("r");
    tmux.wait("the other way round", |screen| screen.contains("▲FLIGHT"));
    tmux.type_text("/sport == 1");
    tmux.wait("the filter leaves none", |screen| screen.contains("0 of 1 connections"));
    tmux.type_text(" &&");
    tmux.wait("why it is none is said", |screen| screen.contains("/sport == 1 &&▏ filter, column"));
    tmux.press("Escape");
    tmux.wait("what was right holds", |screen| screen.contains("filter: sport == 1") && screen.contains("q quit"));
    tmux.press("Escape");
    tmux.wait("all are back", |screen| screen.contains("  1 connections"));
    tmux.press("Enter");
    tmux.wait("it is shown in full", |screen| screen.contains("last 10 s:") && screen.contains("rate, bit/s: now"));
    tmux.press("?");
    tmux.wait("keys are told", |screen| screen.contains("Keys") && screen.contains("quit; Ctrl-C too"));
    tmux.press("Space");
    tmux.wait("it stands still", |screen| screen.contains("PAUSED"));
    tmux.press("q");
    watched.ended(0, "");
}

#[test]
fn signals_give_the_terminal_back() {
    let daemon = daemon();
    for signal in [Signal::TERM, Signal::INT] {
        let Some(watched) = Watched::top(&daemon) else { return };
        watched.send(signal);
        watched.ended(0, "");
    }
    let Some(watched) = Watched::top(&daemon) else { return };
    watched.tmux.press("C-c");
    watched.ended(0, "");
}

/// Whoever closes a terminal closes what runs in it.
#[test]
fn a_terminal_that_is_closed_ends_it() {
    let daemon = daemon();
    let Some(watched) = Watched::top(&daemon) else { return };
    let pid = watched.tmux.child().unwrap();
    drop(watched);
    for _ in 0..600 {
        // One that nobody has waited for yet is over as well.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if !status.contains("tcpprobectl") || status.contains("State:\tZ") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it goes on");
}

/// By its key, and by the signal: the shell has its terminal, and `fg` brings it back.
#[test]
fn it_stops_and_goes_on() {
    let daemon = daemon();
    let Some(watched) = Watched::begin(&daemon, "top web -d 0.2") else { return };
    let tmux = &watched.tmux;
    for by_key in [true, false] {
        tmux.wait("top shows a connection", |screen| screen.contains("fd5a:38::2"));
        if by_key {
            tmux.press("C-z")
        } else {
            watched.send(Signal::TSTP)
        }
        tmux.wait("the shell says that it stopped", |screen| screen.contains("Stopped"));
        assert_eq!(tmux.is_taken(), (false, false));
        let name = if by_key { "one" } else { "two" };
        assert_eq!(tmux.settings(name), watched.before);
        tmux.run("clear; fg");
    }
    tmux.wait("top shows a connection", |screen| screen.contains("fd5a:38::2"));
    // Stopped from outside, it could give nothing back; it takes the terminal again all the same.
    watched.send(Signal::STOP);
    tmux.wait("the shell has the terminal", |_| {
        fs::read_to_string(format!("/proc/{}/status", tmux.child().unwrap()))
            .is_ok_and(|status| status.contains("State:\tT"))
    });
    // In raw mode Enter ends no line.
    tmux.type_text("stty sane; clear; fg");
    tmux.press("C-j");
    tmux.wait("top shows a connection", |screen| screen.contains("fd5a:38::2"));
    tmux.press("q");
    tmux.wait("it is over", |_| tmux.child().is_none());
    assert_eq!((tmux.is_taken(), tmux.settings("after")), ((false, false), watched.before.clone()));
}

#[test]
fn the_terminal_may_change_its_size() {
    let daemon = daemon();
    let Some(watched) = Watched::top(&daemon) else { return };
    watched.tmux.resize(60, 8);
    watched.tmux.wait("it is narrow", |screen| screen.contains("fd5a:38::2") && !screen.contains("OWNER"));
    watched.tmux.resize(160, 24);
    watched.tmux.wait("it is wide", |screen| screen.contains("OWNER") && screen.contains("CAUSES"));
    watched.tmux.press("q");
    watched.ended(0, "");
}

#[test]
fn a_daemon_that_goes_away_gives_the_terminal_back() {
    let daemon = daemon();
    let Some(watched) = Watched::top(&daemon) else { return };
    drop(daemon);
    watched.ended(3, "tcpprobectl: ");
}

#[test]
fn it_ends_after_so_many_times() {
    let daemon = daemon();
    let Some(watched) = Watched::begin(&daemon, "top web -d 0.2 -n 2") else { return };
    watched.ended(0, "");
}
