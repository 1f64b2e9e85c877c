//! The events that can be recorded: all of `tcp`, and `sock:inet_sock_set_state`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;
use tcpprobe::kernel::format::Format;

use super::event_name::EventName;
use super::event_pattern::{matches, nearest};
use super::{Tracefs, TracefsError, file};

/// Recorded where nobody says what to record.
pub const DEFAULT_EVENTS: [&str; 2] = ["tcp:tcp_probe", "tcp:tcp_retransmit_skb"];
/// The one event that is not of the `tcp` system.
const SOCK_EVENT: (&str, &str) = ("sock", "inet_sock_set_state");

impl Tracefs {
    /// The events of this kernel that can be recorded, by name.
    ///
    /// # Errors
    /// When `events/tcp` cannot be listed.
    pub fn events(&self) -> Result<Vec<EventName>, TracefsError> {
        let folder = self.root.join("events/tcp");
        let fail = |e| TracefsError::io(&folder, "list", Errno::from_io_error(&e).unwrap_or(Errno::IO));
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // `enable` and `filter` of the whole system lie beside the events.
            if let Some(name) = entry.file_name().to_str().filter(|_| entry.path().is_dir()) {
                found.insert(EventName::new("tcp", name));
            }
        }
        let sock = EventName::new(SOCK_EVENT.0, SOCK_EVENT.1);
        if self.event_dir(&sock).is_dir() {
            found.insert(sock);
        }
        Ok(found.into_iter().collect())
    }

    /// The events that `patterns` name, in order and each once: `tcp:*`, `tcp/tcp_probe`, `tcp_*`, `tcp_probe`.
    /// `*` stands for any characters and `?` for one; no pattern at all means [`DEFAULT_EVENTS`].
    ///
    /// # Errors
    /// [`TracefsError::UnknownEvent`] for a pattern that matches nothing, and what [`Tracefs::events`] fails with.
    pub fn resolve(&self, patterns: &[String]) -> Result<Vec<EventName>, TracefsError> {
        let events = self.events()?;
        let defaults = DEFAULT_EVENTS.map(str::to_owned);
        let patterns = if patterns.is_empty() { &defaults[..] } else { patterns };
        let mut chosen = BTreeSet::new();
        for pattern in patterns {
            let mut matching = events.iter().filter(|event| matches(pattern, event)).peekable();
            if matching.peek().is_none() {
                return Err(TracefsError::UnknownEvent {
                    pattern: pattern.clone(),
                    nearest: nearest(pattern, &events),
                });
            }
            chosen.extend(matching.cloned());
        }
        Ok(chosen.into_iter().collect())
    }

    /// Whether this kernel has an event, of any system.
    #[must_use]
    pub fn has(&self, event: &EventName) -> bool {
        self.event_dir(event).is_dir()
    }

    /// The kernel's description of an event.
    ///
    /// # Errors
    /// When its `format` file cannot be read or understood.
    pub fn format(&self, event: &EventName) -> Result<Format, TracefsError> {
        let path = self.event_dir(event).join("format");
        Format::parse(&event.system, &file::read_text(&path)?).map_err(|source| TracefsError::Format { path, source })
    }

    fn event_dir(&self, event: &EventName) -> PathBuf {
        self.root.join("events").join(&event.system).join(&event.name)
    }
}
