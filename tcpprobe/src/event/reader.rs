//! Records to typed events, whichever kernel's format they are of.

use super::address::{AF_INET, AF_INET6, Ends, family_of};
use super::table::EventKind;
use super::typed::{
    Event, InetSockSetState, Snapshot, Socket, SocketOwner, TcpCongStateSet, TcpDestroySock, TcpInfo, TcpProbe,
    TcpRcvSpaceAdjust, TcpReceiveReset, TcpRetransmitSkb, TcpRetransmitSynack, TcpSendReset,
};
use crate::kernel::format::{Field, Format, Kind};

/// Where an integer lies in a record: in the 8 bytes from `from` on, `shift` bits up.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    from: usize,
    shift: u32,
    mask: u64,
}

impl Place {
    /// The field's, in records of `record_bytes` or more (at least 8); where there is none, it reads as 0.
    fn of(field: Option<&Field>, record_bytes: usize) -> Self {
        let is_integer = |field: &&Field| matches!((field.kind, field.size), (Kind::Integer | Kind::Pointer, 1..=8));
        let Some(field) = field.filter(is_integer) else { return Place::default() };
        let (offset, size) = (field.offset as usize, field.size as usize);
        let from = offset.min(record_bytes - 8);
        Place { from, shift: 8 * (offset - from) as u32, mask: u64::MAX >> (64 - 8 * size) }
    }

    #[inline]
    fn read(self, record: &[u8]) -> u64 {
        let word = record.get(self.from..).and_then(|bytes| bytes.first_chunk());
        word.map_or(0, |word| u64::from_le_bytes(*word) >> self.shift & self.mask)
    }

    fn is_there(self) -> bool {
        self.mask != 0
    }
}

/// Reads the socket that an event is about.
#[derive(Debug, Clone)]
struct SocketReader {
    ends: Ends,
    /// Whether the event may name its socket and not its ends.
    may_lack_ends: bool,
    family: Place,
    cookie: Place,
    skaddr: Place,
}

impl SocketReader {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a family comes from a field of its own size")]
    fn read(&self, record: &[u8]) -> Option<Socket> {
        let (local, peer) = match self.ends.read(record) {
            Some(ends) => ends,
            None => return self.read_without_ends(record),
        };
        let family = match self.family.read(record) {
            0 => self.sockaddr_family(record).unwrap_or_else(|| family_of(local.ip())),
            family => family as u16,
        };
        Some(Socket { family, local, peer, cookie: self.cookie.read(record), skaddr: self.skaddr.read(record) })
    }

    #[cold]
    fn read_without_ends(&self, record: &[u8]) -> Option<Socket> {
        let skaddr = self.skaddr.read(record);
        (self.may_lack_ends && skaddr != 0).then_some(Socket { skaddr, ..Socket::UNTOLD })
    }

    /// The family in the sockaddr, where the event has no field for it.
    fn sockaddr_family(&self, record: &[u8]) -> Option<u16> {
        let Ends::Sockaddrs(local, _) = self.ends else { return None };
        let family = u16::from_le_bytes(*record.get(local..)?.first_chunk()?);
        matches!(family, AF_INET | AF_INET6).then_some(family)
    }
}

/// Reads the typed event in a record of one format.
#[derive(Debug, Clone)]
pub struct EventReader {
    kind: EventKind,
    record_bytes: usize,
    /// `None` where the event has no type of its own here.
    socket: Option<SocketReader>,
    /// The fields of its kind, in the order in which it names them.
    fields: Box<[Place]>,
}

/// The fields of [`Snapshot`], in its order.
pub const SNAPSHOT_FIELDS: [&str; 7] = [
    "tcpi_snd_mss",
    "tcpi_notsent_bytes",
    "tcpi_rwnd_limited",
    "tcpi_sndbuf_limited",
    "wmem_queued",
    "sndbuf",
    "has_bbr",
];

impl Snapshot {
    /// Of the values of [`SNAPSHOT_FIELDS`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
    pub fn of(values: [u64; 7]) -> Self {
        let [snd_mss, notsent_bytes, rwnd_limited, sndbuf_limited, wmem_queued, sndbuf, has_bbr] = values;
        Snapshot {
            snd_mss: snd_mss as u32,
            notsent_bytes: notsent_bytes as u32,
            rwnd_limited,
            sndbuf_limited,
            wmem_queued: wmem_queued as u32,
            sndbuf: sndbuf as u32,
            is_bbr: has_bbr != 0,
        }
    }
}

