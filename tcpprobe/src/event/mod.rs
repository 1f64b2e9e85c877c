//! Events: as recorded ([`Record`]), and typed ([`TcpProbe`], [`TcpRetransmitSkb`]).
//!
//! A record is the bytes that the kernel wrote, beside the [`Format`] that explains them; every source (pages,
//! `.tcpp` blocks) gives records and every feature takes them, so that an event nobody has heard of yet passes
//! through everything. The typed events are read from records, or from ftrace text, where a feature needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::kernel::format::{Field, Format, Kind};

/// `AF_INET`.
pub const AF_INET: u16 = 2;
/// `AF_INET6`.
pub const AF_INET6: u16 = 10;
/// `ssthresh` before any loss: "not set" (`TCP_INFINITE_SSTHRESH`, `include/net/tcp.h`).
pub const SSTHRESH_INFINITE: u32 = 0x7fff_ffff;

/// One event as the kernel recorded it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Nanoseconds in the trace's clock.
    pub time: u64,
    /// The CPU that recorded it.
    pub cpu: u32,
    /// The name of the task that was interrupted, as far as the kernel knew it; `None` prints as `<...>`.
    pub comm: Option<&'a str>,
    /// Explains `bytes`.
    pub format: &'a Format,
    /// The record, from `common_type` on.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// `common_pid`: the task that was interrupted. Seldom the owner of the connection.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, i32::from_le_bytes)
    }

    /// `common_flags`: interrupts off, need-resched, hard or soft interrupt (`include/linux/trace_events.h`).
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.bytes.get(2).copied().unwrap_or(0)
    }

    /// `common_preempt_count`: preemption depth in the low, migrate-disable depth in the high four bits.
    #[must_use]
    pub fn preempt_count(&self) -> u8 {
        self.bytes.get(3).copied().unwrap_or(0)
    }

    /// The value of the field `name`, `None` where the event has none or the record is too short for it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        self.format.field(name).and_then(|field| Value::of(field, self.bytes))
    }
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A kernel pointer, or the opaque id that stands for it in a stored trace.
    Pointer(u64),
    /// Text, up to its first NUL.
    Text(&'a [u8]),
    /// An array of anything else.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads `field` from `record`; `None` where the record is too short.
    #[must_use]
    pub fn of(field: &Field, record: &'a [u8]) -> Option<Self> {
        Some(match field.kind {
            Kind::Pointer => Value::Pointer(field.unsigned(record)?),
            Kind::Integer if field.signed => Value::Signed(field.integer(record)?),
            Kind::Integer => Value::Unsigned(field.unsigned(record)?),
            _ if field.is_string() => {
                let bytes = field.bytes(record)?;
                Value::Text(&bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())])
            }
            _ => Value::Bytes(field.bytes(record)?),
        })
    }
}

/// A segment received on an established socket, before its ACK is processed (`net/ipv4/tcp_input.c`,
/// `tcp_rcv_established()`; fields in `include/trace/events/tcp.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpProbe {
    /// `AF_INET` or `AF_INET6`; on a dual-stack socket an IPv4 connection has `AF_INET6`.
    pub family: u16,
    /// The socket's own end; v4-mapped addresses are IPv4 here.
    pub src: SocketAddr,
    /// The peer.
    pub dest: SocketAddr,
    /// The skb's mark.
    pub mark: u32,
    /// Payload bytes of the segment, modulo 65536.
    pub data_len: u16,
    /// Next sequence number to be sent.
    pub snd_nxt: u32,
    /// Oldest unacknowledged sequence number, before this segment's ACK.
    pub snd_una: u32,
    /// Congestion window, in packets.
    pub snd_cwnd: u32,
    /// Slow-start threshold, in packets; [`SSTHRESH_INFINITE`] is "not set".
    pub ssthresh: u32,
    /// The peer's receive window, in bytes.
    pub snd_wnd: u32,
    /// Smoothed RTT, in microseconds.
    pub srtt: u32,
    /// Own receive window, in bytes.
    pub rcv_wnd: u32,
    /// `sock_cookie`, as `ss -e` shows it; 0 where the kernel had none.
    pub sock_cookie: u64,
    /// Address (or its opaque id) of the skb; 0 before 6.9.
    pub skbaddr: u64,
    /// Address (or its opaque id) of the socket; 0 before 6.9.
    pub skaddr: u64,
}

