//! The event `tcpprobe:tcp_info`: what the kernel said of a socket when it was asked, as a record like the kernel's own.
//!
//! Its [`format()`](fn@format) is text like that of a `format` file, so that text, exports and filters have it as any other event. The ends and
//! the cookie have the names that they have in other events; what tcp_info says has the kernel's names (`tcpi_rtt`),
//! of `SK_MEMINFO` those of [`MEMINFO`], `cc` is the congestion control.
//!
//! **No false 0**: a field of tcp_info that the kernel does not give is not in the format, which is made for a length of tcp_info. What
//! BBR says of itself (`bbr_…`) means something where `has_bbr` is 1. Where the kernel itself says that it does not know, its value
//! stays: `tcpi_min_rtt` 4294967295 was never measured, `tcpi_snd_ssthresh` 2147483647 is not set.
//!
//! Of a socket that closes the kernel tells its last tcp_info, and nothing beside ([`final_record`]): then `cc` is empty, and the fields of
//! [`MEMINFO`] and of BBR are not told, and 0. `tcpi_state` is 7 (CLOSE), and what counts has its FINs and SYNs in it.
//!
//! ```
//! use tcpprobe::event::tcp_info;
//! let format = tcp_info::format(232)?;
//! assert!(format.field("tcpi_snd_wnd").is_some() && format.field("tcpi_total_rto").is_none());
//! # Ok::<(), tcpprobe::kernel::format::FormatError>(())
//! ```

use std::fmt::Write as _;

use super::address::put_ends;
use super::table::known;
use super::typed::Socket;
use crate::kernel::format::{Format, FormatError};
use crate::kernel::inet_diag::{MEMINFO, SocketDiag, TCP_INFO, TcpInfo};

/// Its number: the highest that there is, which no kernel has.
pub const ID: u16 = u16::MAX;
/// Longest name of a congestion control, with the NUL behind it (`TCP_CA_NAME_MAX`).
const CC_BYTES: usize = 16;
/// Where the bytes of tcp_info begin in a record, and its other fields.
const INFO_AT: usize = 144;
const COOKIE_AT: usize = 8;
const PORTS_AT: usize = 16;
const FAMILY_AT: usize = 20;
const HAS_BBR_AT: usize = 22;
const BITS_AT: usize = 24;
const ADDRESSES_AT: usize = 28;
const CC_AT: usize = 68;
const MEMINFO_AT: usize = 84;
const BBR_AT: usize = 120;

/// How records of a kernel look whose tcp_info has so many bytes.
///
/// # Errors
/// None, as [`Format::parse`] understands what is made here.
pub fn format(info_bytes: usize) -> Result<Format, FormatError> {
    let mut text = Text::default();
    for (ctype, name, offset, size) in [
        ("unsigned short", "common_type", 0, 2),
        ("unsigned char", "common_flags", 2, 1),
        ("unsigned char", "common_preempt_count", 3, 1),
    ] {
        text.field(ctype, name, "", offset, size);
    }
    text.fields.push_str("\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n");
    text.field("__u16", "family", "", FAMILY_AT, 2);
    text.print("family=%s", "__print_symbolic(REC->family, { 2, \"AF_INET\" }, { 10, \"AF_INET6\" })");
    text.number("sport", PORTS_AT, 2);
    text.number("dport", PORTS_AT + 2, 2);
    for (name, shown, offset, size) in [
        ("saddr", "saddr=%pI4", ADDRESSES_AT, 4),
        ("daddr", "daddr=%pI4", ADDRESSES_AT + 4, 4),
        ("saddr_v6", "saddrv6=%pI6c", ADDRESSES_AT + 8, 16),
        ("daddr_v6", "daddrv6=%pI6c", ADDRESSES_AT + 24, 16),
    ] {
        text.field("__u8", name, &format!("[{size}]"), offset, size);
        text.print(shown, &format!("REC->{name}"));
    }
    text.field("__u64", "sock_cookie", "", COOKIE_AT, 8);
    text.print("sock_cookie=%llx", "REC->sock_cookie");
    text.field("char", "cc", &format!("[{CC_BYTES}]"), CC_AT, CC_BYTES);
    text.print("cc=%s", "REC->cc");
    for &(name, offset, size) in TCP_INFO.iter().filter(|(_, offset, size)| offset + size <= info_bytes) {
        text.number(name, INFO_AT + offset, size);
    }
    for (at, name) in BITS.iter().enumerate() {
        text.number(name, BITS_AT + at, 1);
    }
    for (at, name) in MEMINFO.iter().enumerate() {
        text.number(name, MEMINFO_AT + 4 * at, 4);
    }
    text.number("has_bbr", HAS_BBR_AT, 1);
    for (name, at, size) in
        [("bbr_bw", 0, 8), ("bbr_min_rtt", 8, 4), ("bbr_pacing_gain", 12, 4), ("bbr_cwnd_gain", 16, 4)]
    {
        text.number(name, BBR_AT + at, size);
    }
    let Text { fields, print, arguments } = text;
    let (name, system) = ("tcp_info", known("tcp_info").map_or("", |known| known.system));
    Format::parse(system, &format!("name: {name}\nID: {ID}\nformat:\n{fields}\nprint fmt: \"{print}\"{arguments}\n"))
}

