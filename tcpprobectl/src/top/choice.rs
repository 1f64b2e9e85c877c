//! Which connections a filter chooses as they are now.

use tcpprobe::event::Owner;
use tcpprobe::file::OWN_CPU;
use tcpprobe::filter::{Context, Ends, Filter, Predicate};
use tcpprobe::kernel::format::Format;

use super::row::{Headline, Row};
use crate::diagnosed::Whole;
use crate::exit::Failure;
use crate::filter;
use crate::owned::Owned;

/// A row as a record: its ends are those of its socket, and its numbers have the kernel's names where it has one.
const FORMAT: &str = "name: connection
ID: 1
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:__u64 sock_cookie;\toffset:16;\tsize:8;\tsigned:0;
\tfield:__u64 rate;\toffset:24;\tsize:8;\tsigned:0;
\tfield:__u32 snd_cwnd;\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u32 ssthresh;\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u32 snd_wnd;\toffset:40;\tsize:4;\tsigned:0;
\tfield:__u32 rcv_wnd;\toffset:44;\tsize:4;\tsigned:0;
\tfield:__u32 srtt;\toffset:48;\tsize:4;\tsigned:0;
\tfield:__u32 in_flight;\toffset:52;\tsize:4;\tsigned:0;
\tfield:__u32 retransmissions;\toffset:56;\tsize:4;\tsigned:0;

print fmt: \"\"
";

/// What a filter asks of connections.
#[derive(Debug, Default)]
pub struct Choice {
    whole: Whole,
    owned: Owned,
    values: Option<Predicate>,
    /// A part of what is shown of it: what is no filter.
    word: Option<String>,
}

impl Choice {
    /// Reads a filter; a word without a comparison is looked for in addresses, owners and jobs.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let word = text.trim();
        if !word.is_empty() && !word.contains(['=', '<', '>', '&', '|', '~', '!', '{', '(', '"', '\'']) {
            return Ok(Choice { word: Some(word.to_lowercase()), ..Choice::default() });
        }
        let mut rest = filter::parse(text)?;
        let whole = Whole::take(&mut rest)?;
        let owned = Owned::take(&mut rest)?;
        Ok(Choice { whole, owned, values: values(&rest)?, word: None })
    }

    /// Whether it must know what holds connections back.
    pub fn asks_limits(&self) -> bool {
        self.whole.asks_limits()
    }

    /// Whether a connection is meant. What is not known of its limits meets no term about them.
    pub fn fits(&self, row: &Row, headline: Option<&Headline>) -> bool {
        let limit = headline.and_then(|headline| headline.limit);
        self.word.as_ref().is_none_or(|word| has_word(row, word))
            && self.owned.fits(&row.told)
            && self.values.as_ref().is_none_or(|values| values.matches(&record(row), &context(row)))
            && self.whole.fits_sums(limit, &row.causes)
    }
}

fn values(rest: &Filter) -> Result<Option<Predicate>, Failure> {
    let Some(format) = Format::parse("tcpprobe", FORMAT).ok().filter(|_| !rest.is_all()) else { return Ok(None) };
    rest.check([&format]).map_err(|error| filter::failure(&error, rest.text()))?;
    Ok(Some(rest.predicate(&format)))
}

fn has_word(row: &Row, word: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(word);
    let of_owner = |owner: &Owner| {
        [&owner.comm, &owner.exe, &owner.unit, &owner.container].iter().any(|text| has(&String::from_utf8_lossy(text)))
    };
    has(&row.ends())
        || has(&row.job)
        || has(&row.owner())
        || row.told.owner.as_ref().is_some_and(|owner| of_owner(owner))
}

fn context(row: &Row) -> Context<'_> {
    Context { cpu: OWN_CPU, comm: None, pid: None, ends: Ends::Of(row.socket()) }
}

