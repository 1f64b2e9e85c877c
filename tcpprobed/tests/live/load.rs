//! What clients do to a daemon, by mistake or on purpose: very many of them, readers that do not read or die, and bytes that
//! are no requests. Meanwhile a job records, and stores exactly what the kernel traced; others are answered; memory stays
//! within its bound; and what was taken is given back.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tcpprobe_proto::v1::{JobSpec, ListJobsRequest, ReadRequest, StartJobRequest};
use tokio::runtime::Runtime;
use tonic::Code;

use crate::common::{
    Api, Client, Daemon, PREFACE, Person, Random, Shadow, Site, Trace, assert_same, client_over, field, frame, job,
    request, wait_until,
};

/// The bound that SECURITY.md and DECISIONS.md state for these loads.
const MEMORY_MAX: u64 = 256 << 20;
/// Who is new and asks is answered within this, whatever others do; on an idle machine it takes milliseconds.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);
/// Rounds of a connection's traffic, more than a test takes time for; two connections of these fit into the shadow.
const ROUNDS_MAX: u32 = 12_000;
/// A group to which viewers belong here, and two of them, who are not root.
const GROUP: &str = "daemon";
const ANN: u32 = 61_101;
const BOB: u32 = 61_102;
const FIRST_VANDAL: u32 = 61_110;

const LIST: &str = "/tcpprobe.v1.TcpProbe/ListJobs";
const READ: &str = "/tcpprobe.v1.TcpProbe/Read";
const REFLECT: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

fn person(uid: u32) -> Person {
    Person::of_group(uid, GROUP)
}

/// Does `abuse` to a daemon while a job of it records; what came of it, and the trace as it is stored.
fn while_recording<T: Send>(what: &str, abuse: impl FnOnce(&Daemon, &Site) -> T) -> Option<(T, Vec<u8>)> {
    let daemon = Daemon::configured(&format!("[access]\nviewers = [{GROUP:?}]\n"))?;
    daemon.open_to_all();
    allow_descriptors();
    let (api, site) = (daemon.api(), Site::v4());
    let spec = JobSpec { buffer_kb: 64 << 10, ..job("web", &site.filter()) };
    let shadow = Shadow::start(what, &api.start(spec).plan);
    api.list();
    let descriptors = daemon.descriptors();
    let stop = AtomicBool::new(false);
    let (result, slowest) = thread::scope(|scope| {
        let traffic = scope.spawn(|| site.steady(&stop, ROUNDS_MAX));
        let watcher = scope.spawn(|| slowest_answer(&daemon, &stop));
        // Also where the abuse fails: the others would go on for ever.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| abuse(&daemon, &site)));
        stop.store(true, Ordering::Relaxed);
        traffic.join().unwrap();
        let result = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (result, watcher.join().unwrap())
    });
    assert!(slowest < ANSWER_TIME_MAX, "somebody waited {slowest:?}");
    let memory = daemon.memory("VmHWM");
    assert!(memory < MEMORY_MAX, "{} MiB", memory >> 20);

    let traced = shadow.quiet();
    let ledger = api.stop("web").runs[0].ledger.unwrap();
    assert_eq!((ledger.stored, ledger.filtered, ledger.lost, ledger.dropped), (traced, 0, 0, 0));
    assert!(traced > 500, "{traced} events: this shows little");
    let stored = api.read(ReadRequest { name: "web".into(), ..Default::default() });
    assert_same(&Trace::decode(&stored).events, &shadow.stop().events);
    wait_until("all descriptors are given back", || daemon.descriptors() <= descriptors);
    eprintln!("{what}: {traced} events, {} MiB, slowest answer {slowest:?}", memory >> 20);
    Some((result, stored))
}

/// This process holds the other ends of all connections.
fn allow_descriptors() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
}

/// Comes anew and asks until told to stop; the longest that it waited.
fn slowest_answer(daemon: &Daemon, stop: &AtomicBool) -> Duration {
    let mut slowest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        assert_eq!(daemon.api().list().len(), 1);
        slowest = slowest.max(began.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    slowest
}

/// A thousand at once, half of whom stay and say nothing, while the other half asks and asks.
#[test]
fn a_thousand_clients() {
    const CLIENTS: usize = 1000;
    // More than limits.requests_per_second lets through at once: they wait, and all are answered.
    const QUESTIONS: usize = 5;
    while_recording("thousand", |daemon, _| {
        runtime().block_on(async {
            let tasks: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    // A few at a time wait in the socket's queue, whose length is the system's.
                    let stream = person(ANN).connect(&daemon.socket());
                    tokio::spawn(async move {
                        let mut client = client_over(stream).await;
                        assert_eq!(client.list_jobs(ListJobsRequest {}).await.unwrap().into_inner().jobs.len(), 1);
                        for _ in 0..QUESTIONS * (number % 2) {
                            client.list_jobs(ListJobsRequest {}).await.unwrap();
                        }
                        client
                    })
                })
                .collect();
            let mut clients = Vec::new();
            for task in tasks {
                clients.push(task.await.unwrap());
            }
            assert!(daemon.descriptors() > CLIENTS);
        });
    });
}

