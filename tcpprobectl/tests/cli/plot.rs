//! plot: from a job and from files, and where there is nothing to draw.

use std::fs;
use std::path::Path;

use crate::common::capture::{KERNEL, disturbed_trace, events, folder, text, trace};
use crate::common::daemon::{Daemon, jobs};
use crate::common::{check_failure, program, run, stderr, stdout};

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Runs `plot` in `directory`, without a daemon.
fn plot(directory: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    program().arg("plot").args(arguments).env("TCPPROBED_SOCKET", "/nonexistent").current_dir(directory).assert()
}

#[test]
fn a_job_becomes_a_png_of_its_name() {
    let daemon = Daemon::start(jobs(), trace("ipv4-loss2", 0));
    let assert = program()
        .args(["plot", "web"])
        .env("TCPPROBED_SOCKET", daemon.socket())
        .current_dir(daemon.directory())
        .assert()
        .code(0);
    assert_eq!((stdout(&assert).as_str(), stderr(&assert).as_str()), ("", "tcpprobectl: wrote web.png\n"));
    assert!(fs::read(daemon.directory().join("web.png")).unwrap().starts_with(PNG_MAGIC));
}

#[test]
fn a_file_of_any_kind_gives_the_same_picture() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("a.tcpp"), trace("ipv4-loss2", 0)).unwrap();
    fs::write(path("a.txt"), text("ipv4-loss2")).unwrap();
    plot(directory.path(), &["a.tcpp", "--output-dir", "new/plots", "--format", "svg"]).code(0);
    let svg = fs::read_to_string(path("new/plots/a.svg")).unwrap();
    assert!(svg.contains("<svg") && svg.contains("10.98.0.1:56150"));
    plot(directory.path(), &["a.txt", "-o", "b.svg"]).code(0);
    assert!(fs::read_to_string(path("b.svg")).unwrap().contains("10.98.0.1:56150"));
    assert_eq!(stdout(&plot(directory.path(), &["a.tcpp", "-o", "-", "--format", "svg"]).code(0)), svg);
}

#[test]
fn a_time_of_which_nothing_is_known_is_a_gap_without_a_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("web.tcpp"), disturbed_trace("ipv4-loss2")).unwrap();
    let assert = plot(directory.path(), &["web.tcpp", "-o", "web.svg"]).code(6);
    let unknown = "web.tcpp: an unknown number of events was lost in one place\n";
    assert!(stderr(&assert).contains(unknown), "{}", stderr(&assert));
    let gap = |name: &str| fs::read_to_string(path(name)).unwrap().contains("events lost in 1 gap (shaded)");
    assert!(gap("web.svg"));
    fs::write(path("whole.tcpp"), trace("ipv4-loss2", 0)).unwrap();
    plot(directory.path(), &["whole.tcpp", "-o", "whole.svg"]).code(0);
    assert!(!gap("whole.svg"));
}

#[test]
fn a_file_that_hides_a_job_is_said_and_the_picture_says_what_it_is_of() {
    let daemon = Daemon::start(jobs(), trace("ipv4-loss2", 0));
    fs::write(daemon.directory().join("web"), trace("ipv4-loss2", 0)).unwrap();
    let plot = |arguments: &[&str]| {
        let mut command = program();
        command.arg("plot").args(arguments).args(["-o", "-", "--format", "svg"]);
        command.env("TCPPROBED_SOCKET", daemon.socket()).current_dir(daemon.directory()).assert().code(0)
    };
    let file = plot(&["web", "--filter", "sport > 0"]);
    assert!(stderr(&file).contains("web is a file here, and is what is drawn"), "{}", stderr(&file));
    assert!(stdout(&file).contains("web, sport &gt; 0"));
    let job = plot(&["web", "--run", "2"]);
    assert_eq!(stderr(&job), "");
    assert!(stdout(&job).contains("web, run 2"));
}

