//! `diagnose`: what holds each connection back, and why it retransmitted.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ratatui::crossterm::terminal;
use serde::Serialize;
use tcpprobe::diagnose::{Cause, Diagnosis, End, Finding, Limit};

use super::{Each, print, print_json, print_json_line};
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
/// Lines that are left for what is said besides: of losses, and where the cursor stands.
const SAID: usize = 3;
/// Cursor home, clear to the end of the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

pub fn run(socket: &Path, args: &DiagnoseArgs) -> Result<Exit> {
    let interrupt = Interrupt::install()?;
    if !args.watch {
        return once(socket, args, &interrupt, false);
    }
    let mut told = Exit::Ok;
    let is_terminal = io::stdout().is_terminal() && !args.json;
    while !interrupt.came() {
        match once(socket, args, &interrupt, is_terminal) {
            Ok(exit) => told = exit,
            // There may be some the next time.
            Err(error) if exit::code(&error) == Exit::NoData => {
                if is_terminal {
                    print(&format!("{CLEAR}{}\n", exit::line(&error)))?;
                }
                told = Exit::NoData;
            }
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
    found.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.held()));
    if args.json {
        found.truncate(args.top.unwrap_or(usize::MAX));
        let connections = Each(&found, Diagnosis::to_json);
        let all = Whole { connections, gaps_unknown: losses.gaps_unknown, lost: losses.lost, untracked };
        if args.watch { print_json_line(&all)? } else { print_json(&all)? }
    } else {
        let mut text = to_text(&found, args.top.unwrap_or(TOP));
        if untracked > 0 {
            text.push_str(&format!("{untracked} connections were too many to keep; --filter or --last narrows\n"));
        }
        if clear {
            text = CLEAR.to_owned() + &on_screen(&text, terminal::size().map_or(24, |(_, height)| height.into()));
        }
        print(&text)?;
    }
    Ok(report.sums(&losses))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Whole<C> {
    connections: C,
    gaps_unknown: u64,
    lost: u64,
    untracked: u64,
}

/// As much of `text` as a screen of so many lines shows without letting the first ones go; the last are for what is said besides.
fn on_screen(text: &str, height: usize) -> String {
    let (lines, room) = (text.lines().count(), height.saturating_sub(SAID).max(1));
    if lines <= room {
        return text.to_owned();
    }
    let mut shown: String = text.lines().take(room - 1).map(|line| format!("{line}\n")).collect();
    shown.push_str(&format!("{} more lines; --top, --filter or a higher terminal show others\n", lines - (room - 1)));
    shown
}

fn certainty(is_exact: bool) -> &'static str {
    if is_exact { "exact" } else { "inferred" }
}

fn to_text(found: &[Diagnosis], top: usize) -> String {
    // What is said of the sender's end holds for both.
    let found: Vec<&Diagnosis> = found.iter().filter(|diagnosis| diagnosis.end != Some(End::Receiver)).collect();
    let (bad, good): (Vec<&Diagnosis>, Vec<&Diagnosis>) =
        found.into_iter().partition(|diagnosis| diagnosis.held() > 0 || diagnosis.findings().iter().any(is_trouble));
    let (receivers, good): (Vec<&Diagnosis>, Vec<&Diagnosis>) =
        good.into_iter().partition(|diagnosis| diagnosis.headline().0 == Some(Limit::Unseen));
    let mut text = String::new();
    for diagnosis in bad.iter().take(top) {
        text.push_str(&one(diagnosis));
    }
    if bad.len() > top {
        let (count, all) = (bad.len() - top, bad.len());
        let by = by_limit(&bad[top..]);
        let more = format!("{count} more are held back for less time ({by}); --top {all} or --json has all");
        text.push_str(&wrap("", &more, 2));
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

/// Whether it is more than what the trace is of.
fn is_trouble(finding: &Finding) -> bool {
    finding.name != "both_ends"
}

/// How many each limit holds back most, the most of them first.
fn by_limit(found: &[&Diagnosis]) -> String {
    let mut counts: Vec<(usize, Option<Limit>)> = Vec::new();
    for diagnosis in found {
        let most = diagnosis.shares().into_iter().map(|(limit, _)| limit).find(|limit| !limit.is_well());
        match counts.iter_mut().find(|(_, limit)| *limit == most) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, most)),
        }
    }
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let named =
        |(count, limit): &(usize, Option<Limit>)| format!("{} {count}", limit.map_or("other".to_owned(), words));
    counts.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn one(diagnosis: &Diagnosis) -> String {
    let seconds = diagnosis.duration() as f64 / 1e9;
    let bytes = diagnosis.facts.bytes_acked.max(diagnosis.facts.bytes_received);
    let bits = bytes as f64 * 8.0 / seconds.max(1e-9);
    let rate = if bits < 1e6 { format!("{:.0} kbit/s", bits / 1e3) } else { format!("{:.1} Mbit/s", bits / 1e6) };
    let mut text =
        format!("{} → {}   {seconds:.1} s, {rate} of data\n", diagnosis.connection.local, diagnosis.connection.peer);
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

#[cfg(test)]
mod tests {
    use super::on_screen;

    #[test]
    fn the_first_lines_stay_on_the_screen() {
        let text: String = (1..=50).map(|n| format!("line {n}\n")).collect();
        for height in [1, 3, 4, 10, 24, 52] {
            let shown = on_screen(&text, height);
            assert!(shown.lines().count() <= height.saturating_sub(3).max(1), "{height}: {shown}");
            assert!(height < 5 || shown.starts_with("line 1\n"), "{height}: {shown}");
        }
        assert!(
            on_screen(&text, 10).ends_with("line 6\n44 more lines; --top, --filter or a higher terminal show others\n")
        );
        assert_eq!(on_screen(&text, 53), text);
    }
}
