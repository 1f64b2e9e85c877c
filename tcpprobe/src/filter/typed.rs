//! Fields of typed events, which come from text as well as from records.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::Context;
use super::ast::Side;
use super::bind::{Address, Asks, Field, Layout, Number, Text};
use super::program::Fields;
use super::value::address_bits;
use crate::event::Event;

/// A kind of typed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    TcpProbe,
    TcpRetransmitSkb,
}

/// A field of a typed event, or what is known beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Family,
    Port(Side),
    Address(Side),
    Mark,
    DataLen,
    SndNxt,
    SndUna,
    SndCwnd,
    Ssthresh,
    SndWnd,
    Srtt,
    RcvWnd,
    SockCookie,
    Skbaddr,
    Skaddr,
    State,
    Err,
    Cpu,
    Pid,
    Comm,
}

const U16: (i128, i128) = (0, 0xffff);
const U32: (i128, i128) = (0, 0xffff_ffff);
const U64: (i128, i128) = (0, 0xffff_ffff_ffff_ffff);
const S32: (i128, i128) = (-0x8000_0000, 0x7fff_ffff);

/// Name, place and domain of the numbers of both kinds.
const SHARED: [(&str, Slot, (i128, i128)); 6] = [
    ("family", Slot::Family, U16),
    ("skbaddr", Slot::Skbaddr, U64),
    ("skaddr", Slot::Skaddr, U64),
    ("CPU", Slot::Cpu, (0, 0x7fff_ffff)),
    ("cpu", Slot::Cpu, (0, 0x7fff_ffff)),
    ("common_pid", Slot::Pid, S32),
];
const TCP_PROBE: [(&str, Slot, (i128, i128)); 11] = [
    ("mark", Slot::Mark, U32),
    ("data_len", Slot::DataLen, U16),
    ("length", Slot::DataLen, U16),
    ("snd_nxt", Slot::SndNxt, U32),
    ("snd_una", Slot::SndUna, U32),
    ("snd_cwnd", Slot::SndCwnd, U32),
    ("ssthresh", Slot::Ssthresh, U32),
    ("snd_wnd", Slot::SndWnd, U32),
    ("srtt", Slot::Srtt, U32),
    ("rcv_wnd", Slot::RcvWnd, U32),
    ("sock_cookie", Slot::SockCookie, U64),
];
const TCP_RETRANSMIT_SKB: [(&str, Slot, (i128, i128)); 2] = [("state", Slot::State, S32), ("err", Slot::Err, S32)];

impl Kind {
    fn own(self) -> &'static [(&'static str, Slot, (i128, i128))] {
        match self {
            Kind::TcpProbe => &TCP_PROBE,
            Kind::TcpRetransmitSkb => &TCP_RETRANSMIT_SKB,
        }
    }
}

fn number(name: &str, slot: Slot, domain: (i128, i128)) -> Number<Slot> {
    let opaque = matches!(slot, Slot::Skbaddr | Slot::Skaddr);
    Number { name: name.to_owned(), slot, domain, kernel: Asks::Nothing, opaque }
}

impl Layout for Kind {
    type Slot = Slot;

    fn field(&self, name: &str) -> Option<Field<Slot>> {
        if let "comm" | "COMM" = name {
            return Some(Field::Text(Text { name: "comm".to_owned(), slot: Slot::Comm }));
        }
        let &(name, slot, domain) = SHARED.iter().chain(self.own()).find(|(known, ..)| *known == name)?;
        Some(Field::Number(number(name, slot, domain)))
    }

    fn port(&self, side: Side) -> Option<Number<Slot>> {
        Some(number(side.port(), Slot::Port(side), U16))
    }

    fn address(&self, side: Side) -> Option<Address<Slot>> {
        Some(Address { side, slot: Slot::Address(side), family: false, split: false })
    }

    fn symbols(&self, _field: &str) -> Vec<(&str, i128)> {
        Vec::new()
    }

    fn names(&self) -> Vec<&str> {
        SHARED.iter().chain(self.own()).map(|&(name, ..)| name).collect()
    }
}

/// A typed event, and what is known of it besides.
pub(super) struct EventFields<'e> {
    pub event: &'e Event,
    pub context: &'e Context<'e>,
}

impl EventFields<'_> {
    fn end(&self, side: Side) -> SocketAddr {
        let (source, destination) = match self.event {
            Event::TcpProbe(event) => (event.src, event.dest),
            Event::TcpRetransmitSkb(event) => (event.src, event.dest),
        };
        match side {
            Side::Source => source,
            Side::Destination => destination,
        }
    }
}

impl Fields for EventFields<'_> {
    type Slot = Slot;

    fn number(&self, slot: &Slot) -> Option<u64> {
        let signed = |number: i32| u64::from(number.cast_unsigned());
        // None of these is ever 0: that stands for a kernel that did not say.
        let said = |number: u64| (number != 0).then_some(number);
        Some(match (*slot, self.event) {
            (Slot::Port(side), _) => u64::from(self.end(side).port()),
            (Slot::Cpu, _) => u64::from(self.context.cpu),
            (Slot::Pid, _) => signed(self.context.pid?),
            (Slot::Family, Event::TcpProbe(event)) => u64::from(event.family),
            (Slot::Family, Event::TcpRetransmitSkb(event)) => u64::from(event.family),
            (Slot::Skbaddr, Event::TcpProbe(event)) => said(event.skbaddr)?,
            (Slot::Skbaddr, Event::TcpRetransmitSkb(event)) => said(event.skbaddr)?,
            (Slot::Skaddr, Event::TcpProbe(event)) => said(event.skaddr)?,
            (Slot::Skaddr, Event::TcpRetransmitSkb(event)) => said(event.skaddr)?,
            (Slot::Mark, Event::TcpProbe(event)) => u64::from(event.mark),
            (Slot::DataLen, Event::TcpProbe(event)) => u64::from(event.data_len),
            (Slot::SndNxt, Event::TcpProbe(event)) => u64::from(event.snd_nxt),
            (Slot::SndUna, Event::TcpProbe(event)) => u64::from(event.snd_una),
            (Slot::SndCwnd, Event::TcpProbe(event)) => u64::from(event.snd_cwnd),
            (Slot::Ssthresh, Event::TcpProbe(event)) => u64::from(event.ssthresh),
            (Slot::SndWnd, Event::TcpProbe(event)) => u64::from(event.snd_wnd),
            (Slot::Srtt, Event::TcpProbe(event)) => u64::from(event.srtt),
            (Slot::RcvWnd, Event::TcpProbe(event)) => u64::from(event.rcv_wnd),
            (Slot::SockCookie, Event::TcpProbe(event)) => said(event.sock_cookie)?,
            (Slot::State, Event::TcpRetransmitSkb(event)) => said(event.state.into())?,
            (Slot::Err, Event::TcpRetransmitSkb(event)) => signed(event.err?),
            _ => return None,
        })
    }

    fn address(&self, slot: &Slot) -> Option<u128> {
        match *slot {
            Slot::Address(side) => Some(address_bits(self.end(side).ip())),
            _ => None,
        }
    }

    fn text(&self, slot: &Slot) -> Option<Cow<'_, [u8]>> {
        match slot {
            Slot::Comm => self.context.comm_of(self.context.pid),
            _ => None,
        }
    }
}
