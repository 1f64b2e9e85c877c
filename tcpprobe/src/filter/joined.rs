//! The events of a stream that name their sockets and not their ends, and what the others told of those sockets.

use super::{Ends, Predicate};
use crate::event::address::socket_pointer;
use crate::event::sockets::{Sockets, Step};
use crate::event::{EventKind, EventReader, Socket};
use crate::kernel::format::{Field, Format};

/// Sockets that are known at a time, in some 10 MB.
const SOCKETS_MAX: usize = 1 << 16;
/// Sockets that a segment was received on lately, by their addresses: they are not noted again.
const LATELY: usize = 256;

/// What the events of one format are to the others.
#[derive(Debug, Clone)]
enum Role {
    /// They tell the ends of the socket that they name.
    Tells(EventReader),
    /// They may name a socket without its ends, and their filter asks for those.
    Asks { socket: Option<Field>, reader: EventReader },
    /// Neither.
    Other,
}

/// Joins events that a filter asks for their ends, and that do not tell them, to their sockets.
///
/// Formats are told first ([`Joined::add`]), and events by the place of theirs, in about the order of time.
#[derive(Debug, Clone)]
pub struct Joined {
    roles: Vec<Role>,
    /// Whether any event asks.
    is_asked: bool,
    sockets: Sockets,
    /// Address and cookie; of this generation of the sockets.
    lately: Box<[(u64, u64)]>,
    generation: u64,
}

impl Default for Joined {
    fn default() -> Self {
        Joined {
            roles: Vec::new(),
            is_asked: false,
            sockets: Sockets::new(SOCKETS_MAX),
            lately: vec![(0, 0); LATELY].into(),
            generation: 0,
        }
    }
}

impl Joined {
    /// Adds a format behind the others, and what is asked of its events.
    pub fn add(&mut self, format: &Format, predicate: Option<&Predicate>) {
        let reader = EventReader::new(format);
        let role = if format.field("sport").is_none() && predicate.is_some_and(Predicate::asks_ends) {
            self.is_asked = true;
            Role::Asks { socket: socket_pointer(format).cloned(), reader }
        } else if reader.binds() {
            Role::Tells(reader)
        } else {
            Role::Other
        };
        self.roles.push(role);
    }

    /// Lets go of the formats. What is known of sockets stays.
    pub fn forget_formats(&mut self) {
        self.roles.clear();
        self.is_asked = false;
    }

    /// Whether the events of some format are asked for ends that they may not tell.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Whether events of the format at this place are asked so, and none of any format tell.
    #[must_use]
    pub fn is_in_vain(&self, index: usize) -> bool {
        matches!(self.roles.get(index), Some(Role::Asks { .. }))
            && !self.roles.iter().any(|role| matches!(role, Role::Tells(reader) if reader.has_skaddr()))
    }

    /// Whether an event of the format at this place names its socket alone, and is asked for the socket's ends.
    #[must_use]
    #[inline]
    pub fn asks(&self, index: usize, record: &[u8]) -> bool {
        match self.roles.get(index) {
            Some(Role::Asks { reader, .. }) => !reader.read(record).is_some_and(|event| event.socket().has_ends()),
            _ => false,
        }
    }

    /// The ends that others told of the socket of an event of the format at this place.
    #[must_use]
    #[inline]
    pub fn ends(&self, index: usize, time: u64, record: &[u8]) -> Ends {
        if !self.asks(index, record) {
            return Ends::Unasked;
        }
        let skaddr = match self.roles.get(index) {
            Some(Role::Asks { socket: Some(field), .. }) => field.unsigned(record).unwrap_or(0),
            _ => 0,
        };
        self.sockets.find(time, skaddr).map_or(Ends::Unknown, |socket| Ends::Of(*socket))
    }

    /// Takes in what an event says.
    #[inline]
    pub fn note(&mut self, index: usize, time: u64, record: &[u8]) {
        if let Some((socket, step)) = self.told(index, record) {
            self.note_told(time, &socket, step);
        }
    }

