//! Sockets that close, as the kernel tells of them unasked: by a netlink socket that is a member of multicast groups while it is wanted.
//!
//! It costs every close on the host some microseconds, in each network namespace, so it is a member only while a capture may have use for it. And
//! whoever is a member and does not read does harm: once the buffer is half full, the kernel's worker gives way after each message, and on a busy
//! CPU dead sockets pile up behind it by the hundred thousand. So the buffer is large; the thread that reads waits for nothing but the socket
//! ([`try_lock`], no capture, no disk); and another one looks after it five times a second and ends the membership as soon as it falls
//! behind (`watch.rs`).
//!
//! A socket that systemd made outlives this process: what a daemon before this one left of memberships and messages is done away with at the
//! beginning, and at the end nothing is left.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, bind, getsockname, recv, sockopt};
use tcpprobe::kernel::inet_diag::{CLOSING_GROUPS, Reply, replies};

use super::netlink;
use super::watch::{Look, Step, Watch};
use crate::lock::{lock, try_lock};
use crate::{abort_on_panic, clock};

/// Bytes of messages that may wait, as far as this process may have them (`net.core.rmem_max`).
const BUFFER_BYTES: usize = 16 << 20;
/// Of these each message takes so many.
const MESSAGE_BYTES: usize = 1280;
/// So many closes a second are to be expected: twice what one CPU manages over loopback.
const CLOSES_PER_SECOND: usize = 200_000;
/// A rest between two readings saves the wake-ups, but is no longer than this.
const REST_MAX: Duration = Duration::from_millis(5);
/// A message has some 380 bytes.
const RECEIVE_BYTES: usize = 16 << 10;
/// Most sockets that wait to be taken, in some 6 MB.
const WAITING_MAX: usize = 16 << 10;
/// So many are handed over at a time, where they come without a pause.
const BATCH: usize = 1024;
/// How often the reading is looked after.
const TICK: Duration = Duration::from_millis(200);

/// A socket that closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// When that was read, in the trace's clock.
    pub time: u64,
    pub cookie: u64,
    /// Its last tcp_info; `None` where the kernel had emptied it before.
    pub info: Option<Box<[u8]>>,
}

/// What there is of it, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listening {
    /// Whether the kernel tells of closes now.
    pub is_listening: bool,
    /// How often it was told not to, for this daemon fell behind.
    pub fell_behind: u64,
    /// Sockets of which it could not be said in time whose they were, for too many closed at a time.
    pub lost: u64,
    /// Bytes of messages that the kernel keeps.
    pub buffer_bytes: usize,
}

/// Where the kernel tells of closing sockets.
#[derive(Debug)]
pub struct Closings {
    socket: OwnedFd,
    /// Its address, that of a member being the same.
    port: u32,
    buffer_bytes: usize,
    /// What was read and nobody took.
    read: Mutex<Vec<Closed>>,
    /// How often the buffer was found empty: the reader's heartbeat.
    drained: AtomicU64,
    /// Messages were lost for want of room.
    overflowed: AtomicBool,
    is_wanted: AtomicBool,
    /// Whether it is a member; `None` when it never will be again.
    membership: Mutex<Option<bool>>,
    wake: OwnedFd,
    fell_behind: AtomicU64,
    lost: AtomicU64,
}

