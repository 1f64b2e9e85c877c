//! Which events of a trace are wanted, beyond their time.

use std::fmt;

use tcpprobe::event::Record;
use tcpprobe::filter::{Context, EventPredicate, Filter, FilterError, Predicate};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::text::TextEvent;

use crate::exit::{Exit, FILTER_HELP, Failure};

/// Events by name and by filter. Formats are told by [`Selection::begin`] before their events are asked about.
#[derive(Debug, Default)]
pub struct Selection {
    /// Globs; none stands for all events.
    events: Vec<String>,
    filter: Option<Filter>,
    /// Whether some formats had the fields of the filter. Others may follow that lack them: those of a job that went on
    /// with other events, or of a second trace in the file.
    checked: bool,
    /// By `common_type`, for the formats in force.
    kinds: Vec<Kind>,
    /// The filter for events of text.
    typed: Option<EventPredicate>,
}

/// What is wanted of the events of one kind.
#[derive(Debug, Clone, Default)]
enum Kind {
    #[default]
    Nothing,
    Everything,
    Some(Predicate),
}

impl Selection {
    /// Of the events that one of `events` names (`system:name`, `name`, or globs of either), those that meet `filter`.
    pub fn new(events: &[String], filter: Option<&str>) -> Result<Self, Failure> {
        let filter = filter.map(parse).transpose()?.filter(|filter| !filter.is_all());
        Ok(Selection { events: events.to_vec(), filter, ..Selection::default() })
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.events.is_empty() && self.filter.is_none()
    }

    /// Prepares for events of these formats; gives those of which some may be wanted. Fails where the filter is
    /// about a field that neither they nor any before have.
    pub fn begin<'f>(&mut self, formats: impl Iterator<Item = &'f Format>) -> Result<Vec<&'f Format>, Failure> {
        let wanted: Vec<&Format> = formats.filter(|format| self.names(format)).collect();
        if let Some(filter) = self.filter.as_ref().filter(|_| !self.checked) {
            let owned: Vec<Format> = wanted.iter().map(|&format| format.clone()).collect();
            filter.check(&owned).map_err(|error| failure(&error, filter.text()))?;
            self.checked = true;
        }
        self.kinds.clear();
        self.kinds.resize(wanted.iter().map(|format| usize::from(format.id) + 1).max().unwrap_or(0), Kind::Nothing);
        for format in &wanted {
            let predicate = self.filter.as_ref().map(|filter| filter.predicate(format));
            self.kinds[usize::from(format.id)] = predicate.map_or(Kind::Everything, Kind::Some);
        }
        Ok(wanted)
    }

    /// Whether this event is wanted.
    #[must_use]
    pub fn takes(&self, record: &Record<'_>) -> bool {
        match self.kinds.get(usize::from(record.format.id)) {
            None | Some(Kind::Nothing) => false,
            Some(Kind::Everything) => true,
            Some(Kind::Some(predicate)) => {
                let context = Context { cpu: record.cpu, comm: record.comm, pid: Some(record.pid()) };
                predicate.matches(record.bytes, &context)
            }
        }
    }

    /// Prepares for ftrace text.
    pub fn begin_text(&mut self) -> Result<(), Failure> {
        if let Some(filter) = &self.filter {
            filter.check_events().map_err(|error| failure(&error, filter.text()))?;
            self.typed = Some(filter.event_predicate());
        }
        Ok(())
    }

    /// Whether this event is wanted; `None` where only a filter can say, and it knows nothing of such events in text.
    #[must_use]
    pub fn takes_text(&self, event: &TextEvent<'_>) -> Option<bool> {
        // Text does not tell the system.
        let named = |pattern: &String| glob(pattern.rsplit(':').next().unwrap_or(pattern), event.name);
        if !self.events.is_empty() && !self.events.iter().any(named) {
            return Some(false);
        }
        let Some(predicate) = &self.typed else { return Some(true) };
        let comm = Some(event.comm).filter(|&comm| comm != "<...>");
        let context = Context { cpu: event.cpu, comm, pid: Some(event.pid) };
        event.event.as_ref().map(|typed| predicate.matches(typed, &context))
    }

    fn names(&self, format: &Format) -> bool {
        self.events.is_empty() || self.events.iter().any(|pattern| names(pattern, &format.system, &format.name))
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = if self.events.is_empty() { "all events".to_owned() } else { self.events.join(",") };
        write!(f, "{events}")?;
        self.filter.iter().try_for_each(|filter| write!(f, " with {filter}"))
    }
}