/// A retransmission (`net/ipv4/tcp_output.c`, `__tcp_retransmit_skb()`). It may stand for several segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpRetransmitSkb {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// The socket's own end; v4-mapped addresses are IPv4 here.
    pub src: SocketAddr,
    /// The peer.
    pub dest: SocketAddr,
    /// The socket's state, 1 = `TCP_ESTABLISHED` (`include/net/tcp_states.h`); 0 where the kernel did not say.
    pub state: u8,
    /// Address (or its opaque id) of the skb; 0 in the text of kernels before 6.9.
    pub skbaddr: u64,
    /// Address (or its opaque id) of the socket; 0 in the text of kernels before 6.9.
    pub skaddr: u64,
    /// Error of the transmission, 0 for none; `None` before 6.17, where the kernel does not say.
    pub err: Option<i32>,
}

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
}

/// Reads a tcp_probe record of one kernel.
#[derive(Debug, Clone)]
pub struct TcpProbeReader {
    record_bytes: usize,
    src: usize,
    dest: usize,
    family: Place,
    mark: Place,
    data_len: Place,
    snd_nxt: Place,
    snd_una: Place,
    snd_cwnd: Place,
    ssthresh: Place,
    snd_wnd: Place,
    srtt: Place,
    rcv_wnd: Place,
    sock_cookie: Place,
    skbaddr: Place,
    skaddr: Place,
}

impl TcpProbeReader {
    /// `None` where `format` is not tcp_probe with its two socket addresses.
    #[must_use]
    pub fn new(format: &Format) -> Option<Self> {
        if format.name != "tcp_probe" {
            return None;
        }
        let record_bytes = format.record_size();
        let address = |name| format.field(name).filter(|f| f.size == 28).map(|f| f.offset as usize);
        let (src, dest) = (address("saddr")?, address("daddr")?);
        let place = |name| Place::of(format.field(name), record_bytes);
        // Before 4.18 the payload length had another name.
        let data_len = format.field("data_len").or_else(|| format.field("length"));
        Some(TcpProbeReader {
            record_bytes,
            src,
            dest,
            family: place("family"),
            mark: place("mark"),
            data_len: Place::of(data_len, record_bytes),
            snd_nxt: place("snd_nxt"),
            snd_una: place("snd_una"),
            snd_cwnd: place("snd_cwnd"),
            ssthresh: place("ssthresh"),
            snd_wnd: place("snd_wnd"),
            srtt: place("srtt"),
            rcv_wnd: place("rcv_wnd"),
            sock_cookie: place("sock_cookie"),
            skbaddr: place("skbaddr"),
            skaddr: place("skaddr"),
        })
    }

    /// The event in `record`, `None` where the record is too short.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
    pub fn read(&self, record: &[u8]) -> Option<TcpProbe> {
        let record = record.get(..self.record_bytes)?;
        let src = socket_address(record.get(self.src..)?)?;
        let dest = socket_address(record.get(self.dest..)?)?;
        let family = self.family.read(record);
        Some(TcpProbe {
            family: if family == 0 { own_family(src) } else { family as u16 },
            src,
            dest,
            mark: self.mark.read(record) as u32,
            data_len: self.data_len.read(record) as u16,
            snd_nxt: self.snd_nxt.read(record) as u32,
            snd_una: self.snd_una.read(record) as u32,
            snd_cwnd: self.snd_cwnd.read(record) as u32,
            ssthresh: self.ssthresh.read(record) as u32,
            snd_wnd: self.snd_wnd.read(record) as u32,
            srtt: self.srtt.read(record) as u32,
            rcv_wnd: self.rcv_wnd.read(record) as u32,
            sock_cookie: self.sock_cookie.read(record),
            skbaddr: self.skbaddr.read(record),
            skaddr: self.skaddr.read(record),
        })
    }
}

/// Reads a tcp_retransmit_skb record of one kernel.
#[derive(Debug, Clone)]
pub struct TcpRetransmitReader {
    saddr: Field,
    daddr: Field,
    saddr_v6: Field,
    daddr_v6: Field,
    scalars: [Option<Field>; 7],
}

