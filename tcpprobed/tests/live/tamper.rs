//! Somebody else changes a job's kernel instance: it is told, put right, and no account says "none lost" of that time.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use tcpprobe::file::Account;

use crate::common::{Client, Daemon, Shadow, Site, wait_until};
use crate::restart::roomy;

/// A way to change an instance: a name, what is written to which file of it, and what the status says of it.
type Way = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const WAYS: &[Way] = &[
    ("off", &[("tracing_on", "0")], "tracing_on: 1 became 0"),
    ("events-off", &[("events/enable", "0")], "set_event: "),
    ("event-off", &[("events/tcp/tcp_probe/enable", "0")], "tcp:tcp_probe became nothing"),
    ("filter", &[("events/tcp/tcp_probe/filter", "sport == 1")], "tcp_probe/filter: "),
    ("no-filter", &[("events/tcp/tcp_probe/filter", "0")], "tcp_probe/filter: "),
    ("system-filter", &[("events/tcp/filter", "sport == 1")], "/filter: "),
    ("cpumask", &[("tracing_cpumask", "1")], "tracing_cpumask: "),
    ("pid", &[("set_event_pid", "1")], "set_event_pid: "),
    ("not-pid", &[("set_event_notrace_pid", "0 1 2")], "set_event_notrace_pid: "),
    ("trigger", &[("events/tcp/tcp_probe/trigger", "traceoff:1")], "tcp_probe/trigger: "),
    ("emptied", &[("trace", "")], "its buffer was emptied"),
    ("clock", &[("trace_clock", "global")], "trace_clock: "),
    ("size", &[("buffer_size_kb", "64")], "buffer_size_kb: "),
    ("one-size", &[("per_cpu/cpu0/buffer_size_kb", "64")], "buffer_size_kb: "),
    ("subbuf", &[("buffer_subbuf_size_kb", "8")], "buffer_subbuf_size_kb: "),
    ("overwrite", &[("options/overwrite", "0")], "overwrite"),
    ("stacks", &[("options/stacktrace", "1")], "stacktrace"),
    ("tracer", &[("current_tracer", "nop"), ("options/userstacktrace", "1")], "userstacktrace"),
    ("foreign", &[("events/sched/sched_switch/enable", "1")], "sched:sched_switch"),
];

fn tamper(instance: &Path, files: &[(&str, &str)]) {
    for (file, text) in files {
        // Opening `trace` so is what empties the buffer.
        let mut opened = OpenOptions::new().write(true).truncate(true).open(instance.join(file)).unwrap();
        if !text.is_empty() {
            opened.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}

/// Checks a stopped job: what it has not stored is in its account, be it as unknown; gives how many events it has that
/// nobody traced for it.
fn check(daemon: &Daemon, name: &str, shadow: Shadow) -> usize {
    let recorded = shadow.stop();
    let trace = daemon.api().trace(name);
    let unknown: Vec<&Account> = trace.accounts.iter().filter(|account| account.is_unknown()).collect();
    assert!(!unknown.is_empty(), "{name}: {:?}", trace.totals);
    assert_eq!(trace.totals.unknown, unknown.len() as u64);
    let mut stored: HashMap<u64, usize> = HashMap::new();
    trace.events.iter().for_each(|event| *stored.entry(event.fingerprint()).or_default() += 1);
    let mut missing = 0;
    for event in &recorded.events {
        match stored.get_mut(&event.fingerprint()).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            // The shadow's copy is a little older or younger.
            None => {
                let slack = 1_000_000;
                let covers = |account: &Account| {
                    account.cpu == event.cpu && account.from <= event.time + slack && event.time <= account.to + slack
                };
                missing += u64::from(!unknown.iter().any(|account| covers(account)));
            }
        }
    }
    let told = trace.totals.missing() + trace.totals.filtered;
    assert!(missing <= told, "{name}: {missing} events are missing, {:?}", trace.totals);
    stored.values().sum()
}

#[test]
fn while_it_runs() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    for (name, files, told) in WAYS {
        let shadow = Shadow::start(name, &api.start(roomy(name, &site.filter())).plan);
        site.ping_pong(100);
        let traced = shadow.quiet();
        // An emptied buffer is known by counters that go backwards: there must have been something to count.
        wait_until("all is stored", || api.ledger(name).stored == traced);
        tamper(&daemon.instance(name), files);
        site.ping_pong(100);
        wait_until(&format!("{name} is found"), || api.ledger(name).unknown > 0);
        let message = api.get(name).message;
        assert!(message.contains(told) && message.contains("replaced"), "{name}: {message}");
        let line = format!("job=\"{name}\"");
        assert!(daemon.log().lines().any(|log| log.contains(&line) && log.contains(told)), "{}", daemon.log());
        let stored = api.ledger(name).stored;
        site.ping_pong(100);
        shadow.quiet();
        api.stop(name);
        assert!(api.ledger(name).stored > stored + 100, "{name}: it does not record again");
        check(&daemon, name, shadow);
    }
}

