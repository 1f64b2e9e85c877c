//! `diagnose`: what holds each connection back, and why it retransmitted.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tcpprobe::diagnose::{Cause, Diagnosis, End, Interval, Limit};

use super::{print, print_json, print_json_line};
use crate::cli::DiagnoseArgs;
use crate::diagnosed::{self, Diagnosed, words};
use crate::escape;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::owned;
use crate::recording::Recording;
use crate::wrap::wrap;

/// Connections that are told in full of themselves; the others are one line.
const TOP: usize = 20;
/// How often `--watch` looks, and how soon Ctrl-C is noticed.
const WATCH: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_millis(100);
/// Cursor home, clear to the end of the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

pub fn run(socket: &Path, args: &DiagnoseArgs) -> Result<Exit> {
    let interrupt = Interrupt::install()?;
    if !args.watch {
        return once(socket, args, &interrupt, false);
    }
    let mut told = Exit::Ok;
    while !interrupt.came() {
        match once(socket, args, &interrupt, io::stdout().is_terminal()) {
            Ok(exit) => told = exit,
            // There may be some the next time.
            Err(error) if exit::code(&error) == Exit::NoData => told = Exit::NoData,
            Err(_) if interrupt.came() => break,
            Err(error) => return Err(error),
        }
        let mut waited = Duration::ZERO;
        while waited < WATCH && !interrupt.came() {
            thread::sleep(PATIENCE);
            waited += PATIENCE;
        }
    }
    Ok(told)
}

fn once(socket: &Path, args: &DiagnoseArgs, interrupt: &Interrupt, clear: bool) -> Result<Exit> {
    let trace = Recording::of(socket, &args.source, &args.range, "diagnosed")?;
    let read = diagnosed::read(&trace, &args.range, interrupt)?;
    let Diagnosed { connections: mut found, untracked, report, losses } = read;
    // Worst first: the longest held back.
    found.sort_by_key(|diagnosis| std::cmp::Reverse(held_ns(diagnosis)));
    if args.json {
        let most = args.top.unwrap_or(usize::MAX);
        let connections: Vec<Value> = found.iter().take(most).map(to_json).collect();
        let all = json!({ "connections": connections, "untracked": untracked, "lost": losses.lost, "gaps_unknown": losses.gaps_unknown });
        if args.watch { print_json_line(&all)? } else { print_json(&all)? }
    } else {
        let mut text = if clear { CLEAR.to_owned() } else { String::new() };
        text.push_str(&to_text(&found, args.top.unwrap_or(TOP)));
        if untracked > 0 {
            text.push_str(&format!("{untracked} connections were too many to keep; --filter or --last narrows\n"));
        }
        print(&text)?;
    }
    Ok(report.sums(&losses))
}

/// Time in which something held it back that somebody could mend.
fn held_ns(diagnosis: &Diagnosis) -> u64 {
    if diagnosis.end == Some(End::Receiver) {
        return 0;
    }
    let is_well = |limit| matches!(limit, Limit::Idle | Limit::SenderApplication | Limit::Unseen);
    diagnosis.intervals.iter().filter(|i| !is_well(i.limit)).map(|i| i.to - i.from).sum()
}

fn certainty(is_exact: bool) -> &'static str {
    if is_exact { "exact" } else { "inferred" }
}

fn to_json(diagnosis: &Diagnosis) -> Value {
    let (headline, share) = diagnosis.headline();
    let limits: Map<String, Value> =
        diagnosis.shares().iter().map(|(limit, share)| (limit.name().to_owned(), json!(share))).collect();
    let interval = |i: &Interval| json!({ "from_ns": i.from, "to_ns": i.to, "limit": i.limit.name(), "certainty": certainty(i.is_exact) });
    let findings: Vec<Value> =
        diagnosis.findings().into_iter().map(|found| json!({ "finding": found.name, "text": found.text })).collect();
    let said = headline.map(|limit| diagnosis.words(limit)).unwrap_or_default();
    let end = diagnosis.end.map(|end| if end == End::Sender { "sender" } else { "receiver" });
    json!({
        "local": diagnosis.connection.local.to_string(),
        "peer": diagnosis.connection.peer.to_string(),
        "cookie": diagnosis.connection.cookie,
        "owner": owned::to_json(diagnosis.told.owner.as_deref()),
        "congestion_control": diagnosis.told.congestion_control.as_deref(),
        "end": end,
        "from_ns": diagnosis.from(),
        "to_ns": diagnosis.to(),
        "headline": {
            "limit": headline.map_or("mixed", Limit::name),
            "share": share,
            "certainty": certainty(headline.is_some_and(|limit| diagnosis.is_exact(limit))),
        },
        "limits": limits,
        "intervals": diagnosis.intervals.iter().map(interval).collect::<Vec<_>>(),
        "retransmissions": diagnosed::causes(&diagnosis.causes),
        "findings": findings,
        "evidence": said.evidence,
        "remedy": said.remedy,
    })
}