impl Closings {
    /// Over the socket that systemd made, or one of our own; no member yet.
    ///
    /// # Errors
    /// Where the process may have no such socket.
    pub fn open(given: Option<OwnedFd>) -> io::Result<Arc<Self>> {
        let socket = given.map_or_else(netlink::socket, Ok)?;
        // It is only made larger: systemd's is as large as its unit says.
        if sockopt::socket_recv_buffer_size(&socket)? < BUFFER_BYTES {
            let forced = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES);
            forced.or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES))?;
        }
        let port = match SocketAddrNetlink::try_from(getsockname(&socket)?)?.pid() {
            // It has none yet; the kernel finds one.
            0 => {
                bind(&socket, &SocketAddrNetlink::new(0, 0))?;
                SocketAddrNetlink::try_from(getsockname(&socket)?)?.pid()
            }
            port => port,
        };
        let buffer_bytes = sockopt::socket_recv_buffer_size(&socket)?;
        let closings = Closings {
            socket,
            port,
            buffer_bytes,
            read: Mutex::default(),
            drained: AtomicU64::new(0),
            overflowed: AtomicBool::new(false),
            is_wanted: AtomicBool::new(false),
            membership: Mutex::new(Some(false)),
            wake: eventfd(0, EventfdFlags::CLOEXEC)?,
            fell_behind: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        closings.bind(0)?;
        closings.discard();
        Ok(Arc::new(closings))
    }

    /// Reads and looks after that, in two threads, for as long as the process lives; `poke` is called while there is anything to be heard.
    ///
    /// # Errors
    /// When no threads can be made.
    pub fn start(self: &Arc<Self>, poke: impl Fn() + Send + 'static) -> io::Result<()> {
        let own = Arc::clone(self);
        abort_on_panic::spawn("closings", move || own.read_on())?;
        self.look_after(poke)
    }

    fn look_after(self: &Arc<Self>, poke: impl Fn() + Send + 'static) -> io::Result<()> {
        let own = Arc::clone(self);
        abort_on_panic::spawn("closings-watch", move || own.watch(poke))
    }

    /// Whether anybody has use for them.
    pub fn want(&self, is_wanted: bool) {
        if self.is_wanted.swap(is_wanted, Ordering::Relaxed) != is_wanted {
            // Only a counter at its limit refuses, and that one wakes too.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// Takes what was read, in the order of time.
    #[must_use]
    pub fn take(&self) -> Vec<Closed> {
        std::mem::take(&mut *lock(&self.read))
    }

    /// Counts sockets that nobody could wait for.
    pub fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// What there is of it.
    #[must_use]
    pub fn standing(&self) -> Listening {
        Listening {
            is_listening: *lock(&self.membership) == Some(true),
            fell_behind: self.fell_behind.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            buffer_bytes: self.buffer_bytes,
        }
    }

    /// The process is about to end: the kernel tells nothing any more.
    pub fn end(&self) {
        *lock(&self.membership) = None;
        if let Err(error) = self.bind(0) {
            tracing::debug!(%error, "a netlink socket cannot leave its groups");
        }
        self.discard();
    }

    /// Has it be a member of these groups and no others.
    fn bind(&self, groups: u32) -> rustix::io::Result<()> {
        bind(&self.socket, &SocketAddrNetlink::new(self.port, groups))
    }

    fn be_member(&self, is_member: bool) -> bool {
        let mut membership = lock(&self.membership);
        if membership.is_none() {
            return false;
        }
        match self.bind(if is_member { CLOSING_GROUPS } else { 0 }) {
            Ok(()) => *membership = Some(is_member),
            Err(error) => tracing::warn!(%error, "final snapshots: the kernel does not tell of closing sockets"),
        }
        *membership == Some(is_member)
    }

    /// Passes over all messages that are there.
    fn discard(&self) {
        let mut byte = [0; 1];
        while !matches!(recv(&self.socket, &mut byte[..], RecvFlags::DONTWAIT), Err(error) if error != Errno::NOBUFS) {}
    }

    fn read_on(&self) {
        let (mut buffer, mut found) = (vec![0; RECEIVE_BYTES], Vec::new());
        loop {
            // What could not be handed over does not wait for the next message.
            let patience = (!found.is_empty()).then_some(TICK);
            is_readable(&self.socket, patience);
            self.drain(&mut buffer, &mut found);
            std::thread::sleep(self.rest());
        }
    }

    /// So long that the buffer is an eighth full, however fast sockets close.
    fn rest(&self) -> Duration {
        let messages = self.buffer_bytes / MESSAGE_BYTES / 8;
        REST_MAX.min(Duration::from_secs(1) * messages as u32 / CLOSES_PER_SECOND as u32)
    }

    /// Reads until there is nothing more.
    fn drain(&self, buffer: &mut [u8], found: &mut Vec<Closed>) {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => closed(&buffer[..length], clock::boot_ns(), found),
                Err(Errno::INTR) => {}
                // The watch sees it; what is there comes next.
                Err(Errno::NOBUFS) => self.overflowed.store(true, Ordering::Relaxed),
                Err(_) => break,
            }
            if found.len() >= BATCH {
                self.hand_over(found);
            }
        }
        self.drained.fetch_add(1, Ordering::Relaxed);
        self.hand_over(found);
    }

    /// Hands over what was found, unless somebody takes what there is just now.
    fn hand_over(&self, found: &mut Vec<Closed>) {
        if let Some(mut read) = try_lock(&self.read) {
            let room = WAITING_MAX - read.len().min(WAITING_MAX);
            self.lose(found.len().saturating_sub(room) as u64);
            found.truncate(room);
            read.append(found);
        } else if found.len() > WAITING_MAX {
            self.lose(found.len() as u64);
            found.clear();
        }
    }

    fn watch(&self, poke: impl Fn()) {
        let mut watch = Watch::default();
        loop {
            let patience = self.is_wanted.load(Ordering::Relaxed).then_some(TICK);
            if is_readable(&self.wake, patience) {
                let _ = rustix::io::read(&self.wake, &mut [0; 8]);
            }
            let look = Look {
                now: Instant::now(),
                is_wanted: self.is_wanted.load(Ordering::Relaxed),
                drained: self.drained.load(Ordering::Relaxed),
                is_readable: is_readable(&self.socket, Some(Duration::ZERO)),
                has_overflowed: self.overflowed.load(Ordering::Relaxed),
            };
            match watch.look(&look) {
                None => {}
                Some(Step::Join) => {
                    self.overflowed.store(false, Ordering::Relaxed);
                    if !self.be_member(true) {
                        watch.refused(look.now);
                    }
                }
                Some(Step::Leave) => drop(self.be_member(false)),
                Some(Step::FellBehind(pause)) => {
                    self.be_member(false);
                    self.fell_behind.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        "final snapshots: sockets close faster than they are read; none for {} s",
                        pause.as_secs()
                    );
                }
            }
            poke();
        }
    }
}

