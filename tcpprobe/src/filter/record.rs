//! Fields of records, as the kernel wrote them.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::bind::{Address, Asks, Field, Layout, Number, Text};
use super::names;
use super::program::Fields;
use super::value::MAPPED;
use super::{Context, Ends};
use crate::event::Socket;
use crate::event::address::{AF_INET, AF_INET6, SOCKADDR_BYTES, Side, mapped, socket_pointer};
use crate::kernel::format::{self, Format, Kind};

/// Names that a field had in other kernels.
const ALIASES: [(&str, &str); 2] = [("data_len", "length"), ("length", "data_len")];

/// Where something is in a record, in bytes from its start.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    U8(u32),
    U16(u32),
    U32(u32),
    U64(u32),
    /// The family in a sockaddr, which may be empty.
    SockaddrFamily(u32),
    /// The port in a sockaddr, big-endian; it may be empty.
    SockaddrPort(u32, Side),
    /// A sockaddr of 28 bytes; one that may be empty is of this side.
    Sockaddr(u32, Option<Side>),
    /// Four bytes for IPv4, sixteen for IPv6, which of them counts said by the family.
    Split {
        family: Option<u32>,
        v4: u32,
        v6: u32,
    },
    /// The family, port and address of a socket whose ends the event does not tell.
    SocketFamily,
    SocketPort(Side),
    SocketAddress(Side),
    Text(Box<format::Field>),
    Cpu,
    Comm,
}

impl Slot {
    /// Whether the event may have no ends where this looks for them.
    pub fn may_lack_ends(&self) -> bool {
        matches!(
            self,
            Slot::SockaddrFamily(_)
                | Slot::SockaddrPort(..)
                | Slot::Sockaddr(_, Some(_))
                | Slot::SocketFamily
                | Slot::SocketPort(_)
                | Slot::SocketAddress(_)
        )
    }
}

/// A record, and what is known of its event besides.
pub(super) struct RecordFields<'r> {
    pub record: &'r [u8],
    pub context: &'r Context<'r>,
}

impl RecordFields<'_> {
    #[inline]
    fn bytes<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.record.get(offset as usize..)?.first_chunk().copied()
    }

    #[inline]
    fn family(&self, offset: u32) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(offset)?))
    }

    /// What other events told of its socket.
    #[cold]
    fn socket(&self) -> Option<&Socket> {
        match &self.context.ends {
            Ends::Of(socket) => Some(socket),
            Ends::Unasked | Ends::Unknown => None,
        }
    }

    #[cold]
    fn end(&self, side: Side) -> Option<SocketAddr> {
        self.socket().map(|socket| side.of(socket))
    }

    #[inline]
    fn v4(&self, offset: u32) -> Option<u128> {
        Some(MAPPED.0 | u128::from(u32::from_be_bytes(self.bytes(offset)?)))
    }

    #[inline]
    fn v6(&self, offset: u32) -> Option<u128> {
        Some(u128::from_be_bytes(self.bytes(offset)?))
    }
}

impl Fields for RecordFields<'_> {
    type Slot = Slot;

    #[inline]
    fn number(&self, slot: &Slot) -> Option<u64> {
        Some(match *slot {
            Slot::U8(offset) => u64::from(self.bytes::<1>(offset)?[0]),
            Slot::U16(offset) => u64::from(u16::from_le_bytes(self.bytes(offset)?)),
            Slot::U32(offset) => u64::from(u32::from_le_bytes(self.bytes(offset)?)),
            Slot::U64(offset) => u64::from_le_bytes(self.bytes(offset)?),
            Slot::SockaddrFamily(offset) => match (self.family(offset)?, self.socket()) {
                (0, Some(socket)) => u64::from(socket.family),
                (family, _) => u64::from(family),
            },
            // An empty sockaddr has no port 0, it has none.
            Slot::SockaddrPort(offset, side) => match self.family(offset)? {
                AF_INET | AF_INET6 => u64::from(u16::from_be_bytes(self.bytes(offset + 2)?)),
                _ => u64::from(self.end(side)?.port()),
            },
            Slot::SocketFamily => u64::from(self.socket()?.family),
            Slot::SocketPort(side) => u64::from(self.end(side)?.port()),
            Slot::Cpu => u64::from(self.context.cpu),
            Slot::Sockaddr(..) | Slot::Split { .. } | Slot::SocketAddress(_) | Slot::Text(_) | Slot::Comm => {
                return None;
            }
        })
    }

    #[inline]
    fn address(&self, slot: &Slot) -> Option<u128> {
        match *slot {
            Slot::Sockaddr(offset, side) => match self.family(offset)? {
                AF_INET => self.v4(offset + 4),
                AF_INET6 => self.v6(offset + 8),
                _ => Some(mapped(self.end(side?)?.ip()).to_bits()),
            },
            Slot::SocketAddress(side) => Some(mapped(self.end(side)?.ip()).to_bits()),
            Slot::Split { family, v4, v6 } => match family {
                Some(family) if self.family(family)? == AF_INET => self.v4(v4),
                // Four bytes may hold anything for an IPv6 socket; the sixteen have v4-mapped addresses too.
                _ => self.v6(v6),
            },
            _ => None,
        }
    }

    fn text(&self, slot: &Slot) -> Option<Cow<'_, [u8]>> {
        match slot {
            Slot::Text(field) => {
                let bytes = field.bytes(self.record)?;
                Some(bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())].into())
            }
            // `common_pid`.
            Slot::Comm => self.context.comm_of(self.bytes(4).map(i32::from_le_bytes)),
            _ => None,
        }
    }

    #[cold]
    fn denies(&self, slot: &Slot) -> bool {
        self.context.ends == Ends::Unknown && slot.may_lack_ends()
    }
}

