//! Sets of events, by name: what people mean by "the usual ones".
//!
//! ```
//! use tcpprobe::event::EventSet;
//! let set = EventSet::of_name("minimal").ok_or("no set")?;
//! assert!(set.has("tcp", "tcp_probe") && !set.has("tcp", "tcp_destroy_sock"));
//! # Ok::<(), &str>(())
//! ```

/// A set of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSet {
    /// What says why a connection is as it is, and is rare beside the segments received: recorded where nobody says what to
    /// record.
    Default,
    /// Segments received and retransmissions: what a plot is drawn from.
    Minimal,
    /// All that can be recorded.
    All,
}

/// The events of [`EventSet::Default`], as `system:name`; those of [`EventSet::Minimal`] come first.
const DEFAULT: [&str; 8] = [
    "tcp:tcp_probe",
    "tcp:tcp_retransmit_skb",
    "tcp:tcp_retransmit_synack",
    "tcp:tcp_cong_state_set",
    "tcp:tcp_destroy_sock",
    "tcp:tcp_send_reset",
    "tcp:tcp_receive_reset",
    "sock:inet_sock_set_state",
];
/// How many of them are in [`EventSet::Minimal`].
const MINIMAL: usize = 2;

impl EventSet {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventSet::Default => "default",
            EventSet::Minimal => "minimal",
            EventSet::All => "all",
        }
    }

    /// The set of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [EventSet::Default, EventSet::Minimal, EventSet::All].into_iter().find(|set| set.name() == name)
    }

    /// The sets that a list of events names; the default where it is empty.
    #[must_use]
    pub fn all_in(list: &[String]) -> Vec<Self> {
        if list.is_empty() {
            return vec![EventSet::Default];
        }
        list.iter().filter_map(|name| EventSet::of_name(name)).collect()
    }

    /// The events that it should have on every kernel, as `system:name`. Of [`EventSet::All`], there may be others.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            EventSet::Minimal => &DEFAULT[..MINIMAL],
            EventSet::Default | EventSet::All => &DEFAULT,
        }
    }

    /// Whether an event is in it. Text does not tell the system of every event: then any will do.
    #[must_use]
    pub fn has(self, system: &str, name: &str) -> bool {
        let is_it = |known: &&str| {
            known.split_once(':').is_some_and(|(of, event)| event == name && (system.is_empty() || of == system))
        };
        self == EventSet::All || self.names().iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_by_name() {
        let sets = |list: &[&str]| EventSet::all_in(&list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(sets(&[]), [EventSet::Default]);
        assert_eq!(sets(&["tcp_probe"]), []);
        assert_eq!(sets(&["minimal", "tcp:*", "all"]), [EventSet::Minimal, EventSet::All]);
        assert_eq!(EventSet::Minimal.names(), ["tcp:tcp_probe", "tcp:tcp_retransmit_skb"]);
        let has = |set: EventSet| set.has("sock", "sock_send_length");
        assert_eq!([EventSet::All, EventSet::Default, EventSet::Minimal].map(has), [true, false, false]);
        assert!(
            EventSet::Default.has("", "inet_sock_set_state") && !EventSet::Default.has("tcp", "inet_sock_set_state")
        );
    }
}