/// Who has all the connections that one may have is told so; whoever else comes is let in.
#[test]
fn one_connection_too_many() {
    let limits = "connections = 8\nconnections_per_user = 5\n";
    let Some(daemon) = Daemon::configured(&format!("[limits]\n{limits}[access]\nviewers = [{GROUP:?}]\n")) else {
        return;
    };
    daemon.open_to_all();
    let connect = |uid: u32| Api::over(person(uid).connect(&daemon.socket()));
    let refused = |uid: u32, words: &str| {
        let status = connect(uid).try_list().unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains(words), "{status}");
    };
    let anns: Vec<Api> = (0..5).map(|_| connect(ANN)).collect();
    anns.iter().for_each(|api| assert!(api.list().is_empty()));
    refused(ANN, "uid 61101 has 5 connections open, and limits.connections_per_user allows 5");
    let bobs: Vec<Api> = (0..3).map(|_| connect(BOB)).collect();
    bobs.iter().for_each(|api| assert!(api.list().is_empty()));
    refused(BOB, "8 connections are open, and limits.connections allows 8");
    // Root is not refused for what others do.
    daemon.api().list();
    if let Some(client) = Client::of(&daemon) {
        let client = client.copied_to(&daemon.path("tcpprobectl"));
        let mut command = client.command(&["list"]);
        let command = std::os::unix::process::CommandExt::uid(&mut command, ANN);
        crate::common::Answer::of(command).refused(1, &["limits.connections_per_user", "close some"]);
    }
    assert_eq!(
        daemon.log().matches("a connection was rejected").count(),
        1,
        "the log is not filled with it\n{}",
        daemon.log()
    );
    drop(anns);
    wait_until("there is room again", || connect(ANN).try_list().is_ok());
}

/// Samples take seconds, and there is one at a time: those of one user do not go before that of another.
#[test]
fn samples_of_one_user() {
    let config = format!("[access]\noperators = [{GROUP:?}]\n");
    let Some(daemon) = Daemon::configured(&config) else { return };
    daemon.open_to_all();
    let runtime = runtime();
    let samples: Vec<_> = (0..20)
        .map(|_| {
            let stream = person(ANN).connect(&daemon.socket());
            let request = StartJobRequest { spec: Some(job("web", "port == 1")), dry_run: true, ..Default::default() };
            let request = StartJobRequest { sample: true, ..request };
            runtime.spawn(async move { client_over(stream).await.start_job(request).await })
        })
        .collect();
    wait_until("one is tried", || !daemon.instances().is_empty());
    let began = Instant::now();
    daemon.api().sample(job("web", "port == 1")).unwrap();
    // The rest of the one that goes on, and its own two seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    samples.iter().for_each(|sample| sample.abort());
}

