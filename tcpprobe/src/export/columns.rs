//! The fields of an event as named values: numbers as numbers, addresses readable.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::event::{AF_INET6, Record, Value, socket_address};
use crate::kernel::format::{Field, Format, Kind};
use crate::kernel::text::clock_ticks;
use crate::source::About;

/// Names that every event has here; a field of the event with such a name is called `field_NAME`.
pub const COMMON: [&str; 7] = ["time", "time_ns", "clock_ns", "cpu", "pid", "comm", "event"];

/// What else exporters write beside the fields of an event.
const RESERVED: [&str; 4] = ["clock_ticks", "lost", "until_clock_ns", "until_clock_ticks"];

/// What the column of times in the trace's clock is called: those of a clock that does not count nanoseconds are its ticks.
pub(super) fn clock_column(about: &About) -> &'static str {
    if clock_ticks(&about.clock) { RESERVED[0] } else { COMMON[2] }
}

/// A value, as exporters write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// An address.
    Address(IpAddr),
    /// A kernel pointer, or the id that stands for it.
    Pointer(u64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes that nothing is known about.
    Bytes(&'a [u8]),
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Unsigned(number) => number.fmt(f),
            Cell::Signed(number) => number.fmt(f),
            Cell::Address(address) => address.fmt(f),
            Cell::Pointer(pointer) => write!(f, "{pointer:#x}"),
            Cell::Text(text) => text.fmt(f),
            Cell::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// How to read one column from a record.
#[derive(Debug, Clone)]
enum Source {
    /// The field as it is.
    Field(Field),
    /// The address in a `sockaddr`.
    SocketIp(Field),
    /// The port in a `sockaddr`, where the event has no field for it.
    SocketPort(Field),
    /// An IPv4 address, which is garbage on an IPv6 socket: there the other field has it.
    Ipv4 { v4: Field, v6: Option<Field>, family: Option<Field> },
    /// An IPv6 address.
    Ipv6(Field),
}

/// The columns of an event.
#[derive(Debug, Clone)]
pub struct Columns {
    columns: Vec<(String, Source)>,
}

impl Columns {
    /// The columns of records of `format`, in the kernel's order; the common ones first.
    #[must_use]
    pub fn new(format: &Format) -> Self {
        let mut columns = List(Vec::new());
        for field in format.fields.iter().filter(|field| !matches!(field.name.as_str(), "common_type" | "common_pid")) {
            let name = field.name.clone();
            let address = matches!(name.as_str(), "saddr" | "daddr" | "saddr_v6" | "daddr_v6");
            match (address && field.kind == Kind::Array, field.size) {
                (true, 28) => {
                    let port = if name == "saddr" { "sport" } else { "dport" };
                    columns.push((name, Source::SocketIp(field.clone())));
                    if format.field(port).is_none() {
                        columns.push((port.to_owned(), Source::SocketPort(field.clone())));
                    }
                }
                (true, 4) => {
                    let v6 = format.field(&format!("{name}_v6")).filter(|field| field.size == 16).cloned();
                    let family = format.field("family").cloned();
                    columns.push((name, Source::Ipv4 { v4: field.clone(), v6, family }));
                }
                (true, 16) => columns.push((name, Source::Ipv6(field.clone()))),
                _ if COMMON.contains(&name.as_str()) || RESERVED.contains(&name.as_str()) => {
                    columns.push((format!("field_{name}"), Source::Field(field.clone())));
                }
                _ => columns.push((name, Source::Field(field.clone()))),
            }
        }
        Columns { columns: columns.0 }
    }

    /// Their names.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The names and values of a record of this format; `None` where the record is too short.
    pub fn cells<'a>(&'a self, record: &Record<'a>) -> impl ExactSizeIterator<Item = (&'a str, Option<Cell<'a>>)> {
        let bytes = record.bytes;
        self.columns.iter().map(move |(name, source)| (name.as_str(), source.read(bytes)))
    }
}

/// Columns of which no two have one name.
struct List(Vec<(String, Source)>);

impl List {
    fn push(&mut self, (name, source): (String, Source)) {
        let is_taken = |name: &String| self.0.iter().any(|(known, _)| known == name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let name = std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(name);
        self.0.push((name, source));
    }
}

impl Source {
    fn read<'a>(&self, record: &'a [u8]) -> Option<Cell<'a>> {
        match self {
            Source::Field(field) => Value::of(field, record).map(cell),
            Source::SocketIp(field) => {
                let bytes = field.bytes(record)?;
                // A socket without an address, as in a reset for no socket: all zeros.
                Some(socket_address(bytes).map_or(Cell::Bytes(bytes), |address| Cell::Address(address.ip())))
            }
            Source::SocketPort(field) => {
                socket_address(field.bytes(record)?).map(|address| Cell::Unsigned(u64::from(address.port())))
            }
            Source::Ipv4 { v4, v6, family } => {
                let family = family.as_ref().and_then(|family| family.unsigned(record));
                match v6 {
                    Some(v6) if family == Some(u64::from(AF_INET6)) => {
                        ipv6(v6, record).map(|ip| Cell::Address(ip.to_canonical()))
                    }
                    _ => Some(Cell::Address(Ipv4Addr::from(*v4.bytes(record)?.first_chunk::<4>()?).into())),
                }
            }
            Source::Ipv6(field) => ipv6(field, record).map(|ip| Cell::Address(ip.into())),
        }
    }
}

