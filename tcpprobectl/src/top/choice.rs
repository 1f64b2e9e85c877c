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
