//! The receiver's window was closed: its program had not read.
//!
//! # How it is decided
//! `snd_wnd` fell below a full segment in a `tcp_probe`, while data was in flight or after it. Counted by closing. Exact.
//!
//! # What looks like it
//! A window that is small all the time (`receive_window`).
//!
//! # How to confirm
//! At the receiver `nstat -az TcpExtTCPToZeroWindowAdv`, and `ss -t`: Recv-Q.
//!
//! # Remedy
//! See `receiver_application`.

use super::Finding;
use crate::diagnose::Diagnosis;

pub(super) fn find(found: &Diagnosis) -> Option<Finding> {
    let times = found.facts.window_closed;
    let s = if times == 1 { "" } else { "s" };
    (times > 0).then(|| Finding::new("zero_window", format!("the receiver's window was closed {times} time{s}")))
}
