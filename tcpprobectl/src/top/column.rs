//! The columns of the table.

use super::row::{Headline, Row, SortKey};
use crate::diagnosed::words;
use crate::escape;
use crate::value::count;

/// A column.
pub struct Column {
    pub title: &'static str,
    /// What sorts by it.
    pub key: Option<SortKey>,
    /// Cells are so wide, and cut beyond it. A column of 0 is as wide as what is left.
    pub width: usize,
    pub is_number: bool,
    /// Where there is no room for all, those with the highest go first.
    pub order: u8,
    /// What stands in it, with nothing in it that a terminal would obey.
    pub cell: fn(&Row, Option<&Headline>) -> String,
}

/// The narrowest connection that tells something.
pub const ENDS_WIDTH: usize = 34;

const TEXT: Column = Column { title: "", key: None, width: 0, is_number: false, order: 0, cell: |_, _| String::new() };
const NUMBER: Column = Column { is_number: true, ..TEXT };

/// From left to right.
pub const COLUMNS: [Column; 11] = [
    Column { title: "JOB", width: 10, order: 5, cell: |row, _| escape::text(&row.job).into_owned(), ..TEXT },
    Column { title: "CONNECTION", key: Some(SortKey::Connection), cell: |row, _| row.ends(), ..TEXT },
    Column { title: "BIT/S", key: Some(SortKey::Rate), width: 6, cell: |row, _| bits(row.rate()), ..NUMBER },
    Column {
        title: "FLIGHT",
        key: Some(SortKey::InFlight),
        width: 7,
        order: 2,
        cell: |row, _| count::short(row.now.in_flight.into()),
        ..NUMBER
    },
    Column {
        title: "CWND",
        key: Some(SortKey::Cwnd),
        width: 5,
        order: 1,
        cell: |row, _| or_dash(row.now.cwnd, |cwnd| cwnd.to_string()),
        ..NUMBER
    },
    Column {
        title: "SSTHR",
        width: 5,
        order: 8,
        cell: |row, _| row.ssthresh.map_or("-".to_owned(), |ssthresh| ssthresh.to_string()),
        ..NUMBER
    },
    Column {
        title: "SRTT MS",
        key: Some(SortKey::Srtt),
        width: 8,
        order: 1,
        cell: |row, _| or_dash(row.now.srtt_us, millis),
        ..NUMBER
    },
    Column {
        title: "RESENT",
        key: Some(SortKey::Retransmissions),
        width: 7,
        order: 1,
        cell: |row, _| count::short(row.causes.total() as f64),
        ..NUMBER
    },
    Column { title: "CAUSES", width: 20, order: 6, cell: |row, _| row.causes(), ..TEXT },
    Column { title: "HELD BACK BY", width: 25, order: 3, cell: |row, headline| held_back(row, headline), ..TEXT },
    Column { title: "OWNER", key: Some(SortKey::Owner), width: 18, order: 4, cell: |row, _| row.owner(), ..TEXT },
];

fn held_back(row: &Row, headline: Option<&Headline>) -> String {
    match headline {
        _ if !row.is_open => "closed".to_owned(),
        Some(Headline { limit: Some(limit), share, .. }) => format!("{} {:.0}%", words(*limit), share * 100.0),
        Some(_) => "mixed".to_owned(),
        None => String::new(),
    }
}

/// Bits a second of bytes a second, in three digits.
pub fn bits(bytes_per_s: f32) -> String {
    count::short(8.0 * f64::from(bytes_per_s))
}

/// Milliseconds of microseconds.
pub fn millis(us: u32) -> String {
    let ms = f64::from(us) / 1e3;
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.1}") }
}

/// A number that is not known where it is 0.
fn or_dash(number: u32, text: impl Fn(u32) -> String) -> String {
    if number == 0 { "-".to_owned() } else { text(number) }
}
