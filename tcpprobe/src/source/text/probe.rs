//! A tcp_probe exactly as a kernel prints it: what a trace has most of, read field after field in their order.

use std::net::SocketAddr;

use super::formats::{TextFormats, put_common};
use super::latency::Latency;
use crate::event::address::{self, AF_INET, AF_INET6, SOCKADDR_BYTES};
use crate::event::table;
use crate::kernel::format::Format;
use crate::kernel::text::{Scan, TextEvent};

/// The fields that every kernel prints, in its order.
const FIELDS: [&str; 11] =
    ["src", "dest", "mark", "data_len", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd"];

/// The numbers of [`FIELDS`] behind the addresses.
const NUMBERS: usize = FIELDS.len() - 2;

/// What a line says.
struct Probe {
    family: Option<u16>,
    src: (SocketAddr, u16),
    dest: (SocketAddr, u16),
    numbers: [u32; NUMBERS],
    sock_cookie: Option<u64>,
    pointers: Option<(u64, u64)>,
}

/// Where the fields of a format are.
#[derive(Debug, Clone, Copy)]
struct Places {
    format: usize,
    id: u16,
    size: usize,
    family: usize,
    src: usize,
    dest: usize,
    sport: usize,
    dport: usize,
    /// `data_len` has two bytes, the others four.
    numbers: [usize; NUMBERS],
    sock_cookie: usize,
    skbaddr: usize,
    skaddr: usize,
}

/// Makes records of such lines.
#[derive(Debug, Default)]
pub struct ProbeLines {
    /// By what the kernel prints beside [`FIELDS`].
    places: [Option<Places>; 16],
}

impl ProbeLines {
    /// Appends the record of `event` to `bytes` and gives its format; `None` where the line is not exactly as a kernel prints it.
    #[inline]
    pub fn record(&mut self, formats: &mut TextFormats, event: &TextEvent<'_>, bytes: &mut Vec<u8>) -> Option<usize> {
        let probe = if event.name == "tcp_probe" { read(event.body.as_bytes())? } else { return None };
        let latency = Latency::of(event.flags);
        let variant = usize::from(probe.family.is_some())
            | usize::from(probe.sock_cookie.is_some()) << 1
            | usize::from(probe.pointers.is_some()) << 2
            | usize::from(latency.lazy_count.is_some()) << 3;
        let places = match self.places[variant] {
            Some(places) => places,
            None => {
                let places = Places::new(formats, variant, latency)?;
                *self.places[variant].insert(places)
            }
        };
        let start = bytes.len();
        bytes.resize(start + places.size, 0);
        let record = &mut bytes[start..];
        put_common(record, places.id, event.pid, latency);
        places.put(&probe, record);
        Some(places.format)
    }
}

impl Places {
    #[cold]
    fn new(formats: &mut TextFormats, variant: usize, latency: Latency) -> Option<Self> {
        let mut names = Vec::new();
        names.extend((variant & 1 != 0).then_some("family"));
        names.extend(FIELDS);
        names.extend((variant & 2 != 0).then_some("sock_cookie"));
        names.extend(["skbaddr", "skaddr"].into_iter().filter(|_| variant & 4 != 0));
        let index = formats.typical(table::known("tcp_probe")?, &names, latency)?;
        let (format, _) = formats.get(index)?;
        let format: &Format = format;
        let place = |name: &str| format.field(name).map_or(0, |field| field.offset as usize);
        let numbers = FIELDS[2..].iter().map(|name| place(name)).collect::<Vec<_>>();
        Some(Places {
            format: index,
            id: format.id,
            size: format.record_size(),
            family: place("family"),
            src: place("saddr"),
            dest: place("daddr"),
            sport: place("sport"),
            dport: place("dport"),
            numbers: *numbers.first_chunk()?,
            sock_cookie: place("sock_cookie"),
            skbaddr: place("skbaddr"),
            skaddr: place("skaddr"),
        })
    }

    #[inline]
    fn put(&self, probe: &Probe, record: &mut [u8]) {
        let put_sockaddr = |record: &mut [u8], at: usize, (address, family): (SocketAddr, u16)| {
            record[at..at + SOCKADDR_BYTES as usize].copy_from_slice(&address::sockaddr(address, family));
        };
        put_sockaddr(record, self.src, probe.src);
        put_sockaddr(record, self.dest, probe.dest);
        record[self.sport..self.sport + 2].copy_from_slice(&probe.src.0.port().to_le_bytes());
        record[self.dport..self.dport + 2].copy_from_slice(&probe.dest.0.port().to_le_bytes());
        for (index, (&at, &number)) in self.numbers.iter().zip(&probe.numbers).enumerate() {
            let bytes = number.to_le_bytes();
            // data_len is the second.
            if index == 1 {
                record[at..at + 2].copy_from_slice(&bytes[..2]);
            } else {
                record[at..at + 4].copy_from_slice(&bytes);
            }
        }
        if let Some(family) = probe.family {
            record[self.family..self.family + 2].copy_from_slice(&family.to_le_bytes());
        }
        if let Some(cookie) = probe.sock_cookie {
            record[self.sock_cookie..self.sock_cookie + 8].copy_from_slice(&cookie.to_le_bytes());
        }
        if let Some((skbaddr, skaddr)) = probe.pointers {
            record[self.skbaddr..self.skbaddr + 8].copy_from_slice(&skbaddr.to_le_bytes());
            record[self.skaddr..self.skaddr + 8].copy_from_slice(&skaddr.to_le_bytes());
        }
    }
}

#[inline(always)]
fn read(body: &[u8]) -> Option<Probe> {
    let mut scan = Scan(body);
    let family = if scan.accept(b"family=AF_INET") {
        let family = if scan.accept(b"6") { AF_INET6 } else { AF_INET };
        scan.expect(b" ")?;
        Some(family)
    } else {
        None
    };
    scan.expect(b"src=")?;
    let src = end(&mut scan)?;
    scan.expect(b" dest=")?;
    let dest = end(&mut scan)?;
    scan.expect(b" mark=0x")?;
    let mark = scan.hex_u32()?;
    scan.expect(b" data_len=")?;
    let data_len = u32::from(scan.decimal_u16()?);
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
    let sock_cookie = if scan.accept(b" sock_cookie=") { Some(scan.hex()?) } else { None };
    let pointers = if scan.accept(b" skbaddr=") {
        let skbaddr = scan.pointer()?;
        scan.expect(b" skaddr=")?;
        Some((skbaddr, scan.pointer()?))
    } else {
        None
    };
    let numbers = [mark, data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd];
    scan.0.is_empty().then_some(Probe { family, src, dest, numbers, sock_cookie, pointers })
}

/// An address with its port, and the family of the sockaddr that prints as it.
#[inline(always)]
fn end(scan: &mut Scan<'_>) -> Option<(SocketAddr, u16)> {
    let family = if scan.peek() == Some(b'[') { AF_INET6 } else { AF_INET };
    Some((scan.socket()?, family))
}