#[test]
fn a_filter_and_a_range_leave_connections_out() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.tcpp"), trace("ipv4-loss2", 0)).unwrap();
    let svg = |more: &[&str]| {
        let arguments = [&["a.tcpp", "-o", "-", "--format", "svg"], more].concat();
        stdout(&plot(directory.path(), &arguments).code(0))
    };
    assert!(svg(&[]).contains(":56150"));
    assert!(!svg(&["--filter", "port == 56148"]).contains(":56150"));
    let all = svg(&[]);
    assert_ne!(svg(&["--last", "500ms"]), all);
    assert_ne!(svg(&["--raw-time"]), all);
    assert_ne!(svg(&["--top", "1"]), all);
}

#[test]
fn losses_are_6_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.tcpp"), trace("ipv4-loss2", 77)).unwrap();
    let assert = plot(directory.path(), &["a.tcpp"]).code(6);
    assert_eq!(stderr(&assert), "tcpprobectl: wrote a.png\ntcpprobectl: a.tcpp: 77 events were lost while recording\n");
}

#[test]
fn nothing_to_draw_is_5_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.tcpp"), trace("ipv4-loss2", 0)).unwrap();
    let wider = "take a wider range or filter, or wait for TCP traffic";
    let line = format!("nothing to draw: the trace has no tcp_probe and no tcp_retransmit_skb events; {wider}");
    check_failure(plot(directory.path(), &["a.tcpp", "--filter", "port == 1"]), 5, &line);
    let ssh = text("ipv4-loss2").replace(":5297", ":22").replace("port=5297", "port=22");
    fs::write(directory.path().join("ssh.txt"), ssh).unwrap();
    let assert = plot(directory.path(), &["ssh.txt"]).code(5);
    assert!(stderr(&assert).contains("--ssh draws them"), "{}", stderr(&assert));
    plot(directory.path(), &["ssh.txt", "--ssh"]).code(0);
    assert!(directory.path().join("ssh.png").exists());
}

#[test]
fn what_is_neither_file_nor_job() {
    let daemon = Daemon::start(jobs(), Vec::new());
    check_failure(run(&daemon.socket(), &["plot", "nosuch"]), 5, "no job nosuch; `tcpprobectl list` shows the jobs");
    let missing = "cannot read missing.tcpp: No such file or directory (os error 2)";
    check_failure(run(&daemon.socket(), &["plot", "missing.tcpp"]), 1, missing);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("notes"), "buy milk\n").unwrap();
    let no_trace = "notes is not a trace; it takes .tcpp, ftrace text, trace.dat and perf.data, all also with .gz";
    check_failure(plot(directory.path(), &["notes"]), 1, no_trace);
    let no_gif = "a plot is PNG, SVG or HTML, no gif; end the name in .png, .svg or .html";
    check_failure(plot(directory.path(), &["notes", "-o", "x.gif"]), 2, no_gif);
}

#[test]
fn text_has_no_time_of_day() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.txt"), text("ipv4-loss2")).unwrap();
    let line = "a.txt does not tell the time of day; leave out --since, --until and --last";
    check_failure(plot(directory.path(), &["a.txt", "--since", "5m ago"]), 2, line);
    check_failure(plot(directory.path(), &["a.txt", "--last", "5m"]), 2, line);
}

/// The events of the default set, beside those that a picture is drawn from, change nothing in it.
#[test]
fn the_events_that_are_not_drawn_change_no_picture() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for folder in ["all", "minimal"] {
        fs::create_dir(path(folder)).unwrap();
    }
    let convert = |arguments: &[&str]| {
        program().arg("convert").args(arguments).current_dir(directory.path()).assert().code(0);
    };
    let (pages, formats) = (folder("ipv6-loss2-all"), events(KERNEL));
    let formats = formats.canonicalize().unwrap();
    convert(&[pages.to_str().unwrap(), "--formats", formats.to_str().unwrap(), "-o", "all/web.tcpp"]);
    convert(&["all/web.tcpp", "--events", "minimal", "-o", "minimal/web.tcpp"]);
    let picture = |folder: &str| {
        // Why something was sent again, and what held back, the others tell.
        plot(&path(folder), &["web.tcpp", "-o", "web.svg", "--panels", "throughput,cwnd,srtt"]).code(0);
        fs::read_to_string(path(folder).join("web.svg")).unwrap()
    };
    assert!(fs::metadata(path("all/web.tcpp")).unwrap().len() > fs::metadata(path("minimal/web.tcpp")).unwrap().len());
    assert_eq!(picture("all"), picture("minimal"));
}

