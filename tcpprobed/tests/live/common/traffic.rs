//! Traffic over loopback, on a port of the test's own. All of it is bounded, and over when a function returns.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// Names of the tasks at the two ends of a connection.
pub const CLIENT: &str = "client";
pub const SERVER: &str = "server";

/// Where traffic goes to.
pub struct Site {
    listener: TcpListener,
    to: SocketAddr,
}

impl Site {
    fn new(listen: IpAddr, to: IpAddr) -> Self {
        let listener = TcpListener::bind((listen, 0)).unwrap();
        let to = SocketAddr::new(to, listener.local_addr().unwrap().port());
        Site { listener, to }
    }

    pub fn v4() -> Self {
        Site::new(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into())
    }

    pub fn v6() -> Self {
        Site::new(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into())
    }

    /// IPv4 to a socket that takes both: its events have v4-mapped addresses.
    pub fn mapped() -> Self {
        Site::new(Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into())
    }

    /// All of 127.0.0.0/8, for [`Site::towards`].
    pub fn any_v4() -> Self {
        Site::new(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into())
    }

    /// The same listener, reached by another address.
    pub fn towards(&self, address: Ipv4Addr) -> Self {
        Site { listener: self.listener.try_clone().unwrap(), to: (address, self.to.port()).into() }
    }

    pub fn port(&self) -> u16 {
        self.to.port()
    }

    /// Where its clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.to
    }

    /// The server's end of the connection that was made first.
    pub fn accept(&self) -> TcpStream {
        self.listener.accept().unwrap().0
    }

    /// Of its traffic, both ends.
    pub fn filter(&self) -> String {
        format!("port == {}", self.port())
    }

    /// Runs `client` and `server` at the two ends of a connection.
    fn connection(&self, client: impl FnOnce(TcpStream) + Send, server: impl FnOnce(TcpStream) + Send) {
        thread::scope(|scope| {
            named(SERVER, scope, || server(self.listener.accept().unwrap().0));
            named(CLIENT, scope, || client(TcpStream::connect(self.to).unwrap()));
        });
    }

    /// One connection: a question and an answer at a time.
    pub fn ping_pong(&self, rounds: u32) {
        self.connection(|stream| (0..rounds).fold(stream, ask).shutdown(Shutdown::Write).unwrap(), answer);
    }

    /// Several connections at once, `bytes` over each.
    pub fn bulk(&self, flows: u32, bytes: usize) {
        let send = |mut stream: TcpStream| {
            let chunk = [7; 64 << 10];
            (0..bytes).step_by(chunk.len()).for_each(|_| stream.write_all(&chunk).unwrap());
        };
        let receive = |mut stream: TcpStream| {
            let mut chunk = vec![0; 64 << 10];
            while stream.read(&mut chunk).unwrap() > 0 {}
        };
        thread::scope(|scope| (0..flows).for_each(|_| drop(scope.spawn(|| self.connection(send, receive)))));
    }

    /// Many connections, one after the other, each with tasks of its own.
    pub fn short(&self, connections: u32) {
        (0..connections).for_each(|_| self.ping_pong(2));
    }

    /// Very many connections with one question, from a few tasks that open one after the other.
    pub fn brief(&self, connections: u32, tasks: u32) {
        thread::scope(|scope| {
            for _ in 0..tasks {
                named(SERVER, scope, || {
                    (0..connections / tasks).for_each(|_| answer(self.listener.accept().unwrap().0));
                });
                named(CLIENT, scope, || {
                    (0..connections / tasks).for_each(|_| drop(ask(TcpStream::connect(self.to).unwrap(), 0)));
                });
            }
        });
    }

    /// Question and answer until told to stop, in bursts, `rounds_max` at most.
    pub fn steady(&self, stop: &AtomicBool, rounds_max: u32) {
        const BURST: u32 = 50;
        let talk = |mut stream: TcpStream| {
            for _ in 0..rounds_max / BURST {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                stream = (0..BURST).fold(stream, ask);
                thread::sleep(Duration::from_millis(8));
            }
            stream.shutdown(Shutdown::Write).unwrap();
        };
        self.connection(talk, answer);
    }

    /// A connection whose first SYN finds no room, and comes again after a second.
    pub fn retransmission(&self) {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
        static ADDRESS: AtomicU8 = AtomicU8::new(10);
        // Each time another: a process that was just started may hold the listener before yet.
        let address = Ipv4Addr::new(127, 0, 1, ADDRESS.fetch_add(1, Ordering::Relaxed));
        let narrow = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&narrow, &SocketAddr::from((address, self.port()))).unwrap();
        listen(&narrow, 0).unwrap();
        let narrow = TcpListener::from(narrow);
        let address = narrow.local_addr().unwrap();
        let first = TcpStream::connect(address).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| drop(TcpStream::connect(address).unwrap()));
            thread::sleep(Duration::from_millis(300));
            drop((narrow.accept().unwrap(), first));
            drop(narrow.accept().unwrap());
        });
    }
}

/// Both ends of its connections in the hands of one task.
pub struct Alone(Site);

impl Alone {
    pub fn new() -> Self {
        Alone(Site::v4())
    }

    /// Connections of all kinds of endings, some data over each.
    pub fn talk(&self, connections: u32) {
        for number in 0..connections {
            let mut client = TcpStream::connect(self.0.to).unwrap();
            let (mut server, _) = self.0.listener.accept().unwrap();
            let mut buffer = [0; 8];
            for _ in 0..3 {
                client.write_all(b"question").unwrap();
                server.read_exact(&mut buffer).unwrap();
                server.write_all(b"response").unwrap();
                client.read_exact(&mut buffer).unwrap();
            }
            if number % 3 == 0 {
                // To close with data unread is to reset.
                server.write_all(b"unread").unwrap();
            }
            if number % 2 == 0 {
                drop(client);
            }
        }
    }
}

fn named<'scope>(name: &str, scope: &'scope thread::Scope<'scope, '_>, work: impl FnOnce() + Send + 'scope) {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work).unwrap();
}

fn ask(mut stream: TcpStream, _: u32) -> TcpStream {
    stream.write_all(b"question").unwrap();
    let mut buffer = [0; 6];
    stream.read_exact(&mut buffer).unwrap();
    stream
}

fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer).unwrap() > 0 {
        stream.write_all(b"answer").unwrap();
    }
}
