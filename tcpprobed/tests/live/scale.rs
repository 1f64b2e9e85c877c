//! Many connections, and CPUs that come and go.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use tcpprobe_proto::v1::JobSpec;

use crate::common::{Api, Daemon, Shadow, Site, assert_same, job, wait_until};

/// Room for all events of the test, should they happen on one CPU before the daemon has its turn.
const BUFFER_KB: u64 = 64 << 10;

/// Stops the job and checks that it stored exactly what the shadow traced; how many events that were.
fn check(api: &Api, name: &str, shadow: Shadow) -> u64 {
    shadow.quiet();
    api.stop(name);
    let recorded = shadow.stop();
    let ledger = api.ledger(name);
    let all = recorded.events.len() as u64;
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (all, 0, 0, 0));
    assert_same(&api.trace(name).events, &recorded.events);
    all
}

#[test]
fn ten_thousand_connections() {
    const CONNECTIONS: u32 = 10_000;
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let spec = JobSpec { buffer_kb: BUFFER_KB, ..job("web", &site.filter()) };
    let shadow = Shadow::start("ten-thousand", &api.start(spec).plan);
    let before = daemon.cpu_time();
    site.brief(CONNECTIONS, 4);
    let traced = shadow.quiet();
    wait_until("all is stored", || api.ledger("web").stored == traced);
    let cost = daemon.cpu_time() - before;
    let events = check(&api, "web", shadow);
    assert!(events > 2 * u64::from(CONNECTIONS), "{events} events: this shows little");
    eprintln!("{CONNECTIONS} connections, {events} events, {:?} of CPU each (debug build)", cost / events as u32);
}

/// Real-time priority 1, in turn with others of the same.
#[test]
fn a_capture_goes_before_other_programs() {
    let Some(daemon) = Daemon::start() else { return };
    daemon.api().start(job("web", "port == 1"));
    wait_until("it has the priority, or says why not", || {
        if daemon.log().contains("no real-time priority") {
            eprintln!("skipped: root may not give real-time priorities here\n{}", daemon.log());
            return true;
        }
        // proc(5): rt_priority and policy are the 40th and 41st fields, the third is behind the name.
        let stat = daemon.thread("cap-web", "stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[37..39] == ["1", "2"]
    });
}

/// A CPU that this test has taken offline; dropped, it is back.
struct Offline {
    number: usize,
    switch: PathBuf,
}

impl Offline {
    /// Takes the last CPU. It is everybody's, so it must be asked for: `None`, with the reason printed, otherwise.
    fn take() -> Option<Self> {
        let skip = |reason: &str| {
            eprintln!("skipped: {reason}");
            None
        };
        if std::env::var_os("TCPPROBE_TAKE_CPU_OFFLINE").is_none_or(|value| value != "1") {
            return skip("it takes a CPU of the machine offline; TCPPROBE_TAKE_CPU_OFFLINE=1 allows it");
        }
        let number = tcpprobed::tracefs::online_cpus().unwrap().into_iter().max().unwrap() as usize;
        let switch = PathBuf::from(format!("/sys/devices/system/cpu/cpu{number}/online"));
        let offline = Offline { number, switch };
        match offline.switch(false) {
            Ok(()) => Some(offline),
            Err(error) => skip(&format!("{}: {error}", offline.switch.display())),
        }
    }

    fn switch(&self, on: bool) -> std::io::Result<()> {
        fs::write(&self.switch, if on { "1" } else { "0" })
    }

    /// Does `work` on this CPU alone.
    fn run(&self, work: impl FnOnce() + Send) {
        let mut cpus = CpuSet::new();
        cpus.set(self.number);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sched_setaffinity(None, &cpus).unwrap();
                work();
            });
        });
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if let Err(error) = self.switch(true) {
            eprintln!("CPU {} stays offline: {error}", self.number);
        }
    }
}

/// A CPU that is not there when the job begins, comes, and goes with events in its buffer.
#[test]
fn a_cpu_that_comes_and_goes() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(cpu) = Offline::take() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let shadow = Shadow::start("cpus", &api.start(job("web", &site.filter())).plan);
    site.ping_pong(200);
    let without = shadow.quiet();
    let before = daemon.waits("cap-web");
    std::thread::sleep(Duration::from_secs(1));
    let waits = daemon.waits("cap-web") - before;
    assert!(waits < 10, "{waits} wake-ups a second for nothing");

    cpu.switch(true).unwrap();
    cpu.run(|| site.ping_pong(300));
    shadow.quiet();
    daemon.pause();
    cpu.run(|| site.ping_pong(100));
    cpu.switch(false).unwrap();
    daemon.go_on();
    site.ping_pong(200);
    let all = check(&api, "web", shadow);
    let of_cpu = api.trace("web").events.iter().filter(|event| event.cpu as usize == cpu.number).count() as u64;
    assert!(without > 400 && of_cpu > 800 && of_cpu < all - without, "{of_cpu} of {all}, {without} before");
}
