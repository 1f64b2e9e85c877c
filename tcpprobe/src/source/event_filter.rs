//! Which events of a trace are wanted, beyond their time.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::Error;
use crate::event::address::{Ends, socket_pointer};
use crate::event::lives::Lives;
use crate::event::{EventReader, EventSet, Record, Socket};
use crate::file::block::connection_id;
use crate::filter::{Context, Filter, Joined, Predicate, glob};
use crate::kernel::format::{Field, Format};

/// Events by name and by filter. Formats are told by [`EventFilter::begin`] before their events are asked about.
///
/// ```
/// use tcpprobe::filter::Filter;
/// use tcpprobe::source::EventFilter;
/// let filter = EventFilter::new(vec!["tcp:*".into()], Some(Filter::parse("sport == 80")?));
/// assert_eq!(filter.to_string(), "tcp:* with sport == 80");
/// assert!(EventFilter::default().is_all());
/// # Ok::<(), tcpprobe::filter::FilterError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Globs and sets; none stands for all events.
    events: Vec<String>,
    filter: Option<Filter>,
    /// Whether some formats had the fields of the filter. Others may follow that lack them: those of a job that went on
    /// with other events, or of a second trace in the file.
    checked: bool,
    /// By place of the format, for the formats in force.
    wanted: Vec<Wanted>,
    /// What events tell of the sockets that others only name.
    joined: Joined,
    /// The sockets whose events are wanted, by [`connection_id`]; `None` for all.
    sockets: Option<Arc<HashSet<u64>>>,
    /// By place of the format, where `sockets` are chosen: where the ends of its sockets are.
    ends: Vec<Option<Ends>>,
    /// The sockets whose events are wanted, each while it was there; `None` for all.
    lives: Option<Arc<Lives>>,
    /// By place of the format, where `lives` are chosen.
    naming: Vec<Naming>,
}

/// How the events of one format name their socket.
#[derive(Debug, Clone)]
struct Naming {
    reader: EventReader,
    /// Where its address is, in events without a type.
    address: Option<Field>,
}

impl Naming {
    fn new(format: &Format) -> Self {
        let reader = EventReader::new(format);
        let address = if reader.is_typed() { None } else { socket_pointer(format).cloned() };
        Naming { reader, address }
    }

    /// Whether its events are about sockets.
    fn names_sockets(&self) -> bool {
        self.reader.is_typed() || self.address.is_some()
    }

    fn socket(&self, record: &[u8]) -> Option<Socket> {
        match &self.address {
            Some(field) => Some(Socket { skaddr: field.unsigned(record)?, ..Socket::UNTOLD }),
            None => self.reader.read(record).map(|event| event.socket()),
        }
    }
}

/// What is wanted of the events of one format.
#[derive(Debug, Clone)]
enum Wanted {
    Nothing,
    Everything,
    Some(Predicate),
}

impl EventFilter {
    /// Of the events that one of `events` names (`system:name`, `name`, globs of either, or sets; none stands for all), those that
    /// meet `filter`.
    #[must_use]
    pub fn new(events: Vec<String>, filter: Option<Filter>) -> Self {
        EventFilter { events, filter: filter.filter(|filter| !filter.is_all()), ..EventFilter::default() }
    }

    /// Only events of the sockets with these ids ([`connection_id`]): those that tell the ends of their socket.
    #[must_use]
    pub fn of_sockets(self, ids: HashSet<u64>) -> Self {
        EventFilter { sockets: Some(Arc::new(ids)), ..self }
    }

    /// Only events of these sockets, each while it was there.
    #[must_use]
    pub fn of_lives(self, lives: Lives) -> Self {
        EventFilter { lives: Some(Arc::new(lives)), ..self }
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.events.is_empty() && self.filter.is_none() && self.sockets.is_none() && self.lives.is_none()
    }

