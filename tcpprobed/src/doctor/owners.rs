//! Whether it can be told whose the connections are.

use super::Check;
use crate::owners::Means;

/// How far it can be told.
pub fn owners(is_enabled: bool, means: Means) -> Check {
    const NAME: &str = "owners";
    match means {
        _ if !is_enabled => Check::ok(NAME, "not asked for ([owners] enabled = false)"),
        Means { taken: false, .. } => {
            let finding = "this kernel lacks tcp:tcp_rcv_space_adjust: whose the connections are is not told";
            Check::warning(NAME, finding, "a newer kernel, or [owners] enabled = false in tcpprobed.toml")
        }
        Means { numbers: false, .. } => Check::warning(
            NAME,
            "the daemon is in a PID namespace of its own: of owners their number and name alone are known",
            "run it in that of the host (docker run --pid=host, hostPID: true)",
        ),
        Means { processes: false, .. } => Check::warning(
            NAME,
            "/proc hides the processes of others from the daemon: whose the connections are is not known",
            "leave ProtectProc= out of tcpprobed.service, or hidepid= out of the mount of /proc",
        ),
        Means { sent: false, .. } => Check::ok(
            NAME,
            "told when programs connect, receive and close; of sending alone this kernel tells nothing (6.3)",
        ),
        Means { .. } => Check::ok(NAME, "told when programs connect, receive, send and close"),
    }
}
