//! The one table of events and of their fields: names, types, and how the kernel prints them.
//!
//! Source: `include/trace/events/tcp.h` and `include/trace/events/sock.h`, 4.16 to 7.3. What a kernel has of it, its format
//! files say; the table is for what must be known beforehand: which events are typed here, and what a field that only
//! text tells (ftrace text, [`crate::source`]) is in a record.
//!
//! ```
//! use tcpprobe::event::{EventKind, table};
//! let event = table::known("tcp_cong_state_set").expect("it is in the table");
//! assert_eq!((event.kind, event.text.last()), (EventKind::TcpCongStateSet, Some(&"cong_state")));
//! ```

/// The events that have a type of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EventKind {
    /// A segment received on an established socket.
    TcpProbe,
    /// A retransmission of a segment, or an attempt at one.
    TcpRetransmitSkb,
    /// A retransmission of a SYN-ACK, whose socket is not full yet.
    TcpRetransmitSynack,
    /// The state of congestion control changed.
    TcpCongStateSet,
    /// The state of a socket changed; of other protocols than TCP too.
    InetSockSetState,
    /// A socket goes.
    TcpDestroySock,
    /// A reset was sent.
    TcpSendReset,
    /// A reset was received.
    TcpReceiveReset,
    /// The application took data.
    TcpRcvSpaceAdjust,
    /// What the kernel said of a socket when it was asked: no event of the kernel's.
    TcpInfo,
    /// Whose a socket is: no event of the kernel's.
    Owner,
    /// Any other event.
    Other,
}

/// What is known of a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Which it is.
    pub kind: EventKind,
    /// Its subsystem.
    pub system: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The fields of its text, as the newest kernel prints them.
    pub text: &'static [&'static str],
    /// Those of them that every kernel prints.
    pub required: &'static [&'static str],
}

/// What a field of a known event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// A family: `AF_INET`, `AF_INET6`.
    Family,
    /// A protocol of IP.
    Protocol,
    /// A `sockaddr` of 28 bytes, whose port stands beside it in a field of its own.
    Sockaddr,
    /// A port in host order.
    Port,
    /// Four bytes of an IPv4 address.
    Ipv4,
    /// Sixteen bytes of an IPv6 address.
    Ipv6,
    /// An unsigned number of so many bytes, printed decimal.
    Decimal(u32),
    /// A signed number of four bytes, printed decimal.
    Signed,
    /// An unsigned number of four bytes, printed `0x…`.
    Hex,
    /// A cookie: eight bytes, printed hexadecimal without `0x`.
    Cookie,
    /// A kernel pointer.
    Pointer,
    /// A state of a socket, four bytes, by name.
    State,
    /// Why a reset was sent, four bytes, by name.
    ResetReason,
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownField {
    /// Its name in a record.
    pub name: &'static str,
    /// Its name in text.
    pub text: &'static str,
    /// What it is.
    pub field_type: FieldType,
}

