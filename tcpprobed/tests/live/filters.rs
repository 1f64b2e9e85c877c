//! Random filters on real traffic: a job stores what the filter means, told by a plain evaluation of each event that an
//! unfiltered instance recorded beside it.

#[allow(dead_code, reason = "fields of other events are for other tests")]
#[path = "../../../tcpprobe/tests/filter_support/random.rs"]
mod random;

use std::ops::Range;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tcpprobe::filter::Context;
use tcpprobe_proto::v1::JobSpec;
use tcpprobed::clock::boot_ns;

use crate::common::{CLIENT, Daemon, Event, Shadow, Site, assert_same, job};

const FILTERS: usize = 100;
/// Jobs that record the same traffic.
const JOBS: usize = 10;
/// Events of which the traffic makes some, that share few fields.
const EVENTS: [&str; 5] = [
    "tcp:tcp_probe",
    "tcp:tcp_rcv_space_adjust",
    "tcp:tcp_destroy_sock",
    "tcp:tcp_*_reset",
    "sock:inet_sock_set_state",
];

/// Numbers of these events, of which each lacks some.
const FIELDS: [&str; 14] = [
    "family",
    "oldstate",
    "newstate",
    "protocol",
    "srtt",
    "snd_cwnd",
    "ssthresh",
    "data_len",
    "snd_wnd",
    "rcv_wnd",
    "mark",
    "sock_cookie",
    "common_pid",
    "CPU",
];

/// Filters whose meaning the stored event tells; the name of a task is not in it.
fn filters() -> impl Iterator<Item = random::Expr> {
    let mut runner = TestRunner::deterministic();
    let any = random::expr(&FIELDS);
    std::iter::repeat_with(move || any.new_tree(&mut runner).unwrap().current())
        .filter(|expr| !expr.text().contains("comm "))
}

fn spec(name: &str, filter: &str) -> JobSpec {
    JobSpec { events: EVENTS.map(str::to_owned).to_vec(), buffer_kb: 4096, ..job(name, filter) }
}

/// Those of a time. The last segments of a connection may be late on a busy machine, when one recording has ended and
/// another has not.
fn of_time(events: impl IntoIterator<Item = Event>, times: &Range<u64>) -> Vec<Event> {
    events.into_iter().filter(|event| times.contains(&event.time)).collect()
}

#[test]
fn a_hundred_random_filters_keep_what_they_mean() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let filter = |expr: &random::Expr| format!("({}) && ({})", site.filter(), expr.text());
    // Numbers that a field cannot have are refused.
    let accepted = filters().take(2 * FILTERS).filter(|expr| api.plan(spec("any", &filter(expr))).is_ok());
    let accepted: Vec<random::Expr> = accepted.take(FILTERS).collect();
    assert_eq!(accepted.len(), FILTERS, "too many are refused");
    let (mut generated, mut kept, mut partial) = (0, 0, 0);
    for batch in accepted.chunks(JOBS) {
        let shadow = Shadow::start("filters", &api.plan(spec("all", &site.filter())).unwrap().plan);
        for (number, expr) in batch.iter().enumerate() {
            api.start(spec(&format!("job{number}"), &filter(expr)));
        }
        let since = boot_ns();
        site.ping_pong(20);
        site.bulk(2, 256 << 10);
        site.short(5);
        shadow.quiet();
        let times = since..boot_ns();
        for number in 0..batch.len() {
            api.stop(&format!("job{number}"));
        }
        let recorded = shadow.stop();
        for (number, expr) in batch.iter().enumerate() {
            let name = format!("job{number}");
            let means = |event: &&Event| {
                let context = Context { cpu: event.cpu, comm: None, pid: None, ..Context::default() };
                expr.meaning(&event.format, &event.record, &context) != Some(false)
            };
            let expected = of_time(recorded.events.iter().filter(means).cloned(), &times);
            let ledger = api.ledger(&name);
            let stored = if ledger.stored == 0 { Vec::new() } else { api.trace(&name).events };
            let told = (ledger.stored, ledger.lost, ledger.dropped, ledger.unknown);
            assert_eq!(told, (stored.len() as u64, 0, 0, 0), "{}", expr.text());
            let stored = of_time(stored, &times);
            assert_eq!(stored.len(), expected.len(), "{}", expr.text());
            assert_same(&stored, &expected);
            api.remove(&name, false).unwrap();
            generated += recorded.events.len();
            kept += expected.len();
            partial += usize::from(!expected.is_empty() && expected.len() < recorded.events.len());
        }
    }
    println!("{generated} events, {kept} kept, {partial} filters kept some but not all");
    assert!(generated > 10_000 && partial > FILTERS / 8, "{generated} events, {partial} filters: this shows little");
}

/// The kernel decides about a name alone; beside an address that it cannot compare, the daemon does.
#[test]
fn names_of_tasks_mean_the_same_to_kernel_and_daemon() {
    let Some(daemon) = Daemon::start() else { return };
    let (api, site) = (daemon.api(), Site::v4());
    let names = [("client", format!("comm == \"{CLIENT}\"")), ("others", format!("comm != \"{CLIENT}\""))];
    for (name, condition) in &names {
        let here = format!("({condition} || saddr == 192.0.2.1)");
        let plan = api.plan(spec("any", &here)).unwrap().plan;
        assert!(plan.iter().any(|event| event.residual.contains("comm")), "the kernel cannot decide this");
        api.start(spec(name, &format!("{} && {condition}", site.filter())));
        api.start(spec(&format!("{name}-here"), &format!("{} && {here}", site.filter())));
    }
    let since = boot_ns();
    site.ping_pong(50);
    site.bulk(2, 256 << 10);
    site.short(5);
    let times = since..boot_ns();
    for (name, _) in &names {
        let here = format!("{name}-here");
        api.stop(name);
        api.stop(&here);
        let of_job = |name| of_time(api.trace(name).events, &times);
        let (by_kernel, by_daemon) = (of_job(name), of_job(&here));
        assert!(by_kernel.len() > 50, "{name}: {} events show little", by_kernel.len());
        assert_same(&by_daemon, &by_kernel);
        let ledger = api.ledger(&here);
        assert!(ledger.filtered > 0 && ledger.lost == 0, "{name}: {ledger:?}");
    }
}
