//! The daemon that `trace` has of its own where none answers, and that nothing of it is left.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Client, Daemon, Site, tracefs, wait_until};

const NOWHERE: &str = "/nonexistent/tcpprobed.sock";

/// Kernel instances, and folders of such daemons; those of the tests beside this one have another name.
fn left() -> BTreeSet<OsString> {
    let folders = [tracefs().unwrap().root().join("instances"), PathBuf::from("/run")];
    let names = folders.into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    names
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("tcpprobe") && !name.to_string_lossy().contains("-test-"))
        .collect()
}

/// A trace that records; its stderr, after the line that says so.
fn record(client: &Client, filter: &str) -> (Child, BufReader<ChildStderr>) {
    let mut command = client.at(Path::new(NOWHERE)).command(&["trace", filter, "--format", "text"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("no daemon answers") && line.contains("keeps nothing"), "{line}");
    (child, said)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn a_trace_without_a_daemon_leaves_nothing_behind() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (before, site) = (left(), Site::v4());
    for signal in [Signal::INT, Signal::TERM] {
        let (mut child, mut said) = record(&client, &site.filter());
        assert!(left().len() > before.len(), "it has an instance");
        site.ping_pong(20);
        send(&child, signal);
        let (mut lines, mut words) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut lines).unwrap();
        said.read_to_string(&mut words).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words}");
        assert!(lines.lines().count() >= 40, "all that was recorded before the signal: {lines}");
        assert!(words.contains("not kept"), "{words}");
        assert_eq!(left(), before);
    }
    // Nothing can be done on the way of this one; the daemon notices.
    let (mut child, _said) = record(&client, &site.filter());
    send(&child, Signal::KILL);
    child.wait().unwrap();
    wait_until("its daemon has cleaned up", || left() == before);
}
