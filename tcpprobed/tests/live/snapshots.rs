//! Snapshots of the sockets of real connections: in the trace, by cookie, as ss shows the same sockets.

#[path = "../../../tcpprobe/tests/inet_diag_support/ss.rs"]
mod ss;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tcpprobe::event::{EventKind, Value};
use tcpprobe::file::OWN_CPU;
use tcpprobe::kernel::format::Format;
use tcpprobe::source::{Trace, TraceEvent, Wanted};
use tcpprobe_proto::v1::{JobSpec, ReadRequest};

use crate::common::{Client, Daemon, job, wait_until};

/// The test's binary is slow, and what is asked of it is more than of a daemon by default.
const COST: &str = "[snapshots]\ncpu_permille = 500\n";
/// Set in the process that is in a network namespace of its own.
const INNER: &str = "TCPPROBE_TEST_INNER";

/// Both ends of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn new(listen: IpAddr, to: IpAddr, congestion: Option<&str>) -> Self {
        let listener = TcpListener::bind((listen, 0)).unwrap();
        let to = SocketAddr::new(to, listener.local_addr().unwrap().port());
        let client = TcpStream::connect(to).unwrap();
        let server = listener.accept().unwrap().0;
        if let Some(congestion) = congestion {
            sockopt::set_tcp_congestion(&client, congestion).unwrap();
        }
        Pair { client, server }
    }

    fn v4() -> Self {
        Pair::new(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into(), None)
    }

    fn port(&self) -> u16 {
        self.client.peer_addr().unwrap().port()
    }

    /// Some data one way, and a word back.
    fn talk(&self) {
        (&self.client).write_all(&[7; 3000]).unwrap();
        (&self.server).read_exact(&mut [0; 3000]).unwrap();
        (&self.server).write_all(b"answer").unwrap();
        (&self.client).read_exact(&mut [0; 6]).unwrap();
    }
}

/// Has all of them talk for so long.
fn talk(pairs: &[Pair], time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        pairs.iter().for_each(Pair::talk);
        thread::sleep(Duration::from_millis(20));
    }
}

fn filter(pairs: &[Pair]) -> String {
    pairs.iter().map(|pair| format!("port == {}", pair.port())).collect::<Vec<_>>().join(" || ")
}

/// The snapshots in a trace, in its order.
fn snapshots(bytes: &[u8]) -> Vec<TraceEvent> {
    let events = Trace::tcpp("it", bytes, Wanted::default()).events().map(Result::unwrap);
    events.filter(|event| event.kind == EventKind::TcpInfo).collect()
}

fn number(format: &Format, record: &[u8], name: &str) -> Option<u64> {
    match Value::of(format.field(name)?, record)? {
        Value::Unsigned(number) => Some(number),
        other => panic!("{name}: {other:?}"),
    }
}

fn cookie(event: &TraceEvent) -> u64 {
    number(&event.format, &event.bytes, "sock_cookie").unwrap()
}

fn all(daemon: &Daemon, name: &str) -> Vec<u8> {
    daemon.api().read(ReadRequest { name: name.into(), ..Default::default() })
}

