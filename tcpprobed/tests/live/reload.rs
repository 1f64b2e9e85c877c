//! SIGHUP: the configuration is read again, and no capture is touched.

use std::fs;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use tcpprobe_proto::v1::JobSpec;
use tcpprobed::tracefs::{held_kb, page_kb};
use tonic::Code;

use crate::common::{Answer, Client, Daemon, Shadow, Site, assert_same, job, wait_until};

/// A group of this machine that is not root's.
fn some_group() -> (String, u32) {
    let text = fs::read_to_string("/etc/group").unwrap();
    let mut groups = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let of = groups.find(|fields| fields[2] != "0").expect("a machine has more than one group");
    (of[0].to_owned(), of[2].parse().unwrap())
}

#[test]
fn access_groups_take_effect_at_once() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    daemon.open_to_all();
    let client = client.copied_to(&daemon.path("tcpprobectl"));
    let (group, gid) = some_group();
    let run = |line: &str| {
        let mut command = client.command(&line.split(' ').collect::<Vec<_>>());
        Answer::of(command.uid(61_007).gid(gid)).code
    };
    assert_eq!(run("list"), 4);
    daemon.reload(&format!("[access]\nviewers = [{group:?}]\n"));
    assert_eq!((run("list"), run("start mine --filter port==1")), (0, 4));
    daemon.reload(&format!("[access]\noperators = [{group:?}]\n"));
    assert_eq!((run("list"), run("start mine --filter port==1"), run("rm mine --force")), (0, 0, 0));
    let log = daemon.reload("[access]\nviewers = [\"no-such-group\"]\n");
    assert!(log.contains("no-such-group") && log.contains("lets nobody in"), "{log}");
    assert_eq!(run("list"), 4);
}

/// Whatever becomes of the configuration, a capture under load stores all that the kernel traced.
#[test]
fn a_capture_loses_nothing() {
    let Some(daemon) = Daemon::configured("[limits]\njobs = 1\n") else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let spec = JobSpec { buffer_kb: 64 << 10, ..job("web", &site.filter()) };
    let shadow = Shadow::start("reload", &api.start(spec).plan);
    thread::scope(|scope| {
        let load = scope.spawn(|| site.ping_pong(5000));
        for (config, answer) in [
            ("[store]\nsegment_bytes = 65536\nsegment_seconds = 1\nsync_seconds = 1\n", "read again"),
            ("[limits]\njbos = 1\n", "stays"),
            ("[limits]\njobs = 1\nkernel_memory_percent = 1\n[job]\nbuffer_kb_per_cpu = 4\n", "read again"),
            ("", "read again"),
        ] {
            let log = daemon.reload(config);
            assert!(log.contains(answer), "{config}: {log}");
            thread::sleep(Duration::from_millis(200));
        }
        load.join().unwrap();
    });
    shadow.quiet();
    let job = api.stop("web");
    assert_eq!(job.runs.len(), 1, "the run went on");
    let (recorded, ledger) = (shadow.stop(), job.runs[0].ledger.unwrap());
    assert_same(&api.trace("web").events, &recorded.events);
    assert_eq!((ledger.stored, ledger.lost, ledger.dropped), (recorded.events.len() as u64, 0, 0));
}

#[test]
fn a_bad_file_leaves_all_as_it_was() {
    let good = "[limits]\njobs = 1\n";
    let Some(daemon) = Daemon::configured(good) else { return };
    let api = daemon.api();
    api.start(job("one", "port == 1"));
    let path = daemon.path("config.toml").display().to_string();
    for (config, words) in [
        ("[limits]\njobs = 2\njbos = 3\n", "line 3: unknown field `jbos`"),
        ("[limits]\njobs = 0\n", "limits.jobs must be at least 1"),
        ("[limits\n", "line 1: "),
    ] {
        let log = daemon.reload(config);
        let lines: Vec<&str> = log.lines().collect();
        let told = matches!(lines[..], [line] if [path.as_str(), words, "stays"].iter().all(|w| line.contains(w)));
        assert!(told, "{config}: {log}");
        assert_eq!(api.try_start(job("two", "port == 2")).unwrap_err().code(), Code::ResourceExhausted);
    }
    let doctor = || Client::of(&daemon).map(|client| client.run(&["doctor"]).out);
    assert!(doctor().is_none_or(|found| found.contains("configuration") && found.contains("line 1: ")));
    daemon.reload("[limits]\njobs = 2\n");
    api.start(job("two", "port == 2"));
    assert!(doctor().is_none_or(|found| !found.contains("configuration")));
}

/// Whoever starts a job is told that there is little room for it.
#[test]
fn a_small_store_is_told_at_start() {
    let Some(daemon) = Daemon::start() else { return };
    daemon.reload("[store]\nfree_min = \"1000TiB\"\n");
    let warnings = daemon.api().start(job("web", "port == 1")).warnings;
    assert!(
        warnings.iter().any(|line| line.contains("store.free_min") && line.contains("; free space")),
        "{warnings:?}"
    );
}

#[test]
fn defaults_and_limits_of_jobs() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let kb = || api.plan(job("web", "")).unwrap().buffer_kb_per_cpu;
    assert_eq!(kb(), held_kb(8192, 64));
    let log = daemon.reload("state = \"/elsewhere\"\n[job]\nbuffer_kb_per_cpu = 64\n[limits]\nstreams = 1\n");
    assert_eq!(kb(), held_kb(64, page_kb()));
    // The state folder is given by a flag, which overrules the file: nothing waits for a restart.
    assert!(!log.contains("restart"), "{log}");
    api.start(job("web", &site.filter()));
    let _follower = api.follow("web");
    let refused = api.stream(tcpprobe_proto::v1::ReadRequest { name: "web".into(), ..Default::default() });
    assert_eq!(refused.err().map(|status| status.code()), Some(Code::ResourceExhausted));
    let log = daemon.reload("tracefs = \"/elsewhere\"\n[access]\ngroup = \"other\"\n");
    assert!(log.contains("tracefs, access.group: changed, which takes a restart"), "{log}");
    assert!(api.stream(tcpprobe_proto::v1::ReadRequest { name: "web".into(), ..Default::default() }).is_ok());
}

/// Segments that are being written close by the new limits, and those that are too many go.
#[test]
fn limits_of_the_store() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(job("web", &site.filter()));
    let segments = || api.get("web").runs[0].segments;
    site.ping_pong(20);
    assert_eq!(segments(), 1);
    daemon.reload("[store]\nsegment_seconds = 1\n");
    wait_until("a segment is closed by age", || {
        site.ping_pong(20);
        segments() >= 3
    });
    let first = daemon.path("state/jobs/web/000001/00000001.tcpp");
    assert!(first.exists());
    daemon.reload("[store]\nmax_size = 1\nsegment_seconds = 1\n");
    wait_until("the first segment is removed", || !first.exists());
}
