//! Connections by their ends, as people write them: `ADDR`, `:PORT`, `ADDR:PORT`, or two of these with a comma between.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::file::block::connection_id;

/// All connections that have these ends, whichever of them is the local one.
///
/// ```
/// use tcpprobe::flow::Ends;
/// let ends: Ends = ":443".parse()?;
/// assert_eq!(ends.filter(), "((sport == 443) || (dport == 443))");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    one: End,
    other: Option<End>,
}

/// An end, as far as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    ip: Option<IpAddr>,
    port: Option<u16>,
}

impl Ends {
    /// The same as a filter.
    #[must_use]
    pub fn filter(&self) -> String {
        let own = |end: End| end.filter("saddr", "sport");
        let peer = |end: End| end.filter("daddr", "dport");
        match self.other {
            None => format!("({} || {})", own(self.one), peer(self.one)),
            Some(other) => {
                format!("({} && {} || {} && {})", own(self.one), peer(other), own(other), peer(self.one))
            }
        }
    }

    /// The ids of the connections, where both ends are whole: by them, what does not hold them need not be read.
    #[must_use]
    pub fn ids(&self) -> Option<[u64; 2]> {
        let (one, other) = (self.one.whole()?, self.other?.whole()?);
        Some([connection_id(one, other), connection_id(other, one)])
    }
}

impl End {
    fn filter(self, address: &str, port: &str) -> String {
        let terms =
            [self.ip.map(|ip| format!("{address} == {ip}")), self.port.map(|number| format!("{port} == {number}"))];
        format!("({})", terms.into_iter().flatten().collect::<Vec<_>>().join(" && "))
    }

    fn whole(self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.ip?, self.port?))
    }
}

impl FromStr for Ends {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ends = text.split(',').map(|end| end.trim().parse::<End>());
        let one = ends.next().ok_or("no end is given")??;
        let other = ends.next().transpose()?;
        match ends.next() {
            None => Ok(Ends { one, other }),
            Some(_) => Err("a connection has two ends".to_owned()),
        }
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        let (ip, port) = if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            (None, Some(port))
        } else if let Ok(end) = text.parse::<SocketAddr>() {
            (Some(end.ip()), Some(end.port()))
        } else if let Some(ip) = text.parse().ok().or_else(in_brackets) {
            (Some(ip), None)
        } else {
            return Err(format!("{text:?} is no end; write ADDR, :PORT, ADDR:PORT or [IPv6]:PORT"));
        };
        Ok(End { ip: ip.map(|ip| ip.to_canonical()), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Result<String, String> {
        text.parse::<Ends>().map(|ends| ends.filter())
    }

    #[test]
    fn ends_are_filters() {
        for (text, expected) in [
            (":443", "((sport == 443) || (dport == 443))"),
            ("10.0.0.1", "((saddr == 10.0.0.1) || (daddr == 10.0.0.1))"),
            ("::ffff:10.0.0.1", "((saddr == 10.0.0.1) || (daddr == 10.0.0.1))"),
            ("[2001:db8::1]:80", "((saddr == 2001:db8::1 && sport == 80) || (daddr == 2001:db8::1 && dport == 80))"),
            (
                "10.0.0.1:80,10.0.0.2",
                "((saddr == 10.0.0.1 && sport == 80) && (daddr == 10.0.0.2) || \
                 (saddr == 10.0.0.2) && (daddr == 10.0.0.1 && dport == 80))",
            ),
        ] {
            assert_eq!(filter(text).as_deref(), Ok(expected), "{text}");
            assert!(crate::filter::Filter::parse(expected).is_ok(), "{expected}");
        }
        for text in ["", "443", "a.example", ":70000", "10.0.0.1:80,:1,:2", "10.0.0.1:", ","] {
            assert!(filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_connections_have_ids() {
        let ids = |text: &str| text.parse::<Ends>().unwrap().ids();
        let (a, b) = ("10.0.0.1:80".parse().unwrap(), "10.0.0.2:5000".parse().unwrap());
        assert_eq!(ids("10.0.0.1:80,10.0.0.2:5000"), Some([connection_id(a, b), connection_id(b, a)]));
        assert_eq!(ids("10.0.0.1:80"), None);
        assert_eq!(ids("10.0.0.1:80,10.0.0.2"), None);
    }
}
