//! What perf and trace-cmd record of the same traffic is, as the library reads their files, what a job stored: event by event, field by
//! field, in times of the same clock.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tcpprobe::event::Record;
use tcpprobe::filter::Filter;
use tcpprobe::source::{EventFilter, Item, Trace, Wanted};
use tcpprobe_proto::v1::JobSpec;

use crate::common::{Daemon, Event, Site, assert_same, job, skip};

/// What is recorded by all.
const EVENTS: [&str; 2] = ["tcp:tcp_probe", "tcp:tcp_retransmit_skb"];

/// A recorder that runs until it is told to end. Dropped, it ends.
struct Recorder(Child);

impl Recorder {
    /// Starts one, which runs what follows its arguments once it records.
    fn start(command: &mut Command) -> Self {
        let command = command.args(["sh", "-c", "echo ready; read line"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = lines.map_while(Result::ok).any(|line| line.trim() == "ready");
        assert!(is_ready, "the recorder ended: {:?}", child.wait());
        Recorder(child)
    }

    fn end(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// An event without what each recorder notes for itself: interrupts and preemption, as they were when it took its copy.
fn plain(record: &Record<'_>, format: &Arc<tcpprobe::kernel::format::Format>) -> Event {
    let mut bytes = record.bytes.to_vec();
    bytes[2..4].fill(0);
    Event::new(&Record { bytes: &bytes, ..*record }, format)
}

/// The events of a file that are of this site.
fn events(path: &Path, site: &Site) -> Vec<Event> {
    let filter = EventFilter::new(Vec::new(), Some(Filter::parse(&site.filter()).unwrap()));
    let input = fs::File::open(path).unwrap();
    let mut trace = Trace::sniff("file", input, Wanted { events: filter, ..Wanted::default() }).unwrap();
    let (mut formats, mut events, mut clock) = (Vec::new(), Vec::new(), String::new());
    for item in &mut trace {
        match item.unwrap() {
            Item::Begin(about) => {
                clock = about.clock;
                formats = about.formats.into_iter().map(|known| known.format).collect();
            }
            Item::Events(batch) => batch.for_each(|record| events.push(plain(&record, &formats[record.index]))),
            Item::Problem(problem) => panic!("{problem}"),
            _ => {}
        }
    }
    assert!(["boot", "mono"].contains(&&*clock), "{clock}");
    assert!(trace.losses().is_none(), "{:?}", trace.losses());
    events
}

/// Whether a program is there; the reason is printed where it is not.
fn has(program: &str, package: &str) -> Option<()> {
    let found = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        return skip(&format!("there is no {program}; Debian: apt install {package}"));
    }
    Some(())
}

/// Records the same traffic by a job and by another recorder, whose arguments `record` adds, and compares.
fn check(record: impl FnOnce(&Path) -> Command) {
    let Some(daemon) = Daemon::start() else { return };
    let api = daemon.api();
    let site = Site::v4();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    api.start(JobSpec { events: EVENTS.map(str::to_owned).to_vec(), ..job("web", &site.filter()) });
    let recorder = Recorder::start(record(&file).current_dir(folder.path()));
    site.ping_pong(500);
    site.bulk(2, 4 << 20);
    site.short(20);
    recorder.end();
    api.stop("web");
    let stored: Vec<Event> = api.trace("web").events.iter().map(again).collect();
    assert!(stored.len() > 1000, "{} events show little", stored.len());
    assert_same(&stored, &events(&file, &site));
}

fn again(event: &Event) -> Event {
    plain(&Record::new(event.time, event.cpu, None, &event.format, &event.record), &event.format)
}

#[test]
fn perf_records_the_same() {
    let Some(()) = has("perf", "linux-perf") else { return };
    check(|file| {
        let mut perf = Command::new("perf");
        perf.args(["record", "-q", "-a", "-k", "CLOCK_MONOTONIC", "-m", "8M", "-o"]).arg(file);
        perf.args(EVENTS.iter().flat_map(|event| ["-e", event]));
        perf.arg("--");
        perf
    });
}

#[test]
fn trace_cmd_records_the_same() {
    let Some(()) = has("trace-cmd", "trace-cmd") else { return };
    // trace-cmd writes it always, and a container may not.
    let switch = "/proc/sys/kernel/ftrace_enabled";
    if let Err(error) = fs::read(switch).and_then(|value| fs::write(switch, value)) {
        eprintln!("skipped: trace-cmd cannot record here: {switch}: {error}");
        return;
    }
    check(|file| {
        let mut trace_cmd = Command::new("trace-cmd");
        trace_cmd.args(["record", "-q", "-B", &format!("tcpprobe-test-{}", std::process::id())]);
        trace_cmd.args(["-C", "boot", "-b", "16384", "-o"]).arg(file);
        trace_cmd.args(EVENTS.iter().flat_map(|event| ["-e", event]));
        trace_cmd
    });
}