/// A trace of the fixtures of `diagnose`, in a folder of its own.
fn diagnosed(directory: &Path, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/diagnose").join(name).join("trace.tcpp");
    fs::create_dir_all(directory.join(name)).unwrap();
    fs::copy(from, directory.join(name).join("trace.tcpp")).unwrap();
}

/// The places of `texts` in a picture; they must be in it.
fn places(svg: &str, texts: &[&str]) -> Vec<usize> {
    texts.iter().map(|text| svg.find(text).unwrap_or_else(|| panic!("no {text} in {svg}"))).collect()
}

#[test]
fn a_single_connection_tells_its_limits_and_causes() {
    let directory = tempfile::tempdir().unwrap();
    diagnosed(directory.path(), "policed-slow");
    let svg = |more: &[&str]| {
        let arguments = [&["policed-slow/trace.tcpp", "-o", "-", "--format", "svg"], more].concat();
        stdout(&plot(directory.path(), &arguments).code(0))
    };
    let all = svg(&[]);
    let panels = [
        "Throughput, Mbit/s",
        "Congestion window",
        "In flight, kB",
        "Smoothed RTT",
        "Retransmissions by cause",
        "Limits",
    ];
    assert!(places(&all, &panels).is_sorted());
    places(&all, &["fast 117", "policer 97 %", "cwnd × MSS", "held back by", "1.62 Mbit/s"]);
    let some = svg(&["--panels", "srtt,cwnd"]);
    assert!(places(&some, &["Smoothed RTT", "Congestion window"]).is_sorted());
    assert!(!some.contains("Throughput") && !some.contains("Limits"));
    let none = svg(&["--panels", "limits", "--filter", "sport == 58314", "--top", "1", "--by", "srtt"]);
    places(&none, &["policer 97 %"]);
    let unknown = plot(directory.path(), &["policed-slow/trace.tcpp", "--panels", "speed"]).code(2);
    assert!(stderr(&unknown).contains("speed"), "{}", stderr(&unknown));
    plot(directory.path(), &["policed-slow/trace.tcpp", "--by", "beauty"]).code(2);
    plot(directory.path(), &["policed-slow/trace.tcpp", "--top", "17"]).code(2);
}

#[test]
fn files_are_compared() {
    let directory = tempfile::tempdir().unwrap();
    ["rcvbuf", "policed-slow"].iter().for_each(|name| diagnosed(directory.path(), name));
    let files = ["rcvbuf/trace.tcpp", "policed-slow/trace.tcpp"];
    let svg = |more: &[&str]| {
        let arguments = [&files[..], &["-o", "-", "--format", "svg"], more].concat();
        stdout(&plot(directory.path(), &arguments).code(0))
    };
    let overlaid = svg(&[]);
    places(&overlaid, &["rcvbuf/trace.tcpp", "policed-slow/trace.tcpp", "seconds since the first event of each"]);
    places(&overlaid, &["1.61 Mbit/s (−81 %)", "srtt p95, ms", "receive window", "policer"]);
    let stacked = svg(&["--stack", "--panels", "cwnd"]);
    places(&stacked, &["Congestion window of rcvbuf/trace.tcpp", "Congestion window of policed-slow/trace.tcpp"]);
    let assert = plot(directory.path(), &files).code(0);
    assert_eq!(stderr(&assert), "tcpprobectl: wrote trace-trace.png\n");
    let run = plot(directory.path(), &[files[0], files[1], "--run", "1"]);
    check_failure(run, 2, "--run is of one job, and several are compared; write NAME:RUN for each job");
    let missing = plot(directory.path(), &[files[0], "missing.tcpp"]);
    check_failure(missing, 1, "cannot read missing.tcpp: No such file or directory (os error 2)");
}