/// Each of a hundred followers gets every event, whatever others do who follow: not read, be stopped, be killed.
#[test]
fn a_hundred_followers() {
    const FOLLOWERS: usize = 100;
    const LAZY: usize = 40;
    let runtime = runtime();
    let followed = while_recording("followers", |daemon, site| {
        let follow = |_| runtime.spawn(follow_to_the_end(person(BOB).connect(&daemon.socket())));
        let followers: Vec<_> = (0..FOLLOWERS).map(follow).collect();
        let lazy: Vec<UnixStream> = (0..LAZY).map(|_| lazy_reader(&daemon.socket())).collect();
        let mut processes = processes(daemon);
        site.bulk(2, 4 << 20);
        let half = processes.len() / 2;
        let (stopped, killed) = processes.split_at_mut(half);
        stopped.iter().for_each(|child| kill_process(Pid::from_child(child), Signal::STOP).unwrap());
        killed.iter_mut().for_each(|child| child.kill().unwrap());
        // Half of the lazy are cut off in the middle, half stay until the end.
        drop(lazy.into_iter().skip(LAZY / 2).collect::<Vec<_>>());
        site.ping_pong(2000);
        wait_until("events are stored", || daemon.api().ledger("web").stored > 4000);
        for child in &mut processes {
            let _ = child.kill();
            child.wait().unwrap();
        }
        followers
    });
    let Some((followers, stored)) = followed else { return };
    for (number, follower) in followers.into_iter().enumerate() {
        let bytes = runtime.block_on(follower).unwrap();
        assert!(bytes == stored, "follower {number} has not what is stored");
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// All that a follower gets until the run ends.
async fn follow_to_the_end(stream: UnixStream) -> Vec<u8> {
    let request = ReadRequest { name: "web".into(), follow: true, ..Default::default() };
    let mut replies = client_over(stream).await.read(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        bytes.extend_from_slice(&reply.frames);
    }
    bytes
}

/// Asks for all of a job, from now on too, and reads nothing.
fn lazy_reader(socket: &Path) -> UnixStream {
    let mut stream = person(ANN).connect(socket);
    // `name` and `follow` of a ReadRequest, behind gRPC's five bytes.
    let message = b"\0\0\0\0\x07\x0a\x03web\x30\x01";
    let head = frame(HEADERS, END_HEADERS, 1, &request(READ));
    // SETTINGS_INITIAL_WINDOW_SIZE: the daemon may send as much as it likes.
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let window = frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    let all = [PREFACE, &settings, &window, &head, &frame(DATA, END_STREAM, 1, message)].concat();
    stream.write_all(&all).unwrap();
    stream
}

/// Real clients that follow.
fn processes(daemon: &Daemon) -> Vec<Child> {
    let Some(client) = Client::of(daemon) else { return Vec::new() };
    let tail = || client.command(&["tail", "web", "-f"]).stdout(Stdio::null()).spawn().unwrap();
    (0..6).map(|_| tail()).collect()
}

/// All streams that a user may have, none of which is read: the others have theirs, and what waits for the lazy is bounded.
#[test]
fn readers_that_do_not_read() {
    while_recording("lazy", |daemon, site| {
        // Something to read, of which little waits anywhere for one reader.
        site.brief(8_000, 4);
        wait_until("it is stored", || daemon.api().ledger("web").stored > 24_000);
        let lazy: Vec<UnixStream> = (0..150).map(|_| lazy_reader(&daemon.socket())).collect();
        wait_until("all of the user's streams are open", || {
            let api = Api::over(person(ANN).connect(&daemon.socket()));
            let refused = api.stream_all("web").err();
            refused.is_some_and(|status| status.message().contains("limits.streams_per_user"))
        });
        let read = Api::over(person(BOB).connect(&daemon.socket()));
        assert!(read.trace("web").events.len() > 24_000);
        drop(lazy);
        wait_until("they are given back", || {
            Api::over(person(ANN).connect(&daemon.socket())).stream_all("web").is_ok()
        });
    });
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a bad client sends, one piece after another; how many pieces went before is given.
type Rubbish = fn(u32, &mut Random) -> Vec<u8>;

/// Each begins, where it says so, as a good client does.
const KINDS: [(&str, bool, Rubbish); 14] = [
    ("random bytes", false, |_, random| random_bytes(random, 8192)),
    ("random bytes behind the preface", true, |_, random| random_bytes(random, 8192)),
    ("HTTP/1", false, |_, _| b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100)),
    ("random frames", true, |_, random| {
        let (kind, flags, stream) = (random.number() as u8 % 12, random.number() as u8, random.number() as u32 % 9);
        let length = random.within(0..=64) as usize;
        frame(kind, flags, stream, &random_bytes(random, length))
    }),
    ("frames that are too long", true, |_, random| frame(DATA, 0, 1, &random_bytes(random, 1 << 20))),
    ("a length and nothing behind it", true, |_, _| vec![0xff, 0xff, 0xff, HEADERS, 0, 0, 0, 0, 1]),
    ("headers without end", true, |piece, _| {
        let kind = if piece == 0 { HEADERS } else { CONTINUATION };
        frame(kind, 0, 1, &[request(LIST), field("a", &"b".repeat(100)).repeat(50)].concat())
    }),
    ("large headers", true, |piece, _| {
        let block = [request(LIST), field("a", &"b".repeat(100)).repeat(60)].concat();
        frame(HEADERS, END_HEADERS, 2 * piece + 1, &block)
    }),
    ("requests taken back at once", true, |piece, _| {
        let take_back = |stream| [frame(HEADERS, END_HEADERS, stream, &request(LIST)), reset(stream)].concat();
        (0..50).flat_map(|number| take_back(2 * (50 * piece + number) + 1)).collect()
    }),
    ("requests without end", true, |piece, _| {
        [frame(HEADERS, END_HEADERS, 2 * piece + 1, &request(LIST)), frame(DATA, 0, 2 * piece + 1, b"\0\0\0")].concat()
    }),
    ("settings", true, |_, _| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(1000)),
    ("pings", true, |_, _| frame(PING, 0, 0, b"12345678").repeat(1000)),
    ("windows and priorities", true, |_, _| {
        [frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), frame(PRIORITY, 0, 1, &[0; 5])].concat().repeat(1000)
    }),
    ("a message without end to reflection", true, |piece, _| match piece {
        // It says that it has 4 MiB less one byte.
        0 => [frame(HEADERS, END_HEADERS, 1, &request(REFLECT)), frame(DATA, 0, 1, &[0, 0, 0x3f, 0xff, 0xff])].concat(),
        _ => frame(DATA, 0, 1, &[0; 16 << 10]),
    }),
];

fn random_bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.number() as u8).collect()
}

