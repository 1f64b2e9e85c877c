//! What is said of a root that is not a tracefs, or not one that works: directories made for the purpose, no rights needed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use tcpprobe::event::EventSet;
use tcpprobed::tracefs::{CpuReader, EventName, Instance, StatsFile, Tracefs};
use tempfile::TempDir;

const HEADER_PAGE: &str = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
                           \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
                           \tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
const FORMAT: &str =
    "name: tcp_probe\nID: 7\nformat:\n\tfield:__u16 sport;\toffset:8;\tsize:2;\tsigned:0;\n\nprint fmt: \"\"\n";

/// The least that passes for a tracefs with an instance in it.
fn fake() -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, content) in [
        ("events/header_page", HEADER_PAGE),
        ("events/tcp/tcp_probe/format", FORMAT),
        ("events/tcp/enable", "0\n"),
        ("options/record-cmd", "1\n"),
        ("saved_cmdlines", "1 init\n"),
        ("instances/a/trace_clock", "local [boot] mono\n"),
        ("instances/a/buffer_size_kb", "7 (expanded: 1408)\n"),
        ("instances/a/buffer_total_size_kb", "14\n"),
        ("instances/a/options/overwrite", "1\n"),
        ("instances/a/tracing_on", "1\n"),
        ("instances/a/set_event", "tcp:tcp_probe\n"),
        ("instances/a/events/tcp/tcp_probe/filter", "none\n"),
        ("instances/a/per_cpu/cpu0/stats", "entries: 1\n"),
        ("instances/a/per_cpu/cpu0/trace_pipe_raw", "not a whole page"),
    ] {
        put(root.path(), path, content);
    }
    root
}

fn put(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn remove(root: &Path, path: &str) {
    fs::remove_dir_all(root.join(path)).unwrap();
}

#[test]
fn roots_that_are_none() {
    let check = |spoil: &dyn Fn(&Path), below: &str, expected: &str| {
        let root = fake();
        spoil(root.path());
        let message = Tracefs::locate(Some(&root.path().join(below))).unwrap_err().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message:?} should say {expected:?}");
    };
    let nothing = |_: &Path| ();
    check(&nothing, "nowhere", "nowhere is not a tracefs: it does not exist; it is usually /sys/kernel/tracing");
    check(&nothing, "events/header_page", "it is not a directory");
    check(&|root| fs::create_dir(root.join("empty")).unwrap(), "empty", "it is empty");
    check(&|root| put(root, "instances/a/trace_pipe", ""), "instances/a", "it is one instance");
    check(&nothing, "events", "it has no `instances`");
    check(&|root| fs::create_dir_all(root.join("debug/tracing/instances")).unwrap(), "debug", "debug/tracing is");
    check(&|root| remove(root, "events"), "", "it has no `events`");
    check(&|root| fs::remove_file(root.join("events/header_page")).unwrap(), "", "events/header_page: cannot open");
    check(&|root| remove(root, "events/tcp"), "", "events/tcp is missing: the kernel is older than 4.15");
    check(&|root| remove(root, "events/tcp/tcp_probe"), "", "tcp_probe is missing: the kernel is older than 4.16");
}

