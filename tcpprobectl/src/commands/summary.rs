//! `summary`: the table of connections, or of what they have in common.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tcpprobe::diagnose::{Diagnosis, Histogram, Limit};

use super::{print, print_json};
use crate::cli::{GroupBy, SortBy, SummaryArgs};
use crate::diagnosed::{self, Diagnosed, words};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::paint::Paint;
use crate::recording::Recording;
use crate::say;
use crate::table::Table;

/// Rows of a table of itself.
const TOP: usize = 40;
/// Bits of an address that stand for a network, IPv4 and IPv6.
const PREFIXES: (u8, u8) = (24, 48);

pub fn run(socket: &Path, args: &SummaryArgs) -> Result<Exit> {
    let interrupt = Interrupt::install()?;
    let trace = Recording::of(socket, &args.source, &args.range, "summed up")?;
    let read = diagnosed::read(&trace, &args.range, &interrupt)?;
    let Diagnosed { connections, untracked, report, losses } = read;
    let mut rows = group(&connections, args);
    sort(&mut rows, args.sort);
    let all = rows.len();
    let is_table = !args.json && !args.csv;
    rows.truncate(args.top.unwrap_or(if is_table { TOP } else { usize::MAX }));
    if args.json {
        let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
        print_json(
            &json!({ "rows": rows, "untracked": untracked, "lost": losses.lost, "gaps_unknown": losses.gaps_unknown }),
        )?;
    } else if args.csv {
        print(&csv(&rows)?)?;
    } else {
        print(&table(&rows, args.by))?;
        if all > rows.len() {
            say(&format!("{} more; --top {all} has all", all - rows.len()));
        }
    }
    if untracked > 0 {
        say(&format!("{untracked} connections were too many to keep; --filter or --last narrows"));
    }
    Ok(report.sums(&losses))
}

/// Connections that have something in common; of one, it is that.
#[derive(Debug, Clone, Default)]
struct Row {
    key: String,
    connections: u64,
    /// Nanoseconds of all of them together.
    duration: u64,
    bytes_acked: u64,
    bytes_received: u64,
    /// What was acknowledged, in full segments.
    segments: u64,
    retransmissions: u64,
    rtts: Histogram,
    cwnds: Histogram,
    times: [u64; Limit::ALL.len()],
}

impl Row {
    fn add(&mut self, found: &Diagnosis) {
        self.connections += 1;
        self.duration += found.duration();
        self.bytes_acked += found.facts.bytes_acked;
        self.bytes_received += found.facts.bytes_received;
        self.segments += found.facts.bytes_acked.div_ceil(u64::from(found.facts.mss.max(1)));
        self.retransmissions += found.causes.total();
        self.rtts.merge(&found.rtts);
        self.cwnds.merge(&found.cwnds);
        found.intervals.iter().for_each(|interval| self.times[interval.limit as usize] += interval.to - interval.from);
    }

    fn bytes(&self) -> u64 {
        self.bytes_acked + self.bytes_received
    }

    /// Bytes a second.
    fn rate(&self) -> f64 {
        self.bytes() as f64 * 1e9 / self.duration.max(1) as f64
    }

    /// Share of segments that were sent again.
    fn loss(&self) -> f64 {
        self.retransmissions as f64 / (self.segments + self.retransmissions).max(1) as f64
    }

    /// The limit of most time other than idle, and its share of all.
    fn headline(&self) -> (Limit, f64) {
        let most = Limit::ALL
            .into_iter()
            .filter(|&limit| limit != Limit::Idle)
            .max_by_key(|&limit| self.times[limit as usize]);
        let limit = most.filter(|&limit| self.times[limit as usize] > 0).unwrap_or(Limit::Idle);
        (limit, self.times[limit as usize] as f64 / self.duration.max(1) as f64)
    }

    fn to_json(&self) -> Value {
        let (headline, share) = self.headline();
        json!({
            "key": self.key, "connections": self.connections, "duration_ns": self.duration,
            "bytes_acked": self.bytes_acked, "bytes_received": self.bytes_received, "bytes_per_second": self.rate(),
            "segments": self.segments, "retransmissions": self.retransmissions, "loss": self.loss(),
            "srtt_us": { "min": self.rtts.min(), "median": self.rtts.quantile(0.5), "p95": self.rtts.quantile(0.95) },
            "cwnd": { "min": self.cwnds.min(), "median": self.cwnds.quantile(0.5), "p95": self.cwnds.quantile(0.95) },
            "headline": headline.name(), "headline_share": share, "owner": null,
        })
    }
}

/// The first bits of an address, with their number.
fn network(address: IpAddr, prefix: Option<u8>) -> String {
    match address {
        IpAddr::V4(address) => {
            let bits = prefix.unwrap_or(PREFIXES.0).min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            format!("{}/{bits}", IpAddr::from((u32::from(address) & mask).to_be_bytes()))
        }
        IpAddr::V6(address) => {
            let bits = prefix.unwrap_or(PREFIXES.1).min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            format!("{}/{bits}", IpAddr::from((u128::from(address) & mask).to_be_bytes()))
        }
    }
}

