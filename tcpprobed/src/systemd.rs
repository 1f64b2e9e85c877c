//! What systemd is told, and what it hands over. Without systemd, nothing of this does anything.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::listen_fds::{Handed, handed};

/// The sockets that systemd made, if it started this process for any.
#[derive(Debug, Default)]
pub struct Activated {
    /// The API's.
    pub listener: Option<UnixListener>,
    /// For questions about sockets, and to be told of those that close.
    pub sock_diag: Vec<OwnedFd>,
}

/// Takes the sockets that systemd made, whatever their order.
#[must_use]
pub fn activated() -> Activated {
    let mut activated = Activated::default();
    for descriptor in sd_notify::listen_fds().into_iter().flatten() {
        match handed(descriptor) {
            Handed::Listener(listener) => activated.listener = activated.listener.or(Some(listener)),
            Handed::SockDiag(socket) => activated.sock_diag.push(socket),
            Handed::Other => {}
        }
    }
    activated
}

/// The API is served.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub fn reloading() {
    let now = NotifyState::monotonic_usec_now();
    // In one message, as Type=notify-reload wants it.
    notify(&[Some(NotifyState::Reloading), now.ok()].into_iter().flatten().collect::<Vec<_>>());
}

/// The daemon is on its way out.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// The line that `systemctl status` shows.
pub fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

/// The daemon is alive.
pub fn watchdog() {
    notify(&[NotifyState::Watchdog]);
}

/// How often systemd wants to hear so: half of its patience.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
