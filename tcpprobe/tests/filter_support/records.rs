//! Random events, as kernels write them.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use proptest::sample::select;
use tcpprobe::kernel::format::{Field, Format, Kind};

use crate::random::{ADDRESSES, COMMS, NUMBERS, PORTS};

/// What a v4-mapped address begins with.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// What an event is made of.
#[derive(Debug, Clone)]
pub struct Seeds {
    /// Of the socket: 2, 10, or 10 with v4-mapped addresses.
    family: u8,
    ends: [(&'static str, i128); 2],
    numbers: Vec<i128>,
    garbage: Vec<u8>,
    /// No addresses in an event that has no family either.
    empty: bool,
    pub cpu: u32,
    pub comm: &'static str,
}

pub fn seeds() -> impl Strategy<Value = Seeds> {
    let end = || (select(&ADDRESSES[..]), select(&PORTS[..]));
    let number = prop_oneof![4 => select(&NUMBERS[..]), 1 => (0i128..20).prop_map(|n| n - 20), 1 => 0..1i128 << 64];
    let parts = (0u8..3, [end(), end()], prop::collection::vec(number, 30), prop::collection::vec(any::<u8>(), 8));
    (parts, prop::bool::weighted(0.05), 0u32..3, select(&COMMS[..])).prop_map(
        |((family, ends, numbers, garbage), empty, cpu, comm)| Seeds {
            family,
            ends,
            numbers,
            garbage,
            empty,
            cpu,
            comm,
        },
    )
}

/// The plainest event of each family, with and without ends.
pub fn of_each_family() -> Vec<Seeds> {
    let of = |family, empty| Seeds {
        family,
        ends: [(ADDRESSES[0], 0); 2],
        numbers: vec![0; 30],
        garbage: vec![0; 8],
        empty,
        cpu: 0,
        comm: COMMS[0],
    };
    (0..3).flat_map(|family| [of(family, false), of(family, true)]).collect()
}

impl Seeds {
    /// A record of `format`, as that kernel would write it.
    pub fn record(&self, format: &Format) -> Vec<u8> {
        let mut record = vec![0; format.record_size()];
        let has_family = format.field("family").is_some();
        let family: u16 = if self.family == 0 { 2 } else { 10 };
        for (field, number) in format.fields.iter().zip(self.numbers.iter().cycle()) {
            if matches!(field.kind, Kind::Integer | Kind::Pointer) {
                put(&mut record, field, &(*number as u64).to_le_bytes()[..field.size as usize]);
            }
        }
        let overwrite = |record: &mut Vec<u8>, name: &str, bytes: &[u8]| {
            if let Some(field) = format.field(name) {
                put(record, field, bytes);
            }
        };
        overwrite(&mut record, "common_type", &format.id.to_le_bytes());
        overwrite(&mut record, "family", &family.to_le_bytes());
        for ((at, (_, port)), name) in self.ends.iter().enumerate().zip(["sport", "dport"]) {
            overwrite(&mut record, name, &(*port as u16).to_le_bytes());
            let (v4, v6) = self.bytes(at);
            let [array, array_v6] = [["saddr", "saddr_v6"], ["daddr", "daddr_v6"]][at];
            match format.field(array) {
                Some(field) if field.size == 28 && (!self.empty || has_family) => {
                    put(&mut record, field, &self.sockaddr(family, at))
                }
                // An IPv6 socket may leave anything there. Where no family says so, an IPv4 connection of it does not.
                Some(field) if field.size == 4 && family == 10 && (has_family || !v6.starts_with(&MAPPED)) => {
                    put(&mut record, field, &self.garbage[4 * at..][..4])
                }
                Some(field) if field.size == 4 => put(&mut record, field, &v4),
                _ => {}
            }
            overwrite(&mut record, array_v6, &v6);
        }
        record
    }

    /// The address of one end as four bytes and as sixteen.
    fn bytes(&self, end: usize) -> ([u8; 4], [u8; 16]) {
        let number = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(v6) => Ipv4Addr::from(u128::from(v6) as u32),
        };
        let address: IpAddr = self.ends[end].0.parse().unwrap();
        let v4 = number(address);
        let v6 = match (self.family, address) {
            (1, IpAddr::V6(v6)) => v6,
            _ => v4.to_ipv6_mapped(),
        };
        (v4.octets(), v6.octets())
    }

    fn sockaddr(&self, family: u16, end: usize) -> Vec<u8> {
        // Events about a segment have its family: IPv4 on a dual-stack socket too.
        let family: u16 = if self.family == 2 && self.garbage[0] < 128 { 2 } else { family };
        let mut bytes = family.to_le_bytes().to_vec();
        bytes.extend((self.ends[end].1 as u16).to_be_bytes());
        let (v4, v6) = self.bytes(end);
        if family == 2 {
            bytes.extend(v4);
        } else {
            bytes.extend([0; 4]);
            bytes.extend(v6);
        }
        bytes
    }
}

fn put(record: &mut [u8], field: &Field, bytes: &[u8]) {
    record[field.offset as usize..][..bytes.len()].copy_from_slice(bytes);
}
