//! Wrong input is refused in one line that says what to do, with the right exit code, and costs nothing.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tcpprobe_proto::v1::{JobSpec, JobState};
use tonic::Code;

use crate::common::{Api, Client, Daemon, Person, Shadow, Site, assert_same, job, refused};

/// Whatever is asked wrongly, a job that runs beside it stores exactly what the kernel traced.
#[test]
fn a_capture_is_not_disturbed() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let good = job("good", &site.filter());
    let shadow = Shadow::start("undisturbed", &api.start(good.clone()).plan);
    for spec in [
        job("bad", "sport = 80"),
        job("bad", "nosuchfield == 80"),
        job("bad", "skaddr == 0xffff888000000000"),
        job("bad", &"(".repeat(2000)),
        JobSpec { events: vec!["nosuch".into()], ..job("bad", "") },
        JobSpec { events: vec!["../../tcp".into()], ..job("bad", "") },
        job("", ""),
        job("../bad", ""),
        job(".bad", ""),
        job("bad\n", ""),
        job(&"b".repeat(65), ""),
    ] {
        site.ping_pong(5);
        let status = api.try_start(spec.clone()).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{spec:?}: {status}");
        assert!(!status.message().contains('\n'), "{status}");
        assert_eq!(api.plan(spec).unwrap_err().code(), Code::InvalidArgument);
    }
    let too_long = api.try_start(job("bad", &" ".repeat(100_000))).unwrap_err();
    assert!(matches!(too_long.code(), Code::OutOfRange | Code::ResourceExhausted), "{too_long}");
    assert_eq!(api.try_start(good).unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(api.try_stop("nosuch").unwrap_err().code(), Code::NotFound);
    assert_eq!(api.remove("good", false).unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(api.try_get("nosuch").unwrap_err().code(), Code::NotFound);
    for rubbish in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 1000], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff"]
    {
        UnixStream::connect(daemon.socket()).unwrap().write_all(rubbish).unwrap();
    }
    site.ping_pong(50);
    shadow.quiet();
    api.stop("good");
    assert_same(&api.trace("good").events, &shadow.stop().events);
    assert_eq!(api.list().len(), 1, "nothing was left of what was refused");
    assert_eq!(fs::read_dir(daemon.path("state/jobs")).unwrap().count(), 1);
}

#[test]
fn the_client_says_it_in_one_line() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let run = |line: &str| client.run(&line.split(' ').collect::<Vec<_>>());
    run("start web --filter sport==").refused(2, &["column"]);
    run("start web --filter sprt==80").refused(2, &["sport"]);
    run("start web --events tcp_prob").refused(2, &["tcp_prob"]);
    run("start a/b").refused(2, &["a/b", "letter"]);
    for command in ["status", "stop", "rm", "fetch", "tail"] {
        run(&format!("{command} nosuch")).refused(5, &["nosuch", "tcpprobectl list"]);
    }
    run("start web --filter port==1").expect(0);
    run("start web --filter port==1").refused(1, &["running", "tcpprobectl stop web"]);
    run("start web --buffer 999999999999").refused(1, &["running"]);
    run("rm web").refused(1, &["running", "stop"]);
    run("fetch web --format text").refused(5, &["web"]);
    run("fetch web --run 7").refused(5, &["7", "tcpprobectl status web"]);
    run("stop web").expect(0);
    run("stop web").refused(1, &["not running", "tcpprobectl start web"]);
    run("rm web").expect(0);
    run("rm web").refused(5, &["web"]);
    let nowhere = client.at(Path::new("/nonexistent/tcpprobed.sock"));
    nowhere.run(&["list"]).refused(3, &["/nonexistent/tcpprobed.sock", "start it"]);
    client.at(&daemon.path("log")).run(&["list"]).refused(3, &["log"]);
}

/// The figure in the refusal works.
#[test]
fn a_buffer_that_is_too_large() {
    let Some(daemon) = Daemon::configured("[limits]\nkernel_memory_percent = 1\n") else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let mut taken = Vec::new();
    // Some of it may be taken already.
    for (first, second) in [("a", "b"), ("c", "d")] {
        let answer = client.run(&["start", second, "--filter", "port==1", "--buffer", "2000000000"]);
        assert_eq!(answer.code, 1, "{}", answer.err);
        let figure = answer.err.split("--buffer ").nth(1).unwrap_or_else(|| panic!("{}", answer.err)).trim();
        let kb: u64 = figure.parse().unwrap();
        assert!(kb > 1000, "{}", answer.err);
        let some = if taken.is_empty() { (kb / 3).to_string() } else { figure.to_owned() };
        client.run(&["start", first, "--filter", "port==1", "--buffer", &some]).expect(0);
        taken.push(first);
    }
    client.run(&["start", "d", "--filter", "port==1"]).refused(1, &["memory", "stop"]);
    assert_eq!(daemon.instances(), taken);
}

