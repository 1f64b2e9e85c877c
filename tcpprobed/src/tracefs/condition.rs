//! Whether an instance still is as a capture left it: all that decides which events come into its buffer.

use std::collections::BTreeMap;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{EventName, Instance, TracefsError, file};

/// Files of an instance that are compared as they are. What is not on every kernel may be missing.
const FILES: &[&str] = &[
    "tracing_on",
    "trace_clock",
    "buffer_size_kb",
    "buffer_subbuf_size_kb",
    "current_tracer",
    "tracing_cpumask",
    "set_event",
    "set_event_pid",
    "set_event_notrace_pid",
];
/// Options that decide what is recorded; the others only shape the kernel's own text.
const OPTIONS: &[&str] =
    &["overwrite", "record-cmd", "stacktrace", "userstacktrace", "event-fork", "pause-on-trace", "disable_on_free"];
/// Most of a file's text that is told.
const TOLD_CHARS: usize = 60;

/// How an instance is, as the texts of its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Of its folder: one that was removed and made anew has another.
    inode: u64,
    files: BTreeMap<String, String>,
}

impl Instance {
    /// How the instance is now, for a capture of these events.
    ///
    /// # Errors
    /// When it is gone or a file cannot be read.
    pub fn condition<'e>(&self, events: impl IntoIterator<Item = &'e EventName>) -> Result<Condition, TracefsError> {
        let names = events.into_iter().flat_map(|event| {
            ["filter", "trigger"].map(|file| format!("events/{}/{}/{file}", event.system, event.name))
        });
        Condition::read(self, FILES.iter().map(|&name| name.to_owned()).chain(names))
    }
}

impl Condition {
    fn read(instance: &Instance, names: impl Iterator<Item = String>) -> Result<Self, TracefsError> {
        let dir = instance.dir();
        let inode = rustix::fs::stat(dir).map_err(|errno| TracefsError::io(dir, "look at", errno))?.st_ino;
        let mut files = BTreeMap::new();
        for name in names {
            let text = match file::read_text(&dir.join(&name)) {
                Err(error) if error.errno() == Some(Errno::NOENT) => String::new(),
                text => text?,
            };
            files.insert(name, text.trim_end().to_owned());
        }
        let options = file::read_text(&dir.join("trace_options"))?;
        let decides = |option: &&str| {
            OPTIONS.contains(option) || option.strip_prefix("no").is_some_and(|name| OPTIONS.contains(&name))
        };
        let options: Vec<&str> = options.split_whitespace().filter(decides).collect();
        files.insert("trace_options".to_owned(), options.join(" "));
        Ok(Condition { inode, files })
    }

    /// Whether it is that of the same instance, not of one that was made anew.
    #[must_use]
    pub fn is_same_instance(&self, other: &Condition) -> bool {
        self.inode == other.inode
    }

    /// What became of `instance` since it was like this, in words; nothing where it still is. `ignored` is a file that
    /// may be another.
    ///
    /// # Errors
    /// As [`Instance::condition`].
    pub fn changes(&self, instance: &Instance, ignored: Option<&str>) -> Result<Vec<String>, TracefsError> {
        let names = self.files.keys().filter(|name| *name != "trace_options").cloned();
        let now = Condition::read(instance, names)?;
        if !self.is_same_instance(&now) {
            return Ok(vec!["it was removed and made anew".to_owned()]);
        }
        let changed =
            self.files.iter().filter(|(name, was)| Some(name.as_str()) != ignored && now.files.get(*name) != Some(was));
        Ok(changed.map(|(name, was)| told(name, was, now.files.get(name).map_or("", String::as_str))).collect())
    }
}

/// What of a file changed: only the words that are not in both texts.
fn told(name: &str, was: &str, is: &str) -> String {
    let only = |text: &str, other: &str| {
        let other: Vec<&str> = other.lines().flat_map(|line| line.split(' ')).collect();
        let words = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(' '));
        let words: Vec<&str> = words.filter(|word| !other.contains(word)).collect();
        let words = words.join(" ");
        match words.chars().count() {
            0 => "nothing".to_owned(),
            1..=TOLD_CHARS => words,
            _ => words.chars().take(TOLD_CHARS).chain("…".chars()).collect(),
        }
    };
    format!("{name}: {} became {}", only(was, is), only(is, was))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        assert_eq!(told("tracing_on", "1", "0"), "tracing_on: 1 became 0");
        assert_eq!(told("set_event", "tcp:a\ntcp:b", "tcp:a"), "set_event: tcp:b became nothing");
        assert_eq!(
            told("trigger", "# Available: x", "traceoff:unlimited"),
            "trigger: nothing became traceoff:unlimited"
        );
        assert!(told("filter", "none", &"x".repeat(500)).len() < 100);
    }
}