fn cell(value: Value<'_>) -> Cell<'_> {
    match value {
        Value::Unsigned(number) => Cell::Unsigned(number),
        Value::Signed(number) => Cell::Signed(number),
        Value::Pointer(pointer) => Cell::Pointer(pointer),
        Value::Text(text) => Cell::Text(String::from_utf8_lossy(text)),
        Value::Bytes(bytes) => Cell::Bytes(bytes),
    }
}

fn ipv6(field: &Field, record: &[u8]) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*field.bytes(record)?.first_chunk::<16>()?))
}

/// The columns of the formats of a source, by their place.
#[derive(Debug, Default)]
pub struct ColumnTable {
    /// Names of those that are wanted; `None` for all.
    fields: Option<Vec<String>>,
    by_format: Vec<Columns>,
}

impl ColumnTable {
    /// Only columns of these names, if there are any.
    #[must_use]
    pub fn new(fields: Option<Vec<String>>) -> Self {
        ColumnTable { fields, by_format: Vec::new() }
    }

    /// Takes the place of what was told before.
    pub fn begin(&mut self, about: &About) {
        let fields = self.fields.as_ref();
        let wanted = |(name, _): &(String, Source)| fields.is_none_or(|fields| fields.contains(name));
        self.by_format.clear();
        self.by_format.extend(about.formats.iter().map(|known| {
            let Columns { columns } = Columns::new(&known.format);
            Columns { columns: columns.into_iter().filter(wanted).collect() }
        }));
    }

    /// The columns of the format at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Columns> {
        self.by_format.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A format with these `declaration;size` fields, one after the other from offset 8 on.
    fn format(fields: &[(&str, u32)]) -> Format {
        let mut text = "name: demo\nID: 7\nformat:\n".to_owned();
        let mut offset = 8;
        for (declaration, size) in fields {
            text.push_str(&format!("\tfield:{declaration};\toffset:{offset};\tsize:{size};\tsigned:0;\n"));
            offset += size;
        }
        Format::parse("tcp", &(text + "\nprint fmt: \"\"\n")).unwrap()
    }

    fn read(format: &Format, own: &[u8]) -> Vec<(String, String)> {
        let bytes = [&[0; 8], own].concat();
        let record = Record::new(0, 0, None, format, &bytes);
        let columns = Columns::new(format);
        let cells = columns.cells(&record);
        cells.map(|(name, cell)| (name.to_owned(), cell.map_or("-".to_owned(), |c| c.to_string()))).collect()
    }

    fn check(format: &Format, own: &[u8], expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(read(format, own), expected);
    }

    #[test]
    fn a_socket_address_gives_its_port_only_where_there_is_no_field_for_it() {
        let mut v4 = [2, 0, 0x1f, 0x90, 10, 0, 0, 1].to_vec();
        v4.resize(28, 0);
        check(&format(&[("__u8 saddr[28]", 28)]), &v4, &[("saddr", "10.0.0.1"), ("sport", "8080")]);
        let with_port = format(&[("__u8 saddr[28]", 28), ("__u16 sport", 2)]);
        check(&with_port, &[&v4[..], &[80, 0]].concat(), &[("saddr", "10.0.0.1"), ("sport", "80")]);
    }

    #[test]
    fn the_short_address_of_an_ipv6_socket_is_not_trusted() {
        let both = format(&[("__u16 family", 2), ("__u8 saddr[4]", 4), ("__u8 saddr_v6[16]", 16)]);
        let v6 = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        let own = [&[10, 0, 1, 2, 3, 4][..], &v6].concat();
        check(&both, &own, &[("family", "10"), ("saddr", "2001:db8::1"), ("saddr_v6", "2001:db8::1")]);
        let own = [&[2, 0, 1, 2, 3, 4][..], &v6].concat();
        check(&both, &own, &[("family", "2"), ("saddr", "1.2.3.4"), ("saddr_v6", "2001:db8::1")]);
    }

    #[test]
    fn no_two_columns_have_one_name() {
        let fields =
            [("int field_time", 4), ("int time", 4), ("int lost", 4), ("int sport_2", 4), ("__u8 saddr[28]", 28)];
        let names: Vec<String> = Columns::new(&format(&fields)).names().map(str::to_owned).collect();
        assert_eq!(names, ["field_time", "field_time_2", "field_lost", "sport_2", "saddr", "sport"]);
    }

    #[test]
    fn other_fields_keep_their_kind() {
        let fields = [("const void * skaddr", 8), ("char cpu[4]", 4), ("__u8 key[2]", 2), ("__u32 late", 4)];
        let own = [0x34, 0x12, 0, 0, 0, 0, 0, 0, b'a', b'b', 0, 0, 0xde, 0xad];
        check(&format(&fields), &own, &[("skaddr", "0x1234"), ("field_cpu", "ab"), ("key", "dead"), ("late", "-")]);
    }
}