impl Layout for Format {
    type Slot = Slot;

    /// The event's own fields come before those of every event, as in the kernel (`trace_find_event_field()`).
    fn field(&self, name: &str) -> Option<Field<Slot>> {
        let alias =
            || ALIASES.iter().find(|(word, _)| *word == name).and_then(|&(_, other)| Format::field(self, other));
        if let Some(field) = Format::field(self, name).or_else(alias) {
            return Some(of_format(field));
        }
        match name {
            "CPU" | "cpu" => Some(Field::Number(Number {
                name: "CPU".to_owned(),
                slot: Slot::Cpu,
                domain: (0, i128::from(i32::MAX)),
                kernel: Asks::Comparisons,
                opaque: false,
            })),
            "comm" | "COMM" => Some(Field::Text(Text { name: "comm".to_owned(), slot: Slot::Comm })),
            "family" => {
                let slot = match sockaddr(self, Side::Local) {
                    Some(offset) => Slot::SockaddrFamily(offset),
                    None => names_socket_alone(self).then_some(Slot::SocketFamily)?,
                };
                Some(Field::Number(not_for_kernel(name, slot)))
            }
            _ => None,
        }
    }

    fn port(&self, side: Side) -> Option<Number<Slot>> {
        match Format::field(self, side.port()).map(of_format) {
            Some(Field::Number(number)) => Some(number),
            _ => {
                let slot = match sockaddr(self, side) {
                    Some(offset) => Slot::SockaddrPort(offset, side),
                    None => names_socket_alone(self).then_some(Slot::SocketPort(side))?,
                };
                Some(not_for_kernel(side.port(), slot))
            }
        }
    }

    fn address(&self, side: Side) -> Option<Address<Slot>> {
        let of_size = |name, size| Format::field(self, name).filter(|f| f.kind == Kind::Array && f.size == size);
        let family = Format::field(self, "family").filter(|f| f.kind == Kind::Integer && f.size == 2);
        if let Some(offset) = sockaddr(self, side) {
            // One whose port stands beside it is never empty.
            let is_full = Format::field(self, side.port()).is_some();
            let slot = Slot::Sockaddr(offset, (!is_full).then_some(side));
            return Some(Address { side, slot, family: family.is_some(), split: false });
        }
        if let (Some(v4), Some(v6)) = (of_size(side.address(), 4), of_size(side.address_v6(), 16)) {
            let slot = Slot::Split { family: family.map(|f| f.offset), v4: v4.offset, v6: v6.offset };
            return Some(Address { side, slot, family: family.is_some(), split: true });
        }
        names_socket_alone(self).then_some(())?;
        Some(Address { side, slot: Slot::SocketAddress(side), family: false, split: false })
    }

    fn symbols(&self, field: &str) -> Vec<(&str, i128)> {
        names::symbols(&self.print_fmt, field)
    }

    fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|field| field.name.as_str()).collect()
    }
}

/// Whether the events name a socket and have no place for its ends.
fn names_socket_alone(format: &Format) -> bool {
    let has = |side: Side| [side.address(), side.port()].iter().any(|name| Format::field(format, name).is_some());
    socket_pointer(format).is_some() && !has(Side::Local) && !has(Side::Peer)
}

/// Offset of the sockaddr of one end, where the event has such.
fn sockaddr(format: &Format, side: Side) -> Option<u32> {
    let field = Format::field(format, side.address())?;
    (field.kind == Kind::Array && field.size == SOCKADDR_BYTES).then_some(field.offset)
}

/// A number that only user space can find.
fn not_for_kernel(name: &str, slot: Slot) -> Number<Slot> {
    Number { name: name.to_owned(), slot, domain: (0, 0xffff), kernel: Asks::Nothing, opaque: false }
}

fn of_format(field: &format::Field) -> Field<Slot> {
    if field.is_string() {
        return Field::Text(Text { name: field.name.clone(), slot: Slot::Text(Box::new(field.clone())) });
    }
    let opaque = field.kind == Kind::Pointer;
    let slot = match field.size {
        _ if !opaque && field.kind != Kind::Integer => return Field::Other,
        1 => Slot::U8(field.offset),
        2 => Slot::U16(field.offset),
        4 => Slot::U32(field.offset),
        8 => Slot::U64(field.offset),
        _ => return Field::Other,
    };
    let values = 1i128 << (8 * field.size);
    let least = if field.signed { -values / 2 } else { 0 };
    Field::Number(Number {
        name: field.name.clone(),
        slot,
        domain: (least, least + values - 1),
        kernel: if opaque { Asks::Nothing } else { Asks::All },
        opaque,
    })
}