/// Several buffers that fit one by one: those that start at the same time get no more than there is.
#[test]
fn buffers_that_are_too_large_together() {
    let Some(daemon) = Daemon::configured("[limits]\nkernel_memory_percent = 1\n") else { return };
    let refused = daemon.api().plan(JobSpec { buffer_kb: 1 << 40, ..job("web", "port == 1") }).unwrap_err();
    let figure = refused.message().split("--buffer ").nth(1).unwrap_or_else(|| panic!("{refused}")).trim();
    let buffer_kb = figure.parse::<u64>().unwrap() * 2 / 5;
    let start = |number: u32| {
        let spec = JobSpec { buffer_kb, ..job(&format!("job{number}"), "port == 1") };
        daemon.api().try_start(spec).map_or_else(|status| status.code(), |_| Code::Ok)
    };
    let mut codes: Vec<Code> = std::thread::scope(|scope| {
        let start = &start;
        let hands: Vec<_> = (0..6).map(|number| scope.spawn(move || start(number))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    codes.sort_by_key(|code| *code as i32);
    assert_eq!(codes[..2], [Code::Ok; 2], "two fit");
    assert_eq!(codes[2..], [Code::ResourceExhausted; 4], "no more do");
    assert_eq!((daemon.api().list().len(), daemon.instances().len()), (2, 2));
}

/// Of the jobs that there may be, nobody but an admin takes all.
#[test]
fn jobs_of_one_user() {
    let config = "[limits]\njobs = 3\njobs_per_user = 2\n[access]\noperators = [\"daemon\"]\n";
    let Some(daemon) = Daemon::configured(config) else { return };
    daemon.open_to_all();
    let somebody = Api::over(Person::of_group(61_001, "daemon").connect(&daemon.socket()));
    let start = |name: &str| somebody.try_start(job(name, "port == 1"));
    start("one").unwrap();
    start("two").unwrap();
    let refused = start("three").unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("limits.jobs_per_user"), "{refused}");
    daemon.api().start(job("three", "port == 1"));
    assert!(daemon.api().try_start(job("four", "port == 1")).unwrap_err().message().contains("limits.jobs "));
}

/// A start that fails on the way leaves nothing that stands in the way of the next.
#[test]
fn a_start_that_fails_can_be_repeated() {
    let Some(daemon) = Daemon::start() else { return };
    let api = daemon.api();
    let staging = daemon.path("run/web.staging");
    fs::create_dir(&staging).unwrap();
    let status = api.try_start(job("web", "port == 1")).unwrap_err();
    assert!(status.message().contains("staging"), "{status}");
    assert_eq!((api.list().len(), daemon.instances().len()), (0, 0));
    fs::remove_dir(&staging).unwrap();
    assert_eq!(api.start(job("web", "port == 1")).run, 1);
    api.stop("web");
    fs::create_dir(&staging).unwrap();
    api.try_start(job("web", "port == 2")).unwrap_err();
    let spec = api.get("web").spec.unwrap();
    assert_eq!(spec.filter, "port == 1", "what was refused is not what the job is");
    fs::remove_dir(&staging).unwrap();
    assert_eq!(api.start(job("web", "")).run, 2);
}

/// A daemon that was killed before it had noted its first job makes the job all the same.
#[test]
fn a_job_that_was_made_by_halves() {
    let Some(mut daemon) = Daemon::start() else { return };
    daemon.api().start(job("web", "port == 1"));
    daemon.kill();
    fs::remove_file(daemon.path("state/jobs/web/job.toml")).unwrap();
    daemon.run();
    assert_eq!((daemon.api().list().len(), daemon.instances().len()), (0, 0));
    let site = Site::v4();
    let shadow = Shadow::start("by-halves", &daemon.api().start(job("web", &site.filter())).plan);
    site.ping_pong(50);
    shadow.quiet();
    daemon.api().stop("web");
    assert_same(&daemon.api().trace("web").events, &shadow.stop().events);
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let Some(daemon) = Daemon::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let config = |text: &str| {
        fs::write(path("config.toml"), text).unwrap();
        refused(&path("state"), &path("run"), &path("config.toml"), &[])
    };
    let check = |words: String, expected: &[&str]| {
        let errors: Vec<&str> = words.lines().filter(|line| !line.contains(" WARN ")).collect();
        assert_eq!(errors.len(), 1, "{words}");
        for word in expected {
            assert!(words.contains(word), "without {word:?}: {words}");
        }
    };
    check(config("[limits]\njbos = 3\n"), &["config.toml", "jbos", "line 2"]);
    check(config("state = 3\n"), &["config.toml, line 1", "path"]);
    check(config("[limits]\nkernel_memory_percent = 200\n"), &["kernel_memory_percent", "1 to 90"]);
    fs::remove_file(path("config.toml")).unwrap();
    check(refused(&path("state"), &path("run"), &path("config.toml"), &[]), &["config.toml", "No such file"]);
    fs::write(path("config.toml"), "").unwrap();
    let with = |more: &[&str]| refused(&path("state"), &path("run"), &path("config.toml"), more);
    let root = folder.path().display().to_string();
    check(with(&["--tracefs", &root]), &[&root, "tracefs"]);
    check(with(&["--tracefs", "/nonexistent"]), &["/nonexistent", "does not exist"]);
    let file = path("config.toml").display().to_string();
    check(refused(&path("config.toml"), &path("run"), &path("config.toml"), &[]), &["config.toml"]);
    check(refused(&path("state"), &path("config.toml"), &path("config.toml"), &[]), &["config.toml"]);
    check(with(&["--socket", &file]), &["config.toml", "no socket"]);
    check(with(&["--socket", &daemon.socket().display().to_string()]), &["another daemon"]);
    let second = refused(&daemon.path("state"), &path("run"), &path("config.toml"), &[]);
    check(second, &["in use by another tcpprobed", "--state"]);
    daemon.api().list();
}

/// Whoever starts, stops and removes at the same time, a job either is or is not, and so is its kernel instance.
#[test]
fn many_hands_on_one_job() {
    let Some(daemon) = Daemon::start() else { return };
    std::thread::scope(|scope| {
        for hand in 0..6 {
            let daemon = &daemon;
            scope.spawn(move || {
                let api = daemon.api();
                for turn in 0..8 {
                    let status = match (hand + turn) % 4 {
                        0 | 1 => api.try_start(job("web", "port == 1")).map(drop),
                        2 => api.try_stop("web").map(drop),
                        _ => api.remove("web", turn % 2 == 0).map(drop),
                    };
                    let expected = [Code::Ok, Code::NotFound, Code::FailedPrecondition];
                    let code = status.as_ref().err().map_or(Code::Ok, tonic::Status::code);
                    assert!(expected.contains(&code), "{status:?}");
                }
            });
        }
    });
    let api = daemon.api();
    let running: Vec<_> = api.list().into_iter().filter(|job| job.state() == JobState::Running).collect();
    assert_eq!(daemon.instances().len(), running.len());
    let _ = api.remove("web", true);
    assert_eq!(api.start(job("web", "port == 1")).run, 1, "nothing is left of the one before");
}

/// Of a damaged file the client gives what is left, and says what is wrong with it.
#[test]
fn damaged_files() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (api, site) = (daemon.api(), Site::v4());
    // With these two, half of the file is blocks, and not the schema.
    api.start(JobSpec { events: vec!["minimal".into()], ..job("web", &site.filter()) });
    let _sooner = api.follow("web");
    for _ in 0..3 {
        // Who asks has all stored that there is.
        let before = api.ledger("web").stored;
        site.ping_pong(100);
        crate::common::wait_until("a block of its own", || api.ledger("web").stored > before);
    }
    let stored = api.stop("web").runs[0].ledger.unwrap().stored;
    let file = daemon.path("web.tcpp");
    let name = file.to_str().unwrap();
    client.run(&["fetch", "web", "-o", name]).expect(0);
    let bytes = fs::read(&file).unwrap();
    let convert = || client.run(&["convert", name, "-o", "-", "--format", "text"]);
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with(['#', 'C'])).count() as u64;
    assert_eq!(lines(&convert().expect(0)), stored);

    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let cut = convert();
    assert!(cut.err.contains("cut short"), "{}", cut.err);
    cut.expect(6);
    // Within the last block, then within the first.
    let mut flipped = bytes.clone();
    let place = bytes.len() / 2;
    flipped[place] ^= 0x10;
    fs::write(&file, &flipped).unwrap();
    let answer = convert();
    assert!(answer.err.contains("checksum"), "{}", answer.err);
    let left = lines(&answer.expect(6));
    assert!(left < stored, "{left} of {stored}");
    assert!(left > 0, "a flipped bit costs one frame");

    fs::write(&file, "no trace at all\n").unwrap();
    convert().refused(1, &["web.tcpp", "not a trace"]);
    fs::write(&file, [0; 100]).unwrap();
    convert().refused(1, &["web.tcpp"]);
    fs::write(&file, "").unwrap();
    assert!([1, 5].contains(&convert().code));
    fs::remove_file(&file).unwrap();
    convert().refused(1, &["web.tcpp", "No such file"]);
}
