//! Traces as Parquet and for Perfetto: which files, and what is refused. What is in them: `tests/open_data`.

use std::fs;
use std::path::Path;

use crate::common::capture::fixtures;
use crate::common::{check_failure, program, stderr};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Converts a trace, with these arguments, in a folder of its own.
fn convert(folder: &Path, trace: &str, arguments: &[&str]) -> assert_cmd::assert::Assert {
    program().current_dir(folder).arg("convert").arg(fixtures().join(trace)).args(arguments).assert()
}

const TRACE: &str = "traces/version-2.tcpp";

#[test]
fn all_tables_are_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    convert(folder.path(), TRACE, &["--format", "parquet", "-o", "web"]).code(0);
    let all = ["connections.parquet", "events.parquet", "intervals.parquet", "losses.parquet"];
    assert_eq!(
        (names(folder.path()), names(&folder.path().join("web"))),
        (vec!["web".into()], all.map(Into::into).into())
    );
    for name in all {
        let bytes = fs::read(folder.path().join("web").join(name)).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{name}");
    }
}

#[test]
fn a_folder_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    fs::write(folder.path().join("web/mine"), "mine").unwrap();
    let again = convert(folder.path(), TRACE, &["--format", "parquet", "-o", "web"]);
    check_failure(again, 1, "web is there already; give another name, or remove it");
    fs::write(folder.path().join("file"), "mine").unwrap();
    let file = convert(folder.path(), TRACE, &["--format", "parquet", "-o", "file"]);
    check_failure(file, 1, "file is there already; give another name, or remove it");
    assert_eq!(
        (names(folder.path()), names(&folder.path().join("web"))),
        (vec!["file".into(), "web".into()], vec!["mine".into()])
    );
    // An empty one is filled.
    fs::create_dir(folder.path().join("empty")).unwrap();
    convert(folder.path(), TRACE, &["--format", "parquet", "-o", "empty/"]).code(0);
    assert_eq!(names(&folder.path().join("empty")).len(), 4);
}

#[test]
fn what_is_not_whole_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    for (format, output) in [("parquet", "web"), ("parquet", "web.parquet"), ("perfetto", "web.pftrace")] {
        let arguments = ["--format", format, "--filter", "sport == 1", "-o", output];
        let line = format!(
            "{} has no such events; take a wider range or filter, or wait for TCP traffic",
            fixtures().join(TRACE).display()
        );
        check_failure(convert(folder.path(), TRACE, &arguments), 5, &line);
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{output}");
    }
}

#[test]
fn a_table_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    convert(folder.path(), TRACE, &["-o", "events.parquet"]).code(0);
    convert(folder.path(), TRACE, &["--table", "losses", "--compression", "gzip", "-o", "losses.parquet"]).code(0);
    convert(folder.path(), TRACE, &["--format", "parquet", "--table", "connections", "-o", "any"]).code(0);
    let to_stdout = convert(folder.path(), TRACE, &["--format", "parquet", "-o", "-"]).code(0);
    let events = fs::read(folder.path().join("events.parquet")).unwrap();
    assert!(to_stdout.get_output().stdout == events && events.starts_with(b"PAR1"));
    assert!(fs::read(folder.path().join("any")).unwrap().starts_with(b"PAR1"));
    convert(folder.path(), TRACE, &["-o", "web.pftrace"]).code(0);
    assert_eq!(names(folder.path()), ["any", "events.parquet", "losses.parquet", "web.pftrace"]);
}

#[test]
fn tables_go_with_parquet() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--table", "losses", "-o", "a.json"][..], &["--compression", "gzip", "-o", "a.json"]] {
        let line =
            "--table and --compression go with parquet; json has neither; leave them out, or give --format parquet";
        check_failure(convert(folder.path(), TRACE, arguments), 2, line);
    }
    let fields = convert(folder.path(), TRACE, &["--fields", "srtt", "-o", "a.parquet"]);
    check_failure(fields, 2, "--fields goes with json and csv; parquet has all fields; leave it out");
}

#[test]
fn losses_are_told_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let trace = "captures/6.18.44-fc-v669/overrun/trace.txt.gz";
    for arguments in [&["-o", "a.pftrace"][..], &["--format", "parquet", "-o", "a"]] {
        let lossy = convert(folder.path(), trace, arguments).code(6);
        assert!(stderr(&lossy).ends_with("2,050 events were lost while recording\n"), "{}", stderr(&lossy));
    }
}

/// Durations are not ticks.
#[test]
fn a_clock_of_ticks_has_events_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = "  sshd-1 [000] ..s.. 123456: tcp_probe: family=AF_INET src=10.0.0.1:22 dest=10.0.0.2:40000 mark=0x0 data_len=0 \
                snd_nxt=0x2 snd_una=0x1 snd_cwnd=10 ssthresh=2147483647 snd_wnd=64 srtt=9 rcv_wnd=65 sock_cookie=1\n";
    fs::write(folder.path().join("a.txt"), text).unwrap();
    let convert =
        |arguments: &[&str]| program().current_dir(&folder).args(["convert", "a.txt"]).args(arguments).assert();
    let line = "the table of connections needs times, and the trace's clock counts no nanoseconds; take --table events, or record with another trace_clock";
    let check = |arguments: &[&str], line: &str| {
        let told = stderr(&convert(arguments).code(1));
        assert!(told.ends_with(&format!("tcpprobectl: {line}\n")), "{told}");
    };
    check(&["--format", "parquet", "-o", "all"], line);
    let line = "Perfetto draws times, and the trace's clock counts no nanoseconds; record with another trace_clock";
    check(&["-o", "a.pftrace"], line);
    convert(&["-o", "a.parquet"]).code(0);
    let bytes = fs::read(folder.path().join("a.parquet")).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("clock_ticks"));
    assert_eq!(names(folder.path()), ["a.parquet", "a.txt"]);
}