/// Waits for so long, or without end, until there is something to read; an error is something too.
fn is_readable(descriptor: &OwnedFd, patience: Option<Duration>) -> bool {
    let timeout = patience.map(|patience| Timespec {
        tv_sec: patience.as_secs().cast_signed(),
        tv_nsec: i64::from(patience.subsec_nanos()),
    });
    poll(&mut [PollFd::new(descriptor, PollFlags::IN)], timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

/// Appends the sockets of a message.
fn closed(message: &[u8], time: u64, found: &mut Vec<Closed>) {
    for reply in replies(message) {
        let Reply::Socket { socket, .. } = reply else { continue };
        let info = socket.info.filter(|_| !socket.is_disconnected()).map(|info| info.0.into());
        found.push(Closed { time, cookie: socket.cookie, info });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use rustix::net::{AddressFamily, SocketType};
    use tcpprobe::kernel::inet_diag::TcpInfo;

    use super::*;

    /// Waits for what comes soon, or else never.
    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..6000 {
            if is_so() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{what} does not come");
    }

    fn listen(closings: &Closings) {
        closings.want(true);
        until("the membership", || closings.standing().is_listening);
    }

    #[test]
    fn what_closes_is_told_while_it_is_wanted() {
        let closings = Closings::open(None).unwrap();
        closings.start(|| {}).unwrap();
        let pair = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (client, server) =
                (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener.accept().unwrap().0);
            (&client).write_all(&[7; 3000]).unwrap();
            (&server).read_exact(&mut [0; 3000]).unwrap();
            (client, server)
        };
        let cookie = |stream: &TcpStream| sockopt::socket_cookie(stream).unwrap();
        let before = pair().0;
        let never = cookie(&before);
        drop(before);
        listen(&closings);
        let ((client, server), (linger, reset)) = (pair(), pair());
        let cookies = [&client, &server, &linger, &reset].map(cookie);
        sockopt::set_socket_linger(&linger, Some(Duration::ZERO)).unwrap();
        drop((client, server, linger));
        let mut told: BTreeMap<u64, Closed> = BTreeMap::new();
        until("a reset", || reset.take_error().unwrap().is_some());
        drop(reset);
        until("what closes", || {
            told.extend(closings.take().into_iter().map(|closed| (closed.cookie, closed)));
            cookies.iter().all(|cookie| told.contains_key(cookie))
        });
        assert!(!told.contains_key(&never), "it was closed before");
        let acked = cookies.map(|cookie| TcpInfo(told[&cookie].info.as_deref()?).get("tcpi_bytes_received"));
        // The FIN counts. Of the socket that was closed by a reset of its own nothing is left, of its peer all is.
        assert_eq!((acked[0].is_some(), acked[1..].to_vec()), (true, vec![Some(3001), None, Some(3000)]));
        closings.want(false);
        until("the end of the membership", || !closings.standing().is_listening);
        let (client, _server) = pair();
        let later = cookie(&client);
        drop(client);
        let _ = pair();
        assert!(!closings.take().iter().any(|closed| closed.cookie == later));
        assert_eq!((closings.standing().fell_behind, closings.standing().lost), (0, 0));
    }

    /// What systemd's socket has of a daemon before this one.
    #[test]
    fn what_was_left_is_done_away_with() {
        let left = netlink::socket().unwrap();
        bind(&left, &SocketAddrNetlink::new(0, CLOSING_GROUPS)).unwrap();
        drop(rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap());
        until("a message", || is_readable(&left, Some(Duration::ZERO)));
        let copy = left.try_clone().unwrap();
        let closings = Closings::open(Some(left)).unwrap();
        let groups = || SocketAddrNetlink::try_from(getsockname(&copy).unwrap()).unwrap().groups();
        assert_eq!((groups(), is_readable(&copy, Some(Duration::ZERO))), (0, false));
        closings.look_after(|| {}).unwrap();
        listen(&closings);
        assert_eq!(groups(), CLOSING_GROUPS);
        closings.end();
        assert_eq!(groups(), 0);
        closings.want(false);
        closings.want(true);
        closings.be_member(true);
        assert!(groups() == 0 && !closings.standing().is_listening, "it never is again");
    }

    /// TCP sockets that the kernel keeps, dead ones too.
    fn kept() -> Option<u64> {
        let slabs = std::fs::read_to_string("/proc/slabinfo").ok()?;
        let line = slabs.lines().find(|line| line.starts_with("TCP "))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// A reader that does not come to read: the kernel keeps what closes, until nobody listens.
    #[test]
    fn who_does_not_read_is_no_member_for_long() {
        let closings = Closings::open(None).unwrap();
        // Nobody reads.
        closings.look_after(|| {}).unwrap();
        listen(&closings);
        let before = kept();
        let mut most = before;
        let mut closed = 0_u64;
        while closings.standing().fell_behind == 0 {
            for _ in 0..1000 {
                drop(rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap());
            }
            closed += 1000;
            if closed.is_multiple_of(10_000) {
                most = most.max(kept());
            }
            assert!(closed < 100_000_000, "it falls behind, and nobody sees it");
        }
        let standing = closings.standing();
        assert!(!standing.is_listening && standing.fell_behind == 1);
        eprintln!("{closed} closes, {before:?} sockets kept before, {most:?} at most, {:?} then", kept());
        // What closes now costs nothing, and nothing is kept.
        until("the end of what was kept", || kept() <= before.map(|before| before + 2000));
    }
}
