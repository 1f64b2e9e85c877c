//! Takes over the descriptors that systemd hands to this process.

#![expect(
    unsafe_code,
    reason = "a descriptor that is only a number cannot be owned otherwise; the only place that does"
)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::net::{AddressFamily, SocketType, netlink, sockopt};

/// What systemd may have handed over.
#[derive(Debug)]
pub enum Handed {
    /// A Unix socket that listens.
    Listener(UnixListener),
    /// A netlink socket by which the kernel can be asked about sockets.
    SockDiag(OwnedFd),
    /// Something else, which is closed.
    Other,
}

/// What is at `descriptor`.
#[must_use]
pub fn handed(descriptor: RawFd) -> Handed {
    // SAFETY: systemd opened it for this process, and `listen_fds` gives it away only once.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    match sockopt::socket_domain(&owned) {
        Ok(AddressFamily::UNIX) => {
            let is_stream = sockopt::socket_type(&owned) == Ok(SocketType::STREAM);
            match is_stream && sockopt::socket_acceptconn(&owned) == Ok(true) {
                true => Handed::Listener(UnixListener::from(owned)),
                false => Handed::Other,
            }
        }
        Ok(AddressFamily::NETLINK) if sockopt::socket_protocol(&owned) == Ok(Some(netlink::SOCK_DIAG)) => {
            Handed::SockDiag(owned)
        }
        _ => Handed::Other,
    }
}
