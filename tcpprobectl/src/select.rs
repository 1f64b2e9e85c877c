//! Which events of a trace are wanted, beyond their time.

use std::fmt;

use tcpprobe::event::Record;
use tcpprobe::format::Format;

/// Events by name and by filter.
#[derive(Debug, Default)]
pub struct Selection {
    /// Globs; none stands for all events.
    events: Vec<String>,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events {}", self.events.join(","))
    }
}

impl Selection {
    /// Of events that one of `events` names: `system:name`, `name`, or globs of either.
    #[must_use]
    pub fn new(events: &[String], _filter: Option<&str>) -> anyhow::Result<Self> {
        Ok(Selection { events: events.to_vec() })
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether events of this kind may be wanted.
    #[must_use]
    pub fn takes_format(&self, format: &Format) -> bool {
        self.events.is_empty() || self.events.iter().any(|pattern| names(pattern, &format.system, &format.name))
    }

    /// Whether this event is wanted.
    #[must_use]
    pub fn takes(&self, record: &Record<'_>) -> bool {
        self.takes_format(record.format)
    }
}

/// Whether `pattern` names the event.
fn names(pattern: &str, system: &str, name: &str) -> bool {
    match pattern.split_once(':') {
        Some((of_system, of_name)) => glob(of_system, system) && glob(of_name, name),
        None => glob(pattern, name),
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text and `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The last star, and how much of the text it covers.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, covered)) = star else { return false };
                star = Some((at, covered + 1));
                (p, t) = (at + 1, covered + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("tcp_probe", "tcp_probe", true),
            ("tcp_*", "tcp_probe", true),
            ("*", "", true),
            ("*probe", "tcp_probe", true),
            ("*_*_*b", "tcp_retransmit_skb", true),
            ("tcp_?robe", "tcp_probe", true),
            ("tcp_", "tcp_probe", false),
            ("tcp_probe?", "tcp_probe", false),
            ("*x*", "tcp_probe", false),
            ("", "tcp_probe", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn events_by_name_or_system() {
        assert!(names("tcp_probe", "tcp", "tcp_probe"));
        assert!(names("tcp:*", "tcp", "tcp_probe"));
        assert!(!names("tcp:*", "sock", "inet_sock_set_state"));
        assert!(!names("probe", "tcp", "tcp_probe"));
    }
}
