//! The fields of an event of ftrace text, by the names that they have in a record.

use std::borrow::Cow;
use std::net::SocketAddr;

use tcpprobe::event::{Event, TcpProbe, TcpRetransmitSkb};
use tcpprobe::kernel::text::TextEvent;

use super::columns::Cell;

/// The columns of typed events.
pub const TYPED: [&str; 19] = [
    "saddr",
    "daddr",
    "sport",
    "dport",
    "family",
    "state",
    "err",
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
];

/// A value with its name.
pub type Named<'a> = (&'a str, Cell<'a>);

/// The fields that are typed, and those that are only words: what newer kernels added, all of an untyped event.
#[must_use]
pub fn cells<'a>(event: &TextEvent<'a>) -> (Vec<Named<'a>>, Vec<Named<'a>>) {
    let typed = match &event.event {
        Some(Event::TcpProbe(probe)) => of_probe(probe),
        Some(Event::TcpRetransmitSkb(retransmit)) => of_retransmit(retransmit),
        None => Vec::new(),
    };
    (typed, event.extras().map(|(name, value)| (name, word(value))).collect())
}

/// A number, where it is written as one.
fn word(value: &str) -> Cell<'_> {
    if let Ok(number) = value.parse::<u64>() {
        return Cell::Unsigned(number);
    }
    match value.parse::<i64>() {
        Ok(number) => Cell::Signed(number),
        Err(_) => Cell::Text(Cow::Borrowed(value)),
    }
}

fn ends(family: u16, src: SocketAddr, dest: SocketAddr) -> Vec<Named<'static>> {
    vec![
        ("saddr", Cell::Address(src.ip())),
        ("daddr", Cell::Address(dest.ip())),
        ("sport", Cell::Unsigned(src.port().into())),
        ("dport", Cell::Unsigned(dest.port().into())),
        ("family", Cell::Unsigned(family.into())),
    ]
}

fn of_probe(probe: &TcpProbe) -> Vec<Named<'static>> {
    let mut cells = ends(probe.family, probe.src, probe.dest);
    let number = |value: u32| Cell::Unsigned(value.into());
    cells.extend([
        ("mark", number(probe.mark)),
        ("data_len", number(probe.data_len.into())),
        ("snd_nxt", number(probe.snd_nxt)),
        ("snd_una", number(probe.snd_una)),
        ("snd_cwnd", number(probe.snd_cwnd)),
        ("ssthresh", number(probe.ssthresh)),
        ("snd_wnd", number(probe.snd_wnd)),
        ("srtt", number(probe.srtt)),
        ("rcv_wnd", number(probe.rcv_wnd)),
    ]);
    cells.extend(said(probe.sock_cookie).map(|cookie| ("sock_cookie", Cell::Unsigned(cookie))));
    cells.extend(pointers(probe.skbaddr, probe.skaddr));
    cells
}

fn of_retransmit(retransmit: &TcpRetransmitSkb) -> Vec<Named<'static>> {
    let mut cells = ends(retransmit.family, retransmit.src, retransmit.dest);
    cells.extend(said(retransmit.state.into()).map(|state| ("state", Cell::Unsigned(state))));
    cells.extend(retransmit.err.map(|err| ("err", Cell::Signed(err.into()))));
    cells.extend(pointers(retransmit.skbaddr, retransmit.skaddr));
    cells
}

fn pointers(skbaddr: u64, skaddr: u64) -> impl Iterator<Item = Named<'static>> {
    let both = [("skbaddr", skbaddr), ("skaddr", skaddr)];
    both.into_iter().filter_map(|(name, id)| Some((name, Cell::Pointer(said(id)?))))
}

/// A number that is 0 where the text does not have it.
fn said(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}
