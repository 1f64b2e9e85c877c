//! Makes TCP traffic over loopback, for the demo, for tests and for measurements: a server that sends, and clients
//! that take it in their own ways. One thread at each end of a connection; nothing leaves the machine.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use rustix::net::sockopt;

/// Makes TCP traffic over loopback: a server on a port sends, and clients of these kinds take it.
#[derive(Debug, Parser)]
struct Flags {
    /// The server's port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How long, in seconds
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Connections with as much as goes through
    #[arg(long, value_name = "N", default_value_t = 0)]
    bulk: usize,
    /// The same through small receive buffers: more segments and ACKs for the same bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    narrow: usize,
    /// Connections whose client reads 64 bytes at a time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pieces: usize,
    /// Connections with bursts and pauses
    #[arg(long, value_name = "N", default_value_t = 0)]
    bursts: usize,
    /// Connections whose client reads slowly, through a small buffer
    #[arg(long, value_name = "N", default_value_t = 0)]
    slow: usize,
    /// Connections that send a few bytes to and fro
    #[arg(long, value_name = "N", default_value_t = 0)]
    ping_pong: usize,
    /// Clients that connect, ask, are answered, and connect again
    #[arg(long, value_name = "N", default_value_t = 0)]
    short: usize,
    /// ::1 instead of 127.0.0.1
    #[arg(long)]
    ipv6: bool,
    /// The sender's congestion control [default: the machine's]
    #[arg(long, value_name = "NAME")]
    congestion: Option<String>,
}

/// What a client wants; the byte that it sends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bulk,
    Narrow,
    Pieces,
    Bursts,
    Slow,
    PingPong,
    Short,
}

const KINDS: [Kind; 7] =
    [Kind::Bulk, Kind::Narrow, Kind::Pieces, Kind::Bursts, Kind::Slow, Kind::PingPong, Kind::Short];
/// One write, or read, of the large kinds.
const CHUNK_BYTES: usize = 64 << 10;
/// What a short connection is answered with, and how long its client then waits.
const ANSWER_BYTES: usize = 20 << 10;
const THINK_TIME: Duration = Duration::from_millis(10);
/// A message of a ping-pong, and a piece of a client that reads in pieces.
const PING_BYTES: usize = 64;
/// Bursts, and the pauses between them.
const BURSTS: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(120), Duration::from_millis(500)];
const PAUSES: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(400)];
/// A small receive buffer, and how long a client that reads slowly looks away after each read.
const SMALL_BUFFER_BYTES: usize = 64 << 10;
const LOOK_AWAY: Duration = Duration::from_millis(2);

/// What was done.
#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU64,
    bytes: AtomicU64,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("traffic: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<()> {
    let ip = if flags.ipv6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let listener = TcpListener::bind((ip, flags.port)).with_context(|| format!("{ip} port {}", flags.port))?;
    if let Some(name) = &flags.congestion {
        // Connections inherit it.
        sockopt::set_tcp_congestion(&listener, name).with_context(|| format!("congestion control {name}"))?;
    }
    let address = listener.local_addr()?;
    let end = Instant::now() + Duration::try_from_secs_f64(flags.seconds).context("--seconds")?;
    let tally = Tally::default();
    let counts = [flags.bulk, flags.narrow, flags.pieces, flags.bursts, flags.slow, flags.ping_pong, flags.short];
    let kinds = KINDS.iter().zip(counts).flat_map(|(&kind, count)| std::iter::repeat_n(kind, count));

    thread::scope(|scope| -> Result<()> {
        scope.spawn(|| serve(scope, &listener, end));
        let tally = &tally;
        let clients: Vec<_> = kinds.map(|kind| scope.spawn(move || client(kind, address, end, tally))).collect();
        let results = clients.into_iter().map(|client| client.join().unwrap_or(Ok(())));
        let result = results.collect::<io::Result<()>>();
        // Asks for nothing: the server ends.
        drop(TcpStream::connect(address));
        result.context("a client")
    })?;
    let (connections, bytes) = (tally.connections.into_inner(), tally.bytes.into_inner());
    println!("{connections} connections to {address}, {:.1} MB", bytes as f64 / 1e6);
    Ok(())
}