#[test]
fn runs_of_a_job_are_compared() {
    let daemon = Daemon::start(jobs(), trace("ipv4-loss2", 0));
    let plot = |arguments: &[&str]| {
        let mut command = program();
        command.arg("plot").args(arguments).env("TCPPROBED_SOCKET", daemon.socket()).current_dir(daemon.directory());
        command.assert()
    };
    let both = plot(&["web:1", "web:2"]).code(0);
    assert_eq!(stderr(&both), "tcpprobectl: wrote web-1-web-2.png\n");
    let svg = stdout(&plot(&["web:1", "web:2", "-o", "-", "--format", "svg"]).code(0));
    places(&svg, &["web, run 1", "web, run 2", "(=)"]);
    assert!(stdout(&plot(&["web:2", "-o", "-", "--format", "svg"]).code(0)).contains("web, run 2"));
}

/// What is between the tags of an inert element of a page.
fn inert<'a>(page: &'a str, id: &str) -> &'a str {
    let from = page.find(&format!("id=\"{id}\">")).unwrap_or_else(|| panic!("no {id}")) + id.len() + 6;
    page[from..].split('<').next().unwrap()
}

#[test]
fn a_page_of_a_file_and_of_a_job() {
    let directory = tempfile::tempdir().unwrap();
    diagnosed(directory.path(), "rcvbuf");
    let assert = plot(directory.path(), &["rcvbuf/trace.tcpp", "-o", "web.html"]).code(0);
    assert_eq!(stderr(&assert), "tcpprobectl: wrote web.html\n");
    let page = fs::read_to_string(directory.path().join("web.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("default-src 'none'"));
    let about: serde_json::Value = serde_json::from_str(inert(&page, "about")).unwrap();
    assert_eq!((&about["title"], &about["reduced"]), (&"trace.tcpp".into(), &"".into()));
    assert!(!inert(&page, "connections").is_empty() && !inert(&page, "chunk0").is_empty());
    let of_svg = plot(directory.path(), &["rcvbuf/trace.tcpp", "--format", "html", "-o", "-"]).code(0);
    assert_eq!(stdout(&of_svg), page, "the same each time");

    let daemon = Daemon::start(jobs(), trace("ipv4-loss2", 0));
    let mut command = program();
    command.args(["plot", "web", "--format", "html"]).env("TCPPROBED_SOCKET", daemon.socket());
    let assert = command.current_dir(daemon.directory()).assert().code(0);
    assert_eq!(stderr(&assert), "tcpprobectl: wrote web.html\n");
}

#[test]
fn a_page_that_is_too_small_says_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // The same events again and again, at times that repeat nothing.
    let lines = text("ipv4-loss2");
    let (head, events): (Vec<&str>, Vec<&str>) = lines.lines().partition(|line| line.starts_with('#'));
    let mut long = head.join("\n");
    for turn in 0..200_u32 {
        for (at, line) in events.iter().enumerate() {
            let Some((before, after)) = line.split_once(": tcp_") else { continue };
            let Some((task, seconds)) = before.rsplit_once(' ') else { continue };
            let seconds: f64 = seconds.parse().unwrap();
            let noise = f64::from((at as u32 * 7919 + turn * 104_729) % 997) * 1e-6;
            long.push_str(&format!("\n{task} {:.6}: tcp_{after}", seconds + f64::from(turn) * 60.0 + noise));
        }
    }
    fs::write(path("long.txt"), long).unwrap();
    let convert = program().args(["convert", "long.txt", "-o", "long.tcpp"]).current_dir(directory.path()).assert();
    convert.code(0);
    let whole = plot(directory.path(), &["long.tcpp", "-o", "whole.html"]).code(0);
    assert_eq!(stderr(&whole), "tcpprobectl: wrote whole.html\n");
    let all = fs::metadata(path("whole.html")).unwrap().len();
    assert!(all > 260_000, "{all}");
    let assert = plot(directory.path(), &["long.tcpp", "-o", "less.html", "--size", "250kB"]).code(0);
    let said = stderr(&assert);
    assert!(
        said.contains("for a page of 250 kB, ") && said.contains(" events are kept, among them each extreme; "),
        "{said}"
    );
    let hint = said.split('`').nth(1).unwrap();
    assert!(hint.starts_with("tcpprobectl plot long.tcpp --format html --size ") && hint.ends_with("MB"), "{said}");
    // The hint works.
    let arguments: Vec<&str> = hint.split(' ').skip(2).chain(["-o", "more.html"]).collect();
    assert_eq!(stderr(&plot(directory.path(), &arguments).code(0)), "tcpprobectl: wrote more.html\n");
    let page = fs::read_to_string(path("less.html")).unwrap();
    assert!(page.len() <= 250_000, "{}", page.len());
    let about: serde_json::Value = serde_json::from_str(inert(&page, "about")).unwrap();
    assert!(about["reduced"].as_str().unwrap().contains("events are kept"), "{about}");
}

#[test]
fn a_page_has_the_panels_that_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    diagnosed(directory.path(), "rcvbuf");
    let panels = |more: &[&str]| {
        plot(directory.path(), &[&["rcvbuf/trace.tcpp", "-o", "a.html"], more].concat()).code(0);
        let page = fs::read_to_string(directory.path().join("a.html")).unwrap();
        serde_json::from_str::<serde_json::Value>(inert(&page, "about")).unwrap()["panels"].clone()
    };
    assert_eq!(panels(&[]), serde_json::Value::Null);
    assert_eq!(panels(&["--panels", "srtt,limits,cwnd"]), serde_json::json!(["srtt", "lanes", "cwnd"]));
}

