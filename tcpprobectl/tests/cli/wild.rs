//! Files as people have them: exit codes, and what is said.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tcpprobe::file::{Frames, Kind, Scanned};

use crate::common::capture::{KERNEL, events, fixtures, trace};
use crate::common::{check_failure, program, stderr, stdout};

fn wild(name: &str) -> PathBuf {
    fixtures().join("wild").join(name)
}

#[test]
fn what_is_missing_is_6_in_every_output() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, code: i32, told: &[&str]| {
        for format in ["tcpp", "text", "text.gz", "json", "csv"] {
            let arguments = ["--format", format, "-o"];
            let output = directory.path().join(format);
            let assert = program().arg("convert").arg(wild(name)).args(arguments).arg(&output).assert().code(code);
            let said = stderr(&assert);
            assert!(told.iter().all(|words| said.contains(words)), "{name}: {said}");
            assert_eq!(said.lines().count(), told.len(), "{name}: {said}");
        }
        let picture = directory.path().join("picture.svg");
        let mut told: Vec<&str> = told.to_vec();
        told.push("wrote ");
        let assert = program().arg("plot").arg(wild(name)).arg("-o").arg(&picture).assert().code(code);
        assert_eq!(stderr(&assert).lines().count(), told.len(), "{name}: {}", stderr(&assert));
    };
    check("trace-cmd-report.txt", 6, &["22 events were lost", "unknown number of events was lost in one place"]);
    check("systrace-html.txt", 0, &["1206 lines of the page around the events are passed over"]);
    check("nul-hole-copytruncate.txt", 6, &["a hole of 8192 NUL bytes"]);
    check("powershell-utf16le.txt", 0, &[]);
    check("ctrl-c-cut.txt.gz", 6, &["the gzip stream is cut"]);
    check("latency-format.txt", 0, &[]);
    check("cookies-and-pointers.txt", 0, &[]);
    check("retransmit-err.txt", 0, &[]);
}

#[test]
fn ticks_are_told_and_not_drawn() {
    let assert = program().arg("convert").arg(wild("clock-counter.txt")).args(["-o", "-", "--format", "csv"]).assert();
    assert!(stderr(&assert.code(0)).contains("times are its ticks"));
    let assert = program().arg("plot").arg(wild("clock-counter.txt")).args(["-o", "-", "--format", "svg"]).assert();
    let assert = assert.code(1);
    assert!(stderr(&assert).contains("its clock counts no nanoseconds"), "{}", stderr(&assert));
    assert_eq!(stdout(&assert), "");
}

#[test]
fn what_is_no_trace_is_named_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8], line: &str| {
        let path = directory.path().join("file");
        fs::write(&path, bytes).unwrap();
        let assert = program().arg("convert").arg(&path).args(["-o", "-", "--format", "json"]).assert();
        check_failure(assert, 1, &format!("{} is no trace but {line}", path.display()));
    };
    check(
        b"2ELIFREP\0\0\0\0\0\0\0\x68",
        "a perf.data of a big-endian machine; make text of it, which is read: perf script -i FILE > FILE.txt",
    );
    check(
        b"\x17\x08\x44tracing6\0\x01\x08",
        "a trace.dat of trace-cmd of a big-endian machine; make text of it, which is read: trace-cmd report -i FILE > FILE.txt",
    );

    check(b"\x28\xb5\x2f\xfd\x24\x05", "compressed by zstd; unpack it first: zstd -d FILE");
}

/// The program, waiting.
fn spawn(arguments: &[&Path]) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("tcpprobectl"));
    command.args(arguments).stderr(Stdio::piped()).spawn().unwrap()
}

