//! `diagnose`: what holds each connection back, and why it retransmitted.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tcpprobe::diagnose::{Cause, Diagnoser, Diagnosis, Limit, Words};
use tcpprobe::source::{EventFilter, Item, Losses};

use super::{print, print_json};
use crate::cli::DiagnoseArgs;
use crate::exit::Exit;
use crate::filter;
use crate::interrupt::Interrupt;
use crate::recording::Recording;
use crate::report::Report;

/// Connections that are told in full; the others are one line.
const SHOWN_MAX: usize = 20;

pub fn run(socket: &Path, args: &DiagnoseArgs) -> Result<Exit> {
    let filter = filter::of_connection(&[], args.range.filter.as_deref(), args.range.connection.as_ref())?;
    let trace = Recording::of(socket, &args.source, &args.range, "diagnosed")?;
    let interrupt = Interrupt::install()?;
    let (Found { connections: mut found, untracked }, report, losses) = read(&trace, &filter, &interrupt)?;
    report.require_events(found.len() as u64, &losses)?;
    // Worst first: the longest held back.
    found.sort_by_key(|diagnosis| std::cmp::Reverse(held_ns(diagnosis)));
    if args.json {
        let connections: Vec<Value> = found.iter().map(to_json).collect();
        print_json(
            &json!({ "connections": connections, "untracked": untracked, "lost": losses.lost, "gaps_unknown": losses.gaps_unknown }),
        )?;
    } else {
        print(&to_text(&found))?;
        if untracked > 0 {
            print(&format!("{untracked} connections were too many to keep; --filter or --last narrows\n"))?;
        }
    }
    Ok(report.sums(&losses))
}

/// The connections of a trace, and how many more there were.
struct Found {
    connections: Vec<Diagnosis>,
    untracked: u64,
}

fn read(trace: &Recording, filter: &EventFilter, interrupt: &Interrupt) -> Result<(Found, Report, Losses)> {
    let mut report = Report::new(&trace.title());
    let mut diagnoser = Diagnoser::default();
    let mut items = trace.open(filter, Diagnoser::fields(), interrupt)?;
    for item in &mut items {
        let item = item?;
        diagnoser.item(&item);
        match item {
            Item::Begin(about) => trace.require_times(&about)?,
            Item::Problem(problem) => report.tell(&problem),
            _ => {}
        }
    }
    let untracked = diagnoser.untracked();
    let losses = *items.losses();
    Ok((Found { connections: diagnoser.finish(), untracked }, report, losses))
}

/// Time in which something held it back that somebody could mend.
fn held_ns(diagnosis: &Diagnosis) -> u64 {
    let is_well = |limit| matches!(limit, Limit::Idle | Limit::SenderApplication | Limit::Unseen);
    diagnosis.intervals.iter().filter(|i| !is_well(i.limit)).map(|i| i.to - i.from).sum()
}

fn to_json(diagnosis: &Diagnosis) -> Value {
    let (headline, share) = diagnosis.headline();
    let certainty = |is_exact: bool| if is_exact { "exact" } else { "inferred" };
    let limits: Map<String, Value> =
        diagnosis.shares().iter().map(|(limit, share)| (limit.name().to_owned(), json!(share))).collect();
    let interval = |i: &tcpprobe::diagnose::Interval| json!({ "from_ns": i.from, "to_ns": i.to, "limit": i.limit.name(), "certainty": certainty(i.is_exact) });
    let mut causes: Map<String, Value> =
        Cause::ALL.iter().map(|&cause| (cause.name().to_owned(), json!(diagnosis.causes.of(cause)))).collect();
    causes.insert("spurious".into(), json!(diagnosis.causes.spurious));
    causes.insert("not_sent".into(), json!(diagnosis.causes.not_sent));
    let findings: Vec<Value> =
        diagnosis.findings().into_iter().map(|found| json!({ "finding": found.name, "text": found.text })).collect();
    let Words { evidence, remedy } = headline.map(|limit| diagnosis.words(limit)).unwrap_or_default();
    json!({
        "local": diagnosis.connection.local.to_string(),
        "peer": diagnosis.connection.peer.to_string(),
        "cookie": diagnosis.connection.cookie,
        "owner": null,
        "from_ns": diagnosis.from(),
        "to_ns": diagnosis.to(),
        "headline": {
            "limit": headline.map_or("mixed", Limit::name),
            "share": share,
            "certainty": certainty(headline.is_some_and(|limit| diagnosis.is_exact(limit))),
        },
        "limits": limits,
        "intervals": diagnosis.intervals.iter().map(interval).collect::<Vec<_>>(),
        "retransmissions": causes,
        "findings": findings,
        "evidence": evidence,
        "remedy": remedy,
    })
}