/// The fields of some bits, in the order of [`TcpInfo::bits`].
const BITS: [&str; 4] =
    ["tcpi_snd_wscale", "tcpi_rcv_wscale", "tcpi_delivery_rate_app_limited", "tcpi_fastopen_client_fail"];

/// A `format` file while it is made.
#[derive(Default)]
struct Text {
    fields: String,
    print: String,
    arguments: String,
}

impl Text {
    fn field(&mut self, ctype: &str, name: &str, brackets: &str, offset: usize, size: usize) {
        let _ = writeln!(self.fields, "\tfield:{ctype} {name}{brackets};\toffset:{offset};\tsize:{size};\tsigned:0;");
    }

    fn print(&mut self, shown: &str, argument: &str) {
        let blank = if self.print.is_empty() { "" } else { " " };
        let _ = write!(self.print, "{blank}{shown}");
        let _ = write!(self.arguments, ", {argument}");
    }

    fn number(&mut self, name: &str, offset: usize, size: usize) {
        let (ctype, conversion) = match size {
            1 => ("__u8", "%u"),
            2 => ("__u16", "%hu"),
            4 => ("__u32", "%u"),
            _ => ("__u64", "%llu"),
        };
        self.field(ctype, name, "", offset, size);
        self.print(&format!("{name}={conversion}"), &format!("REC->{name}"));
    }
}

/// The record of what was said of a socket, `pid` being who asked; `None` where the kernel left out what every snapshot has, or gave
/// less of tcp_info than the format has (`info_bytes`). Ends and cookie are those of the trace: of a socket that was emptied the
/// kernel has others.
#[must_use]
pub fn record(socket: &Socket, said: &SocketDiag<'_>, info_bytes: usize, pid: u32) -> Option<Box<[u8]>> {
    let (info, meminfo, congestion) = (said.info?, said.meminfo?, said.congestion?);
    let mut record = laid_out(socket, info, info_bytes, pid)?;
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    let name = congestion.split(|byte| *byte == 0).next()?;
    put(CC_AT, &name[..name.len().min(CC_BYTES - 1)]);
    for (at, count) in meminfo.iter().enumerate() {
        put(MEMINFO_AT + 4 * at, &count.to_le_bytes());
    }
    if let Some(bbr) = said.bbr {
        put(HAS_BBR_AT, &[1]);
        put(BBR_AT, &bbr.bw.to_le_bytes());
        for (at, word) in [bbr.min_rtt, bbr.pacing_gain, bbr.cwnd_gain].iter().enumerate() {
            put(BBR_AT + 8 + 4 * at, &word.to_le_bytes());
        }
    }
    Some(record.into())
}

/// The record of the last tcp_info of a socket that closed, `pid` being who was told; `None` where the kernel gave less than the format
/// has (`info_bytes`). What the kernel does not tell of it is empty: see the [module](self).
#[must_use]
pub fn final_record(socket: &Socket, info: TcpInfo<'_>, info_bytes: usize, pid: u32) -> Option<Box<[u8]>> {
    Some(laid_out(socket, info, info_bytes, pid)?.into())
}

/// A record with whose it is and tcp_info in it.
fn laid_out(socket: &Socket, info: TcpInfo<'_>, info_bytes: usize, pid: u32) -> Option<Vec<u8>> {
    let info_bytes = TCP_INFO.iter().map(|(_, offset, size)| offset + size).filter(|end| *end <= info_bytes).max()?;
    let mut record = vec![0; INFO_AT + info_bytes];
    put_ends(&mut record, (PORTS_AT, ADDRESSES_AT), socket);
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &ID.to_le_bytes());
    put(4, &pid.to_le_bytes());
    put(COOKIE_AT, &socket.cookie.to_le_bytes());
    put(FAMILY_AT, &socket.family.to_le_bytes());
    put(BITS_AT, &info.bits().map(|(_, value)| value));
    put(INFO_AT, info.0.get(..info_bytes)?);
    Some(record)
}