/// Asserts that the program ends after one signal.
fn ends_by_one_signal(mut child: Child) {
    let pid = Pid::from_child(&child);
    // It waits for the pipe as soon as it has taken the signals over, which its status tells.
    let status = format!("/proc/{}/status", child.id());
    let takes_signals = || {
        let caught = fs::read_to_string(&status).unwrap_or_default();
        let caught = caught.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim).map(str::to_owned);
        caught.and_then(|mask| u64::from_str_radix(&mask, 16).ok()).is_some_and(|mask| mask & 1 << 14 != 0)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !takes_signals() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(pid, Signal::TERM).unwrap();
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(!status.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("one signal does not end it");
}

#[test]
fn a_pipe_that_nobody_writes_to_can_be_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, output) = (directory.path().join("pipe"), directory.path().join("out.json"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    ends_by_one_signal(spawn(&["convert".as_ref(), &pipe, "-o".as_ref(), &output]));
    ends_by_one_signal(spawn(&["plot".as_ref(), &pipe, "-o".as_ref(), &output]));
    ends_by_one_signal(spawn(&["convert".as_ref(), "/dev/zero".as_ref(), "-o".as_ref(), &output]));
}

#[test]
fn pipes_and_devices_in_a_folder_are_refused() {
    let pages = fixtures().join("captures").join(KERNEL).join("ipv4-loss2");
    for (name, is_pipe) in
        [("uname", false), ("cpu7.raw", true), ("cpu7.raw", false), ("saved_cmdlines", true), ("saved_cmdlines", false)]
    {
        let directory = tempfile::tempdir().unwrap();
        for file in fs::read_dir(&pages).unwrap() {
            let file = file.unwrap();
            if file.file_name() != "saved_cmdlines" {
                fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
            }
        }
        let path = directory.path().join(name);
        match is_pipe {
            true => rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap(),
            false => symlink("/dev/zero", &path).unwrap(),
        }
        let formats = events(KERNEL);
        let mut command = program();
        command.arg("convert").arg(directory.path()).arg("--formats").arg(formats);
        let assert = command.args(["-o", "-", "--format", "json"]).timeout(Duration::from_secs(120)).assert();
        // Without a name of the kernel, a trace is read all the same.
        let code = if name == "uname" { 0 } else { 1 };
        let assert = assert.code(code);
        let told = stderr(&assert).contains("it is a pipe, a device or a folder");
        assert_eq!(told, code == 1, "{name}: {}", stderr(&assert));
    }
    for (file, is_pipe) in
        [("header_page", true), ("header_page", false), ("tcp/tcp_probe/format", true), ("tcp/tcp_probe/format", false)]
    {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("tcp/tcp_probe")).unwrap();
        let path = directory.path().join(file);
        match is_pipe {
            true => rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap(),
            false => symlink("/dev/zero", &path).unwrap(),
        }
        let mut command = program();
        command.arg("convert").arg(&pages).arg("--formats").arg(directory.path());
        let assert = command.args(["-o", "-", "--format", "json"]).timeout(Duration::from_secs(120)).assert().code(1);
        assert!(stderr(&assert).contains("it is a pipe, a device or a folder"), "{}", stderr(&assert));
    }
}

/// A bit of an anchor, whichever, costs the time of day, and nobody is told to leave out what he did not give.
#[test]
fn a_flipped_bit_in_an_anchor_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let whole = trace("ipv4-loss2", 0);
    let mut frames = Frames::new(&whole[..]);
    let mut anchors = Vec::new();
    while let Some(found) = frames.next_frame().unwrap() {
        if let Scanned::Frame(frame) = found
            && frame.kind == Kind::Anchor
        {
            anchors.push(frame.offset as usize..frame.offset as usize + frame.bytes.len());
        }
    }
    assert!(!anchors.is_empty());
    for part in [0, 6, 20] {
        let mut damaged = whole.clone();
        anchors.iter().for_each(|anchor| damaged[anchor.start + part] ^= 0x10);
        let path = directory.path().join("damaged.tcpp");
        fs::write(&path, damaged).unwrap();
        let output = directory.path().join("out.svg");
        let assert = program().arg("plot").arg(&path).arg("-o").arg(&output).assert().code(6);
        assert!(!stderr(&assert).contains("leave out"), "{}", stderr(&assert));
        let assert = program().arg("convert").arg(&path).args(["-o", "-", "--format", "csv"]).assert().code(6);
        assert!(!stderr(&assert).contains("leave out"), "{}", stderr(&assert));
    }
}