/// The fields that each kind is read from, beside those of the socket.
fn fields(kind: EventKind) -> &'static [&'static str] {
    match kind {
        EventKind::TcpProbe => {
            &["mark", "data_len", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd", "skbaddr"]
        }
        EventKind::TcpRetransmitSkb => &["state", "skbaddr", "err"],
        EventKind::TcpRetransmitSynack => &["req"],
        EventKind::TcpCongStateSet => &["cong_state"],
        EventKind::InetSockSetState => &["protocol", "oldstate", "newstate"],
        EventKind::TcpSendReset => &["state", "skbaddr", "reason"],
        EventKind::TcpInfo => &SNAPSHOT_FIELDS,
        EventKind::Owner => &["pid", "uid"],
        _ => &[],
    }
}

impl EventReader {
    /// The reader for records of `format`.
    #[must_use]
    pub fn new(format: &Format) -> Self {
        let kind = EventKind::of(&format.name);
        let record_bytes = format.record_size().max(8);
        let place = |name: &str| {
            // Before 4.18 the payload length had another name.
            let field = format.field(name).or_else(|| format.field("length").filter(|_| name == "data_len"));
            Place::of(field, record_bytes)
        };
        let ends = if kind == EventKind::Other { None } else { Ends::of(format) };
        let socket = ends.map(|ends| SocketReader {
            ends,
            may_lack_ends: kind == EventKind::TcpSendReset,
            family: place("family"),
            cookie: place("sock_cookie"),
            skaddr: place("skaddr"),
        });
        EventReader { kind, record_bytes, socket, fields: fields(kind).iter().map(|name| place(name)).collect() }
    }

    /// Whether its records are of a typed event, laid out as that event is.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        self.socket.is_some()
    }

    /// The kind of its events.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// Whether its events tell the ends of the very socket that they name ([`super::sockets`]).
    #[must_use]
    pub fn binds(&self) -> bool {
        self.is_typed() && super::sockets::binds(self.kind)
    }

    /// Whether its events name their socket by its address.
    #[must_use]
    pub fn has_skaddr(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.skaddr.is_there())
    }

    /// The address of the socket in `record`, without all else; 0 where there is none.
    #[must_use]
    #[inline]
    pub fn skaddr(&self, record: &[u8]) -> u64 {
        self.socket.as_ref().map_or(0, |socket| socket.skaddr.read(record))
    }

    /// The same of its cookie.
    #[must_use]
    #[inline]
    pub fn cookie(&self, record: &[u8]) -> u64 {
        self.socket.as_ref().map_or(0, |socket| socket.cookie.read(record))
    }

    /// The typed event in `record`; `None` where the event has no type here, or the record is too short for it.
    #[must_use]
    #[inline]
    pub fn read(&self, record: &[u8]) -> Option<Event> {
        let record = record.get(..self.record_bytes)?;
        let socket = self.socket.as_ref()?.read(record)?;
        if self.kind == EventKind::TcpProbe {
            return self.probe(record, &socket).map(Event::TcpProbe);
        }
        self.other(record, socket)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
    fn probe(&self, record: &[u8], socket: &Socket) -> Option<TcpProbe> {
        let [mark, data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd, skbaddr] =
            self.fields.first_chunk::<10>()?.map(|place| place.read(record));
        Some(TcpProbe {
            family: socket.family,
            src: socket.local,
            dest: socket.peer,
            mark: mark as u32,
            data_len: data_len as u16,
            snd_nxt: snd_nxt as u32,
            snd_una: snd_una as u32,
            snd_cwnd: snd_cwnd as u32,
            ssthresh: ssthresh as u32,
            snd_wnd: snd_wnd as u32,
            srtt: srtt as u32,
            rcv_wnd: rcv_wnd as u32,
            sock_cookie: socket.cookie,
            skbaddr,
            skaddr: socket.skaddr,
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
    fn other(&self, record: &[u8], socket: Socket) -> Option<Event> {
        let field = |at: usize| self.fields.get(at).map_or(0, |place| place.read(record));
        let told = |at: usize| self.fields.get(at).filter(|place| place.is_there()).map(|place| place.read(record));
        Some(match self.kind {
            EventKind::TcpRetransmitSkb => Event::TcpRetransmitSkb(TcpRetransmitSkb {
                family: socket.family,
                src: socket.local,
                dest: socket.peer,
                state: field(0) as u8,
                skbaddr: field(1),
                skaddr: socket.skaddr,
                err: told(2).map(|err| err as u32 as i32),
            }),
            EventKind::TcpRetransmitSynack => Event::TcpRetransmitSynack(TcpRetransmitSynack { socket, req: field(0) }),
            EventKind::TcpCongStateSet => {
                Event::TcpCongStateSet(TcpCongStateSet { socket, cong_state: field(0) as u8 })
            }
            EventKind::InetSockSetState => Event::InetSockSetState(InetSockSetState {
                socket,
                protocol: field(0) as u16,
                oldstate: field(1) as u8,
                newstate: field(2) as u8,
            }),
            EventKind::TcpDestroySock => Event::TcpDestroySock(TcpDestroySock { socket }),
            EventKind::TcpSendReset => Event::TcpSendReset(TcpSendReset {
                socket,
                state: field(0) as u8,
                skbaddr: field(1),
                reason: told(2).map(|reason| reason as u32),
            }),
            EventKind::TcpReceiveReset => Event::TcpReceiveReset(TcpReceiveReset { socket }),
            EventKind::TcpRcvSpaceAdjust => Event::TcpRcvSpaceAdjust(TcpRcvSpaceAdjust { socket }),
            EventKind::TcpInfo => {
                Event::TcpInfo(TcpInfo { socket, snapshot: Snapshot::of(std::array::from_fn(field)) })
            }
            EventKind::Owner => {
                let (pid, uid) = ((field(0) as u32).cast_signed(), field(1) as u32);
                Event::Owner(SocketOwner { socket, pid, uid })
            }
            EventKind::TcpProbe | EventKind::Other => return None,
        })
    }
}