fn reset(stream: u32) -> Vec<u8> {
    /// `CANCEL`.
    const REASON: [u8; 4] = [0, 0, 0, 8];
    frame(RST_STREAM, 0, stream, &REASON)
}

/// A bad client, which comes again when it was thrown out.
struct Vandal {
    stream: UnixStream,
    pieces: u32,
    /// What is left of a piece.
    rest: Vec<u8>,
}

impl Vandal {
    fn come(socket: &Path, polite: bool) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_nonblocking(true)?;
        let rest = if polite { [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat() } else { Vec::new() };
        Ok(Vandal { stream, pieces: 0, rest })
    }

    /// Sends as much as goes, of a few pieces; whether anything went.
    fn send(&mut self, rubbish: Rubbish, random: &mut Random) -> std::io::Result<bool> {
        // Some of them read.
        if self.pieces.is_multiple_of(3) {
            let _ = self.stream.read(&mut [0; 4096]);
        }
        if self.rest.is_empty() {
            self.rest = rubbish(self.pieces, random);
            self.pieces += 1;
        }
        match self.stream.write(&self.rest) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            written => {
                self.rest.drain(..written?);
                Ok(true)
            }
        }
    }
}

/// Sends one kind of rubbish over some connections until told to stop; how many connections that took.
fn vandalize(socket: &Path, uid: u32, (_, polite, rubbish): (&str, bool, Rubbish), stop: &AtomicBool) -> u32 {
    const CONNECTIONS: usize = 10;
    person(uid).take_thread();
    let (mut random, mut came) = (Random(1), 0);
    let mut vandals: Vec<Option<Vandal>> = (0..CONNECTIONS).map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        for place in &mut vandals {
            if place.is_none() {
                *place = Vandal::come(socket, polite).ok();
                came += 1;
            }
            if place.as_mut().is_some_and(|vandal| vandal.send(rubbish, &mut random).is_err()) {
                *place = None;
            }
        }
        // Worse than any client, and still the machine is everybody's.
        thread::sleep(Duration::from_millis(5));
    }
    came
}

#[test]
fn rubbish_on_the_socket() {
    const TIME: Duration = Duration::from_secs(8);
    while_recording("rubbish", |daemon, _| {
        let socket = &daemon.socket();
        let stop = &AtomicBool::new(false);
        let half: Vec<UnixStream> = (0..200).map(|number| half_a_handshake(socket, number)).collect();
        thread::scope(|scope| {
            // Each is of a user of its own, or the first would use up what is read of all.
            let vandals = KINDS.iter().zip(FIRST_VANDAL..);
            let vandals = vandals.map(|(&kind, uid)| (kind.0, scope.spawn(move || vandalize(socket, uid, kind, stop))));
            let vandals: Vec<_> = vandals.collect();
            thread::sleep(TIME);
            stop.store(true, Ordering::Relaxed);
            for (name, vandal) in vandals {
                eprintln!("{name}: {} connections", vandal.join().unwrap());
            }
        });
        // The same user, an honest program.
        wait_until("who has sent so much is read again", || {
            Api::over(person(FIRST_VANDAL).connect(socket)).try_list().is_ok()
        });
        for mut stream in half {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // What the daemon said, then the end.
            let mut words = Vec::new();
            match stream.read_to_end(&mut words) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is cut off"),
            }
        }
        let log = daemon.log();
        assert!(log.lines().count() < 50, "the log is filled\n{log}");
    });
}

/// Somebody who never gets to a request.
fn half_a_handshake(socket: &Path, number: usize) -> UnixStream {
    let all = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let mut stream = person(BOB).connect(socket);
    stream.write_all(&all[..number % (all.len() + 1)]).unwrap();
    stream
}
