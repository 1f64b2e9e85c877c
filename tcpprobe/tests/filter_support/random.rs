//! Random filters, and what they mean: the plain three-valued evaluation of the whole.
//!
//! It shares nothing with the library but how fields lie in a record.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use proptest::sample::select;
use tcpprobe::event::{Value, socket_address};
use tcpprobe::filter::Context;
use tcpprobe::kernel::format::Format;

/// A filter, as a tree of what was meant.
#[derive(Debug, Clone)]
pub enum Expr {
    Any(Vec<Expr>),
    All(Vec<Expr>),
    Not(Box<Expr>),
    Number {
        field: &'static str,
        op: &'static str,
        value: Written,
    },
    /// `in`, or `==` and `!=` of a range.
    Numbers {
        field: &'static str,
        op: &'static str,
        ranges: Vec<(Written, Written)>,
    },
    Address {
        field: &'static str,
        op: &'static str,
        nets: Vec<Net>,
    },
    Text {
        op: &'static str,
        text: &'static str,
    },
}

/// A number and how it is written.
#[derive(Debug, Clone)]
pub struct Written(pub i128, pub String);

/// An address and the length of the prefix.
#[derive(Debug, Clone)]
pub struct Net(IpAddr, u32);

pub const ADDRESSES: [&str; 9] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.1.0.0",
    "192.168.1.100",
    "127.0.0.1",
    "255.255.255.255",
    "::1",
    "2001:db8::1",
    "2001:db8:1::",
];
pub const PORTS: [i128; 7] = [0, 22, 80, 443, 8000, 8080, 65535];
pub const NUMBERS: [i128; 12] = [0, 1, 2, 3, 10, 80, 127, 255, 65535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
pub const COMMS: [&str; 6] = ["nginx", "ssh", "sshd", "kworker/0:1", "1s", "swapper/1"];
const PATTERNS: [&str; 12] =
    ["*", "ng*", "*x", "*s*", "ssh?", "nginx", "k*:1", "1*", "!ssh", "?*d", "no-such-name-is-so-long", "*ssh"];
const ADDRESS_FIELDS: [&str; 8] = ["saddr", "daddr", "src", "dst", "saddr_v6", "addr", "host", "net"];
const PORT_FIELDS: [&str; 4] = ["sport", "dport", "port", "port"];
/// Of all events, so that each lacks some.
pub const NUMBER_FIELDS: [&str; 22] = [
    "family",
    "state",
    "newstate",
    "srtt",
    "snd_cwnd",
    "data_len",
    "mark",
    "sock_cookie",
    "err",
    "reason",
    "skaddr",
    "skbaddr",
    "cong_state",
    "rtt_us",
    "skb_len",
    "l3index",
    "fin",
    "protocol",
    "common_pid",
    "common_flags",
    "CPU",
    "CPU",
];
fn name(field: &str, value: i128) -> Option<&'static str> {
    match (field, value) {
        ("state" | "newstate", 1) => Some("ESTABLISHED"),
        ("state" | "newstate", 2) => Some("TCP_SYN_SENT"),
        ("state" | "newstate", 10) => Some("listen"),
        ("family", 2) => Some("AF_INET"),
        ("family", 10) => Some("ipv6"),
        ("cong_state", 3) => Some("Recovery"),
        ("srtt" | "rtt_us", 10) => Some("10us"),
        ("srtt" | "rtt_us", 65535) => Some("65.535ms"),
        _ => None,
    }
}

/// One of the ways to write `value`, chosen by `way`.
fn written(field: &str, value: i128, way: u8) -> Written {
    let hex = if value < 0 { value.to_string() } else { format!("{value:#x}") };
    let text = match way % 4 {
        0 => name(field, value).map(str::to_owned),
        1 => Some(hex),
        _ => None,
    };
    Written(value, text.unwrap_or_else(|| value.to_string()))
}

fn op() -> impl Strategy<Value = &'static str> {
    select(&["==", "==", "==", "!=", "!=", "<", "<=", ">", ">=", "&"][..])
}