#[test]
fn what_a_page_has_not() {
    let directory = tempfile::tempdir().unwrap();
    diagnosed(directory.path(), "rcvbuf");
    let check = |more: &[&str], said: &str| {
        let arguments = [&["rcvbuf/trace.tcpp"], more].concat();
        check_failure(plot(directory.path(), &arguments), 2, said);
    };
    check(&["-o", "a.html", "--size", "100k"], "a page needs 250 kB at least; give a larger --size");
    check(&["-o", "a.svg", "--size", "1M"], "--size is of a page; give --format html, or leave it out");
    check(
        &["rcvbuf/trace.tcpp", "-o", "a.html", "--stack"],
        "--stack is of pictures; leave it out: a page draws what is chosen in its list",
    );
}

#[test]
fn a_page_of_several_traces_compares_them() {
    let directory = tempfile::tempdir().unwrap();
    diagnosed(directory.path(), "rcvbuf");
    diagnosed(directory.path(), "policed-slow");
    let files = ["rcvbuf/trace.tcpp", "policed-slow/trace.tcpp"];
    let said = stderr(&plot(directory.path(), &[&files[..], &["-o", "a.html"]].concat()).code(0));
    assert_eq!(said, "tcpprobectl: wrote a.html\n");
    let page = fs::read_to_string(directory.path().join("a.html")).unwrap();
    let about: serde_json::Value = serde_json::from_str(inert(&page, "about")).unwrap();
    let titles = serde_json::json!(files);
    assert_eq!((&about["traces"], &about["utc"], &about["zero"]), (&titles, &serde_json::Value::Null, &"0".into()));
    assert_eq!(about["chosen"], 2);
    // The same table as of a picture.
    let svg = stdout(&plot(directory.path(), &[&files[..], &["--format", "svg", "-o", "-"]].concat()).code(0));
    for row in about["differences"]["rows"].as_array().unwrap() {
        let cells = row[1].as_array().unwrap().iter();
        let cells: Vec<String> = cells.map(|cell| cell.as_str().unwrap().replace('<', "&lt;")).collect();
        places(&svg, &cells.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(cells.iter().any(|cell| cell.contains("bit/s")), "{cells:?}");
    }
}
