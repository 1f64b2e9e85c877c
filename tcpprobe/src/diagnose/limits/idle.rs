//! Nothing is outstanding, and it is the peer's turn.
//!
//! # How it is decided
//! All that was sent is acknowledged (`snd_una` = `snd_nxt` in a `tcp_probe`), and what comes next is data of the peer.
//! The peer's request ends it. Inferred; exact where a snapshot meanwhile says that nothing waits unsent (`tcpi_notsent_bytes` 0).
//!
//! # What looks like it
//! A program that pauses before it writes again: there no data of the peer ends the pause, and it is `sender_application`.
//! Keepalives are part of it.
//!
//! # How to confirm
//! `ss -ti` shows `lastsnd` and `lastrcv` grow together, and nothing in Send-Q.
//!
//! # Remedy
//! None: the other side, or its user, decides. It is never the headline while something else takes time.

use super::{Limit, Words, seconds};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    Words::new(format!("Nothing was outstanding for {}: the peer's turn.", seconds(found.time(Limit::Idle))), "")
}