#[test]
fn while_no_daemon_is_there() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadows: Vec<Shadow> = WAYS
        .iter()
        .map(|(name, ..)| Shadow::start(&format!("dead-{name}"), &daemon.api().start(roomy(name, &site.filter())).plan))
        .collect();
    site.ping_pong(100);
    for ((name, ..), shadow) in WAYS.iter().zip(&shadows) {
        let traced = shadow.quiet();
        wait_until("all is stored", || daemon.api().ledger(name).stored == traced);
    }
    daemon.kill();
    WAYS.iter().for_each(|(name, files, _)| tamper(&daemon.instance(name), files));
    site.ping_pong(100);
    // Of no job here.
    Site::v4().ping_pong(100);
    daemon.run();
    let api = daemon.api();
    for (name, _, told) in WAYS {
        wait_until(&format!("{name} is found"), || api.ledger(name).unknown > 0);
        let message = api.get(name).message;
        assert!(message.contains(told) && message.contains("replaced"), "{name}: {message}");
    }
    site.ping_pong(100);
    for ((name, ..), shadow) in WAYS.iter().zip(shadows) {
        shadow.quiet();
        api.stop(name);
        assert_eq!(api.get(name).runs.len(), 1, "{name}: the run went on");
        assert_eq!(check(&daemon, name, shadow), 0, "{name}: foreign events were stored");
    }
}

/// Of the same name, but not the one that was left.
#[test]
fn made_anew() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("anew", &daemon.api().start(roomy("web", &site.filter())).plan);
    site.ping_pong(100);
    shadow.quiet();
    daemon.kill();
    let instance = daemon.instance("web");
    fs::remove_dir(&instance).unwrap();
    fs::create_dir(&instance).unwrap();
    site.ping_pong(100);
    shadow.quiet();
    daemon.run();
    site.ping_pong(100);
    shadow.quiet();
    let api = daemon.api();
    let message = api.get("web").message;
    assert!(message.contains("made anew"), "{message}");
    api.stop("web");
    assert_eq!(check(&daemon, "web", shadow), 0);
}

/// Changed just before the stop, and before anybody looked.
#[test]
fn at_the_last_moment() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    for (name, files, told) in WAYS.iter().filter(|(name, ..)| ["off", "filter", "emptied"].contains(name)) {
        let shadow = Shadow::start(&format!("last-{name}"), &api.start(roomy(name, &site.filter())).plan);
        site.ping_pong(100);
        let traced = shadow.quiet();
        wait_until("all is stored", || api.ledger(name).stored == traced);
        tamper(&daemon.instance(name), files);
        site.ping_pong(5);
        api.stop(name);
        assert!(daemon.log().contains(told), "{name}: {}", daemon.log());
        check(&daemon, name, shadow);
    }
}

/// Whoever reads such a run hears of it.
#[test]
fn readers_are_told() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(roomy("web", &site.filter()));
    site.ping_pong(100);
    wait_until("all is stored", || api.ledger("web").stored > 100);
    tamper(&daemon.instance("web"), &[("tracing_on", "0")]);
    wait_until("it is found", || api.ledger("web").unknown > 0);
    site.ping_pong(100);
    api.stop("web");
    for format in ["text", "json", "csv"] {
        let answer = client.run(&["fetch", "web", "--format", format]);
        assert!(answer.code == 6 && answer.err.contains("an unknown number of events was lost in"), "{}", answer.err);
    }
}

/// Somebody who goes on and on: the instance is not replaced all the time, and nothing is sure.
#[test]
fn again_and_again() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("again", &api.start(roomy("web", &site.filter())).plan);
    site.ping_pong(100);
    tamper(&daemon.instance("web"), &[("tracing_on", "0")]);
    wait_until("it is replaced", || api.get("web").message.contains("it was replaced"));
    tamper(&daemon.instance("web"), &[("tracing_on", "0")]);
    site.ping_pong(100);
    wait_until("it is left so", || api.get("web").message.contains("again and again"));
    shadow.quiet();
    api.stop("web");
    check(&daemon, "web", shadow);
}
