//! The account is exact: stored + filtered + lost + dropped is what the kernel generated, however events are lost.

use std::fs;
use std::net::Ipv4Addr;

use tcpprobe::file::Totals;
use tcpprobe_proto::v1::{JobSpec, Ledger};

use crate::common::{Client, Daemon, Shadow, Site, assert_part, job, wait_until};

/// Some hundred events on each CPU.
const TINY_KB: u64 = 128;

fn tiny(name: &str, filter: &str) -> JobSpec {
    JobSpec { buffer_kb: TINY_KB, ..job(name, filter) }
}

/// Checks the account of a job that is stopped against the shadow, in the API, in the trace and in the client; gives it.
fn check(daemon: &Daemon, name: &str, shadow: Shadow) -> Ledger {
    let api = daemon.api();
    let recorded = shadow.stop();
    let trace = api.trace(name);
    let ledger = api.ledger(name);
    let Ledger { stored, filtered, lost, dropped, unknown } = ledger;
    assert_eq!(stored + filtered + lost + dropped, recorded.events.len() as u64, "{ledger:?}");
    assert_eq!(trace.totals, Totals { stored, filtered, lost, dropped, unknown }, "the trace has another account");
    assert_eq!(trace.events.len() as u64, stored);
    assert_eq!(assert_part(&trace.events, &recorded.events), filtered + lost + dropped);
    let (first, last) = (recorded.events[0].time, recorded.events[recorded.events.len() - 1].time);
    for account in trace.accounts.iter().filter(|account| account.lost > 0) {
        assert!(account.from <= account.to && account.from <= last && account.to >= first, "{account:?}");
    }
    if let Some(client) = Client::of(daemon) {
        check_client(&client, name, &ledger);
    }
    ledger
}

fn check_client(client: &Client, name: &str, ledger: &Ledger) {
    let missing = ledger.lost + ledger.dropped;
    let code = if missing > 0 { 6 } else { 0 };
    let text = client.run(&["fetch", name, "--format", "text"]);
    assert_eq!(text.err.contains("lost"), missing > 0, "{}", text.err);
    let text = text.expect(code);
    let (marks, events): (Vec<_>, Vec<_>) =
        text.lines().filter(|line| !line.starts_with('#')).partition(|line| line.starts_with("CPU:"));
    assert_eq!(events.len() as u64, ledger.stored);
    // What is unknown has no number.
    let marked = |line: &&str| -> Option<u64> { line.split(' ').nth(2).unwrap().parse().ok() };
    assert_eq!(marks.iter().filter_map(marked).sum::<u64>(), missing, "marks of loss in the text");
    let status = client.run(&["status", name, "--json"]).expect(0);
    for (field, value) in [("stored", ledger.stored), ("filtered", ledger.filtered), ("lost", ledger.lost)] {
        assert!(status.contains(&format!("\"{field}\": {value},")), "{field} {value}: {status}");
    }
    assert!(status.contains(&format!("\"dropped\": {}", ledger.dropped)), "{status}");
}

/// Traffic while nobody reads, then while somebody does.
fn overflow(daemon: &Daemon, site: &Site, shadow: &Shadow) {
    daemon.pause();
    site.ping_pong(2000);
    shadow.quiet();
    daemon.go_on();
    site.ping_pong(300);
    shadow.quiet();
}

#[test]
fn overwritten_events_are_lost() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("overwritten", &api.start(tiny("web", &site.filter())).plan);
    overflow(&daemon, &site, &shadow);
    overflow(&daemon, &site, &shadow);
    api.stop("web");
    let ledger = check(&daemon, "web", shadow);
    assert!(ledger.lost > 1000 && ledger.stored > 500, "{ledger:?}: this shows little");
}

