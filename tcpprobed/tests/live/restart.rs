//! What ends a daemon, be it by force, costs no event that the kernel held, and none comes twice.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tcpprobe_proto::v1::{JobSpec, JobState, Ledger};

use crate::common::{Daemon, Shadow, Site, assert_part, assert_same, job, wait_until};

/// Far more than what happens while no daemon is there.
const ROOMY_KB: u64 = 64 << 10;
/// Most questions of the load of a test, two events each; it takes some ten seconds to ask them.
const ROUNDS_MAX: u32 = 60_000;

pub fn roomy(name: &str, filter: &str) -> JobSpec {
    JobSpec { buffer_kb: ROOMY_KB, ..job(name, filter) }
}

/// Keeps traffic going while `work` is done.
pub fn under_load(site: &Site, work: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| site.steady(&stop, ROUNDS_MAX));
        work();
    });
}

/// Checks that a stopped job has all that the shadow traced, and an account that says so.
pub fn check_complete(daemon: &Daemon, shadow: Shadow) {
    let api = daemon.api();
    let recorded = shadow.stop();
    let trace = api.trace("web");
    assert_same(&trace.events, &recorded.events);
    let (ledger, stored) = (api.ledger("web"), recorded.events.len() as u64);
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (stored, 0, 0, 0));
    assert_eq!(trace.totals.stored, stored);
}

/// Checks that a stopped job accounts for all that the shadow traced, and stores nothing twice; gives the account.
fn check_account(daemon: &Daemon, shadow: Shadow) -> Ledger {
    let api = daemon.api();
    let recorded = shadow.stop();
    let trace = api.trace("web");
    let ledger = api.ledger("web");
    let missing = assert_part(&trace.events, &recorded.events);
    assert_eq!(ledger.stored, trace.events.len() as u64, "{ledger:?}");
    assert_eq!(ledger.filtered + ledger.lost + ledger.dropped, missing, "{ledger:?}");
    ledger
}

pub fn stored(daemon: &Daemon) -> u64 {
    daemon.api().ledger("web").stored
}

/// Waits for a block beyond the first `than` events, with some traffic in case that the load is over.
fn wait_for_more(daemon: &Daemon, site: &Site, than: u64) {
    wait_until("more is stored", || {
        site.ping_pong(1);
        stored(daemon) > than
    });
}

#[test]
fn killed_under_load() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("killed", &daemon.api().start(roomy("web", &site.filter())).plan);
    under_load(&site, || {
        // Early in a block, late in a block, and in the first moments of a new process.
        for pause_ms in [100, 950, 0, 400, 1300] {
            thread::sleep(Duration::from_millis(pause_ms));
            daemon.kill();
            daemon.run();
        }
        let before = stored(&daemon);
        wait_for_more(&daemon, &site, before);
    });
    shadow.quiet();
    let job = daemon.api().stop("web");
    assert_eq!(job.runs.len(), 1, "the run went on");
    check_complete(&daemon, shadow);
}

#[test]
fn terminated_under_load() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("terminated", &daemon.api().start(roomy("web", &site.filter())).plan);
    under_load(&site, || {
        for pause_ms in [0, 300, 700] {
            thread::sleep(Duration::from_millis(pause_ms));
            daemon.terminate();
            daemon.run();
        }
    });
    shadow.quiet();
    daemon.api().stop("web");
    check_complete(&daemon, shadow);
}

/// With a buffer that overflows all the time, what was lost is counted once, by the process before or the one after.
#[test]
fn losses_are_counted_once() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let spec = JobSpec { buffer_kb: 16, ..job("web", &site.filter()) };
    let shadow = Shadow::start("once", &daemon.api().start(spec).plan);
    for kill in [false, true, false, true] {
        thread::scope(|scope| {
            let load = scope.spawn(|| site.ping_pong(4000));
            thread::sleep(Duration::from_millis(50));
            if kill {
                daemon.kill()
            } else {
                daemon.terminate()
            }
            daemon.run();
            load.join().unwrap();
        });
    }
    shadow.quiet();
    daemon.api().stop("web");
    let ledger = check_account(&daemon, shadow);
    assert!(ledger.lost > 0, "{ledger:?}: this shows little");
}

/// What is staged and in a block already is not taken for new, however often nothing new comes between two ends.
#[test]
fn killed_again_and_again_without_traffic() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("idle", &daemon.api().start(roomy("web", &site.filter())).plan);
    for _ in 0..2 {
        site.ping_pong(200);
        let traced = shadow.quiet();
        let api = daemon.api();
        let _sooner = api.follow("web");
        wait_until("all is stored", || stored(&daemon) == traced);
        for _ in 0..3 {
            daemon.kill();
            daemon.run();
        }
    }
    daemon.api().stop("web");
    check_complete(&daemon, shadow);
}