impl TcpRetransmitReader {
    /// `None` where `format` is not tcp_retransmit_skb with its four addresses.
    #[must_use]
    pub fn new(format: &Format) -> Option<Self> {
        let array = |name, size| format.field(name).filter(|f| f.size == size).cloned();
        (format.name == "tcp_retransmit_skb").then_some(())?;
        Some(TcpRetransmitReader {
            saddr: array("saddr", 4)?,
            daddr: array("daddr", 4)?,
            saddr_v6: array("saddr_v6", 16)?,
            daddr_v6: array("daddr_v6", 16)?,
            scalars: ["family", "sport", "dport", "state", "skbaddr", "skaddr", "err"]
                .map(|name| format.field(name).cloned()),
        })
    }

    /// The event in `record`; `None` where the record is too short.
    #[must_use]
    pub fn read(&self, record: &[u8]) -> Option<TcpRetransmitSkb> {
        let [family, sport, dport, state, skbaddr, skaddr, err] =
            self.scalars.each_ref().map(|f| f.as_ref().and_then(|f| f.unsigned(record)));
        // The v6 arrays are always filled (v4-mapped for IPv4); the v4 arrays may hold garbage for IPv6.
        let ip = |v4: &Field, v6: &Field| {
            let mapped = Ipv6Addr::from(*v6.bytes(record)?.first_chunk::<16>()?).to_canonical();
            if family == Some(u64::from(AF_INET)) || (family.is_none() && mapped.is_ipv4()) {
                return Some(IpAddr::V4(Ipv4Addr::from(*v4.bytes(record)?.first_chunk::<4>()?)));
            }
            Some(mapped)
        };
        #[expect(clippy::cast_possible_truncation, reason = "each value came from a field of its own size")]
        let address = |ip, port: Option<u64>| SocketAddr::new(ip, port.unwrap_or(0) as u16);
        let src = address(ip(&self.saddr, &self.saddr_v6)?, sport);
        #[expect(clippy::cast_possible_truncation, reason = "each value came from a field of its own size")]
        Some(TcpRetransmitSkb {
            family: family.map_or_else(|| own_family(src), |f| f as u16),
            src,
            dest: address(ip(&self.daddr, &self.daddr_v6)?, dport),
            state: state.unwrap_or(0) as u8,
            skbaddr: skbaddr.unwrap_or(0),
            skaddr: skaddr.unwrap_or(0),
            err: err.map(|err| err as u32 as i32),
        })
    }
}

/// An event as the features that explain connections want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A segment received.
    TcpProbe(TcpProbe),
    /// A retransmission.
    TcpRetransmitSkb(TcpRetransmitSkb),
}

impl Event {
    /// The local and the peer end of its connection.
    #[must_use]
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        match self {
            Event::TcpProbe(event) => (event.src, event.dest),
            Event::TcpRetransmitSkb(event) => (event.src, event.dest),
        }
    }
}

/// Turns records into typed events, whichever formats they are of.
#[derive(Debug, Clone)]
pub enum EventReader {
    /// Of tcp_probe.
    TcpProbe(Box<TcpProbeReader>),
    /// Of tcp_retransmit_skb.
    TcpRetransmitSkb(Box<TcpRetransmitReader>),
    /// Of an event that has no type of its own here.
    Untyped,
}

impl EventReader {
    /// The reader for records of `format`.
    #[must_use]
    pub fn new(format: &Format) -> Self {
        TcpProbeReader::new(format)
            .map(|reader| EventReader::TcpProbe(Box::new(reader)))
            .or_else(|| TcpRetransmitReader::new(format).map(|reader| EventReader::TcpRetransmitSkb(Box::new(reader))))
            .unwrap_or(EventReader::Untyped)
    }

    /// The typed event in `record`, where there is one.
    #[must_use]
    pub fn read(&self, record: &[u8]) -> Option<Event> {
        match self {
            EventReader::TcpProbe(reader) => reader.read(record).map(Event::TcpProbe),
            EventReader::TcpRetransmitSkb(reader) => reader.read(record).map(Event::TcpRetransmitSkb),
            EventReader::Untyped => None,
        }
    }
}

fn own_family(address: SocketAddr) -> u16 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// A kernel `sockaddr_in` or `sockaddr_in6` (native family, big-endian port); v4-mapped becomes IPv4.
/// `None` where it is cut short or of another family.
#[must_use]
pub fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_le_bytes(*bytes.first_chunk()?);
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let ip = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}