    /// What an event tells of a socket, if somebody may ask and it was not told lately: for [`Joined::note_told`].
    #[inline]
    pub fn told(&mut self, index: usize, record: &[u8]) -> Option<(Socket, Step)> {
        if !self.is_asked {
            return None;
        }
        let Some(Role::Tells(reader)) = self.roles.get(index) else { return None };
        if reader.kind() == EventKind::TcpProbe {
            // By far the most, and mostly of few sockets.
            let told = (reader.skaddr(record), reader.cookie(record));
            let place = &mut self.lately[(told.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % LATELY];
            if std::mem::replace(place, told) == told {
                return None;
            }
        }
        tells(reader, record)
    }

    /// Takes in what an event at `time` told.
    pub fn note_told(&mut self, time: u64, socket: &Socket, step: Step) {
        self.sockets.note(time, socket, step);
        if self.sockets.generation() != self.generation {
            // Whoever is busy and was told long ago must be told again to stay.
            self.generation = self.sockets.generation();
            self.lately.fill((0, 0));
        }
    }

    /// Events were lost.
    pub fn lose(&mut self) {
        self.sockets.lose();
        self.lately.fill((0, 0));
    }
}

#[cold]
fn tells(reader: &EventReader, record: &[u8]) -> Option<(Socket, Step)> {
    let event = reader.read(record)?;
    Some((event.socket(), Step::of(&event)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AF_INET;
    use crate::event::address::sockaddr;
    use crate::filter::{Context, Filter};

    macro_rules! format {
        ($system:literal, $name:literal) => {{
            let path = include_str!(concat!(
                "../../../fixtures/formats/6.18.44-fc-v669/events/",
                $system,
                "/",
                $name,
                "/format"
            ));
            Format::parse($system, path).unwrap()
        }};
    }

    const SKADDR: u64 = 0xffff_8881_0000_0940;

    /// The events of one socket under one filter.
    struct Stream {
        formats: Vec<Format>,
        predicates: Vec<Predicate>,
        joined: Joined,
    }

    impl Stream {
        fn new(filter: &str) -> Self {
            let filter = Filter::parse(filter).unwrap();
            let formats = vec![
                format!("tcp", "tcp_probe"),
                format!("sock", "inet_sock_set_state"),
                format!("tcp", "tcp_send_reset"),
                format!("sock", "sock_send_length"),
                format!("tcp", "tcp_retransmit_synack"),
            ];
            let predicates: Vec<Predicate> = formats.iter().map(|format| filter.predicate(format)).collect();
            let mut joined = Joined::default();
            formats.iter().zip(&predicates).for_each(|(format, predicate)| joined.add(format, Some(predicate)));
            Stream { formats, predicates, joined }
        }

        fn record(&self, index: usize, fields: &[(&str, &[u8])]) -> Vec<u8> {
            let mut record = vec![0; self.formats[index].record_size()];
            for (name, bytes) in fields {
                let at = self.formats[index].field(name).unwrap().offset as usize;
                record[at..at + bytes.len()].copy_from_slice(bytes);
            }
            record
        }

        /// An event with ports, from 10.0.0.1 to 10.0.0.2.
        fn told(&mut self, time: u64, index: usize, (local, peer): (u16, u16), states: (u8, u8)) -> bool {
            let (skaddr, tcp) = (SKADDR.to_le_bytes(), 6u16.to_le_bytes());
            let ends = [local, peer].map(u16::to_le_bytes);
            let mut fields: Vec<(&str, &[u8])> = vec![("skaddr", &skaddr), ("sport", &ends[0]), ("dport", &ends[1])];
            let sockaddrs = [([10, 0, 0, 1], local), ([10, 0, 0, 2], peer)].map(|end| sockaddr(end.into(), AF_INET));
            let (old, new) = ([states.0], [states.1]);
            match index {
                0 => fields.extend([("saddr", &sockaddrs[0][..]), ("daddr", &sockaddrs[1][..])]),
                1 => fields.extend([("protocol", &tcp[..]), ("oldstate", &old[..]), ("newstate", &new[..])]),
                _ => {}
            }
            let record = self.record(index, &fields);
            self.wants(time, index, &record)
        }

        /// A reset that names the socket alone, and bytes sent.
        fn asked(&mut self, time: u64) -> (bool, bool) {
            let skaddr = SKADDR.to_le_bytes();
            let (reset, sent) = (self.record(2, &[("skaddr", &skaddr)]), self.record(3, &[("sk", &skaddr)]));
            (self.wants(time, 2, &reset), self.wants(time, 3, &sent))
        }

        fn wants(&mut self, time: u64, index: usize, record: &[u8]) -> bool {
            self.joined.note(index, time, record);
            let ends = self.joined.ends(index, time, record);
            self.predicates[index].matches(record, &Context { ends, ..Context::default() })
        }
    }

    #[test]
    fn what_names_its_socket_alone_is_of_the_job_that_the_socket_is_of() {
        for (filter, is_wanted) in [
            ("sport == 80", true),
            ("sport == 81", false),
            ("port != 80", false),
            ("port != 81", true),
            ("daddr == 10.0.0.2 && sport == 80", true),
            ("saddr == 10.0.0.2", false),
            ("sport == 80 && srtt > 20ms", true),
            ("sport == 81 || srtt > 20ms", true),
        ] {
            let mut stream = Stream::new(filter);
            let is_unknown_out = !filter.contains("||");
            assert_eq!(stream.asked(1), (!is_unknown_out, !is_unknown_out), "{filter}: nobody told");
            stream.told(2, 0, (80, 4000), (0, 0));
            assert_eq!(stream.asked(3), (is_wanted, is_wanted), "{filter}");
        }
    }

    #[test]
    fn a_binding_ends_with_its_socket() {
        let mut stream = Stream::new("sport == 80");
        stream.told(1, 0, (80, 4000), (0, 0));
        stream.told(2, 1, (80, 4000), (1, 7));
        assert_eq!(stream.asked(3), (true, true), "the kernel resets after it closed");
        stream.told(4, 1, (0, 443), (7, 2));
        assert_eq!(stream.asked(5), (false, false), "another has its address");
        // It is its listener's address that a SYN-ACK has.
        stream.told(6, 4, (80, 4000), (0, 0));
        assert_eq!(stream.asked(7), (false, false));
        stream.told(8, 0, (80, 4000), (0, 0));
        stream.joined.lose();
        assert_eq!(stream.asked(9), (false, false), "events were lost");
        stream.told(10, 0, (80, 4000), (0, 0));
        assert_eq!(stream.asked(11), (true, true), "and it was told again");
    }

    #[test]
    fn a_reset_that_tells_its_ends_is_taken_by_them() {
        let mut stream = Stream::new("sport == 80");
        let ends = [([10, 0, 0, 1], 80), ([10, 0, 0, 2], 4000)].map(|end| sockaddr(end.into(), AF_INET));
        let reset = stream.record(2, &[("saddr", &ends[0]), ("daddr", &ends[1])]);
        assert!(stream.wants(1, 2, &reset), "no socket is there");
        let reset = stream.record(2, &[("saddr", &ends[1]), ("daddr", &ends[0])]);
        assert!(!stream.wants(1, 2, &reset));
    }

    #[test]
    fn nothing_is_noted_where_nobody_asks() {
        let mut joined = Joined::default();
        let format = format!("tcp", "tcp_probe");
        joined.add(&format, None);
        let mut stream = Stream::new("sport == 80");
        stream.joined = joined;
        stream.told(1, 0, (80, 4000), (0, 0));
        assert!(!stream.joined.is_asked() && stream.joined.sockets.is_empty());
    }
}
