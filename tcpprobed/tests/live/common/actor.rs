//! Programs that use sockets in one way each, and log which are theirs: this test binary, run once more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// What the program is to be, its port, and where it logs.
const ROLE: &str = "TCPPROBE_TEST_ROLE";
/// So long a program is at it: longer than the daemon takes to look at everybody once.
const LIFE: Duration = Duration::from_millis(2500);
const PAUSE: Duration = Duration::from_millis(25);

/// A socket that a program said is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub local: u16,
    pub peer: u16,
    pub pid: i32,
    /// Of the process.
    pub comm: String,
}

/// Where programs log.
pub struct Log(PathBuf);

impl Log {
    pub fn at(folder: &Path) -> Self {
        Log(folder.join("truth"))
    }

    /// A program in this role, on this port.
    pub fn command(&self, role: &str, port: u16) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "owners::actor", "--nocapture"])
            .env(ROLE, format!("{role} {port} {}", self.0.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts one.
    pub fn start(&self, role: &str, port: u16) -> Child {
        self.command(role, port).spawn().unwrap()
    }

    /// What all of them said.
    pub fn owned(&self) -> Vec<Owned> {
        let text = fs::read_to_string(&self.0).unwrap();
        let owned = text.lines().map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap();
            let (local, peer, pid) = (word().parse().unwrap(), word().parse().unwrap(), word().parse().unwrap());
            Owned { local, peer, pid, comm: word().to_owned() }
        });
        owned.collect()
    }

    /// How many sockets they have said so far.
    pub fn count(&self) -> usize {
        fs::read_to_string(&self.0).map_or(0, |text| text.lines().count())
    }

    fn note(&self, stream: &TcpStream) {
        let (local, peer) = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
        // As the host's root sees it, also from within another namespace.
        let own = fs::read_link("/proc/self").unwrap();
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let mut log = OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        log.write_all(format!("{local} {peer} {} {comm}", own.display()).as_bytes()).unwrap();
    }
}

