//! The netlink socket over which the kernel is asked about TCP sockets.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use tcpprobe::kernel::inet_diag::{Reply, SocketDiag, SocketId, States, put_dump, put_look_up, replies};

/// Look-ups in one go: all their answers fit the receive buffer that every socket has (212,992 bytes, of which one takes 1,280), and
/// all are of the same tenth of a millisecond.
pub const BATCH: usize = 32;
/// Bytes received at a time: the kernel makes pieces of a dump of up to 32 KiB.
const RECEIVE_BYTES: usize = 64 << 10;

/// What became of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The socket is there.
    Found(SocketDiag<'a>),
    /// There is none such.
    NotFound,
    /// The kernel refused, by this error.
    Refused(Errno),
}

/// A socket of `NETLINK_SOCK_DIAG`.
pub fn socket() -> rustix::io::Result<OwnedFd> {
    let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
    socket_with(family, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))
}

/// A netlink socket of `NETLINK_SOCK_DIAG` to ask by.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    /// Of the request that comes next: an answer names that of its request, and those of earlier ones are passed over.
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// One that systemd made, or one of our own. It is of the network namespace in which it was made.
    ///
    /// # Errors
    /// Where the kernel has no such sockets, or the process may not have one.
    pub fn open(given: Option<OwnedFd>) -> io::Result<Self> {
        let socket = given.map_or_else(socket, Ok)?;
        Ok(Netlink { socket, sequence: 1, buffer: vec![0; RECEIVE_BYTES] })
    }

    /// Asks about sockets, [`BATCH`] at the most; `answer` gets what came of each that was answered, with its place in the list.
    ///
    /// # Errors
    /// When nothing could be asked.
    pub fn look_up(&mut self, ids: &[SocketId], mut answer: impl FnMut(usize, Answer<'_>)) -> io::Result<()> {
        let first = self.numbers(ids.len());
        let mut requests = Vec::with_capacity(ids.len() * 72);
        for (id, at) in ids.iter().zip(0..) {
            put_look_up(id, first.wrapping_add(at), &mut requests);
        }
        send(&self.socket, &requests, SendFlags::empty())?;
        let place = |sequence: u32| Some(sequence.wrapping_sub(first) as usize).filter(|place| *place < ids.len());
        // The kernel has answered all before it returned.
        let mut left = ids.len();
        self.receive(|reply| {
            let (sequence, found) = match reply {
                Reply::Socket { sequence, socket } => (sequence, Answer::Found(socket)),
                Reply::Error { sequence, errno } if errno == Errno::NOENT.raw_os_error().unsigned_abs() => {
                    (sequence, Answer::NotFound)
                }
                Reply::Error { sequence, errno } => {
                    (sequence, Answer::Refused(Errno::from_raw_os_error(errno.cast_signed())))
                }
                Reply::Done { .. } | Reply::Other => return true,
            };
            if let Some(place) = place(sequence) {
                answer(place, found);
                left -= 1;
            }
            left > 0
        })
    }

    /// Bytes of tcp_info that this kernel gives, by any socket that waits for connections, or else one that has one; none where there is no
    /// such socket.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn info_bytes(&mut self) -> io::Result<Option<usize>> {
        for states in [States::NONE, States::LISTEN, States::ESTABLISHED] {
            for is_v6 in [false, true] {
                let found = self.dump(is_v6, states)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// All sockets of some states are told, to the last: a dump that is left behind would be in the way of the next.
    fn dump(&mut self, is_v6: bool, states: States) -> io::Result<Option<usize>> {
        let (number, mut request) = (self.numbers(1), Vec::new());
        put_dump(is_v6, states, number, &mut request);
        send(&self.socket, &request, SendFlags::empty())?;
        let (mut found, mut error) = (None, 0);
        self.receive(|reply| match reply {
            Reply::Socket { sequence, socket } if sequence == number => {
                found = found.or(socket.info.map(|info| info.0.len()));
                true
            }
            Reply::Done { sequence, errno } | Reply::Error { sequence, errno } if sequence == number => {
                error = errno;
                false
            }
            _ => true,
        })?;
        if error == 0 { Ok(found) } else { Err(io::Error::from_raw_os_error(error.cast_signed())) }
    }

    fn numbers(&mut self, count: usize) -> u32 {
        let first = self.sequence;
        self.sequence = first.wrapping_add(count as u32);
        first
    }

    /// Gives what there is to `take`, until it has enough or there is no more.
    fn receive(&mut self, mut take: impl FnMut(Reply<'_>) -> bool) -> io::Result<()> {
        loop {
            let length = match recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return Ok(()),
                // Answers were lost for want of room; those that are there come next.
                Err(Errno::INTR | Errno::NOBUFS) => continue,
                Err(error) => return Err(error.into()),
            };
            for reply in replies(&self.buffer[..length]) {
                if !take(reply) {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The cookie of a socket is `SO_COOKIE`.
    fn id(stream: &TcpStream) -> SocketId {
        let cookie = rustix::net::sockopt::socket_cookie(stream).unwrap();
        SocketId { local: stream.local_addr().unwrap(), peer: stream.peer_addr().unwrap(), cookie }
    }

    #[test]
    fn each_look_up_has_its_own_answer() {
        let mut netlink = Netlink::open(None).unwrap();
        let (mut listeners, mut streams) = (Vec::new(), Vec::new());
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            for _ in 0..8 {
                streams.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            }
            listeners.push(listener);
        }
        let mut ids: Vec<SocketId> = streams.iter().map(id).collect();
        // By its ends alone it would be found.
        ids[3].cookie += 1 << 40;
        // Answers of an earlier question that nobody took.
        let mut request = Vec::new();
        put_look_up(&ids[0], 77, &mut request);
        send(&netlink.socket, &request, SendFlags::empty()).unwrap();
        for _ in 0..3 {
            let mut found = vec![None; ids.len()];
            netlink
                .look_up(&ids, |place, answer| {
                    found[place] = Some(match answer {
                        Answer::Found(socket) => Some((socket.cookie, socket.local, socket.peer)),
                        Answer::NotFound => None,
                        Answer::Refused(error) => panic!("{error}"),
                    });
                })
                .unwrap();
            for (place, (id, found)) in ids.iter().zip(found).enumerate() {
                let expected = (place != 3).then_some((id.cookie, id.local, id.peer));
                assert_eq!(found, Some(expected), "{place}");
            }
        }
    }

    #[test]
    fn what_the_kernel_gives_is_known_beforehand() {
        let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut netlink = Netlink::open(None).unwrap();
        let bytes = netlink.info_bytes().unwrap().unwrap();
        assert!(bytes >= 192, "{bytes}");
        assert_eq!(netlink.info_bytes().unwrap(), Some(bytes), "a dump leaves nothing behind");
    }
}