/// A segment that was only just made when the daemon was killed is no obstacle.
#[test]
fn killed_while_a_segment_began() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let shadow = Shadow::start("segment", &daemon.api().start(roomy("web", &site.filter())).plan);
    site.ping_pong(100);
    daemon.kill();
    let live = daemon.live_segment("web", 1);
    fs::write(live.with_file_name("00000002.tcpp"), "").unwrap();
    daemon.run();
    site.ping_pong(100);
    shadow.quiet();
    daemon.api().stop("web");
    check_complete(&daemon, shadow);
}

/// Events that the filter's rest left out are counted once too, though no block tells of them.
#[test]
fn killed_with_nothing_but_filtered_events() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let filter = format!("addr == 10.1.2.3 && {}", site.filter());
    let shadow = Shadow::start("all-filtered", &daemon.api().start(roomy("web", &filter)).plan);
    for _ in 0..3 {
        site.ping_pong(200);
        let traced = shadow.quiet();
        let api = daemon.api();
        let _sooner = api.follow("web");
        wait_until("all is filtered", || daemon.api().ledger("web").filtered == traced);
        daemon.kill();
        daemon.run();
    }
    daemon.api().stop("web");
    let ledger = check_account(&daemon, shadow);
    assert!(ledger.filtered > 1000 && ledger.lost + ledger.dropped == 0, "{ledger:?}");
}

/// A run that goes on in a new kernel instance begins to count its pages anew.
#[test]
fn killed_after_the_run_went_on() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let spec = roomy("web", &site.filter());
    let shadow = Shadow::start("went-on", &daemon.api().start(spec.clone()).plan);
    site.ping_pong(3000);
    shadow.quiet();
    daemon.api().stop("web");
    daemon.api().go_on(spec);
    under_load(&site, || {
        for pause_ms in [300, 1200] {
            thread::sleep(Duration::from_millis(pause_ms));
            daemon.kill();
            daemon.run();
        }
    });
    shadow.quiet();
    daemon.api().stop("web");
    check_complete(&daemon, shadow);
}

/// Kills the daemon under load, does `damage` to the live segment, and lets the run go on; as often as told.
fn damaged(what: &str, damages: &[&dyn Fn(&Path)]) -> Option<Ledger> {
    let mut daemon = Daemon::start()?;
    let site = Site::v4();
    let shadow = Shadow::start(what, &daemon.api().start(roomy("web", &site.filter())).plan);
    under_load(&site, || {
        for damage in damages {
            let api = daemon.api();
            let sooner = api.follow("web");
            // Three blocks at least, and then a part of one.
            for _ in 0..3 {
                let before = stored(&daemon);
                wait_for_more(&daemon, &site, before);
            }
            thread::sleep(Duration::from_millis(100));
            daemon.kill();
            drop(sooner);
            damage(&daemon.live_segment("web", 1));
            daemon.run();
        }
    });
    shadow.quiet();
    daemon.api().stop("web");
    let log = daemon.log();
    assert!(log.contains("torn tail"), "{log}");
    Some(check_account(&daemon, shadow))
}

fn cut(path: &Path, new_length: impl Fn(u64) -> u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(new_length(file.metadata().unwrap().len())).unwrap();
}

#[test]
fn garbage_behind_the_last_frame_is_cut() {
    let garbage = |path: &Path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&b"TCPP\x04\0\0\0\xff\xff\0\0rubbish".repeat(50)).unwrap();
    };
    let Some(ledger) = damaged("garbage", &[&garbage]) else { return };
    assert_eq!((ledger.lost, ledger.dropped), (0, 0));
}

/// The last block is torn, or the ledger behind it; its pages are staged yet, or were overwritten by those that came after.
#[test]
fn a_torn_block_is_cut_and_accounted_for() {
    let tear = |bytes: u64| move |path: &Path| cut(path, |length| length - bytes);
    let Some(ledger) = damaged("torn", &[&tear(1), &tear(40), &tear(2000)]) else { return };
    assert!(ledger.stored > 0 && ledger.lost == 0, "{ledger:?}");
}

/// Blocks whose pages are long gone are missing, and the account says how many events that are.
#[test]
fn blocks_cut_off_are_accounted_for() {
    let half = |path: &Path| cut(path, |length| length / 2);
    let Some(ledger) = damaged("cut-off", &[&half]) else { return };
    assert!(ledger.stored > 0 && ledger.dropped > 100 && ledger.lost == 0, "{ledger:?}");
}

