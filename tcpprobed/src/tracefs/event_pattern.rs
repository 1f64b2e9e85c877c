//! Patterns of events, as people write them: `tcp:*`, `tcp/tcp_probe`, `tcp_*`, `tcp_probe`.

use tcpprobe::filter::glob;

use super::event_name::EventName;

/// What is longer than this is no event's name by a mistake.
const EVENT_NAME_BYTES_MAX: usize = 64;

/// The pattern's system, where it names one, and its name.
fn split(pattern: &str) -> (Option<&str>, &str) {
    match pattern.split_once([':', '/']) {
        Some((system, name)) => (Some(system), name),
        None => (None, pattern),
    }
}

/// Whether an event fits a pattern.
pub fn matches(pattern: &str, event: &EventName) -> bool {
    let (system, name) = split(pattern);
    system.is_none_or(|system| glob(system, &event.system)) && glob(name, &event.name)
}

/// The event that somebody may have meant: of the least edit distance, if that is small.
pub fn nearest(pattern: &str, events: &[EventName]) -> Option<String> {
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
    fn patterns_of_events() {
        let probe = EventName::new("tcp", "tcp_probe");
        for (pattern, fits) in [
            ("tcp:tcp_probe", true),
            ("tcp/tcp_probe", true),
            ("tcp:*", true),
            ("*", true),
            ("tcp_?robe", true),
            ("sock:*", false),
            ("tcp_robe", false),
            ("", false),
        ] {
            assert_eq!(matches(pattern, &probe), fits, "{pattern}");
        }
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
