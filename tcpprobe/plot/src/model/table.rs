//! The table of the connections drawn, which is the legend too, and notes about what is not drawn.

use super::from_flows::{Choice, Connection, Counts, Metric, SSH_PORT};
use super::gap::{Gap, Lost};
use super::limits::words;
use crate::units::{bit_rate, bytes, counted, duration, grouped, millis, percent};

/// The connections drawn, a row each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What is over the names.
    pub name_heading: &'static str,
    /// What is over the cells.
    pub headings: Vec<String>,
    /// The one with the most traffic first.
    pub rows: Vec<Row>,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which of the colours it has everywhere: below [`TOP_MAX`](super::TOP_MAX).
    pub color: usize,
    /// Its two ends.
    pub name: String,
    /// One for each heading.
    pub cells: Vec<String>,
}

/// A column: what is over it, and what is in it.
type Column = (&'static str, fn(&Connection) -> String);

const COLUMNS: [Column; 10] = [
    ("owner", |one| one.owner()),
    ("cc", |one| one.congestion_control()),
    ("acked by peer", |one| bytes(one.bytes_acked())),
    ("received", |one| bytes(one.bytes_received())),
    ("duration", |one| duration(one.duration())),
    ("rate", |one| if one.duration() == 0 { "–".to_owned() } else { bit_rate(8.0 * one.rate() as f64) }),
    ("resent", |one| grouped(one.retransmissions())),
    ("cwnd, packets", |one| range_text(one.range(Metric::SndCwnd), |packets| grouped(packets.into()))),
    ("srtt, ms", |one| range_text(one.range(Metric::Srtt), millis)),
    ("held back by", |one| {
        one.headline().map_or_else(String::new, |(limit, share)| format!("{} {}", words(limit), percent(share)))
    }),
];

/// What was told of no connection has no column.
pub fn table(connections: &[Connection]) -> Table {
    let is_told = |(_, cell): &&Column| connections.is_empty() || connections.iter().any(|one| !cell(one).is_empty());
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_told).collect();
    let row = |one: &Connection| Row {
        color: one.row,
        name: one.name(),
        cells: columns.iter().map(|(_, cell)| cell(one)).collect(),
    };
    Table {
        name_heading: "connection, local → peer",
        headings: columns.iter().map(|(heading, _)| (*heading).to_owned()).collect(),
        rows: connections.iter().map(row).collect(),
    }
}

/// `12–340`, `12` where both are the same, `–` where there is none.
fn range_text(range: Option<(u32, u32)>, text: impl Fn(u32) -> String) -> String {
    match range {
        None => "–".to_owned(),
        Some((min, max)) => match (text(min), text(max)) {
            (min, max) if min == max => min,
            (min, max) => format!("{min} – {max}"),
        },
    }
}

/// What the reader must know beside the curves: what is not drawn, what was lost.
pub fn notes(counts: &Counts, choice: &Choice, gaps: &[Gap]) -> Vec<String> {
    let mut notes = Vec::new();
    if choice.more > 0 {
        let more = counted(choice.more as u64, "more connection", "more connections");
        notes.push(format!("and {more} ({} of bytes)", percent(choice.more_share)));
    }
    if choice.ends > 0 {
        let ends = counted(choice.ends as u64, "receiving end", "receiving ends");
        notes.push(format!("{ends} left out; --both-ends draws them too"));
    }
    if choice.ssh > 0 {
        let ssh = counted(choice.ssh as u64, "connection", "connections");
        notes.push(format!("{ssh} on port {SSH_PORT} (SSH) left out"));
    }
    if counts.events_beyond > 0 {
        let kept = counted(counts.connections, "connection", "connections");
        let beyond = counted(counts.events_beyond, "event", "events");
        notes.push(format!("{beyond} of connections beyond the first {kept}"));
    }
    if !gaps.is_empty() {
        notes.push(format!("{} in {} (shaded)", Lost::of(gaps), counted(gaps.len() as u64, "gap", "gaps")));
    }
    notes
}