/// Plays the role that this process was started for; `false` where it was started for none.
pub fn play() -> bool {
    let Ok(told) = std::env::var(ROLE) else { return false };
    let mut words = told.splitn(3, ' ');
    let (role, port, log) = (words.next().unwrap(), words.next().unwrap().parse().unwrap(), words.next().unwrap());
    let log = Log(log.into());
    let accept = |listener: &TcpListener| {
        let (stream, _) = listener.accept().unwrap();
        log.note(&stream);
        stream
    };
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let connect = || {
        let stream = patient(port);
        log.note(&stream);
        stream
    };
    match role {
        "echo-server" => echo(accept(&listen())),
        "echo-client" => ask(connect(), LIFE),
        "send-server" => send(accept(&listen())),
        "send-client" => send(connect()),
        "receive-server" => receive(accept(&listen())),
        "receive-client" => receive(connect()),
        "threads-server" => {
            let listener = listen();
            thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(|| echo(accept(&listener))))));
        }
        "threads-client" => thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(|| ask(connect(), LIFE))))),
        "inetd-server" => {
            let (stream, _) = listen().accept().unwrap();
            let mut child = log.command("inherited", port).stdin(OwnedFd::from(stream)).spawn().unwrap();
            child.wait().unwrap();
        }
        "shared-server" => {
            let stream = accept(&listen());
            let theirs = OwnedFd::from(stream.try_clone().unwrap());
            let mut child = log.command("inherited", port).stdin(theirs).spawn().unwrap();
            echo(stream);
            child.wait().unwrap();
        }
        "inherited" => {
            let stream = TcpStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
            log.note(&stream);
            echo(stream);
        }
        "passing-server" => {
            let mut stream = accept(&listen());
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut child = log.command("given", port).stdin(OwnedFd::from(theirs)).spawn().unwrap();
            let until = Instant::now() + LIFE;
            let mut buffer = [0; 64];
            while Instant::now() < until {
                let length = stream.read(&mut buffer).unwrap();
                stream.write_all(&buffer[..length]).unwrap();
            }
            pass(&ours, &stream);
            drop((stream, ours));
            child.wait().unwrap();
        }
        "given" => {
            let from = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
            let stream = TcpStream::from(taken(&from));
            log.note(&stream);
            echo(stream);
        }
        "passing-client" => ask(connect(), 2 * LIFE),
        "sendfile-server" => {
            let mut stream = accept(&listen());
            let until = Instant::now() + LIFE;
            while Instant::now() < until {
                let mut file = File::open("/proc/self/exe").unwrap().take(100_000);
                io::copy(&mut file, &mut stream).unwrap();
                thread::sleep(PAUSE);
            }
        }
        "splice-server" => {
            let mut stream = accept(&listen());
            let (mut reader, mut writer) = io::pipe().unwrap();
            let drain = thread::spawn(move || io::copy(&mut reader, &mut io::sink()).unwrap());
            io::copy(&mut stream, &mut writer).unwrap();
            drop(writer);
            drain.join().unwrap();
        }
        "flood-server" => {
            let mut stream = accept(&listen());
            let mut piece = [0; 64];
            while stream.read(&mut piece).unwrap() > 0 {}
        }
        "flood-client" => {
            let (mut stream, until) = (connect(), Instant::now() + 4 * LIFE);
            while Instant::now() < until {
                stream.write_all(&[7; 64 << 10]).unwrap();
            }
        }
        "many-server" => {
            let listener = listen();
            thread::scope(|scope| (0..MANY).for_each(|_| drop(scope.spawn(|| echo(accept(&listener))))));
        }
        "many-client" => thread::scope(|scope| (0..MANY).for_each(|_| drop(scope.spawn(|| ask(connect(), 4 * LIFE))))),
        "brief-server" => {
            let listener = listen();
            (0..BRIEF).for_each(|_| echo(accept(&listener)));
        }
        "brief-client" => (0..BRIEF).for_each(|_| ask(connect(), 2 * PAUSE)),
        "quick-client" => (0..QUICK).for_each(|_| {
            let mut stream = connect();
            stream.write_all(b"question").unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
        }),
        "quick-server" => {
            let listener = listen();
            (0..QUICK).for_each(|_| echo(accept(&listener)));
        }
        "waiting-client" => drop(connect().read(&mut [0])),
        "family" => {
            // Each second one outlives its parent.
            let role = |number: usize| if number.is_multiple_of(2) { "quick-client" } else { "parent" };
            let children: Vec<Child> = (0..RELATIVES).map(|number| log.start(role(number), port)).collect();
            children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
            super::wait_until("all are at an end", || log.count() == QUICK * RELATIVES);
            // The last of them has its connection still.
            thread::sleep(4 * PAUSE);
        }
        "parent" => drop(log.start("quick-client", port)),
        other => panic!("no such role: {other}"),
    }
    true
}

/// Connections of a many-client, at a time.
pub const MANY: usize = 8;
/// Connections of a brief client, one after the other.
pub const BRIEF: usize = 40;
/// Connections of a quick client or server, each over at once.
pub const QUICK: usize = 10;
/// Quick clients of a family.
pub const RELATIVES: usize = 20;

/// Connects as soon as somebody listens.
fn patient(port: u16) -> TcpStream {
    super::wait_for("the server listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
}

fn ask(mut stream: TcpStream, life: Duration) {
    let until = Instant::now() + life;
    let mut buffer = [0; 8];
    while Instant::now() < until {
        stream.write_all(b"question").unwrap();
        stream.read_exact(&mut buffer).unwrap();
        thread::sleep(PAUSE);
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => stream.write_all(&buffer[..length]).unwrap(),
        }
    }
}

fn send(mut stream: TcpStream) {
    let until = Instant::now() + LIFE;
    while Instant::now() < until {
        stream.write_all(&[7; 1000]).unwrap();
        thread::sleep(PAUSE);
    }
}

fn receive(mut stream: TcpStream) {
    io::copy(&mut stream, &mut io::sink()).unwrap();
}

fn pass(over: &UnixStream, stream: &TcpStream) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [stream.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(over, &[IoSlice::new(b"x")], &mut ancillary, SendFlags::empty()).unwrap();
}

fn taken(over: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(over, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::empty()).unwrap();
    let mut fds = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    fds.next().unwrap()
}
