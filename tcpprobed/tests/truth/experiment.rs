//! One scenario as it happens: the network, the programs, what the kernel said, and the trace.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept, bind, connect, listen, socket_with, sockopt};

use super::clock::{now, sleep_until};
use super::network::{Link, Network, counters};
use super::path::{self, Log as PathLog};
use super::program::{self, Doing};
use super::recording::Recording;
use super::scenario::Scenario;
use super::sys;

/// So often a socket is looked at, nanoseconds.
pub const TICK: u64 = 10_000_000;

/// What the kernel said of a socket.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub time: u64,
    info: [u8; 280],
    memory: [u8; 36],
}

impl Sample {
    fn of(stream: &TcpStream) -> Option<Self> {
        let (info, memory) = (sys::tcp_info(stream).ok()?, sys::memory(stream).ok()?);
        Some(Sample { time: now(), info, memory })
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(std::array::from_fn(|byte| self.info[at + byte]))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(std::array::from_fn(|byte| self.info[at + byte]))
    }

    pub fn ca_state(&self) -> u8 {
        self.info[1]
    }
    pub fn mss(&self) -> u32 {
        self.u32(16)
    }
    pub fn unacked(&self) -> u32 {
        self.u32(24)
    }
    pub fn lost(&self) -> u32 {
        self.u32(32)
    }
    pub fn ssthresh(&self) -> u32 {
        self.u32(76)
    }
    pub fn cwnd(&self) -> u32 {
        self.u32(80)
    }
    pub fn total_retrans(&self) -> u32 {
        self.u32(100)
    }
    pub fn max_pacing_rate(&self) -> u64 {
        self.u64(112)
    }
    pub fn bytes_acked(&self) -> u64 {
        self.u64(120)
    }
    pub fn unsent(&self) -> u32 {
        self.u32(144)
    }
    pub fn min_rtt_us(&self) -> u32 {
        self.u32(148)
    }
    pub fn delivery_rate(&self) -> u64 {
        self.u64(160)
    }
    pub fn busy_us(&self) -> u64 {
        self.u64(168)
    }
    pub fn window_limited_us(&self) -> u64 {
        self.u64(176)
    }
    pub fn send_buffer_limited_us(&self) -> u64 {
        self.u64(184)
    }
    pub fn total_rto(&self) -> u16 {
        u16::from_ne_bytes([self.info[240], self.info[241]])
    }
    /// `SK_MEMINFO_SNDBUF`.
    pub fn send_buffer(&self) -> u32 {
        u32::from_ne_bytes(std::array::from_fn(|byte| self.memory[12 + byte]))
    }
    /// `SK_MEMINFO_WMEM_QUEUED`.
    pub fn queued(&self) -> u32 {
        u32::from_ne_bytes(std::array::from_fn(|byte| self.memory[20 + byte]))
    }
}

/// One end, when it is over.
#[derive(Debug, Clone, Default)]
pub struct End {
    pub local: Option<SocketAddr>,
    pub peer: Option<SocketAddr>,
    pub cookie: u64,
    /// When connect began (or the listener accepted), when it was established, when it was closed.
    pub connecting: u64,
    pub established: u64,
    pub closed: u64,
    pub log: program::Log,
    pub samples: Vec<Sample>,
}

/// All that is known of what happened.
pub struct Observed {
    pub ends: [End; 2],
    pub path: PathLog,
    /// What moved, in each namespace.
    pub counters: [BTreeMap<String, u64>; 2],
    pub text: String,
}

fn socket(is_ipv6: bool, options: &str) -> Result<OwnedFd> {
    let family = if is_ipv6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The default of a namespace cannot be one that is restricted in the first.
    sockopt::set_tcp_congestion(&socket, "cubic")?;
    for option in options.split_whitespace() {
        let (name, value) = option.split_once('=').unwrap_or((option, "1"));
        match name {
            "nodelay" => sockopt::set_tcp_nodelay(&socket, true)?,
            "rcvbuf" => sockopt::set_socket_recv_buffer_size(&socket, value.parse()?)?,
            "sndbuf" => sockopt::set_socket_send_buffer_size(&socket, value.parse()?)?,
            "cc" => sockopt::set_tcp_congestion(&socket, value)?,
            "pace" => sys::set_max_pacing_rate(&socket, value.parse()?)?,
            "linger0" => sockopt::set_socket_linger(&socket, Some(std::time::Duration::ZERO))?,
            other => anyhow::bail!("no socket option {other}"),
        }
    }
    Ok(socket)
}

/// Runs a program on a connection, and samples its socket meanwhile where it is watched.
fn live(stream: TcpStream, script: &[program::Step], is_watched: bool, end: &mut End) -> Result<()> {
    end.local = Some(stream.local_addr()?);
    end.peer = Some(stream.peer_addr()?);
    end.cookie = sockopt::socket_cookie(&stream)?;
    // Nobody waits for ever on a path that lets nothing pass.
    stream.set_write_timeout(Some(std::time::Duration::from_millis(400)))?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(8)))?;
    let (stop, samples) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        if is_watched {
            scope.spawn(|| {
                let mut next = now() / TICK * TICK;
                while !stop.load(Ordering::Relaxed) {
                    if let (Some(sample), Ok(mut samples)) = (Sample::of(&stream), samples.lock()) {
                        samples.push(sample);
                    }
                    next = (next + TICK).max(now() / TICK * TICK);
                    sleep_until(next);
                }
            });
        }
        program::run(script, &mut &stream, &mut end.log);
        stop.store(true, Ordering::Relaxed);
    });
    end.closed = now();
    drop(stream);
    end.samples = samples.into_inner().unwrap_or_default();
    Ok(())
}