#[test]
fn refused_events_are_dropped() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("refused", &api.start(tiny("web", &site.filter())).plan);
    daemon.pause();
    fs::write(daemon.instance("web").join("options/overwrite"), "0").unwrap();
    site.ping_pong(2000);
    shadow.quiet();
    daemon.go_on();
    wait_until("the instance is replaced", || api.ledger("web").unknown > 0);
    site.ping_pong(300);
    shadow.quiet();
    api.stop("web");
    let ledger = check(&daemon, "web", shadow);
    assert!(ledger.dropped > 1000 && ledger.stored > 300, "{ledger:?}: this shows little");
    assert_eq!(ledger.lost, 0);
}

#[test]
fn lost_and_filtered() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::any_v4());
    let filter = format!("addr == 127.0.0.2 && {}", site.filter());
    let shadow = Shadow::start("lost-filtered", &api.start(tiny("web", &filter)).plan);
    for last in [1, 2, 1] {
        overflow(&daemon, &site.towards(Ipv4Addr::new(127, 0, 0, last)), &shadow);
    }
    api.stop("web");
    let ledger = check(&daemon, "web", shadow);
    assert!(ledger.lost > 1000 && ledger.stored > 200 && ledger.filtered > 200, "{ledger:?}: this shows little");
}

/// A buffer that is too small for the load: the losses come as the scheduler wants, page by page.
#[test]
fn too_small_a_buffer_under_load() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let spec = JobSpec { buffer_kb: 32, ..job("web", &site.filter()) };
    let shadow = Shadow::start("too-small", &api.start(spec).plan);
    site.bulk(8, 16 << 20);
    site.ping_pong(5000);
    shadow.quiet();
    api.stop("web");
    check(&daemon, "web", shadow);
}

/// A run that goes on has one account for all its parts.
#[test]
fn a_run_that_goes_on() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("goes-on", &api.start(tiny("web", &site.filter())).plan);
    overflow(&daemon, &site, &shadow);
    api.stop("web");
    let before = api.ledger("web");
    assert_eq!(api.go_on(tiny("web", &site.filter())).run, 1);
    overflow(&daemon, &site, &shadow);
    let job = api.stop("web");
    assert_eq!(job.runs.len(), 1);
    let ledger = check(&daemon, "web", shadow);
    assert!(before.lost > 0 && ledger.lost > before.lost, "{before:?} {ledger:?}: this shows little");
}

/// Full sub-buffers of some sizes have no room for the number of events lost before them: it comes later, the time does not.
#[test]
fn a_loss_has_its_time() {
    for (subbuf_kb, rounds) in [(4, 3000), (64, 12_000), (256, 45_000)] {
        let Some(daemon) = Daemon::configured(&format!("[job]\nsubbuf_kb = {subbuf_kb}\n")) else { return };
        let (api, site) = (daemon.api(), Site::v4());
        let buffer_kb = 16 * subbuf_kb * tcpprobed::tracefs::possible_cpus().unwrap().len() as u64;
        let spec = JobSpec { buffer_kb, ..job("web", &site.filter()) };
        let shadow = Shadow::start(&format!("dated-{subbuf_kb}"), &api.start(spec).plan);
        daemon.pause();
        site.ping_pong(rounds);
        shadow.quiet();
        // Nothing is lost while nothing happens.
        std::thread::sleep(std::time::Duration::from_secs(1));
        daemon.go_on();
        site.ping_pong(10);
        shadow.quiet();
        api.stop("web");
        let (recorded, trace) = (shadow.stop(), api.trace("web"));
        let idle_since = recorded.events[recorded.events.len() / 2..]
            .windows(2)
            .find(|pair| pair[1].time - pair[0].time > 900_000_000)
            .unwrap()[0]
            .time;
        let lost: Vec<_> = trace.accounts.iter().filter(|account| account.lost > 0).collect();
        assert!(lost.iter().map(|account| account.lost).sum::<u64>() > 100, "{lost:?}: this shows little");
        for account in lost {
            assert!(account.to <= idle_since + 1_000_000, "{subbuf_kb} KiB: {account:?} in idle time, {idle_since}");
        }
    }
}