fn value(field: &'static str) -> BoxedStrategy<i128> {
    match field {
        "sport" | "dport" | "port" => prop_oneof![select(&PORTS[..]), 0i128..65536].boxed(),
        _ => prop_oneof![4 => select(&NUMBERS[..]), 1 => (0i128..20).prop_map(|n| n - 20), 1 => 0..1i128 << 64].boxed(),
    }
}

fn term(number_fields: &'static [&'static str]) -> impl Strategy<Value = Expr> {
    let field = prop_oneof![1 => select(&PORT_FIELDS[..]), 2 => select(number_fields)];
    let compare = (field.clone(), op(), any::<u8>()).prop_flat_map(|(field, op, way)| {
        value(field).prop_map(move |number| {
            // A name goes with equality alone, and no mask is 0.
            let way = if matches!(op, "==" | "!=") { way } else { way | 2 };
            let number = if op == "&" { number.max(1) } else { number };
            Expr::Number { field, op, value: written(field, number, way) }
        })
    });
    let sets = (field, select(&["==", "!=", "in"][..])).prop_flat_map(|(field, op)| {
        let range = (value(field), value(field))
            .prop_map(move |(a, b)| (written(field, a.min(b), 2), written(field, a.max(b), 2)));
        prop::collection::vec(range, 1..if op == "in" { 12 } else { 2 }).prop_map(move |ranges| Expr::Numbers {
            field,
            op,
            ranges,
        })
    });
    let net = (select(&ADDRESSES[..]), 0u32..=128).prop_map(|(address, length)| net(address.parse().unwrap(), length));
    let nets = (select(&ADDRESS_FIELDS[..]), select(&["==", "!=", "in"][..])).prop_flat_map(move |(field, op)| {
        prop::collection::vec(net.clone(), 1..if op == "in" { 4 } else { 2 }).prop_map(move |nets| Expr::Address {
            field,
            op,
            nets,
        })
    });
    let text = prop_oneof![
        (select(&["==", "!="][..]), select(&COMMS[..])).prop_map(|(op, text)| Expr::Text { op, text }),
        select(&PATTERNS[..]).prop_map(|text| Expr::Text { op: "~", text }),
    ];
    prop_oneof![6 => compare, 3 => sets, 5 => nets, 1 => text]
}

/// The prefix of `address` with about that length, as a network.
fn net(address: IpAddr, length: u32) -> Net {
    match address {
        IpAddr::V4(v4) => {
            // Half of them whole addresses.
            let length = if length > 64 { 32 } else { length / 2 };
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Net(Ipv4Addr::from(u32::from(v4) & mask).into(), length)
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Net(Ipv6Addr::from(u128::from(v6) & mask).into(), length)
        }
    }
}

/// A filter about some of these numbers, and about ports and addresses.
pub fn expr(number_fields: &'static [&'static str]) -> impl Strategy<Value = Expr> {
    term(number_fields).prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Any),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::All),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

impl Expr {
    /// The filter as one would write it.
    pub fn text(&self) -> String {
        match self {
            Expr::Any(sides) => sides.iter().map(Expr::text).collect::<Vec<_>>().join(" || "),
            Expr::All(sides) => {
                let side =
                    |side: &Expr| if let Expr::Any(_) = side { format!("({})", side.text()) } else { side.text() };
                sides.iter().map(side).collect::<Vec<_>>().join("&&")
            }
            Expr::Not(inner) => match **inner {
                Expr::Any(_) | Expr::All(_) => format!("!({})", inner.text()),
                _ => format!("!{}", inner.text()),
            },
            Expr::Number { field, op, value } => format!("{field}{op}{}", value.1),
            Expr::Numbers { field, op, ranges } => {
                let mut text = String::new();
                for (Written(low, low_text), Written(high, high_text)) in ranges {
                    let separator = if text.is_empty() { "" } else { ", " };
                    match low == high {
                        true => write!(text, "{separator}{low_text}").unwrap(),
                        false => write!(text, "{separator}{low_text}-{high_text}").unwrap(),
                    }
                }
                if *op == "in" { format!("{field} in {{{text}}}") } else { format!("{field} {op} {text}") }
            }
            Expr::Address { field, op, nets } => {
                let list: Vec<String> = nets.iter().map(Net::text).collect();
                match *op {
                    "in" => format!("{field} in {{{}}}", list.join(",")),
                    op => format!("{field} {op} \"{}\"", list.join("")),
                }
            }
            Expr::Text { op, text } => format!("comm {op} \"{text}\""),
        }
    }