fn record(row: &Row) -> [u8; 64] {
    let mut record = [0; 64];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &1_u16.to_le_bytes());
    put(8, &1_u64.to_le_bytes());
    put(16, &row.cookie.to_le_bytes());
    put(24, &((8.0 * row.rate()) as u64).to_le_bytes());
    let (snd_wnd, rcv_wnd) = row.windows.unwrap_or_default();
    let retransmissions = row.causes.total().try_into().unwrap_or(u32::MAX);
    let numbers = [
        row.now.cwnd,
        row.ssthresh.unwrap_or(tcpprobe::event::SSTHRESH_INFINITE),
        snd_wnd,
        rcv_wnd,
        row.now.srtt_us,
        row.now.in_flight,
        retransmissions,
    ];
    numbers.iter().enumerate().for_each(|(at, number)| put(32 + 4 * at, &number.to_le_bytes()));
    record
}

#[cfg(test)]
mod tests {
    use tcpprobe::diagnose::{Limit, Stretch};

    use super::*;
    use crate::exit::Exit;
    use crate::top::row::tests::{row, row_of};

    #[track_caller]
    fn check(text: &str, row: &Row, headline: Option<Limit>, expected: bool) {
        let headline = headline.map(|limit| Headline { limit: Some(limit), share: 0.9, is_exact: false });
        assert_eq!(Choice::parse(text).unwrap().fits(row, headline.as_ref()), expected, "{text}");
    }

    #[test]
    fn connections_are_chosen_as_they_are() {
        let seen = row_of(9, b"nginx", b"nginx.service");
        for (text, is_chosen) in [
            ("", true),
            ("sport == 443", true),
            ("port == 4009 && saddr == 10.0.0.0/8", true),
            ("dport == 80", false),
            ("daddr == 192.0.2.0", true),
            ("!(addr == 192.0.2.0/24)", false),
            ("srtt > 19ms && srtt < 20ms", true),
            ("srtt > 20ms", false),
            ("snd_cwnd == 14", true),
            ("ssthresh == 2147483647", true),
            ("in_flight >= 2896", true),
            ("rate > 71999", true),
            ("rate > 72000", false),
            ("retransmissions == 0", true),
            ("snd_wnd == 65536 && rcv_wnd == 65536", true),
            ("unit == nginx.service && cc == bbr", true),
            ("comm == \"nginx\" && sport == 443", true),
            ("comm == \"curl\"", false),
            ("cc == cubic", false),
            ("uid == 33 || uid == 0", true),
            ("cause == timeout", false),
            ("family == AF_INET", true),
        ] {
            check(text, &seen, None, is_chosen);
        }
        check("limit == receive_window", &seen, Some(Limit::ReceiveWindow), true);
        check("limit == receive_window && sport == 1", &seen, Some(Limit::ReceiveWindow), false);
        check("limit == receive_window", &seen, Some(Limit::Idle), false);
        check("limit == receive_window", &seen, None, false);
        // Of nobody that is known.
        check("unit == nginx.service", &row(9), None, false);
        let v6 = Row { local: "[fd99::1]:443".parse().unwrap(), family: 10, ..row(1) };
        check("saddr == fd99::/16 && family == AF_INET6", &v6, None, true);
        check("rate > 1000000000000", &Row { now: Stretch { acked: 1e12, ..v6.now }, ..v6 }, None, true);
    }

    #[test]
    fn a_word_is_looked_for_in_what_is_shown() {
        let seen = row_of(9, b"nginx", b"web.service");
        for (text, is_chosen) in [
            ("192.0.2", true),
            (":4009", true),
            ("NGINX", true),
            (" web.serv ", true),
            ("[812]", true),
            ("curl", false),
            ("198.51", false),
        ] {
            check(text, &seen, None, is_chosen);
        }
        assert!(!Choice::parse("nginx").unwrap().asks_limits());
        assert!(Choice::parse("limit == timeout").unwrap().asks_limits());
    }

    #[test]
    fn what_no_row_has_is_refused() {
        for text in ["sprot == 80", "sport = 80", "limit == slow", "skbaddr == 1 && (", "state == ESTABLISHED"] {
            assert_eq!(Choice::parse(text).map(|_| ()).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }
}