fn moved(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let change = |(name, value): (&String, &u64)| {
        Some((name.clone(), value.checked_sub(*before.get(name)?).filter(|change| *change > 0)?))
    };
    after.iter().filter_map(change).collect()
}

/// Runs a scenario; `tag` and `port` are its own.
pub fn run(scenario: &Scenario, tag: &str, port: u16) -> Result<Observed> {
    let tbf = scenario.tbf.map(|tbf| (scenario.watch, tbf));
    let network = Network::new(tag, scenario.link, scenario.gso, scenario.mtu, tbf)?;
    let mut settings = vec![("net.ipv4.tcp_no_metrics_save", "1")];
    settings.extend(scenario.sysctls);
    network.set(&settings)?;
    let scripts = [program::parse(scenario.scripts[0])?, program::parse(scenario.scripts[1])?];
    let recording = Recording::start(tag, port)?;
    let stop = Arc::new(AtomicBool::new(false));
    let address: SocketAddr = {
        let host = network.address(1, scenario.is_ipv6);
        if scenario.is_ipv6 { format!("[{host}]:{port}").parse()? } else { format!("{host}:{port}").parse()? }
    };
    let (network, scripts) = (&network, &scripts);
    let count = |side: usize| {
        thread::scope(|scope| {
            let work = || -> Result<BTreeMap<String, u64>> {
                network.enter(side)?;
                counters()
            };
            scope.spawn(work).join().expect("it does not panic")
        })
    };
    let before = [count(0)?, count(1)?];
    let (ends, path) = thread::scope(|scope| -> Result<([End; 2], PathLog)> {
        let forwarder = (scenario.link == Link::Tun).then(|| {
            let stop = Arc::clone(&stop);
            scope.spawn(move || -> Result<PathLog> {
                network.enter(0)?;
                let a = sys::tun("t0").context("t0 of a")?;
                network.enter(1)?;
                let b = sys::tun("t0").context("t0 of b")?;
                path::forward([a, b], scenario.paths, scenario.seed, &stop)
            })
        });
        let flows = 1 + scenario.others;
        let (ready, is_ready) = mpsc::channel();
        let listener = scope.spawn(move || -> Result<End> {
            network.enter(1)?;
            let listener = socket(scenario.is_ipv6, scenario.options[1])?;
            sockopt::set_socket_reuseaddr(&listener, true)?;
            bind(&listener, &address)?;
            listen(&listener, 16)?;
            ready.send(()).ok();
            let mut ends = thread::scope(|scope| {
                let mut all = Vec::new();
                for flow in 0..flows {
                    let Ok(accepted) = accept(&listener) else { break };
                    let mut end = End { connecting: now(), established: now(), ..End::default() };
                    let stream = TcpStream::from(accepted);
                    all.push(scope.spawn(move || -> Result<End> {
                        live(stream, &scripts[1], scenario.watch == 1 && flow == 0, &mut end)?;
                        Ok(end)
                    }));
                }
                all.into_iter().map(|end| end.join().expect("it does not panic")).collect::<Result<Vec<End>>>()
            })?;
            Ok(ends.swap_remove(0))
        });
        is_ready.recv().ok();
        // The devices must be carried before the first SYN goes.
        thread::sleep(std::time::Duration::from_millis(60));
        let connector = |flow: usize| {
            move || -> Result<End> {
                network.enter(0)?;
                sleep_until(now() + flow as u64 * scenario.stagger_ms * 1_000_000);
                let socket = socket(scenario.is_ipv6, scenario.options[0])?;
                let mut end = End { connecting: now(), ..End::default() };
                connect(&socket, &address)?;
                end.established = now();
                live(TcpStream::from(socket), &scripts[0], scenario.watch == 0 && flow == 0, &mut end)?;
                Ok(end)
            }
        };
        let connectors: Vec<_> = (0..flows).map(|flow| scope.spawn(connector(flow))).collect();
        let mut a: Vec<End> =
            connectors.into_iter().map(|end| end.join().expect("it does not panic")).collect::<Result<_>>()?;
        let b = listener.join().expect("it does not panic")?;
        thread::sleep(std::time::Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        let path = forwarder.map_or(Ok(PathLog::default()), |thread| thread.join().expect("it does not panic"))?;
        Ok(([a.swap_remove(0), b], path))
    })?;
    let counters = [moved(&before[0], &count(0)?), moved(&before[1], &count(1)?)];
    Ok(Observed { ends, path, counters, text: recording.text()? })
}

/// What a program did at a moment.
pub fn doing(log: &program::Log, time: u64) -> Option<Doing> {
    let at = log.partition_point(|(_, to, _)| *to <= time);
    log.get(at).filter(|(from, ..)| *from <= time).map(|(.., doing)| *doing)
}