    /// True, false or unknown (`None`) of an event.
    pub fn meaning(&self, format: &Format, record: &[u8], context: &Context<'_>) -> Option<bool> {
        let of = |inner: &Expr| inner.meaning(format, record, context);
        match self {
            Expr::Any(sides) => or(sides.iter().map(of)),
            Expr::All(sides) => or(sides.iter().map(|side| of(side).map(|met| !met))).map(|met| !met),
            Expr::Not(inner) => of(inner).map(|met| !met),
            Expr::Number { field, op, value } => {
                let negated = *op == "!=";
                let compare = |(number, bits): (i128, u32)| match *op {
                    "==" | "!=" => number == value.0,
                    "<" => number < value.0,
                    "<=" => number <= value.0,
                    ">" => number > value.0,
                    ">=" => number >= value.0,
                    _ => (number & value.0) & ((1i128 << bits) - 1) != 0,
                };
                let met = or(numbers(format, record, context, field).into_iter().map(|number| decide(number, compare)));
                met.map(|met| met != negated)
            }
            Expr::Numbers { field, op, ranges } => {
                let within =
                    |(number, _): (i128, u32)| ranges.iter().any(|(low, high)| low.0 <= number && number <= high.0);
                let met = or(numbers(format, record, context, field).into_iter().map(|number| decide(number, within)));
                met.map(|met| met != (*op == "!="))
            }
            Expr::Address { field, op, nets } => {
                let within = |address: IpAddr| nets.iter().any(|net| net.contains(address));
                let has_ends = format.field("saddr").is_some() || names_socket_alone(format);
                let unsaid = (has_ends && covers_all(nets)).then_some(true);
                let met = addresses(format, record, field).into_iter().map(|address| address.map(within).or(unsaid));
                let met = or(met);
                met.map(|met| met != (*op == "!="))
            }
            Expr::Text { op, text } => {
                // The kernel names the idle task by its CPU.
                let idle = (record[4..8] == [0; 4]).then(|| format!("swapper/{}", context.cpu));
                let comm = idle.as_deref().or(context.comm)?;
                Some(match *op {
                    "==" => comm == *text,
                    "!=" => comm != *text,
                    _ => fits(comm.as_bytes(), text.as_bytes()),
                })
            }
        }
    }
}

impl Net {
    fn text(&self) -> String {
        match (self.0, self.1) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => self.0.to_string(),
            (address, length) => format!("{address}/{length}"),
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                self.1 == 0 || (u32::from(net) ^ u32::from(address)) >> (32 - self.1) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                self.1 == 0 || (u128::from(net) ^ u128::from(address)) >> (128 - self.1) == 0
            }
            _ => false,
        }
    }
}

/// Whether every address is in one of the prefixes: then the ends of each, and what is beside them, are.
fn covers_all(nets: &[Net]) -> bool {
    let within = |address: IpAddr| nets.iter().any(|net| net.contains(address));
    let v4 = |number: u32| within(Ipv4Addr::from(number).into());
    let v6 = |number: u128| within(Ipv6Addr::from(number).into());
    v4(0)
        && v6(0)
        && nets.iter().all(|net| match net.0 {
            IpAddr::V4(first) => v4((u32::from(first) | u32::MAX.checked_shr(net.1).unwrap_or(0)).wrapping_add(1)),
            IpAddr::V6(first) => v6((u128::from(first) | u128::MAX.checked_shr(net.1).unwrap_or(0)).wrapping_add(1)),
        })
}

fn or(sides: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let sides: Vec<_> = sides.into_iter().collect();
    if sides.contains(&Some(true)) {
        return Some(true);
    }
    sides.iter().all(|side| *side == Some(false)).then_some(false)
}

