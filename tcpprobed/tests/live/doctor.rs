//! The doctor and the sample, on the kernel that runs: what is found is so, and nothing is left of the finding out.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;

use tcpprobe_proto::v1::{JobSpec, StartJobRequest};
use tonic::Code;

use crate::common::{Client, Daemon, Shadow, Site, job, wait_until};

/// Name, level and finding of a line.
fn line<'a>(out: &'a str, name: &str) -> (&'a str, &'a str) {
    let found = out.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
    let found = found.unwrap_or_else(|| panic!("no line {name} in\n{out}"));
    let (level, rest) = found.split_once(' ').unwrap();
    (level, rest.trim_start().strip_prefix(name).unwrap().trim_start())
}

#[test]
fn of_a_daemon_that_is_well() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    daemon.api().start(job("web", "port == 1"));
    let out = client.run(&["doctor"]).expect(0);
    for name in ["daemon", "access", "tracefs", "lockdown", "tcp:tcp_probe", "capture", "memory", "jobs", "leftovers"] {
        assert_eq!(line(&out, name).0, "ok", "{out}");
    }
    assert!(line(&out, "capture").1.starts_with("tried out with "), "{out}");
    assert_eq!(line(&out, "jobs").1, "1 job, 1 running without loss");
    assert_eq!(daemon.instances(), ["web"], "that of the preflight is gone");
    assert_eq!(fs::read_dir(daemon.path("state")).unwrap().filter(|entry| is_doctors(entry.as_ref())).count(), 0);
}

fn is_doctors(entry: Result<&fs::DirEntry, &std::io::Error>) -> bool {
    entry.unwrap().file_name().to_string_lossy().starts_with(".doctor")
}

#[test]
fn of_one_that_has_leftovers_and_too_little_memory() {
    // A job takes half of all memory by default, and all of them may have a hundredth.
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total_kb: u64 = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let config = format!("[limits]\nkernel_memory_percent = 1\n[job]\nbuffer_kb_per_cpu = {}\n", total_kb / 2);
    let Some(daemon) = Daemon::configured(&config) else { return };
    let Some(client) = Client::of(&daemon) else { return };
    fs::create_dir(daemon.instance("ghost")).unwrap();
    fs::write(daemon.path("run/old.staging"), "").unwrap();
    let out = client.run(&["doctor"]).expect(1);
    assert_eq!(line(&out, "memory").0, "failure", "{out}");
    // What starting a job would say.
    assert_eq!(line(&out, "capture").0, "failure", "{out}");
    let (level, finding) = line(&out, "leftovers");
    assert_eq!(level, "warning");
    let remedy =
        format!("rmdir {}; rm {}", daemon.instance("ghost").display(), daemon.path("run/old.staging").display());
    assert!(finding.contains("ghost") && finding.ends_with(&remedy), "{finding}");
}

/// All the traffic falls into the sample, so the sample has exactly what the kernel traced: of a port, which the kernel
/// filters, one address, which the daemon does.
#[test]
fn a_sample_counts_what_a_job_would_record() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::any_v4());
    let other = site.towards(Ipv4Addr::new(127, 0, 0, 2));
    let probes = |filter: String| JobSpec { events: vec!["tcp_probe".into()], ..job("web", &filter) };
    let some = probes(format!("{} && addr == 127.0.0.2", site.filter()));
    let shadow = Shadow::start("sampled", &api.plan(probes(site.filter())).unwrap().plan);
    let reply = thread::scope(|scope| {
        let sampling = scope.spawn(|| daemon.api().sample(some).unwrap());
        // An instance is made with its buffer open, and closed until its events are enabled.
        let is_on =
            |name: &str| fs::read_to_string(daemon.instance(".trial").join(name)).is_ok_and(|text| text == "1\n");
        wait_until("the sample counts", || is_on("events/tcp/tcp_probe/enable") && is_on("tracing_on"));
        site.ping_pong(100);
        other.ping_pong(200);
        sampling.join().unwrap()
    });
    let recorded = shadow.stop().events.len() as u64;
    let sample = reply.sample.unwrap();
    let [event] = sample.events[..] else { panic!("{sample:?}") };
    assert_eq!((event.stored + event.filtered, sample.lost), (recorded, 0), "{sample:?}");
    assert!(event.filtered >= 200 && event.stored >= 2 * event.filtered - 50, "{sample:?}");
    assert!((1.0..60.0).contains(&(sample.stored_bytes as f64 / event.stored as f64)), "{sample:?}");
    assert!((2_000_000_000..20_000_000_000).contains(&sample.duration_ns), "{sample:?}");
    assert!(daemon.instances().is_empty() && api.list().is_empty(), "nothing is left");
}

#[test]
fn a_job_that_runs_can_be_planned_anew_and_tells_its_defaults() {
    let Some(daemon) = Daemon::configured("[job]\nmax_size = 7000000\n[store]\nmax_size = 90000000\n") else { return };
    let api = daemon.api();
    let started = api.start(job("web", "port == 1"));
    let before = api.get("web");
    let plan = api.plan(job("web", "port == 2")).unwrap();
    assert!(plan.plan.iter().any(|plan| plan.kernel_filter.contains("== 2")), "{plan:?}");
    assert_eq!((plan.job, plan.run), (None, started.run + 1));
    let defaults = plan.defaults.unwrap();
    assert_eq!((defaults.max_size_bytes, defaults.store_max_size_bytes), (7_000_000, 90_000_000));
    assert_eq!(defaults.buffer_kb, 8192 * u64::from(plan.cpus));
    let after = api.get("web");
    assert_eq!((after.spec, after.state, after.runs.len()), (before.spec, before.state, before.runs.len()));
    for job in [api.get("web"), api.list().remove(0)] {
        assert_eq!((job.defaults, &*job.store_warning), (Some(defaults), ""));
    }
    // All the same nobody starts it twice.
    assert_eq!(api.try_start(job("web", "port == 2")).unwrap_err().code(), Code::FailedPrecondition);
}

#[test]
fn a_small_store_is_told_with_every_job() {
    let Some(daemon) = Daemon::configured("[store]\nfree_min = 1000000000000000\n") else { return };
    daemon.api().start(job("web", "port == 1"));
    for job in [daemon.api().get("web"), daemon.api().list().remove(0)] {
        assert!(job.store_warning.contains("less than store.free_min"), "{}", job.store_warning);
    }
}

#[test]
fn only_a_dry_run_takes_a_sample() {
    let Some(daemon) = Daemon::start() else { return };
    let api = daemon.api();
    let request = StartJobRequest { spec: Some(job("web", "port == 1")), sample: true, ..Default::default() };
    assert_eq!(api.try_ask(request).unwrap_err().code(), Code::InvalidArgument);
    let bad = JobSpec { events: vec!["nosuch".into()], ..job("web", "") };
    assert_eq!(api.sample(bad).unwrap_err().code(), Code::InvalidArgument);
    assert!(api.list().is_empty() && daemon.instances().is_empty());
}