const ENDS: &[&str] = &["sport", "dport", "saddr", "daddr", "saddrv6", "daddrv6"];
const PROBE: &[&str] = &["src", "dest", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd"];

/// Text that ends with these, ports and addresses in fields of their own.
macro_rules! split_ends {
    ([$($before:literal),*], [$($after:literal),*]) => {
        &[$($before,)* "family", "sport", "dport", "saddr", "daddr", "saddrv6", "daddrv6" $(, $after)*]
    };
}

/// The events, those that are recorded most first.
pub const EVENTS: [Known; 11] = [
    Known {
        kind: EventKind::TcpProbe,
        system: "tcp",
        name: "tcp_probe",
        text: &[
            "family",
            "src",
            "dest",
            "mark",
            "data_len",
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
        ],
        required: PROBE,
    },
    Known {
        kind: EventKind::TcpRetransmitSkb,
        system: "tcp",
        name: "tcp_retransmit_skb",
        text: split_ends!(["skbaddr", "skaddr"], ["state", "err"]),
        required: ENDS,
    },
    Known {
        kind: EventKind::TcpRetransmitSynack,
        system: "tcp",
        name: "tcp_retransmit_synack",
        text: split_ends!([], []),
        required: ENDS,
    },
    Known {
        kind: EventKind::TcpCongStateSet,
        system: "tcp",
        name: "tcp_cong_state_set",
        text: split_ends!([], ["cong_state"]),
        required: ENDS,
    },
    // Other protocols and older kernels may print less.
    Known {
        kind: EventKind::InetSockSetState,
        system: "sock",
        name: "inet_sock_set_state",
        text: &["family", "protocol", "sport", "dport", "saddr", "daddr", "saddrv6", "daddrv6", "oldstate", "newstate"],
        required: &[],
    },
    Known {
        kind: EventKind::TcpDestroySock,
        system: "tcp",
        name: "tcp_destroy_sock",
        text: split_ends!([], ["sock_cookie"]),
        required: ENDS,
    },
    // Its addresses have two forms.
    Known {
        kind: EventKind::TcpSendReset,
        system: "tcp",
        name: "tcp_send_reset",
        text: &["skbaddr", "skaddr", "src", "dest", "state", "reason"],
        required: &[],
    },
    Known {
        kind: EventKind::TcpReceiveReset,
        system: "tcp",
        name: "tcp_receive_reset",
        text: split_ends!([], ["sock_cookie"]),
        required: ENDS,
    },
    Known {
        kind: EventKind::TcpRcvSpaceAdjust,
        system: "tcp",
        name: "tcp_rcv_space_adjust",
        text: split_ends!([], ["sock_cookie"]),
        required: ENDS,
    },
    // Its other fields are as many as the kernel gives: see `event::tcp_info`.
    Known {
        kind: EventKind::TcpInfo,
        system: "tcpprobe",
        name: "tcp_info",
        text: split_ends!([], ["sock_cookie"]),
        required: ENDS,
    },
    // See `event::owner`.
    Known {
        kind: EventKind::Owner,
        system: "tcpprobe",
        name: "owner",
        text: split_ends!([], ["sock_cookie", "skaddr"]),
        required: ENDS,
    },
];

const fn field(name: &'static str, text: &'static str, field_type: FieldType) -> KnownField {
    KnownField { name, text, field_type }
}

/// The fields, in the order of tcp_probe's text; those of the other events after them.
pub const FIELDS: [KnownField; 30] = [
    field("family", "family", FieldType::Family),
    field("saddr", "src", FieldType::Sockaddr),
    field("daddr", "dest", FieldType::Sockaddr),
    field("mark", "mark", FieldType::Hex),
    field("data_len", "data_len", FieldType::Decimal(2)),
    // data_len before 4.18.
    field("length", "length", FieldType::Decimal(2)),
    field("snd_nxt", "snd_nxt", FieldType::Hex),
    field("snd_una", "snd_una", FieldType::Hex),
    field("snd_cwnd", "snd_cwnd", FieldType::Decimal(4)),
    field("ssthresh", "ssthresh", FieldType::Decimal(4)),
    field("snd_wnd", "snd_wnd", FieldType::Decimal(4)),
    field("srtt", "srtt", FieldType::Decimal(4)),
    field("rcv_wnd", "rcv_wnd", FieldType::Decimal(4)),
    field("sock_cookie", "sock_cookie", FieldType::Cookie),
    field("skbaddr", "skbaddr", FieldType::Pointer),
    field("skaddr", "skaddr", FieldType::Pointer),
    field("req", "req", FieldType::Pointer),
    field("protocol", "protocol", FieldType::Protocol),
    field("sport", "sport", FieldType::Port),
    field("dport", "dport", FieldType::Port),
    field("saddr", "saddr", FieldType::Ipv4),
    field("daddr", "daddr", FieldType::Ipv4),
    field("saddr_v6", "saddrv6", FieldType::Ipv6),
    field("daddr_v6", "daddrv6", FieldType::Ipv6),
    field("state", "state", FieldType::State),
    field("oldstate", "oldstate", FieldType::State),
    field("newstate", "newstate", FieldType::State),
    field("err", "err", FieldType::Signed),
    field("cong_state", "cong_state", FieldType::Decimal(1)),
    field("reason", "reason", FieldType::ResetReason),
];

/// The event of this name.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    EVENTS.iter().find(|event| event.name == name)
}

/// The field that text calls `name`.
#[must_use]
pub fn field_of_text(name: &str) -> Option<&'static KnownField> {
    FIELDS.iter().find(|field| field.text == name)
}

impl EventKind {
    /// The kind of the event of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        known(name).map_or(EventKind::Other, |event| event.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once() {
        for (at, event) in EVENTS.iter().enumerate() {
            assert_eq!(EVENTS.iter().position(|other| other.name == event.name), Some(at));
            assert!(event.text.iter().all(|name| field_of_text(name).is_some()), "{}", event.name);
            assert!(event.required.iter().all(|name| event.text.contains(name)), "{}", event.name);
        }
        for (at, field) in FIELDS.iter().enumerate() {
            assert_eq!(FIELDS.iter().position(|other| other.text == field.text), Some(at));
        }
    }
}