fn fits(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => fits(text, rest) || !text.is_empty() && fits(&text[1..], pattern),
        ([first, rest @ ..], [byte, text @ ..]) => (*first == b'?' || first == byte) && fits(text, rest),
        _ => false,
    }
}

/// What an event says of a number.
#[derive(Clone, Copy)]
enum Said {
    /// Its value and its bits.
    Value(i128, u32),
    /// Nothing in this event, but it would be a number of 16 bits.
    Nothing,
    /// Nothing ever.
    NoField,
}

/// A comparison that all values meet, or none, needs no value.
fn decide(said: Said, compare: impl Fn((i128, u32)) -> bool) -> Option<bool> {
    match said {
        Said::Value(number, bits) => Some(compare((number, bits))),
        Said::NoField => None,
        Said::Nothing => {
            let met = (0..=0xffff).filter(|&number| compare((number, 16))).count();
            [(0, false), (0x10000, true)].into_iter().find(|&(count, _)| count == met).map(|(_, met)| met)
        }
    }
}

/// Whether an event names a socket and none of its ends: those are what other events of the socket tell.
fn names_socket_alone(format: &Format) -> bool {
    let has = |name: &&str| format.field(name).is_some();
    ["sk", "skaddr"].iter().any(has) && !["saddr", "daddr", "sport", "dport"].iter().any(has)
}

/// What is said of a number, of each end for `port`.
fn numbers(format: &Format, record: &[u8], context: &Context<'_>, field: &str) -> Vec<Said> {
    if field == "port" {
        return ["sport", "dport"].iter().flat_map(|field| numbers(format, record, context, field)).collect();
    }
    let in_sockaddr = match field {
        "sport" | "family" => format.field("saddr"),
        "dport" => format.field("daddr"),
        _ => None,
    };
    let is_of_socket = matches!(field, "sport" | "dport" | "family") && names_socket_alone(format);
    let nothing = match in_sockaddr.is_some_and(|f| f.size == 28) || is_of_socket {
        true => Said::Nothing,
        false => Said::NoField,
    };
    vec![number(format, record, context, field).map_or(nothing, |(number, bits)| Said::Value(number, bits))]
}

fn number(format: &Format, record: &[u8], context: &Context<'_>, field: &str) -> Option<(i128, u32)> {
    if field == "CPU" {
        return Some((i128::from(context.cpu), 32));
    }
    if let Some(field) = format.field(field) {
        let value = match Value::of(field, record)? {
            Value::Unsigned(number) | Value::Pointer(number) => i128::from(number),
            Value::Signed(number) => i128::from(number),
            Value::Text(_) | Value::Bytes(_) => return None,
        };
        return Some((value, 8 * field.size));
    }
    let array = match field {
        "sport" | "family" => "saddr",
        "dport" => "daddr",
        _ => return None,
    };
    let address = format.field(array).filter(|f| f.size == 28)?;
    let bytes = address.bytes(record)?;
    if field == "family" {
        return Some((i128::from(u16::from_le_bytes([bytes[0], bytes[1]])), 16));
    }
    Some((i128::from(socket_address(bytes)?.port()), 16))
}

fn addresses(format: &Format, record: &[u8], field: &str) -> Vec<Option<IpAddr>> {
    let sides: &[[&str; 2]] = match field {
        "saddr" | "src" | "saddr_v6" => &[["saddr", "saddr_v6"]],
        "daddr" | "dst" => &[["daddr", "daddr_v6"]],
        _ => &[["saddr", "saddr_v6"], ["daddr", "daddr_v6"]],
    };
    sides.iter().map(|[v4, v6]| address(format, record, v4, v6)).collect()
}

fn address(format: &Format, record: &[u8], v4: &str, v6: &str) -> Option<IpAddr> {
    let bytes = format.field(v4)?.bytes(record)?;
    if bytes.len() == 28 {
        return Some(socket_address(bytes)?.ip());
    }
    if let Some(Value::Unsigned(2)) = format.field("family").and_then(|family| Value::of(family, record)) {
        return Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into());
    }
    let bytes = format.field(v6)?.bytes(record)?;
    Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_canonical())
}