fn group(found: &[Diagnosis], args: &SummaryArgs) -> Vec<Row> {
    let key = |found: &Diagnosis| match args.by {
        GroupBy::Connection => format!("{} → {}", found.connection.local, found.connection.peer),
        GroupBy::Peer => network(found.connection.peer.ip(), args.prefix),
        // The lower port is the service's.
        GroupBy::Port => found.connection.local.port().min(found.connection.peer.port()).to_string(),
        GroupBy::Cc if found.facts.is_rate_based => "by rate (bbr)".to_owned(),
        GroupBy::Cc => "by loss, or not seen".to_owned(),
        GroupBy::Process | GroupBy::Unit => "not recorded".to_owned(),
    };
    let (mut rows, mut places): (Vec<Row>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for diagnosis in found {
        let key = key(diagnosis);
        let is_one = args.by == GroupBy::Connection;
        let place = if is_one { None } else { places.get(&key).copied() };
        let place = place.unwrap_or_else(|| {
            rows.push(Row { key: key.clone(), ..Row::default() });
            if !is_one {
                places.insert(key, rows.len() - 1);
            }
            rows.len() - 1
        });
        rows[place].add(diagnosis);
    }
    rows
}

fn sort(rows: &mut [Row], by: SortBy) {
    let value = |row: &Row| match by {
        SortBy::Bytes => row.bytes() as f64,
        SortBy::Duration => row.duration as f64,
        SortBy::Rate => row.rate(),
        SortBy::Loss => row.loss(),
        SortBy::Retransmissions => row.retransmissions as f64,
        SortBy::Srtt => f64::from(row.rtts.quantile(0.5).unwrap_or(0)),
        SortBy::Connections => row.connections as f64,
    };
    rows.sort_by(|a, b| value(b).total_cmp(&value(a)));
}

/// Three digits and a unit of thousands.
fn short(value: f64) -> String {
    let units = ["", "k", "M", "G", "T"];
    let mut at = 0;
    let mut value = value;
    while value >= 999.5 && at + 1 < units.len() {
        (value, at) = (value / 1000.0, at + 1);
    }
    let digits = if at == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$}{}", units[at])
}

fn table(rows: &[Row], by: GroupBy) -> String {
    let title = match by {
        GroupBy::Connection => "CONNECTION",
        GroupBy::Peer => "PEER",
        GroupBy::Port => "PORT",
        GroupBy::Cc => "CONGESTION CONTROL",
        GroupBy::Process => "PROCESS",
        GroupBy::Unit => "UNIT",
    };
    let mut titles = vec![title];
    if by != GroupBy::Connection {
        titles.push("N>");
    }
    titles.extend(["TIME>", "DATA>", "BIT/S>", "LOSS>", "SRTT MS>", "CWND>", "HEADLINE"]);
    let mut table = Table::new(&titles);
    for row in rows {
        let ms = |us: Option<u32>| us.map_or("-".to_owned(), |us| format!("{:.1}", f64::from(us) / 1e3));
        let (limit, share) = row.headline();
        let mut cells = vec![row.key.clone()];
        if by != GroupBy::Connection {
            cells.push(row.connections.to_string());
        }
        cells.extend([
            format!("{:.1}s", row.duration as f64 / 1e9),
            short(row.bytes() as f64),
            short(row.rate() * 8.0),
            if row.retransmissions == 0 { "0".to_owned() } else { format!("{:.2}%", row.loss() * 100.0) },
            format!("{}/{}/{}", ms(row.rtts.min()), ms(row.rtts.quantile(0.5)), ms(row.rtts.quantile(0.95))),
            row.cwnds.quantile(0.5).map_or("-".to_owned(), |cwnd| cwnd.to_string()),
            format!("{} {:.0}%", words(limit), share * 100.0),
        ]);
        table.row(None, cells);
    }
    table.render(Paint::stdout())
}

fn csv(rows: &[Row]) -> Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "key",
        "connections",
        "duration_ns",
        "bytes_acked",
        "bytes_received",
        "bytes_per_second",
        "segments",
        "retransmissions",
        "loss",
        "srtt_min_us",
        "srtt_median_us",
        "srtt_p95_us",
        "cwnd_min",
        "cwnd_median",
        "cwnd_p95",
        "headline",
        "headline_share",
        "owner",
    ])?;
    for row in rows {
        let number = |value: Option<u32>| value.map_or(String::new(), |value| value.to_string());
        let (headline, share) = row.headline();
        out.write_record([
            row.key.clone(),
            row.connections.to_string(),
            row.duration.to_string(),
            row.bytes_acked.to_string(),
            row.bytes_received.to_string(),
            format!("{:.0}", row.rate()),
            row.segments.to_string(),
            row.retransmissions.to_string(),
            format!("{:.6}", row.loss()),
            number(row.rtts.min()),
            number(row.rtts.quantile(0.5)),
            number(row.rtts.quantile(0.95)),
            number(row.cwnds.min()),
            number(row.cwnds.quantile(0.5)),
            number(row.cwnds.quantile(0.95)),
            headline.name().to_owned(),
            format!("{share:.4}"),
            String::new(),
        ])?;
    }
    Ok(String::from_utf8(out.into_inner()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let check = |address: &str, prefix, expected: &str| {
            assert_eq!(address.parse().ok().map(|address| network(address, prefix)).as_deref(), Some(expected));
        };
        check("198.51.100.77", None, "198.51.100.0/24");
        check("198.51.100.77", Some(8), "198.0.0.0/8");
        check("198.51.100.77", Some(0), "0.0.0.0/0");
        check("198.51.100.77", Some(64), "198.51.100.77/32");
        check("2001:db8:1:2::3", None, "2001:db8:1::/48");
        check("2001:db8:1:2::3", Some(64), "2001:db8:1:2::/64");
    }

    #[test]
    fn short_numbers() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (1000.0, "1.0k"), (123_456.0, "123k"), (9_800_000.0, "9.8M"), (2.5e12, "2.5T")]
        {
            assert_eq!(short(value), text);
        }
    }
}