/// Reads a filter as typed.
pub fn parse(text: &str) -> Result<Filter, Failure> {
    Filter::parse(text).map_err(|error| failure(&error, text))
}

fn failure(error: &FilterError, text: &str) -> Failure {
    let what = format!("filter, column {}: {}", error.column, error.message);
    let hint = error.hint.clone().unwrap_or_else(|| FILTER_HELP.to_owned());
    Failure::new(Exit::Usage, what, hint).with_picture(picture(error, text))
}

/// `error` with a picture of the place in the filter, where the daemon told one.
pub fn with_place(error: anyhow::Error, text: &str) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => match place(&failure.to_string(), text) {
            Some(picture) => failure.with_picture(picture).into(),
            None => failure.into(),
        },
        Err(error) => error,
    }
}

/// The filter with carets under the word at the column that `message` tells.
fn place(message: &str, text: &str) -> Option<String> {
    let column: usize = message.strip_prefix("filter, column ")?.split(':').next()?.parse().ok()?;
    let rest: Vec<char> = text.chars().skip(column.checked_sub(1)?).collect();
    let is_word = |c: char| c.is_alphanumeric() || "_.:/-".contains(c);
    let length = match *rest.first()? {
        quote @ ('"' | '\'') => 1 + rest[1..].iter().take_while(|&&c| c != quote).count() + 1,
        first => rest.iter().take_while(|&&c| !c.is_whitespace() && is_word(c) == is_word(first)).count(),
    };
    Some(picture(&FilterError { column, length, message: String::new(), hint: None }, text))
}

/// The filter with carets under the mistake.
fn picture(error: &FilterError, text: &str) -> String {
    // The first line says what the failure says, and what is behind the carets too.
    error.render(text).lines().skip(1).take(2).collect::<Vec<_>>().join("\n")
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

    #[test]
    fn formats_that_follow_may_lack_what_the_filter_is_about() {
        let format = |text| Format::parse("tcp", text).unwrap();
        let probe = format(include_str!("../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_probe/format"));
        let reset = format(include_str!("../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_send_reset/format"));
        let mut selection = Selection::new(&[], Some("srtt > 20ms")).unwrap();
        assert_eq!(selection.begin([&reset].into_iter()).unwrap_err().exit, Exit::Usage);
        assert!(selection.begin([&probe].into_iter()).is_ok());
        assert!(selection.begin([&reset].into_iter()).is_ok());
    }

    #[test]
    fn a_place_that_the_daemon_tells_is_shown() {
        let check = |message: &str, text: &str, carets: Option<&str>| {
            let shown = place(message, text);
            assert_eq!(shown.as_deref().map(|shown| shown.lines().nth(1).unwrap_or_default()), carets, "{message}");
        };
        let text = "sport == 80 && sprot==81 && comm == \"a name\" && é ~ 1";
        check("filter, column 16: no event has it", text, Some("                 ^^^^^"));
        check("filter, column 21: no such comparison", text, Some("                      ^^"));
        check("filter, column 37: too long", text, Some(&format!("{}^^^^^^^^", " ".repeat(38))));
        check("filter, column 900: from another text", text, None);
        check("filter, column 0: x", text, None);
        check("no such job", text, None);
    }

    #[test]
    fn a_bad_filter_is_a_usage_failure_that_says_where() {
        let failure = Selection::new(&[], Some("sport = 80")).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(crate::exit::line(&failure.into()), "filter, column 7: a single = compares nothing; write ==");
    }
}