#[test]
fn the_catalog_may_be_deleted() {
    let Some(mut daemon) = Daemon::configured("[store]\nsegment_bytes = 65536\nsegment_seconds = 1\n") else { return };
    let site = Site::v4();
    let shadow = Shadow::start("catalog", &daemon.api().start(roomy("web", &site.filter())).plan);
    let catalog = daemon.path("state/catalog");
    under_load(&site, || {
        thread::sleep(Duration::from_millis(2500));
        daemon.kill();
        fs::remove_dir_all(&catalog).unwrap();
        daemon.run();
        thread::sleep(Duration::from_millis(500));
        // Under its feet, too.
        fs::remove_dir_all(&catalog).unwrap();
        daemon.terminate();
        daemon.run();
    });
    shadow.quiet();
    let job = daemon.api().stop("web");
    assert!(job.runs[0].segments >= 3, "{job:?}");
    check_complete(&daemon, shadow);
    fs::write(catalog.join("db"), "rubbish").unwrap();
    daemon.kill();
    daemon.run();
    assert_eq!(daemon.api().get("web").runs, job.runs);
    assert_eq!(daemon.api().trace("web").events.len() as u64, job.runs[0].ledger.unwrap().stored);
}

/// A job with a duration ends by itself when that is over, restarts counted in.
#[test]
fn a_duration_is_over() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let spec = JobSpec { duration_s: 2, ..roomy("web", &site.filter()) };
    let shadow = Shadow::start("duration", &daemon.api().start(spec).plan);
    site.ping_pong(100);
    shadow.quiet();
    daemon.kill();
    daemon.run();
    let api = daemon.api();
    wait_until("the job is over", || api.get("web").state() == JobState::Stopped);
    let run = &api.get("web").runs[0];
    assert!(run.ended_why.contains("duration") && run.ended_ns - run.started_ns >= 2_000_000_000, "{run:?}");
    assert!(daemon.instances().is_empty());
    check_complete(&daemon, shadow);
}

/// A stopped job stays so, and a daemon leaves no instance of it.
#[test]
fn stopped_jobs_stay_stopped() {
    let Some(mut daemon) = Daemon::start() else { return };
    let api = daemon.api();
    api.start(job("one", "port == 1"));
    api.start(job("two", "port == 2"));
    assert_eq!(daemon.instances(), ["one", "two"]);
    api.stop("one");
    assert_eq!(daemon.instances(), ["two"]);
    daemon.kill();
    fs::create_dir(daemon.instance("nobody")).unwrap();
    daemon.run();
    assert_eq!(daemon.instances(), ["two"], "an instance of no job is removed");
    let states: Vec<_> = daemon.api().list().into_iter().map(|job| job.state()).collect();
    assert_eq!(states, [JobState::Stopped, JobState::Running]);
}

/// A removal that is refused, or that the daemon's end cuts short, leaves no instance behind that no job has.
#[test]
fn a_removal_and_the_end_of_the_daemon() {
    let Some(mut daemon) = Daemon::start() else { return };
    let site = Site::v4();
    let is_accounted_for = |daemon: &Daemon| {
        let jobs = daemon.api().list();
        let running = jobs.iter().filter(|job| job.state() == JobState::Running);
        let names: Vec<String> = running.map(|job| job.spec.as_ref().unwrap().name.clone()).collect();
        assert_eq!(daemon.instances(), names, "an instance for each job that runs, and none beside");
    };
    let shadow = Shadow::start("removal", &daemon.api().start(roomy("web", &site.filter())).plan);
    for end in [Daemon::kill, Daemon::terminate, Daemon::kill] {
        site.ping_pong(50);
        let refused = daemon.api().remove("web", false).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
        end(&mut daemon);
        assert_eq!(daemon.instances(), ["web"], "the kernel goes on");
        site.ping_pong(50);
        daemon.run();
        is_accounted_for(&daemon);
    }
    shadow.quiet();
    daemon.api().stop("web");
    check_complete(&daemon, shadow);
    assert!(daemon.instances().is_empty());
    // By force, and ended at any moment of it.
    for pause_us in [0, 200, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000] {
        let name = format!("forced-{pause_us}");
        daemon.api().start(job(&name, &site.filter()));
        site.ping_pong(5);
        let socket = daemon.socket();
        let asked = name.clone();
        let asking = thread::spawn(move || drop(crate::common::Api::connect(&socket).remove(&asked, true)));
        thread::sleep(Duration::from_micros(pause_us));
        daemon.kill();
        let _ = asking.join();
        daemon.run();
        is_accounted_for(&daemon);
        if daemon.api().try_get(&name).is_ok() {
            daemon.api().remove(&name, true).unwrap();
        }
        assert!(daemon.instances().is_empty(), "{name}");
    }
}
