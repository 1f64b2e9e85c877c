//! Whether the kernel can be asked about sockets.

use super::Check;
use crate::jobs::Jobs;

/// Whether snapshots can be taken.
pub fn snapshots(of: &Jobs) -> Check {
    let config = &of.config().snapshots;
    let is_off = config.interval_seconds == 0 || config.per_second == 0;
    let told = of.sock_diag().map_err(str::to_owned).and_then(|sock_diag| {
        sock_diag.probe().map_err(|error| format!("the kernel does not answer about sockets: {error}"))
    });
    snapshot_check(is_off, told)
}

pub(super) fn snapshot_check(is_off: bool, told: Result<Option<usize>, String>) -> Check {
    let off = if is_off { "; off, where a job does not ask for them (tcpprobed.toml)" } else { "" };
    match told {
        Ok(Some(bytes)) => Check::ok(
            "snapshots",
            format!("the kernel tells {bytes} bytes of tcp_info about a socket of this network namespace{off}"),
        ),
        Ok(None) => Check::ok(
            "snapshots",
            format!("the kernel answers, and has no TCP socket in this network namespace now{off}"),
        ),
        Err(why) if is_off => Check::ok("snapshots", format!("off (tcpprobed.toml), and not possible: {why}")),
        Err(why) => Check::warning(
            "snapshots",
            format!("there are none, and what holds connections back is inferred: {why}"),
            "modprobe tcp_diag; under systemd also: systemctl restart tcpprobed, with tcpprobed-sockdiag.socket installed",
        ),
    }
}