fn serve<'scope>(scope: &'scope Scope<'scope, '_>, listener: &TcpListener, end: Instant) {
    for stream in listener.incoming().filter_map(Result::ok) {
        let mut stream = stream;
        let mut asked = [0];
        if stream.read_exact(&mut asked).is_err() {
            return;
        }
        if let Some(&kind) = KINDS.get(usize::from(asked[0])) {
            // A client that leaves ends its connection.
            scope.spawn(move || server(kind, &mut stream, end));
        }
    }
}

/// The sending end of a connection.
fn server(kind: Kind, stream: &mut TcpStream, end: Instant) -> io::Result<()> {
    match kind {
        Kind::Bulk | Kind::Narrow | Kind::Pieces | Kind::Slow => send(stream, end),
        Kind::Bursts => send_bursts(stream, end),
        Kind::PingPong => echo(stream),
        Kind::Short => stream.write_all(&[0x55; ANSWER_BYTES]),
    }
}

fn send(stream: &mut TcpStream, until: Instant) -> io::Result<()> {
    let chunk = vec![0x55; CHUNK_BYTES];
    while Instant::now() < until {
        stream.write_all(&chunk)?;
    }
    Ok(())
}

fn send_bursts(stream: &mut TcpStream, end: Instant) -> io::Result<()> {
    for (burst, pause) in BURSTS.iter().cycle().zip(PAUSES.iter().cycle()) {
        let now = Instant::now();
        if now >= end {
            break;
        }
        send(stream, end.min(now + *burst))?;
        thread::sleep(*pause);
    }
    Ok(())
}

fn echo(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; PING_BYTES];
    loop {
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
    }
}

/// The receiving end of a connection, or of many short ones.
fn client(kind: Kind, address: SocketAddr, end: Instant, tally: &Tally) -> io::Result<()> {
    loop {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(&[kind as u8])?;
        let bytes = match kind {
            Kind::PingPong => ping(&mut stream, end)?,
            Kind::Slow => take_slowly(&mut stream, end)?,
            Kind::Narrow => take_narrowly(&mut stream)?,
            Kind::Pieces => take_pieces(&mut stream)?,
            Kind::Bulk | Kind::Bursts | Kind::Short => io::copy(&mut stream, &mut io::sink())?,
        };
        tally.connections.fetch_add(1, Ordering::Relaxed);
        tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        if kind != Kind::Short || Instant::now() >= end {
            return Ok(());
        }
        thread::sleep(THINK_TIME);
    }
}

fn ping(stream: &mut TcpStream, end: Instant) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let (mut message, mut bytes) = ([0x55; PING_BYTES], 0);
    while Instant::now() < end {
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        bytes += message.len() as u64;
    }
    Ok(bytes)
}

fn take_pieces(stream: &mut TcpStream) -> io::Result<u64> {
    let (mut piece, mut bytes) = ([0; PING_BYTES], 0);
    loop {
        match stream.read(&mut piece)? as u64 {
            0 => return Ok(bytes),
            count => bytes += count,
        }
    }
}

fn take_narrowly(stream: &mut TcpStream) -> io::Result<u64> {
    sockopt::set_socket_recv_buffer_size(&stream, SMALL_BUFFER_BYTES)?;
    io::copy(stream, &mut io::sink())
}

fn take_slowly(stream: &mut TcpStream, end: Instant) -> io::Result<u64> {
    sockopt::set_socket_recv_buffer_size(&stream, SMALL_BUFFER_BYTES)?;
    let (mut chunk, mut bytes) = (vec![0; CHUNK_BYTES], 0);
    while Instant::now() < end {
        bytes += stream.read(&mut chunk)? as u64;
        thread::sleep(LOOK_AWAY);
    }
    Ok(bytes)
}