fn to_text(found: &[Diagnosis], top: usize) -> String {
    // What is said of the sender's end holds for both.
    let found: Vec<&Diagnosis> = found.iter().filter(|diagnosis| diagnosis.end != Some(End::Receiver)).collect();
    let (bad, good): (Vec<&Diagnosis>, Vec<&Diagnosis>) =
        found.into_iter().partition(|diagnosis| held_ns(diagnosis) > 0 || !diagnosis.findings().is_empty());
    let (receivers, good): (Vec<&Diagnosis>, Vec<&Diagnosis>) =
        good.into_iter().partition(|diagnosis| diagnosis.headline().0 == Some(Limit::Unseen));
    let mut text = String::new();
    for diagnosis in bad.iter().take(top) {
        text.push_str(&one(diagnosis));
    }
    if bad.len() > top {
        text.push_str(&format!(
            "{} more are held back for less time; --top {} or --json has all\n",
            bad.len() - top,
            bad.len()
        ));
    }
    let are = |list: &[&Diagnosis]| {
        if list.len() == 1 { "1 connection is".to_owned() } else { format!("{} connections are", list.len()) }
    };
    if !good.is_empty() {
        text.push_str(&format!("{} not held back: as fast as the application asks\n", are(&good)));
    }
    if !receivers.is_empty() {
        let words =
            format!("{} not seen from here, and not held back by this end: record at the other one", are(&receivers));
        text.push_str(&wrap("", &words, 2));
    }
    text
}

fn one(diagnosis: &Diagnosis) -> String {
    let seconds = diagnosis.duration() as f64 / 1e9;
    let bytes = diagnosis.facts.bytes_acked.max(diagnosis.facts.bytes_received);
    let rate = bytes as f64 * 8.0 / seconds.max(1e-9) / 1e6;
    let mut text = format!(
        "{} → {}   {seconds:.1} s, {rate:.1} Mbit/s of data\n",
        diagnosis.connection.local, diagnosis.connection.peer
    );
    if let Some(owner) = &diagnosis.told.owner {
        let cc =
            diagnosis.told.congestion_control.as_ref().map_or(String::new(), |cc| format!(", {}", escape::text(cc)));
        text.push_str(&wrap("  ", &format!("of {}{cc}", owned::in_words(owner)), 4));
    }
    let (headline, share) = diagnosis.headline();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if let Some(limit) = headline {
        let said = diagnosis.words(limit);
        let certainty = certainty(diagnosis.is_exact(limit));
        let line = format!("{} {} ({certainty})   {}", words(limit), percent(share), said.evidence);
        text.push_str(&wrap("  ", &line, 4));
        if !said.remedy.is_empty() {
            text.push_str(&wrap("    ", &format!("→ {}", said.remedy), 6));
        }
    }
    let others = diagnosis.shares().into_iter().filter(|(limit, share)| Some(*limit) != headline && *share >= 0.005);
    let mut parts: Vec<String> = others.map(|(limit, share)| format!("{} {}", words(limit), percent(share))).collect();
    let total = diagnosis.causes.total();
    if total > 0 {
        let causes = Cause::ALL.into_iter().filter(|&cause| diagnosis.causes.of(cause) > 0);
        let causes: Vec<String> =
            causes.map(|cause| format!("{} {}", diagnosis.causes.of(cause), cause.name().replace('_', " "))).collect();
        let s = if total == 1 { "" } else { "s" };
        parts.push(format!("{total} retransmission{s}: {}", causes.join(", ")));
    }
    if !parts.is_empty() {
        text.push_str(&wrap("  ", &parts.join(" · "), 4));
    }
    for found in diagnosis.findings() {
        text.push_str(&wrap("  ", &found.text, 4));
    }
    text
}
