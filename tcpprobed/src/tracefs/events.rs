//! The events that can be recorded: all of `tcp`, and `sock:inet_sock_set_state`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;
use tcpprobe::kernel::format::Format;

use super::{Tracefs, TracefsError, file};

/// Recorded where nobody says what to record.
pub const DEFAULT_EVENTS: [&str; 2] = ["tcp:tcp_probe", "tcp:tcp_retransmit_skb"];
/// What is longer than this is no event's name by a mistake.
const EVENT_NAME_BYTES_MAX: usize = 64;
/// The one event that is not of the `tcp` system.
const SOCK_EVENT: (&str, &str) = ("sock", "inet_sock_set_state");

/// An event: `system:name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName {
    /// The subsystem, a directory under `events`.
    pub system: String,
    /// The event, a directory in it.
    pub name: String,
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.system, self.name)
    }
}

impl EventName {
    fn new(system: &str, name: &str) -> Self {
        EventName { system: system.to_owned(), name: name.to_owned() }
    }
}

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

/// The pattern's system, where it names one, and its name.
fn split(pattern: &str) -> (Option<&str>, &str) {
    match pattern.split_once([':', '/']) {
        Some((system, name)) => (Some(system), name),
        None => (None, pattern),
    }
}

fn matches(pattern: &str, event: &EventName) -> bool {
    let (system, name) = split(pattern);
    system.is_none_or(|system| glob(system.as_bytes(), event.system.as_bytes()))
        && glob(name.as_bytes(), event.name.as_bytes())
}

/// Whether `text` fits a pattern of `*` and `?`, in time of at most their lengths' product.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The last star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// The event that somebody may have meant: of the least edit distance, if that is small.
fn nearest(pattern: &str, events: &[EventName]) -> Option<String> {
    let (_, name) = split(pattern);
    if name.len() > EVENT_NAME_BYTES_MAX {
        return None;
    }
    let allowed = (name.len() / 3).max(2);
    let close = events.iter().map(|event| (strsim::levenshtein(name, &event.name), event));
    close.filter(|(distance, _)| *distance <= allowed).min().map(|(_, event)| event.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("tcp_*", "tcp_probe", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*_*_*b", "tcp_retransmit_skb", true),
            ("tcp_?robe", "tcp_probe", true),
            ("tcp_?robe", "tcp_robe", false),
            ("a*a", "a", false),
            ("tcp_probe", "tcp_probe2", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
        let evil = [b'*', b'a'].repeat(50);
        assert!(!glob(&evil, &b"a".repeat(49)), "and in bounded time");
    }

    #[test]
    fn the_nearest_event_is_named() {
        let events = [EventName::new("sock", "inet_sock_set_state"), EventName::new("tcp", "tcp_probe")];
        assert_eq!(nearest("tcp:tcp_prob", &events).as_deref(), Some("tcp:tcp_probe"));
        assert_eq!(nearest("net/inet_sock_state", &events).as_deref(), Some("sock:inet_sock_set_state"));
        assert_eq!(nearest("sched_switch", &events), None);
        assert_eq!(nearest("", &events), None);
    }
}
