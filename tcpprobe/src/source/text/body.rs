//! The bodies of the typed events: what stands after `tcp_probe: ` and `tcp_retransmit_skb: `.
//!
//! A tcp_probe is first read as the kernels print it, field after field in their order; what differs in any way is
//! read again field by field, in any order.

use std::net::{IpAddr, SocketAddr};

use super::fields::{Field, Fields};
use super::parse::LineError;
use super::scan::Scan;
use crate::event::{AF_INET, AF_INET6, Event, TcpProbe, TcpRetransmitSkb};

/// Names of a tcp_probe's fields, in the kernel's order; `length` is `data_len` before 4.18.
const PROBE: [&str; 16] = [
    "family",
    "src",
    "dest",
    "mark",
    "data_len",
    "length",
    "snd_nxt",
    "snd_una",
    "snd_cwnd",
    "ssthresh",
    "snd_wnd",
    "srtt",
    "rcv_wnd",
    "sock_cookie",
    "skbaddr",
    "skaddr",
];

/// Names of a tcp_retransmit_skb's fields, in the kernel's order.
const RETRANSMIT: [&str; 11] =
    ["skbaddr", "skaddr", "family", "sport", "dport", "saddr", "daddr", "saddrv6", "daddrv6", "state", "err"];

/// Socket states, counted from 1 (`include/net/tcp_states.h`).
const STATES: [&str; 13] = [
    "TCP_ESTABLISHED",
    "TCP_SYN_SENT",
    "TCP_SYN_RECV",
    "TCP_FIN_WAIT1",
    "TCP_FIN_WAIT2",
    "TCP_TIME_WAIT",
    "TCP_CLOSE",
    "TCP_CLOSE_WAIT",
    "TCP_LAST_ACK",
    "TCP_LISTEN",
    "TCP_CLOSING",
    "TCP_NEW_SYN_RECV",
    "TCP_BOUND_INACTIVE",
];

/// The typed event of this name; `None` for events that have no type. Columns of errors count from the body's start.
#[inline(always)]
pub(super) fn event(name: &str, body: &str) -> Result<Option<Event>, LineError> {
    Ok(match name {
        "tcp_probe" => Some(Event::TcpProbe(match probe_in_order(body.as_bytes()) {
            Some(probe) => probe,
            None => probe(body)?,
        })),
        "tcp_retransmit_skb" => Some(Event::TcpRetransmitSkb(retransmit(body)?)),
        _ => None,
    })
}

/// The fields of `body` that `event` does not hold.
pub(super) fn extras<'a>(event: Option<&Event>, body: &'a str) -> impl Iterator<Item = Field<'a>> + use<'a> {
    let known: &[&str] = match event {
        Some(Event::TcpProbe(_)) => &PROBE,
        Some(Event::TcpRetransmitSkb(_)) => &RETRANSMIT,
        None => &[],
    };
    let mut seen = 0u32;
    Fields::new(body).filter(move |field| {
        let Some(index) = known.iter().position(|name| *name == field.name) else { return true };
        let again = seen & 1 << index != 0;
        seen |= 1 << index;
        again || field.word() != field.value || (field.name == "state" && state(field.value).is_none())
    })
}