#[test]
fn sockets_are_in_the_trace_as_ss_shows_them() {
    let Some(daemon) = Daemon::configured(COST) else { return };
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap();
    let mut pairs = vec![
        Pair::new(v4, v4, Some("cubic")),
        Pair::new(v6, v6, Some("reno")),
        // An IPv4 connection to a socket that takes both.
        Pair::new(Ipv6Addr::UNSPECIFIED.into(), v4, None),
    ];
    if known.contains("bbr") {
        pairs.push(Pair::new(v4, v4, Some("bbr")));
    }
    let api = daemon.api();
    api.start(job("web", &filter(&pairs)));
    talk(&pairs, Duration::from_millis(2500));
    // The block with the last of it is sealed, and asked about; then nothing happens any more.
    thread::sleep(Duration::from_millis(2500));
    let shown = |stream: &TcpStream| {
        let (own, peer) = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
        let filter = format!("sport = :{own} and dport = :{peer}");
        let output = Command::new("ss").args(["-timeOHn", &filter]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let sockets: Vec<&TcpStream> = pairs.iter().flat_map(|pair| [&pair.client, &pair.server]).collect();
    let by_ss: BTreeMap<u64, String> =
        sockets.iter().map(|socket| (sockopt::socket_cookie(socket).unwrap(), shown(socket))).collect();
    let job = api.stop("web");
    let told = snapshots(&all(&daemon, "web"));
    let mut last: BTreeMap<u64, &TraceEvent> = BTreeMap::new();
    let mut count: BTreeMap<u64, u32> = BTreeMap::new();
    for event in &told {
        assert_eq!(event.cpu, OWN_CPU);
        *count.entry(cookie(event)).or_default() += 1;
        last.insert(cookie(event), event);
    }
    assert_eq!(last.keys().collect::<BTreeSet<_>>(), by_ss.keys().collect(), "each socket, and no other");
    assert!(count.values().all(|&count| (2..=5).contains(&count)), "{count:?}");
    for (cookie, shown) in &by_ss {
        let TraceEvent { format, bytes, .. } = last[cookie];
        assert!(shown.contains(&format!("sk:{cookie:x} ")), "{shown}");
        let expected = ss::fields(shown);
        assert!(expected.len() > 30, "{shown}");
        for (field, value) in expected {
            // Ages went on since; what is kept ahead for the socket may be given back.
            if !field.starts_with("tcpi_last_") && field != "fwd_alloc" {
                assert_eq!(number(format, bytes, field), Some(value), "{field}: {shown}");
            }
        }
        let cc = Value::of(format.field("cc").unwrap(), bytes);
        assert_eq!(cc, Some(Value::Text(ss::congestion(shown).as_bytes())));
        assert_eq!(number(format, bytes, "has_bbr"), Some(u64::from(shown.contains(" bbr "))));
    }
    // What is stored is in the account, and the whole store is well.
    let trace = Trace::tcpp("it", &all(&daemon, "web")[..], Wanted::default()).events().count() as u64;
    assert_eq!(job.runs[0].ledger.unwrap().stored, trace);
}

/// What a budget leaves out is counted, and what it allows is not passed.
#[test]
fn a_budget_is_kept() {
    let Some(daemon) = Daemon::configured("[snapshots]\nper_second = 8\ncpu_permille = 500\n") else { return };
    let pairs: Vec<Pair> = (0..20).map(|_| Pair::v4()).collect();
    let api = daemon.api();
    api.start(job("web", &filter(&pairs)));
    talk(&pairs, Duration::from_secs(4));
    wait_until("some are left out", || api.get("web").snapshots.is_some_and(|told| told.left_out >= 40));
    let told = api.get("web").snapshots.unwrap();
    api.stop("web");
    let taken = snapshots(&all(&daemon, "web"));
    assert!(taken.len() as u64 >= told.taken && told.interval_s == 1 && told.failed == 0);
    for (at, event) in taken.iter().enumerate() {
        let within = taken[at..].iter().take_while(|later| later.time < event.time + 2_000_000_000).count();
        assert!(within <= 8 + 16, "{within} in two seconds, and a second's worth at once");
    }
}

/// A job may have none though others do, and the other way round; an interval is kept.
#[test]
fn a_job_says_how_often() {
    let Some(daemon) = Daemon::configured(COST) else { return };
    let pairs = [Pair::v4()];
    let api = daemon.api();
    let start = |name: &str, snapshots_s: Option<u64>| {
        api.start(JobSpec { snapshots_s, ..job(name, &filter(&pairs)) });
    };
    start("none", Some(0));
    start("default", None);
    start("seldom", Some(3));
    assert_eq!((api.get("none").snapshots, api.get("seldom").snapshots.unwrap().interval_s), (None, 3));
    talk(&pairs, Duration::from_secs(5));
    let count = |name: &str| {
        api.stop(name);
        let taken = snapshots(&all(&daemon, name));
        taken.iter().filter(|event| cookie(event) == sockopt::socket_cookie(&pairs[0].client).unwrap()).count()
    };
    let counts = ["none", "default", "seldom"].map(count);
    assert!(counts[0] == 0 && (3..=6).contains(&counts[1]) && (1..=2).contains(&counts[2]), "{counts:?}");
    assert!(!all(&daemon, "none").is_empty());
}

/// What was stored stays; the next daemon goes on with snapshots in the same run, and the store is whole.
#[test]
fn a_killed_daemon_leaves_a_whole_account() {
    let Some(mut daemon) = Daemon::configured(COST) else { return };
    let pairs = Arc::new([Pair::v4()]);
    daemon.api().start(job("web", &filter(&pairs[..])));
    for _ in 0..3 {
        talk(&pairs[..], Duration::from_millis(1700));
        daemon.kill();
        talk(&pairs[..], Duration::from_millis(300));
        daemon.run();
    }
    talk(&pairs[..], Duration::from_millis(1700));
    let ended = daemon.api().stop("web");
    let bytes = all(&daemon, "web");
    let taken = snapshots(&bytes);
    assert!(taken.len() >= 6, "{}", taken.len());
    assert!(taken.windows(2).all(|pair| pair[0].time <= pair[1].time));
    let ledger = ended.runs[0].ledger.unwrap();
    assert_eq!((ledger.lost, ledger.dropped, ledger.unknown), (0, 0, 0));
    let stored = Trace::tcpp("it", &bytes[..], Wanted::default()).events().count() as u64;
    assert_eq!(ledger.stored, stored);
    daemon.terminate();
    let checked = Command::new(env!("CARGO_BIN_EXE_tcpprobed"))
        .arg("check")
        .arg("--state")
        .arg(daemon.path("state"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// All segments of a run have the same columns, whatever the next daemon is told: else a table of them could not be made.
#[test]
fn a_run_keeps_the_columns_that_it_began_with() {
    let Some(mut daemon) = Daemon::configured(COST) else { return };
    let pairs = [Pair::v4()];
    let spec = |name: &str| job(name, &filter(&pairs));
    daemon.api().start(spec("with"));
    daemon.terminate();
    // As of an older daemon, or where no socket was there to tell.
    let file = daemon.path("state/jobs/with/000001/run.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("tcp_info_bytes")).unwrap().to_owned();
    std::fs::write(&file, text.replace(&line, "tcp_info_bytes = 192")).unwrap();
    daemon.run();
    talk(&pairs, Duration::from_millis(1500));
    daemon.terminate();
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("tcp_info_bytes = 192\n", "")).unwrap();
    daemon.run();
    let before = snapshots(&all(&daemon, "with")).len();
    talk(&pairs, Duration::from_millis(1500));
    assert_eq!(daemon.api().get("with").snapshots, None, "a run without snapshots goes on without");
    daemon.api().stop("with");
    let taken = snapshots(&all(&daemon, "with"));
    assert!(taken.len() == before && before > 0);
    assert!(taken.iter().all(|event| event.format.field("tcpi_delivered").is_none()));
    daemon.api().start(spec("with"));
    talk(&pairs, Duration::from_millis(1500));
    daemon.api().stop("with");
    let taken = snapshots(&all(&daemon, "with"));
    assert!(taken.iter().all(|event| event.format.field("tcpi_delivered").is_some()) && !taken.is_empty());
}

/// A connection of another network namespace has events, and no snapshots.
#[test]
fn other_network_namespaces_are_not_looked_into() {
    if std::env::var_os(INNER).is_some() {
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        talk(&[Pair::v4()], Duration::from_secs(3));
        return;
    }
    let Some(daemon) = Daemon::configured(COST) else { return };
    let api = daemon.api();
    api.start(job("web", "saddr == 127.0.0.0/8"));
    let name = "snapshots::other_network_namespaces_are_not_looked_into";
    let mut inner = Command::new("unshare");
    inner.arg("-n").arg(std::env::current_exe().unwrap()).args(["--exact", name]).env(INNER, "1");
    assert!(inner.output().unwrap().status.success());
    wait_until("sockets are not found", || api.get("web").snapshots.is_some_and(|told| told.not_found >= 2));
}

/// The client shows what became of them.
#[test]
fn the_client_shows_them() {
    let Some(daemon) = Daemon::configured(COST) else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let pairs = [Pair::v4()];
    client.run(&["start", "web", "--filter", &filter(&pairs), "--snapshots", "2s"]).expect(0);
    talk(&pairs, Duration::from_millis(1500));
    wait_until("there is a snapshot", || daemon.api().get("web").snapshots.is_some_and(|told| told.taken >= 2));
    let status = client.run(&["status", "web"]).expect(0);
    assert!(status.contains("a snapshot every 2s"), "{status}");
    client.run(&["start", "none", "--filter", &filter(&pairs), "--snapshots", "off"]).expect(0);
    let status = client.run(&["status", "none"]).expect(0);
    assert!(status.contains("no snapshots"), "{status}");
    client.run(&["stop", "--all"]).expect(0);
    let text = client.run(&["fetch", "web", "--format", "text"]).expect(0);
    let line = text.lines().find(|line| line.contains(" tcp_info: ")).unwrap();
    assert!(line.contains("tcpprobed-") && line.contains(" tcpi_snd_mss=") && line.contains(" cc="), "{line}");
    let json = client.run(&["fetch", "web", "--format", "json", "--filter", "tcpi_snd_mss > 0"]).expect(0);
    assert!(json.lines().any(|line| line.contains("\"event\":\"tcp_info\"")), "{json}");
}

const FINALS: &str = "[snapshots]\nfinal = true\ncpu_permille = 500\n";

/// Held by whoever has sockets that close be told: they are counted by all.
static LISTENING: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // One that failed leaves nothing that the next could trip over.
    LISTENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Netlink sockets of sock_diag that are members of a multicast group.
fn listeners() -> usize {
    let sockets = std::fs::read_to_string("/proc/net/netlink").unwrap();
    let is_member = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[1] == "4" && columns[3] != "00000000"
    };
    sockets.lines().filter(is_member).count()
}

fn ss(stream: &TcpStream) -> BTreeMap<&'static str, u64> {
    let (own, peer) = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
    let filter = format!("sport = :{own} and dport = :{peer}");
    let output = Command::new("ss").args(["-timeOHn", &filter]).output().unwrap();
    ss::fields(&String::from_utf8(output.stdout).unwrap()).into_iter().collect()
}

/// Connections that end in each way have what the kernel knew last of both of their ends, with the ends that they had; but for an end that was
/// emptied to reset the other.
#[test]
fn sockets_that_close_have_a_final_one() {
    let _alone = alone();
    let before = listeners();
    let Some(daemon) = Daemon::configured(FINALS) else { return };
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let mut pairs = vec![
        Pair::v4(),
        Pair::new(v6, v6, None),
        Pair::new(Ipv6Addr::UNSPECIFIED.into(), v4, None),
        // By a reset.
        Pair::v4(),
        // By its peer, with data that nobody read: a reset too.
        Pair::v4(),
    ];
    let others = [Pair::v4()];
    let api = daemon.api();
    let spec = job("web", &filter(&pairs));
    api.start(spec.clone());
    wait_until("the kernel tells of closes", || api.get("web").snapshots.unwrap().finals.unwrap().is_listening);
    assert_eq!(listeners(), before + 1);
    talk(&pairs[..], Duration::from_millis(1500));
    others[0].talk();
    // Nobody saw this one before it closes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    api.stop("web");
    let port = listener.local_addr().unwrap().port();
    api.start(JobSpec { filter: format!("{} || port == {port}", spec.filter), ..spec });
    wait_until("the kernel tells of closes", || api.get("web").snapshots.unwrap().finals.unwrap().is_listening);
    talk(&pairs[..], Duration::from_millis(1500));
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    pairs.push(Pair { client, server: listener.accept().unwrap().0 });
    pairs[5].talk();
    (&pairs[4].server).write_all(b"unread").unwrap();
    thread::sleep(Duration::from_millis(100));
    let cookie_of = |stream: &TcpStream| sockopt::socket_cookie(stream).unwrap();
    let mut last: BTreeMap<u64, (BTreeMap<&str, u64>, SocketAddr, SocketAddr)> = BTreeMap::new();
    for stream in pairs.iter().flat_map(|pair| [&pair.client, &pair.server]) {
        last.insert(cookie_of(stream), (ss(stream), stream.local_addr().unwrap(), stream.peer_addr().unwrap()));
    }
    sockopt::set_socket_linger(&pairs[3].client, Some(Duration::ZERO)).unwrap();
    let emptied = cookie_of(&pairs[3].client);
    assert!(last.remove(&emptied).is_some());
    let told = || api.get("web").snapshots.unwrap();
    for Pair { client, server } in pairs {
        drop(client);
        thread::sleep(Duration::from_millis(20));
        drop(server);
    }
    drop(others);
    wait_until("all are told", || told().finals.unwrap().taken >= last.len() as u64);
    wait_until("one was emptied", || told().finals.unwrap().emptied == 1);
    let finals = told().finals.unwrap();
    assert_eq!((finals.taken, finals.fell_behind, finals.lost), (last.len() as u64, 0, 0));
    let ended = api.stop("web");
    wait_until("the kernel tells nobody", || listeners() == before);
    let bytes = all(&daemon, "web");
    let mut found = BTreeSet::new();
    for TraceEvent { format, bytes, cpu, .. } in snapshots(&bytes) {
        let is_final = Value::of(format.field("cc").unwrap(), &bytes) == Some(Value::Text(b""));
        assert_eq!(is_final, number(&format, &bytes, "tcpi_state") == Some(7));
        if !is_final {
            continue;
        }
        let cookie = number(&format, &bytes, "sock_cookie").unwrap();
        let (shown, local, peer) = &last[&cookie];
        assert!(found.insert(cookie) && cpu == OWN_CPU, "once each");
        let told = |name: &str| number(&format, &bytes, name);
        let ports = [local, peer].map(|end| Some(u64::from(end.port())));
        assert_eq!([told("sport"), told("dport")], ports);
        assert_eq!((told("sndbuf"), told("has_bbr")), (Some(0), Some(0)));
        for name in ["tcpi_bytes_sent", "tcpi_data_segs_out", "tcpi_total_retrans", "tcpi_rwnd_limited"] {
            assert_eq!(told(name), Some(shown.get(name).copied().unwrap_or(0)), "{name} of {local}");
        }
        // A FIN counts.
        for name in ["tcpi_bytes_acked", "tcpi_bytes_received"] {
            let (value, before) = (told(name).unwrap(), shown.get(name).copied().unwrap_or(0));
            assert!(before > 0 && (before..=before + 1).contains(&value), "{name} of {local}: {before}, {value}");
        }
    }
    assert_eq!(found, last.into_keys().collect(), "each socket, and no other");
    let stored = Trace::tcpp("it", &bytes[..], Wanted::default()).events().count() as u64;
    assert_eq!(ended.runs.last().unwrap().ledger.unwrap().stored, stored);
}

/// They are of what the others have left of the budget.
#[test]
fn final_ones_are_within_the_budget() {
    let _alone = alone();
    let Some(daemon) = Daemon::configured("[snapshots]\nfinal = true\nper_second = 8\ncpu_permille = 500\n") else {
        return;
    };
    let pairs: Vec<Pair> = (0..40).map(|_| Pair::v4()).collect();
    let api = daemon.api();
    api.start(job("web", &filter(&pairs)));
    talk(&pairs, Duration::from_millis(2500));
    let left_out = || api.get("web").snapshots.unwrap().left_out;
    let before = left_out();
    drop(pairs);
    wait_until("they are left out", || {
        let told = api.get("web").snapshots.unwrap();
        told.finals.unwrap().taken + told.left_out - before >= 80
    });
    let told = api.get("web").snapshots.unwrap();
    assert!(told.finals.as_ref().is_some_and(|finals| finals.taken <= 24), "{told:?}");
}

/// A reload switches them on and off; the client shows what there is of them.
#[test]
fn final_ones_are_a_setting() {
    let _alone = alone();
    let before = listeners();
    let Some(daemon) = Daemon::configured(COST) else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let pairs = [Pair::v4()];
    let api = daemon.api();
    api.start(job("web", &filter(&pairs)));
    talk(&pairs, Duration::from_millis(1200));
    assert_eq!((api.get("web").snapshots.unwrap().finals, listeners()), (None, before));
    // It is on though nothing happens any more.
    thread::sleep(Duration::from_millis(2500));
    daemon.reload(FINALS);
    wait_until("it is on", || api.get("web").snapshots.unwrap().finals.is_some_and(|finals| finals.is_listening));
    let status = client.run(&["status", "web"]).expect(0);
    assert!(status.contains("; 0 final\n"), "{status}");
    let doctor = client.run(&["doctor"]).out;
    assert!(doctor.contains("the kernel tells of each socket that closes"), "{doctor}");
    daemon.reload(COST);
    wait_until("it is off", || listeners() == before);
    assert_eq!(api.get("web").snapshots.unwrap().finals, None);
}