    /// Prepares for events of these formats; gives for each whether some of its events may be wanted.
    ///
    /// # Errors
    /// Where the filter is about a field that neither they nor any before have.
    pub fn begin<'f>(&mut self, formats: impl Iterator<Item = &'f Format>) -> Result<Vec<bool>, Error> {
        let formats: Vec<&Format> = formats.collect();
        let named = |format: &&&Format| self.names(format);
        if let Some(filter) = self.filter.as_ref().filter(|_| !self.checked) {
            check(filter, formats.iter().filter(named).copied())?;
            self.checked = true;
        }
        self.forget_formats();
        self.add(formats.into_iter());
        Ok(self.wanted.iter().map(|wanted| !matches!(wanted, Wanted::Nothing)).collect())
    }

    /// Prepares for events of those formats that occur; the others have their places too.
    ///
    /// # Errors
    /// As [`EventFilter::begin`].
    pub fn begin_some<'f>(
        &mut self,
        formats: impl Iterator<Item = &'f Format> + Clone,
        occurs: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        self.begin(formats.clone().enumerate().filter(|(index, _)| occurs(*index)).map(|(_, format)| format))?;
        self.forget_formats();
        self.add(formats);
        Ok(())
    }

    /// Prepares for a source that finds its formats on the way, and can have all that are `typical`.
    ///
    /// # Errors
    /// Where the filter is about a field that no typical format has.
    pub fn begin_open<'f>(&mut self, typical: impl Iterator<Item = &'f Format>) -> Result<(), Error> {
        if let Some(filter) = self.filter.as_ref().filter(|_| !self.checked) {
            check(filter, typical.filter(|format| self.names(format)))?;
            self.checked = true;
        }
        self.forget_formats();
        Ok(())
    }

    /// Adds formats behind those in force; gives for each whether some of its events may be wanted.
    pub fn add<'f>(&mut self, formats: impl Iterator<Item = &'f Format>) {
        for format in formats {
            let naming = self.lives.as_ref().map(|_| Naming::new(format));
            let is_named = self.names(format) && naming.as_ref().is_none_or(Naming::names_sockets);
            let wanted = match (&self.filter, is_named) {
                (_, false) => Wanted::Nothing,
                (None, true) => Wanted::Everything,
                (Some(filter), true) => Wanted::Some(filter.predicate(format)),
            };
            let predicate = if let Wanted::Some(predicate) = &wanted { Some(predicate) } else { None };
            self.joined.add(format, predicate);
            self.wanted.push(wanted);
            self.ends.push(self.sockets.as_ref().and_then(|_| Ends::of(format)));
            self.naming.extend(naming);
        }
    }

    /// Lets go of the formats in force.
    pub(super) fn forget_formats(&mut self) {
        self.wanted.clear();
        self.ends.clear();
        self.naming.clear();
        self.joined.forget_formats();
    }

    /// Whether events of the format at this place may be wanted.
    #[must_use]
    pub fn may_want(&self, index: usize) -> bool {
        !matches!(self.wanted.get(index), None | Some(Wanted::Nothing))
    }

    /// Events were lost: what they may have told of sockets, nobody knows.
    pub(super) fn lose(&mut self) {
        self.joined.lose();
    }

    /// Whether this event is wanted. Where the filter asks for ports or addresses, events that name their socket alone have
    /// those that events before told of it: so all are to be asked about, in about the order of time.
    #[must_use]
    #[inline]
    pub fn takes(&mut self, record: &Record<'_>) -> bool {
        self.joined.note(record.index, record.time, record.bytes);
        if let Some(sockets) = &self.sockets
            && !self.is_of(sockets, record)
        {
            return false;
        }
        if let Some(lives) = &self.lives
            && !self.is_in(lives, record)
        {
            return false;
        }
        match self.wanted.get(record.index) {
            None | Some(Wanted::Nothing) => false,
            Some(Wanted::Everything) => true,
            Some(Wanted::Some(predicate)) => {
                let ends = self.joined.ends(record.index, record.time, record.bytes);
                let context = Context { cpu: record.cpu, comm: record.comm, pid: Some(record.pid()), ends };
                predicate.matches(record.bytes, &context)
            }
        }
    }

    fn is_of(&self, sockets: &HashSet<u64>, record: &Record<'_>) -> bool {
        let ends = self.ends.get(record.index).and_then(Option::as_ref).and_then(|ends| ends.read(record.bytes));
        ends.is_some_and(|(local, peer)| sockets.contains(&connection_id(local, peer)))
    }

    fn is_in(&self, lives: &Lives, record: &Record<'_>) -> bool {
        let naming = self.naming.get(record.index);
        let socket = naming.and_then(|naming| naming.socket(record.bytes));
        socket.is_some_and(|socket| lives.has(record.time, record.kind, &socket))
    }

    fn names(&self, format: &Format) -> bool {
        self.events.is_empty() || self.events.iter().any(|pattern| names(pattern, &format.system, &format.name))
    }
}

impl fmt::Display for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = if self.events.is_empty() { "all events".to_owned() } else { self.events.join(",") };
        write!(f, "{events}")?;
        if self.lives.is_some() {
            f.write_str(" of chosen sockets")?;
        }
        self.filter.iter().try_for_each(|filter| write!(f, " with {filter}"))
    }
}

fn check<'f>(filter: &Filter, formats: impl IntoIterator<Item = &'f Format>) -> Result<(), Error> {
    filter.check(formats).map_err(|error| Error::Filter { text: filter.text().to_owned(), error })
}

/// Whether `pattern` names the event, or a set that it is in. Text does not tell the system of an event that is not in the table: then any will do.
fn names(pattern: &str, system: &str, name: &str) -> bool {
    if let Some(set) = EventSet::of_name(pattern) {
        return set.has(system, name);
    }
    match pattern.split_once(':') {
        Some((of_system, of_name)) => (system.is_empty() || glob(of_system, system)) && glob(of_name, name),
        None => glob(pattern, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_by_name_or_system() {
        assert!(names("tcp_probe", "tcp", "tcp_probe"));
        assert!(names("tcp:*", "tcp", "tcp_probe"));
        assert!(!names("tcp:*", "sock", "inet_sock_set_state"));
        assert!(!names("probe", "tcp", "tcp_probe"));
        assert!(names("any:*", "", "from_text"));
        assert!(names("default", "sock", "inet_sock_set_state") && names("all", "x", "y"));
        assert!(!names("minimal", "tcp", "tcp_destroy_sock"));
    }

    #[test]
    fn formats_that_follow_may_lack_what_the_filter_is_about() {
        let format = |text| Format::parse("tcp", text).unwrap();
        let probe = format(include_str!("../../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_probe/format"));
        let reset = format(include_str!("../../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_send_reset/format"));
        let mut filter = EventFilter::new(Vec::new(), Some(Filter::parse("srtt > 20ms").unwrap()));
        assert!(filter.begin([&reset].into_iter()).is_err());
        assert!(filter.begin([&probe].into_iter()).is_ok());
        assert!(filter.begin([&reset].into_iter()).is_ok());
    }
}
