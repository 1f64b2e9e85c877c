//! Takes over the descriptors that systemd hands to this process.

#![expect(
    unsafe_code,
    reason = "a descriptor that is only a number cannot be owned otherwise; the only place that does"
)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::net::{AddressFamily, SocketType, sockopt};

/// The listening Unix socket at `descriptor`; `None` where it is something else.
#[must_use]
pub fn unix_listener(descriptor: RawFd) -> Option<UnixListener> {
    // SAFETY: systemd opened it for this process, and `listen_fds` gives it away only once.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let listens = sockopt::socket_acceptconn(&owned).ok()?;
    let is_stream = sockopt::socket_type(&owned).ok()? == SocketType::STREAM;
    let is_unix = sockopt::socket_domain(&owned).ok()? == AddressFamily::UNIX;
    (listens && is_stream && is_unix).then(|| UnixListener::from(owned))
}
