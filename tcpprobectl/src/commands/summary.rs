//! `summary`: the table of connections, or of what they have in common.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use tcpprobe::diagnose::{Diagnosis, End, Limit, Summary};
use tcpprobe::event::Owner;
use tcpprobe::source::Losses;

use super::{Each, print, print_json};
use crate::cli::{GroupBy, SortBy, SummaryArgs};
use crate::diagnosed::{self, Diagnosed, words};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::owned;
use crate::paint::Paint;
use crate::recording::{self, Recording};
use crate::say;
use crate::table::Table;
use crate::value::count;

/// Rows of a table of itself.
const TOP: usize = 40;
/// The key of connections of which it was not told.
const UNKNOWN: &str = "not known";
/// Bits of an address that stand for a network, IPv4 and IPv6.
const PREFIXES: (u8, u8) = (24, 48);

pub fn run(socket: &Path, args: &SummaryArgs) -> Result<Exit> {
    let interrupt = Interrupt::install()?;
    let traces = Recording::several(socket, &args.sources, &args.range, "summed up")?;
    let [trace] = &traces[..] else { return compare(&traces, args, &interrupt) };
    let read = diagnosed::read(trace, &args.range, &interrupt)?;
    let Diagnosed { connections, untracked, report, losses } = read;
    let mut rows = group(&connections, args);
    sort(&mut rows, args.sort);
    let all = rows.len();
    let is_table = !args.json && !args.csv;
    rows.truncate(args.top.unwrap_or(if is_table { TOP } else { usize::MAX }));
    if args.json {
        print_json(&Whole::new(Each(&rows, Row::to_json), untracked, &losses))?;
    } else if args.csv {
        print(&csv(&rows)?)?;
    } else {
        print(&table(&rows, args.by))?;
        if all > rows.len() {
            say(&format!("{} more; --top {all} has all", all - rows.len()));
        }
    }
    say_untracked(untracked);
    Ok(report.sums(&losses))
}

