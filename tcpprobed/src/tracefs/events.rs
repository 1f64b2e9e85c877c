//! The events that can be recorded: all of `tcp`, and those of `sock` that are about TCP; and by its name alone, the one of tasks that
//! begin others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;
use tcpprobe::event::{EventSet, fork};
use tcpprobe::kernel::format::Format;

use super::event_name::EventName;
use super::event_pattern::{matches, nearest};
use super::{Tracefs, TracefsError, file};

/// The events of other systems than `tcp`.
const SOCK_EVENTS: [&str; 4] = ["inet_sock_set_state", "inet_sk_error_report", "sock_send_length", "sock_recv_length"];

/// The events that a list stands for on this kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// In order, each once; and whether a set alone brought it, and nobody named it.
    pub events: BTreeMap<EventName, bool>,
    /// Events of its sets that this kernel lacks, as `system:name`.
    pub lacking: Vec<&'static str>,
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
        let sock = SOCK_EVENTS.map(|name| EventName::new("sock", name));
        found.extend(sock.into_iter().filter(|event| self.event_dir(event).is_dir()));
        Ok(found.into_iter().collect())
    }

    /// The events that a list names: `tcp:*`, `tcp/tcp_probe`, `tcp_*`, `tcp_probe`, and sets ([`EventSet`]) by their names.
    /// `*` stands for any characters and `?` for one; an empty list means [`EventSet::Default`].
    ///
    /// # Errors
    /// [`TracefsError::UnknownEvent`] for a name or glob that matches nothing, and what [`Tracefs::events`] fails with. That the
    /// kernel lacks an event of a set is no error.
    pub fn resolve(&self, list: &[String]) -> Result<Chosen, TracefsError> {
        let events = self.events()?;
        let mut chosen = Chosen { lacking: self.lacking(list), ..Chosen::default() };
        for set in EventSet::all_in(list) {
            let of_set = events.iter().filter(|event| set.has(&event.system, &event.name));
            chosen.events.extend(of_set.map(|event| (event.clone(), true)));
        }
        for pattern in list.iter().filter(|pattern| EventSet::of_name(pattern).is_none()) {
            if pattern == fork::NAME {
                // It is about no socket: whoever wants it says so.
                let event = fork::NAME.split_once(':').map(|(system, name)| EventName::new(system, name));
                chosen.events.extend(event.filter(|event| self.has(event)).map(|event| (event, false)));
                continue;
            }
            let mut matching = events.iter().filter(|event| matches(pattern, event)).peekable();
            if matching.peek().is_none() {
                return Err(TracefsError::UnknownEvent {
                    pattern: pattern.clone(),
                    nearest: nearest(pattern, &events),
                });
            }
            chosen.events.extend(matching.map(|event| (event.clone(), false)));
        }
        Ok(chosen)
    }

    /// The events of the sets in a list that this kernel lacks, as `system:name`, each once.
    #[must_use]
    pub fn lacking(&self, list: &[String]) -> Vec<&'static str> {
        let mut lacking: Vec<&'static str> = Vec::new();
        for &name in EventSet::all_in(list).iter().flat_map(|set| set.names()) {
            let is_there = name
                .split_once(':')
                .is_some_and(|(system, event)| self.event_dir(&EventName::new(system, event)).is_dir());
            if !is_there && !lacking.contains(&name) {
                lacking.push(name);
            }
        }
        lacking
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
