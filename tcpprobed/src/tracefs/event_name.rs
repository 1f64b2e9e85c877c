//! The name of an event.

use std::fmt;

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
    /// The event of this name.
    #[must_use]
    pub fn new(system: &str, name: &str) -> Self {
        EventName { system: system.to_owned(), name: name.to_owned() }
    }
}
