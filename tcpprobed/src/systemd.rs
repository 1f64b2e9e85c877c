//! What systemd is told, and what it hands over. Without systemd, nothing of this does anything.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use sd_notify::NotifyState;

/// The listening socket that systemd made, if it started this process for one.
#[must_use]
pub fn activated_socket() -> Option<UnixListener> {
    let mut descriptors = sd_notify::listen_fds().ok()?;
    let descriptor = descriptors.next()?;
    crate::listen_fds::unix_listener(descriptor)
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
