//! Request and answer: each waits for the other for a round trip.
//!
//! # How it is decided
//! Something is in flight, with room in both windows, in an exchange that began with data of the peer's or ends with it, and nothing more waits to be sent. Inferred.
//!
//! # What looks like it
//! A server that thinks is `sender_application` of the server's end. A large answer fills the congestion window: `window_growth`.
//!
//! # How to confirm
//! `ss -ti`: `app_limited`, `unacked` small; the time of an exchange (in the program's own log) is near `rtt`.
//!
//! # Remedy
//! Fewer round trips: batch, pipeline, several requests at once, or a server that is nearer. More bandwidth cannot help.

use super::{Words, count, ms};
use crate::diagnose::Diagnosis;

pub(super) fn words(found: &Diagnosis) -> Words {
    let facts = &found.facts;
    let evidence = format!(
        "{}, a round trip of {} each: more bandwidth cannot help.",
        count(facts.exchanges, "exchange", "exchanges"),
        ms(facts.base_us)
    );
    Words::new(evidence, "batch or pipeline requests, or move the server nearer")
}
