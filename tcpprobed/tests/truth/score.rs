//! How well a diagnosis agrees with the truth.
//!
//! Headline: 1 where it is accepted, ½ for "mixed" with a quarter of the expected limit. Time: slots further than max(RTT, 20 ms) from any change
//! of the truth; where fewer than 30 % are that far, the shares are compared. Causes: 2 · Σ min ÷ Σ both.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use tcpprobe::diagnose::{Cause, Diagnoser, Diagnosis, Limit};
use tcpprobe::filter::Filter;
use tcpprobe::source::{EventFilter, Trace, Wanted};

use super::label::Slot;
use super::truth::Truth;

/// What of a trace is given to the diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The default events and what the kernel said once a second.
    Snapshots,
    /// The default events.
    Trace,
    /// tcp_probe and tcp_retransmit_skb.
    Plain,
    /// Both ends' events.
    Both,
}

/// Seconds: truth, said.
pub type Cells = BTreeMap<(usize, usize), f64>;

/// One connection's score.
pub struct Score {
    pub name: String,
    pub said: String,
    pub accept: Vec<String>,
    pub headline: Option<f64>,
    pub right: f64,
    pub judged: f64,
    pub seen: f64,
    pub window_points: f64,
    pub causes: Option<f64>,
    pub differ: String,
    pub missing_findings: Vec<String>,
    pub is_exact: bool,
    pub cells: Cells,
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

/// The diagnosis of the connection of a truth.
fn diagnose(folder: &Path, truth: &Truth, given: Given) -> Result<Option<Diagnosis>> {
    let (local, peer) = match truth.side.as_str() {
        "receiver" => (&truth.peer, &truth.local),
        _ => (&truth.local, &truth.peer),
    };
    let (own, other) = (port(local), port(peer));
    let events = match given {
        Given::Plain => vec!["tcp_probe".to_owned(), "tcp_retransmit_skb".to_owned()],
        _ => vec![],
    };
    // Both sockets have both ports; each event has those of its own socket first.
    let filter = match given {
        Given::Both => format!("sport == {own} || dport == {own}"),
        _ => format!(
            "sport == {own} && dport == {other} || sport == {own} && dport == 0 || sport == 0 && dport == {other}"
        ),
    };
    let wanted = Wanted { events: EventFilter::new(events, Some(Filter::parse(&filter)?)), ..Wanted::default() };
    let path = folder.join("trace.txt");
    let name = path.display().to_string();
    let input = std::fs::File::open(&path).with_context(|| name.clone())?;
    let mut diagnoser = Diagnoser::default();
    if given == Given::Snapshots {
        diagnoser.snapshots(truth.cookie, truth.snapshots.iter().copied());
    }
    for item in Trace::sniff(&name, input, wanted)? {
        diagnoser.item(&item?);
    }
    Ok(diagnoser
        .finish()
        .into_iter()
        .find(|found| found.connection.local.to_string() == *local && found.connection.peer.to_string() == *peer))
}

/// Scores one scenario.
pub fn score(folder: &Path, given: Given) -> Result<Score> {
    let mut truth = Truth::load(folder)?;
    if truth.holds().is_err() {
        truth.accept.clear();
    }
    let found = diagnose(folder, &truth, given)?;
    let (headline, _) = found.as_ref().map_or((None, 0.0), Diagnosis::headline);
    let said = found.as_ref().map_or("-".to_owned(), |_| headline.map_or("mixed", Limit::name).to_owned());
    let shares: BTreeMap<&str, f64> = found
        .as_ref()
        .map(|found| found.shares().into_iter().map(|(limit, share)| (limit.name(), share)).collect())
        .unwrap_or_default();
    let expected = truth.accept.first().cloned().unwrap_or_default();
    let right = match () {
        () if truth.accept.is_empty() => None,
        () if truth.accept.contains(&said) => Some(1.0),
        () if said == "mixed" && shares.get(expected.as_str()).is_some_and(|share| *share >= 0.25) => Some(0.5),
        () => Some(0.0),
    };
    let mut score = Score {
        name: truth.name.clone(),
        is_exact: found.as_ref().zip(headline).is_some_and(|(found, limit)| found.is_exact(limit)),
        said,
        accept: truth.accept.clone(),
        headline: right,
        right: 0.0,
        judged: 0.0,
        seen: 0.0,
        window_points: 0.0,
        causes: None,
        differ: String::new(),
        missing_findings: vec![],
        cells: Cells::new(),
    };
    let Some(found) = found else { return Ok(score) };
    times(&truth, &found, &mut score);
    let named: Vec<&str> = found.findings().iter().map(|found| found.name).collect();
    score.missing_findings = truth.findings.iter().filter(|name| !named.contains(&name.as_str())).cloned().collect();
    if let Some(counted) = truth.causes.as_ref().filter(|_| truth.side == "sender") {
        let said: Vec<u64> = Cause::ALL.iter().map(|&cause| found.causes.of(cause)).collect();
        let both: u64 = said.iter().chain(counted).sum();
        let same: u64 = said.iter().zip(counted).map(|(a, b)| a.min(b)).sum();
        score.causes = (both > 0).then(|| 2.0 * same as f64 / both as f64);
        let different = Cause::ALL.iter().zip(said.iter().zip(counted)).filter(|(_, (a, b))| a != b);
        score.differ =
            different.map(|(cause, (a, b))| format!("{} {a}/{b}", cause.name())).collect::<Vec<_>>().join(" ");
    }
    Ok(score)
}

fn times(truth: &Truth, found: &Diagnosis, score: &mut Score) {
    let said = |at: u64| {
        let intervals = &found.intervals;
        let next = intervals.partition_point(|interval| interval.to <= at);
        intervals.get(next).filter(|interval| interval.from <= at).map_or(Limit::Unseen, |interval| interval.limit)
    };
    let first = truth.from.max(found.from());
    let slots: Vec<(u64, &Slot)> = truth.slots.iter().enumerate().map(|(at, slot)| (truth.middle(at), slot)).collect();
    let inside: Vec<(u64, &Slot)> =
        slots.iter().copied().filter(|(at, slot)| !slot.is_empty() && *at >= first && *at <= truth.to).collect();
    let edges: Vec<u64> = slots
        .windows(2)
        .filter(|pair| !pair[0].1.iter().any(|limit| pair[1].1.contains(limit)))
        .map(|pair| pair[0].0.midpoint(pair[1].0))
        .collect();
    let margin = truth.rtt.max(20_000_000);
    let is_far = |at: u64| {
        let next = edges.partition_point(|edge| *edge < at);
        edges[next.saturating_sub(1)..(next + 1).min(edges.len())].iter().all(|edge| edge.abs_diff(at) > margin)
    };
    let judged: Vec<(u64, &Slot)> = inside.iter().copied().filter(|(at, _)| is_far(*at)).collect();
    let mut mine = [0.0; Limit::ALL.len()];
    inside.iter().for_each(|(at, _)| mine[said(*at) as usize] += 1.0 / inside.len().max(1) as f64);
    score.window_points = window_points(truth, found);
    if judged.len() * 10 < inside.len() * 3 {
        return by_shares(&inside, mine, score);
    }
    score.judged = judged.len() as f64;
    for (at, slot) in judged {
        let limit = said(at);
        let is_right = slot.contains(&limit);
        score.right += f64::from(u8::from(is_right));
        score.seen += f64::from(u8::from(limit != Limit::Unseen));
        *score.cells.entry((slot[0] as usize, if is_right { slot[0] } else { limit } as usize)).or_default() += 0.01;
    }
}

/// How far the share of the receiver's limits is from the kernel's own, over the time in which the socket was looked at.
fn window_points(truth: &Truth, found: &Diagnosis) -> f64 {
    let [from, to, limited] = truth.window;
    let of_receiver = found
        .intervals
        .iter()
        .filter(|interval| matches!(interval.limit, Limit::ReceiveWindow | Limit::ReceiverApplication));
    let said: u64 = of_receiver.map(|interval| interval.to.clamp(from, to) - interval.from.clamp(from, to)).sum();
    100.0 * said.abs_diff(limited) as f64 / to.saturating_sub(from).max(1) as f64
}

/// For truths that change within every round trip: how much of each was said, wherever.
fn by_shares(inside: &[(u64, &Slot)], mine: [f64; 15], score: &mut Score) {
    let (count, mut left) = (inside.len() as f64, mine);
    score.judged = count;
    score.seen = count * (1.0 - mine[Limit::Unseen as usize]);
    let mut needs: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
    for (_, slot) in inside {
        *needs.entry(slot.iter().map(|limit| *limit as usize).collect()).or_default() += 1.0 / count;
    }
    let mut needs: Vec<_> = needs.into_iter().collect();
    needs.sort_by_key(|(slot, _)| slot.len());
    let mut missing: Vec<(usize, f64)> = Vec::new();
    for (slot, mut need) in needs {
        for &limit in &slot {
            let got = need.min(left[limit]);
            (need, left[limit]) = (need - got, left[limit] - got);
            score.right += got * count;
            *score.cells.entry((slot[0], slot[0])).or_default() += got * count * 0.01;
        }
        missing.push((slot[0], need));
    }
    let total: f64 = missing.iter().map(|(_, need)| need).sum();
    for (first, need) in missing.into_iter().filter(|_| total > 0.0) {
        for (limit, rest) in left.iter().enumerate().filter(|(_, rest)| need * **rest > 1e-9) {
            *score.cells.entry((first, limit)).or_default() += need * rest / total * count * 0.01;
        }
    }
}

impl Score {
    fn line(&self) -> String {
        let mark = match self.headline {
            None => "  ",
            Some(1.0) => "ok",
            Some(0.0) => "NO",
            Some(_) => "½ ",
        };
        let exact = if self.is_exact { "exact" } else { "" };
        let mut line = format!(
            "{mark} {:20} {:20} {exact:5} time {:.2}  seen {:.2}  rwnd {:4.1}",
            self.name,
            self.said,
            self.right / self.judged.max(1.0),
            self.seen / self.judged.max(1.0),
            self.window_points
        );
        if let Some(causes) = self.causes {
            line += &format!("  causes {causes:.2} {}", self.differ);
        }
        if !self.missing_findings.is_empty() {
            line += &format!("  lacks {}", self.missing_findings.join(" "));
        }
        let wrong =
            self.cells.iter().filter(|((truth, said), time)| truth != said && **time > 0.04 * 0.01 * self.judged);
        for ((truth, said), time) in wrong {
            line += &format!("  {}→{} {time:.2} s", Limit::ALL[*truth].name(), Limit::ALL[*said].name());
        }
        if self.headline.is_some_and(|headline| headline < 1.0) {
            line += &format!("  expected {}", self.accept.join("/"));
        }
        line
    }
}

fn short(limit: Limit) -> String {
    limit.name().split('_').map(|word| &word[..word.len().min(4)]).collect::<String>().chars().take(8).collect()
}

/// Lines, confusion matrix, and sums.
pub fn print(title: &str, scores: &[Score], is_brief: bool) {
    println!("== {title}");
    for score in scores {
        let is_odd = score.headline.is_some_and(|right| right < 1.0)
            || score.right < 0.9 * score.judged
            || score.causes.is_some_and(|causes| causes < 1.0)
            || !score.missing_findings.is_empty();
        if !is_brief || is_odd {
            println!("{}", score.line());
        }
    }
    let mut cells = Cells::new();
    scores.iter().flat_map(|score| &score.cells).for_each(|(cell, time)| *cells.entry(*cell).or_default() += time);
    let columns: Vec<Limit> =
        Limit::ALL.into_iter().filter(|limit| cells.keys().any(|cell| cell.1 == *limit as usize)).collect();
    println!("\nseconds, truth down, said across (edges left out)");
    println!("{:20}{}", "", columns.iter().map(|limit| format!("{:>9}", short(*limit))).collect::<String>());
    let mut f1 = Vec::new();
    for row in Limit::ALL.into_iter().filter(|limit| cells.keys().any(|cell| cell.0 == *limit as usize)) {
        let of = |limit: Limit| cells.get(&(row as usize, limit as usize)).copied().unwrap_or(0.0);
        let cell =
            |limit: &Limit| if of(*limit) < 0.05 { format!("{:>9}", ".") } else { format!("{:9.1}", of(*limit)) };
        println!("{:20}{}", row.name(), columns.iter().map(cell).collect::<String>());
        let wrong: f64 =
            cells.iter().filter(|((a, b), _)| (*a == row as usize) != (*b == row as usize)).map(|(_, time)| time).sum();
        f1.push(2.0 * of(row) / (2.0 * of(row) + wrong).max(1e-9));
    }
    let judged: f64 = scores.iter().map(|score| score.judged).sum::<f64>().max(1.0);
    let heads: Vec<f64> = scores.iter().filter_map(|score| score.headline).collect();
    let causes: Vec<f64> = scores.iter().filter_map(|score| score.causes).collect();
    let mut windows: Vec<f64> = scores.iter().map(|score| score.window_points).collect();
    windows.sort_by(f64::total_cmp);
    println!(
        "headline {}/{}, time agreement {:.3}, seen {:.2}, macro-F1 {:.2}, rwnd p95 {:.1} points, causes {:.3}, findings missed {}\n",
        heads.iter().sum::<f64>(),
        heads.len(),
        scores.iter().map(|score| score.right).sum::<f64>() / judged,
        scores.iter().map(|score| score.seen).sum::<f64>() / judged,
        f1.iter().sum::<f64>() / f1.len().max(1) as f64,
        windows.get((windows.len() * 95 / 100).min(windows.len().saturating_sub(1))).unwrap_or(&0.0),
        causes.iter().sum::<f64>() / causes.len().max(1) as f64,
        scores.iter().map(|score| score.missing_findings.len()).sum::<usize>(),
    );
}
