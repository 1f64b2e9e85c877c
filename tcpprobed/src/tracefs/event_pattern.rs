//! Patterns of events, as people write them: `tcp:*`, `tcp/tcp_probe`, `tcp_*`, `tcp_probe`.

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