fn to_text(found: &[Diagnosis]) -> String {
    let (bad, good): (Vec<&Diagnosis>, Vec<&Diagnosis>) = found.iter().partition(|diagnosis| held_ns(diagnosis) > 0);
    let mut text = String::new();
    for diagnosis in bad.iter().take(SHOWN_MAX) {
        text.push_str(&one(diagnosis));
    }
    if bad.len() > SHOWN_MAX {
        text.push_str(&format!("{} more are held back for less time; --json has all\n", bad.len() - SHOWN_MAX));
    }
    if !good.is_empty() {
        let s = if good.len() == 1 { " is" } else { "s are" };
        text.push_str(&format!("{} connection{s} not held back: as fast as the application asks\n", good.len()));
    }
    text
}

fn one(diagnosis: &Diagnosis) -> String {
    let seconds = diagnosis.duration() as f64 / 1e9;
    let rate = diagnosis.facts.bytes_acked as f64 * 8.0 / seconds.max(1e-9) / 1e6;
    let mut text = format!(
        "{} → {}   {seconds:.1} s, {rate:.1} Mbit/s of data\n",
        diagnosis.connection.local, diagnosis.connection.peer
    );
    let (headline, share) = diagnosis.headline();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let words = |limit: Limit| limit.name().replace('_', " ");
    if let Some(limit) = headline {
        let certainty = if diagnosis.is_exact(limit) { "exact" } else { "inferred" };
        let Words { evidence, remedy } = diagnosis.words(limit);
        text.push_str(&wrap("  ", &format!("{} {} ({certainty})   {evidence}", words(limit), percent(share))));
        if !remedy.is_empty() {
            text.push_str(&wrap("    ", &format!("→ {remedy}")));
        }
    }
    let others = diagnosis.shares().into_iter().filter(|(limit, share)| Some(*limit) != headline && *share >= 0.005);
    let mut parts: Vec<String> = others.map(|(limit, share)| format!("{} {}", words(limit), percent(share))).collect();
    if diagnosis.causes.total() > 0 {
        let causes = Cause::ALL.into_iter().filter(|&cause| diagnosis.causes.of(cause) > 0);
        let causes: Vec<String> =
            causes.map(|cause| format!("{} {}", diagnosis.causes.of(cause), cause.name().replace('_', " "))).collect();
        parts.push(format!("{} retransmissions: {}", diagnosis.causes.total(), causes.join(", ")));
    }
    if !parts.is_empty() {
        text.push_str(&wrap("  ", &parts.join(" · ")));
    }
    for found in diagnosis.findings() {
        text.push_str(&wrap("  ", &found.text));
    }
    text
}

/// Breaks a line at 80 columns.
fn wrap(indent: &str, words: &str) -> String {
    let (mut text, mut line) = (String::new(), indent.to_owned());
    for word in words.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > 80 && line.trim() != "" {
            text.push_str(line.trim_end());
            text.push('\n');
            line = format!("{indent}  ");
        }
        line.push_str(word);
        line.push(' ');
    }
    text + line.trim_end() + "\n"
}