/// Several traces: a row each, of all their connections, of two ends the sender's.
fn compare(traces: &[Recording], args: &SummaryArgs, interrupt: &Interrupt) -> Result<Exit> {
    if args.by != GroupBy::Connection {
        let hint = "leave it out, or give one trace";
        return Err(Failure::new(Exit::Usage, "--by is of one trace, and several are compared", hint).into());
    }
    let headings = recording::headings(traces, &args.sources, args.range.filter.as_deref());
    let (mut rows, mut exit, mut losses) = (Vec::new(), Exit::Ok, Losses::default());
    let (mut untracked, mut told) = (0, Vec::new());
    for (trace, heading) in traces.iter().zip(headings) {
        let read = diagnosed::read(trace, &args.range, interrupt)?;
        let mut row = Row { key: heading, ..Row::default() };
        let senders = read.connections.iter().filter(|found| found.end != Some(End::Receiver));
        senders.for_each(|found| row.sums.add(found));
        rows.push(row);
        losses.lost += read.losses.lost;
        losses.gaps_unknown += read.losses.gaps_unknown;
        untracked += read.untracked;
        told.push((read.report, read.losses));
    }
    if args.json {
        let each = Each(&rows, |row: &Row| with_limits(row.to_json(), &row.sums));
        print_json(&Whole::new(each, untracked, &losses))?;
    } else if args.csv {
        print(&csv(&rows)?)?;
    } else {
        print(&differences(rows))?;
        say("in brackets: against the first; duration and rate are the mean of a connection");
    }
    say_untracked(untracked);
    for (report, losses) in told {
        let sums = report.sums(&losses);
        exit = if exit == Exit::Ok { sums } else { exit };
    }
    Ok(exit)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Whole<R> {
    gaps_unknown: u64,
    lost: u64,
    rows: R,
    untracked: u64,
}

impl<R> Whole<R> {
    fn new(rows: R, untracked: u64, losses: &Losses) -> Self {
        Whole { gaps_unknown: losses.gaps_unknown, lost: losses.lost, rows, untracked }
    }
}

fn say_untracked(untracked: u64) {
    if untracked > 0 {
        say(&format!("{untracked} connections were too many to keep; --filter or --last narrows"));
    }
}

/// The row with the share of each limit that has any.
fn with_limits(mut row: Value, sums: &Summary) -> Value {
    let shares = Limit::ALL.into_iter().map(|limit| (limit, sums.share(limit))).filter(|(_, share)| *share > 0.0);
    row["limits"] = shares.map(|(limit, share)| (limit.name().to_owned(), json!(share))).collect();
    row
}

/// The table of differences, as a plot of the same traces has it.
fn differences(rows: Vec<Row>) -> String {
    let names: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
    let sums: Vec<(&str, Summary)> =
        names.iter().map(String::as_str).zip(rows.into_iter().map(|row| row.sums)).collect();
    let told = tcpprobe_plot::differences(&sums);
    let headings = told.headings.iter().map(|heading| format!("{}>", heading.to_uppercase()));
    let titles: Vec<String> = std::iter::once(told.name_heading.to_uppercase()).chain(headings).collect();
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for row in told.rows {
        table.row(None, std::iter::once(row.name).chain(row.cells));
    }
    table.render(Paint::stdout())
}

/// A row of the table.
#[derive(Debug, Default)]
struct Row {
    key: String,
    sums: Summary,
    /// Of a row of one connection, or of one process.
    owner: Option<Arc<Owner>>,
}

impl Row {
    fn to_json(&self) -> Value {
        let Row { key, sums, .. } = self;
        let (headline, share) = sums.headline();
        json!({
            "key": key, "connections": sums.connections, "events": sums.events, "duration_ns": sums.duration,
            "bytes_acked": sums.bytes_acked, "bytes_received": sums.bytes_received, "bytes_per_second": sums.rate(),
            "segments": sums.segments, "retransmissions": sums.retransmissions, "loss": sums.loss(),
            "causes": sums.causes.to_json(),
            "srtt_us": { "min": sums.rtts.min(), "median": sums.rtts.quantile(0.5), "p95": sums.rtts.quantile(0.95) },
            "cwnd": { "min": sums.cwnds.min(), "median": sums.cwnds.quantile(0.5), "p95": sums.cwnds.quantile(0.95) },
            "headline": headline.name(), "headline_share": share,
            "owner": owned::to_json(self.owner.as_deref()),
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
        GroupBy::Cc => found.told.congestion_control.as_deref().unwrap_or(UNKNOWN).to_owned(),
        GroupBy::Process => found.told.owner.as_ref().map_or(UNKNOWN.to_owned(), |owner| owned::process(owner)),
        GroupBy::Unit => match &found.told.owner {
            Some(owner) if !owner.unit.is_empty() => owned::printable(&owner.unit),
            Some(owner) if !owner.container.is_empty() => owned::printable(&owner.container),
            Some(_) => "of no unit".to_owned(),
            None => UNKNOWN.to_owned(),
        },
    };
    let (mut rows, mut places): (Vec<Row>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for diagnosis in found {
        let key = key(diagnosis);
        let is_one = args.by == GroupBy::Connection;
        let place = if is_one { None } else { places.get(&key).copied() };
        let place = place.unwrap_or_else(|| {
            let owner = found_owner(diagnosis, args.by);
            rows.push(Row { key: key.clone(), owner, ..Row::default() });
            if !is_one {
                places.insert(key, rows.len() - 1);
            }
            rows.len() - 1
        });
        rows[place].sums.add(diagnosis);
    }
    rows
}

/// The owner that stands in a row.
fn found_owner(found: &Diagnosis, by: GroupBy) -> Option<Arc<Owner>> {
    found.told.owner.clone().filter(|_| matches!(by, GroupBy::Connection | GroupBy::Process))
}

fn sort(rows: &mut [Row], by: SortBy) {
    let value = |Row { sums, .. }: &Row| match by {
        SortBy::Bytes => sums.bytes() as f64,
        SortBy::Duration => sums.duration as f64,
        SortBy::Rate => sums.rate(),
        SortBy::Loss => sums.loss(),
        SortBy::Retransmissions => sums.retransmissions as f64,
        SortBy::Srtt => f64::from(sums.rtts.quantile(0.5).unwrap_or(0)),
        SortBy::Connections => sums.connections as f64,
    };
    rows.sort_by(|a, b| value(b).total_cmp(&value(a)));
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
    let has_owners = by == GroupBy::Connection && rows.iter().any(|row| row.owner.is_some());
    let mut titles = vec![title];
    if by != GroupBy::Connection {
        titles.push("N>");
    }
    titles.extend(["TIME>", "DATA>", "BIT/S>", "LOSS>", "SRTT MS>", "CWND>", "HEADLINE"]);
    if has_owners {
        titles.push("OWNER");
    }
    let mut table = Table::new(&titles);
    for Row { key, sums, owner } in rows {
        let ms = |us: Option<u32>| us.map_or("-".to_owned(), |us| format!("{:.1}", f64::from(us) / 1e3));
        let (limit, share) = sums.headline();
        let mut cells = vec![key.clone()];
        if by != GroupBy::Connection {
            cells.push(sums.connections.to_string());
        }
        cells.extend([
            format!("{:.1}s", sums.duration as f64 / 1e9),
            count::short(sums.bytes() as f64),
            count::short(sums.rate() * 8.0),
            if sums.retransmissions == 0 { "0".to_owned() } else { format!("{:.2}%", sums.loss() * 100.0) },
            format!("{}/{}/{}", ms(sums.rtts.min()), ms(sums.rtts.quantile(0.5)), ms(sums.rtts.quantile(0.95))),
            sums.cwnds.quantile(0.5).map_or("-".to_owned(), |cwnd| cwnd.to_string()),
            format!("{} {:.0}%", words(limit), share * 100.0),
        ]);
        if has_owners {
            cells.push(owner.as_ref().map_or("-".to_owned(), |owner| owned::process(owner)));
        }
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
    for Row { key, sums, owner } in rows {
        let number = |value: Option<u32>| value.map_or(String::new(), |value| value.to_string());
        let (headline, share) = sums.headline();
        out.write_record([
            key.clone(),
            sums.connections.to_string(),
            sums.duration.to_string(),
            sums.bytes_acked.to_string(),
            sums.bytes_received.to_string(),
            format!("{:.0}", sums.rate()),
            sums.segments.to_string(),
            sums.retransmissions.to_string(),
            format!("{:.6}", sums.loss()),
            number(sums.rtts.min()),
            number(sums.rtts.quantile(0.5)),
            number(sums.rtts.quantile(0.95)),
            number(sums.cwnds.min()),
            number(sums.cwnds.quantile(0.5)),
            number(sums.cwnds.quantile(0.95)),
            headline.name().to_owned(),
            format!("{share:.4}"),
            owner.as_ref().map_or(String::new(), |owner| owned::in_words(owner)),
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
}