/// A tcp_probe exactly as a kernel prints it.
#[inline(always)]
fn probe_in_order(body: &[u8]) -> Option<TcpProbe> {
    let mut scan = Scan(body);
    let family = if scan.accept(b"family=AF_INET") {
        let family = if scan.accept(b"6") { AF_INET6 } else { AF_INET };
        scan.expect(b" ")?;
        family
    } else {
        0
    };
    scan.expect(b"src=")?;
    let src = scan.socket()?;
    scan.expect(b" dest=")?;
    let dest = scan.socket()?;
    scan.expect(b" mark=0x")?;
    let mark = scan.hex_u32()?;
    scan.expect(b" data_len=")?;
    let data_len = scan.decimal_u16()?;
    scan.expect(b" snd_nxt=0x")?;
    let snd_nxt = scan.hex_u32()?;
    scan.expect(b" snd_una=0x")?;
    let snd_una = scan.hex_u32()?;
    scan.expect(b" snd_cwnd=")?;
    let snd_cwnd = scan.decimal_u32()?;
    scan.expect(b" ssthresh=")?;
    let ssthresh = scan.decimal_u32()?;
    scan.expect(b" snd_wnd=")?;
    let snd_wnd = scan.decimal_u32()?;
    scan.expect(b" srtt=")?;
    let srtt = scan.decimal_u32()?;
    scan.expect(b" rcv_wnd=")?;
    let rcv_wnd = scan.decimal_u32()?;
    let sock_cookie = if scan.accept(b" sock_cookie=") { scan.hex()? } else { 0 };
    let (mut skbaddr, mut skaddr) = (0, 0);
    if scan.accept(b" skbaddr=") {
        skbaddr = scan.pointer()?;
        scan.expect(b" skaddr=")?;
        skaddr = scan.pointer()?;
    }
    let family = if family == 0 { family_of(src.ip()) } else { family };
    scan.0.is_empty().then_some(TcpProbe {
        family,
        src,
        dest,
        mark,
        data_len,
        snd_nxt,
        snd_una,
        snd_cwnd,
        ssthresh,
        snd_wnd,
        srtt,
        rcv_wnd,
        sock_cookie,
        skbaddr,
        skaddr,
    })
}

/// A tcp_probe with its fields in any order, and others between them.
#[cold]
fn probe(body: &str) -> Result<TcpProbe, LineError> {
    let mut values = Values::<16>::new(&PROBE, body);
    let src = values.need("src", "is not an address with a port", |word| whole(word, Scan::socket))?;
    let dest = values.need("dest", "is not an address with a port", |word| whole(word, Scan::socket))?;
    let data_len = values.number("data_len")?.or(values.number("length")?);
    Ok(TcpProbe {
        family: values.family()?.unwrap_or_else(|| family_of(src.ip())),
        src,
        dest,
        mark: values.number("mark")?.unwrap_or(0),
        data_len: data_len.unwrap_or(0),
        snd_nxt: values.need_number("snd_nxt")?,
        snd_una: values.need_number("snd_una")?,
        snd_cwnd: values.need_number("snd_cwnd")?,
        ssthresh: values.need_number("ssthresh")?,
        snd_wnd: values.need_number("snd_wnd")?,
        srtt: values.need_number("srtt")?,
        rcv_wnd: values.need_number("rcv_wnd")?,
        sock_cookie: values.hex("sock_cookie")?,
        skbaddr: values.hex("skbaddr")?,
        skaddr: values.hex("skaddr")?,
    })
}

fn retransmit(body: &str) -> Result<TcpRetransmitSkb, LineError> {
    let mut values = Values::<11>::new(&RETRANSMIT, body);
    let family = values.family()?;
    let (sport, dport) = (values.need_number("sport")?, values.need_number("dport")?);
    let src = SocketAddr::new(values.address(family, "saddr", "saddrv6")?, sport);
    let dest = SocketAddr::new(values.address(family, "daddr", "daddrv6")?, dport);
    Ok(TcpRetransmitSkb {
        family: family.unwrap_or_else(|| family_of(src.ip())),
        src,
        dest,
        state: values.get("state").and_then(|field| state(field.word())).unwrap_or(0),
        skbaddr: values.hex("skbaddr")?,
        skaddr: values.hex("skaddr")?,
        err: values.read("err", "is not a number", |word| word.parse().ok())?,
    })
}

/// The fields of a body by their place in a list of names; the first of each name counts.
struct Values<'a, const N: usize> {
    names: &'static [&'static str; N],
    fields: [Option<Field<'a>>; N],
    length: usize,
}

