//! Whether the kernel can be asked about sockets.

use super::Check;
use crate::jobs::Jobs;
use crate::sockdiag::Listening;
use crate::wording;

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

/// Of a buffer that is smaller, a burst of closes makes the kernel keep dead sockets.
const BUFFER_BYTES_MIN: usize = 1 << 20;

/// Whether the kernel tells of sockets that close.
pub fn finals(of: &Jobs) -> Check {
    final_check(of.finals())
}

pub(super) fn final_check(told: Option<Result<Listening, String>>) -> Check {
    let name = "final snapshots";
    let listening = match told {
        None => return Check::ok(name, "off ([snapshots] final in tcpprobed.toml)"),
        Some(Err(why)) => {
            return Check::warning(
                name,
                format!("there are none: {why}"),
                "under systemd: systemctl daemon-reload && systemctl restart tcpprobed, with tcpprobed-sockdiag.socket installed",
            );
        }
        Some(Ok(listening)) => listening,
    };
    let Listening { is_listening, fell_behind, lost, buffer_bytes } = listening;
    let now = if is_listening { "the kernel tells of each socket that closes" } else { "nobody listens now" };
    let mut finding = format!("{now}, with a buffer of {}", wording::human_bytes(buffer_bytes as u64));
    if lost > 0 {
        finding.push_str(&format!("; {lost} closed too many at a time to say whose they were"));
    }
    if fell_behind > 0 {
        finding
            .push_str(&format!("; {fell_behind} times it was stopped, for sockets closed faster than they were read"));
        return Check::warning(
            name,
            finding,
            "where that goes on: final = false in [snapshots], and systemctl reload tcpprobed",
        );
    }
    if buffer_bytes < BUFFER_BYTES_MIN {
        return Check::warning(name, finding, "sysctl net.core.rmem_max=16777216, and start the daemon again");
    }
    Check::ok(name, finding)
}
