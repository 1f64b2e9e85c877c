//! What is shown where there is no terminal: a table, or a line of JSON.

use serde_json::{Map, Value, json};
use tcpprobe::diagnose::Cause;

use super::column::COLUMNS;
use super::model::Model;
use super::row::{Headline, Row};
use crate::owned;
use crate::paint::Paint;
use crate::table::Table;

/// Titles of columns for which a line has no room.
const LEFT_OUT: [&str; 2] = ["SSTHR", "CAUSES"];

/// The connections that are shown, as a table.
pub fn table(model: &Model, paint: Paint) -> String {
    let columns = || COLUMNS.iter().filter(|column| !LEFT_OUT.contains(&column.title));
    let columns: Vec<_> = columns().filter(|column| model.has_jobs() || column.title != "JOB").collect();
    let titles: Vec<String> =
        columns.iter().map(|column| format!("{}{}", column.title, if column.is_number { ">" } else { "" })).collect();
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for (row, _) in model.shown() {
        let headline = model.headline(row.key);
        table.row(None, columns.iter().map(|column| (column.cell)(row, headline)));
    }
    table.render(paint)
}

/// The same as JSON; `time_ns` is of the wall clock.
pub fn json(model: &Model, time_ns: i64) -> Value {
    let jobs = model.jobs.iter().map(|job| {
        json!({
            "name": job.name, "events": job.standing.events, "has_ended": job.standing.has_ended,
            "untracked": job.standing.untracked,
            "lost": job.standing.losses.lost, "gaps_unknown": job.standing.losses.gaps_unknown,
        })
    });
    let rows = model.shown().map(|(row, _)| connection(row, model.headline(row.key)));
    json!({
        "time_ns": time_ns,
        "jobs": jobs.collect::<Vec<_>>(),
        "connections": rows.collect::<Vec<_>>(),
        "left_out": model.chosen().len() - model.shown().count(),
    })
}

fn connection(row: &Row, headline: Option<&Headline>) -> Value {
    let mut causes: Map<String, Value> =
        Cause::ALL.iter().map(|&cause| (cause.name().to_owned(), json!(row.causes.of(cause)))).collect();
    causes.insert("spurious".into(), json!(row.causes.spurious));
    causes.insert("again".into(), json!(row.causes.again));
    causes.insert("not_sent".into(), json!(row.causes.not_sent));
    let known = |number: u32| (number > 0).then_some(number);
    json!({
        "job": &*row.job,
        "local": row.local.to_string(),
        "peer": row.peer.to_string(),
        "cookie": row.cookie,
        "owner": owned::to_json(row.told.owner.as_deref()),
        "congestion_control": row.told.congestion_control.as_deref(),
        "is_open": row.is_open,
        "quiet_ns": row.quiet_ns,
        "acked_bytes_per_second": f64::from(row.now.acked).round(),
        "received_bytes_per_second": f64::from(row.now.received).round(),
        "in_flight": row.now.in_flight,
        "cwnd": known(row.now.cwnd),
        "ssthresh": row.ssthresh,
        "srtt_us": known(row.now.srtt_us),
        "snd_wnd": row.windows.map(|(snd_wnd, _)| snd_wnd),
        "rcv_wnd": row.windows.map(|(_, rcv_wnd)| rcv_wnd),
        "retransmissions": causes,
        "headline": headline.map(|headline| json!({
            "limit": headline.name(),
            "share": headline.share,
            "certainty": if headline.is_exact { "exact" } else { "inferred" },
        })),
    })
}