impl<'a, const N: usize> Values<'a, N> {
    fn new(names: &'static [&'static str; N], body: &'a str) -> Self {
        let mut values = Values { names, fields: [None; N], length: body.len() };
        let mut expected = 0;
        for field in Fields::new(body) {
            // Mostly the fields come in the order of the names.
            let order = (expected..N).chain(0..expected);
            let Some(index) = order.into_iter().find(|index| names[*index] == field.name) else { continue };
            expected = index + 1;
            values.fields[index].get_or_insert(field);
        }
        values
    }

    fn get(&self, name: &'static str) -> Option<Field<'a>> {
        self.names.iter().position(|known| *known == name).and_then(|index| self.fields[index])
    }

    /// The value of a field that may be missing.
    fn read<T>(
        &mut self,
        name: &'static str,
        reason: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, LineError> {
        let Some(field) = self.get(name) else { return Ok(None) };
        read(field.word()).map(Some).ok_or(LineError { column: field.at + 1, what: name, reason })
    }

    fn need<T>(
        &mut self,
        name: &'static str,
        reason: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, LineError> {
        let missing = LineError { column: self.length + 1, what: name, reason: "is missing" };
        self.read(name, reason, read)?.ok_or(missing)
    }

    /// A decimal number, or a hexadecimal one after `0x`.
    fn number<T: TryFrom<u64>>(&mut self, name: &'static str) -> Result<Option<T>, LineError> {
        self.read(name, "is not a number of its size", number)
    }

    fn need_number<T: TryFrom<u64>>(&mut self, name: &'static str) -> Result<T, LineError> {
        self.need(name, "is not a number of its size", number)
    }

    /// A hexadecimal number, 0 where it is missing.
    fn hex(&mut self, name: &'static str) -> Result<u64, LineError> {
        let value = self.read(name, "is not a hexadecimal number", |word| {
            whole(word.strip_prefix("0x").unwrap_or(word), Scan::hex)
        })?;
        Ok(value.unwrap_or(0))
    }

    /// `AF_INET`, `AF_INET6`, or another family's number; `None` where it is missing or 0.
    fn family(&mut self) -> Result<Option<u16>, LineError> {
        let family = self.read("family", "is not a known family", |word| match word {
            "AF_INET" => Some(AF_INET),
            "AF_INET6" => Some(AF_INET6),
            other => number(other),
        })?;
        Ok(family.filter(|family| *family != 0))
    }

    /// The IPv4 address of an IPv4 socket, else the IPv6 address, which of a mapped one is IPv4 as well.
    fn address(&mut self, family: Option<u16>, v4: &'static str, v6: &'static str) -> Result<IpAddr, LineError> {
        let reason = "is not an address";
        if family != Some(AF_INET)
            && let Some(address) = self.read(v6, reason, |word| whole(word, Scan::ip))?
            && (family.is_some() || address.is_ipv6())
        {
            return Ok(address);
        }
        self.need(v4, reason, |word| whole(word, Scan::ip))
    }
}

/// What `read` makes of `word`, if it takes all of it.
fn whole<'a, T>(word: &'a str, read: impl FnOnce(&mut Scan<'a>) -> Option<T>) -> Option<T> {
    let mut scan = Scan(word.as_bytes());
    read(&mut scan).filter(|_| scan.0.is_empty())
}

fn number<T: TryFrom<u64>>(word: &str) -> Option<T> {
    let value = match word.strip_prefix("0x") {
        Some(digits) => whole(digits, Scan::hex),
        None => whole(word, Scan::decimal),
    };
    value.and_then(|value| T::try_from(value).ok())
}

/// The number of a state, by name or (of a state that the kernel has no name for) as it is.
fn state(word: &str) -> Option<u8> {
    match STATES.iter().position(|name| *name == word) {
        Some(index) => u8::try_from(index + 1).ok(),
        None => number(word),
    }
}

fn family_of(address: IpAddr) -> u16 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}