#[test]
fn what_a_root_says_is_believed() {
    let root = fake();
    let tracefs = Tracefs::locate(Some(root.path())).unwrap();
    let events = tracefs.events().unwrap();
    assert_eq!(events.iter().map(EventName::to_string).collect::<Vec<_>>(), ["tcp:tcp_probe"]);
    assert_eq!(tracefs.format(&events[0]).unwrap().id, 7);
    assert_eq!(tracefs.instances("").unwrap(), ["a"]);
    assert_eq!(tracefs.saved_cmdlines().unwrap().get(&1).unwrap(), "init");
    assert!(!tracefs.features().subbuf_size && !tracefs.features().buffer_percent);
    let settings = Instance::open(&tracefs, "a").unwrap().settings().unwrap();
    assert_eq!((settings.clock.as_str(), settings.buffer_kb, settings.subbuf_kb), ("boot", 7, None));
    assert!(settings.overwrite && settings.tracing && settings.buffer_percent.is_none());
    assert_eq!(settings.events, [(events[0].clone(), None)].into());
    // What a set has beside is lacking; what is named must be there, and then nobody's set brought it.
    let minimal = tracefs.resolve(&["minimal".to_owned()]).unwrap();
    assert_eq!((minimal.events.len(), minimal.lacking), (1, vec!["tcp:tcp_retransmit_skb"]));
    assert_eq!(tracefs.resolve(&[]).unwrap().lacking, EventSet::Default.names()[1..]);
    let error = tracefs.resolve(&["minimal".to_owned(), "tcp:tcp_retransmit_skb".to_owned()]).unwrap_err().to_string();
    assert!(error.starts_with("no event matches `tcp:tcp_retransmit_skb`"), "{error}");
    let of_set = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(|&name| name.to_owned()).collect();
        tracefs.resolve(&list).unwrap().events.into_values().collect::<Vec<_>>()
    };
    assert_eq!(
        (of_set(&["minimal"]), of_set(&["minimal", "tcp_*"]), of_set(&["tcp_probe", "all"])),
        (vec![true], vec![false], vec![false])
    );
}

#[test]
fn bad_content_is_named_with_its_place() {
    let check = |path: &str, content: &str, expected: &str| {
        let root = fake();
        put(root.path(), path, content);
        let tracefs = Tracefs::locate(Some(root.path())).unwrap();
        let instance = Instance::open(&tracefs, "a").unwrap();
        let message = match path.rsplit('/').next().unwrap() {
            "header_page" => tracefs.page_layout().unwrap_err(),
            "format" => tracefs.format(&tracefs.events().unwrap()[0]).unwrap_err(),
            "record-cmd" => tracefs.records_cmdlines().unwrap_err(),
            "stats" => StatsFile::open(&instance, 0).unwrap().read().unwrap_err(),
            _ => instance.settings().unwrap_err(),
        };
        let message = message.to_string();
        assert!(message.contains(path) && message.contains(expected), "{message:?} should say {expected:?}");
    };
    check("events/header_page", "rubbish", "line 1");
    check("events/tcp/tcp_probe/format", "name: tcp_probe\nID: x\n", "line 2");
    check("options/record-cmd", "maybe\n", "neither 0 nor 1: `maybe`");
    check("instances/a/trace_clock", "boot\n", "no clock in brackets");
    check("instances/a/buffer_size_kb", "X\n", "not a number");
    check("instances/a/buffer_subbuf_size_kb", "", "not a number");
    check("instances/a/set_event", "tcp:tcp_probe\nrubbish\n", "line 2: not system:event: `rubbish`");
    check("instances/a/tracing_on", "\n", "neither 0 nor 1");
    check("instances/a/per_cpu/cpu0/stats", "entries: many\n", "line 1: not a number: `entries: many`");
    check("instances/a/per_cpu/cpu0/stats", "entries: 1\n", "a counter is missing");
    let root = fake();
    fs::write(root.path().join("instances/a/set_event"), b"tcp:tcp_probe\n\xff\n").unwrap();
    let instance = Instance::open(&Tracefs::locate(Some(root.path())).unwrap(), "a").unwrap();
    let message = instance.settings().unwrap_err().to_string();
    assert!(message.contains("set_event, line 2: not UTF-8"), "{message}");
}

#[test]
fn missing_files_are_named() {
    let root = fake();
    let tracefs = Tracefs::locate(Some(root.path())).unwrap();
    let instance = Instance::open(&tracefs, "a").unwrap();
    for (message, expected) in [
        (StatsFile::open(&instance, 7).unwrap_err(), "per_cpu/cpu7/stats: cannot open"),
        (CpuReader::open(&instance, 7).unwrap_err(), "per_cpu/cpu7/trace_pipe_raw: cannot open"),
        (instance.set_plain_options().unwrap_err(), "trace_options: cannot open"),
        (instance.clear().unwrap_err(), "instances/a/trace: cannot clear"),
    ] {
        assert!(message.to_string().contains(expected), "{message} should say {expected:?}");
    }
    // The directory is not empty, which a real instance's may be.
    assert!(instance.remove().unwrap_err().to_string().contains("cannot remove the instance"));
}
