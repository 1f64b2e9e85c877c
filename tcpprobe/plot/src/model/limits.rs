//! The panel of limits: what held each connection back, over time.

use super::Scene;
use super::from_flows::{Cause, Connection, Limit, joined};
use super::panel::{Content, Ink, Key, Lane, Panel, Sort, Span};
use crate::units::percent;

/// Limits of a single connection that have lanes of their own.
const LANES: usize = 6;
/// Connections that last for less than this part of the time have no lane of their own: it would show a pixel.
const SHORT: u64 = 200;
/// A smaller share has no lane and no key.
const SHARE_MIN: f64 = 0.005;

pub fn panel(scene: &Scene) -> Panel {
    let (keys, lanes) = match scene.connections {
        [one] => (Vec::new(), by_limit(one)),
        all => {
            let least = (scene.range.1 - scene.range.0) / SHORT;
            let seen = all.iter().filter(|one| one.duration() >= least && one.limits().next().is_some());
            (keys(all), seen.map(by_connection).collect())
        }
    };
    let remarks: &[&str] = if keys.is_empty() { &["what held the connection back, inferred"] } else { &[] };
    Panel {
        name: "Limits",
        of: None,
        unit: None,
        keys,
        remarks: remarks.iter().map(|&remark| remark.to_owned()).collect(),
        if_empty: "not told",
        content: Content::Lanes(lanes),
    }
}

/// The time of a single connection, in the colours of its limits.
pub fn backdrop(one: &Connection) -> Vec<Span> {
    let seen = spans(one).filter(|span| !matches!(span.ink, Ink::Sort(Sort::Idle | Sort::Unseen)));
    joined(seen)
}

fn spans(one: &Connection) -> impl Iterator<Item = Span> {
    one.limits().map(|(limit, from_ns, to_ns)| Span { from_ns, to_ns, ink: Ink::Sort(sort(limit)) })
}

fn by_limit(one: &Connection) -> Vec<Lane> {
    let shares = one.limit_shares().into_iter().filter(|(_, share)| *share >= SHARE_MIN).take(LANES);
    let lane = |(limit, share): (Limit, f64)| {
        let of_it = one.limits().filter(|(other, _, _)| *other == limit);
        let spans = of_it.map(|(_, from_ns, to_ns)| Span { from_ns, to_ns, ink: Ink::Sort(sort(limit)) });
        Lane {
            ink: Ink::Any,
            label: format!("{} {}", words(limit), percent(share)),
            bars: Vec::new(),
            spans: joined(spans),
        }
    };
    shares.map(lane).collect()
}

fn by_connection(one: &Connection) -> Lane {
    let label =
        one.headline().map_or("mixed".to_owned(), |(limit, share)| format!("{} {}", words(limit), percent(share)));
    Lane { ink: Ink::Row(one.row), label, bars: Vec::new(), spans: joined(spans(one)) }
}

/// What the colours mean: those of the most time first.
fn keys(connections: &[Connection]) -> Vec<Key> {
    let mut times: Vec<(Limit, u64)> = Vec::new();
    let mut all = 0;
    for (limit, from, to) in connections.iter().flat_map(Connection::limits) {
        all += to - from;
        match times.iter_mut().find(|(other, _)| *other == limit) {
            Some((_, time)) => *time += to - from,
            None => times.push((limit, to - from)),
        }
    }
    times.retain(|(_, time)| *time as f64 >= SHARE_MIN * all as f64);
    times.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let key = |(limit, _): (Limit, u64)| Key { ink: Ink::Sort(sort(limit)), shape: None, text: words(limit) };
    times.into_iter().map(key).collect()
}

pub fn words(limit: Limit) -> String {
    limit.name().replace('_', " ")
}

/// What a limit has in common with others: its colour.
#[must_use]
pub fn sort(limit: Limit) -> Sort {
    match limit {
        Limit::Idle => Sort::Idle,
        Limit::Unseen | Limit::Connecting => Sort::Unseen,
        Limit::SenderApplication => Sort::Sender,
        Limit::SmallWrites | Limit::RoundTrips => Sort::Exchange,
        Limit::SendBuffer | Limit::SenderHost => Sort::Host,
        Limit::ReceiveWindow => Sort::Receiver,
        Limit::ReceiverApplication => Sort::Reader,
        Limit::WindowGrowth => Sort::Growth,
        Limit::Bandwidth => Sort::Path,
        Limit::PacketLoss => Sort::Loss,
        Limit::Policer => Sort::Policer,
        Limit::Timeout => Sort::Timeout,
    }
}

/// What a cause has in common with limits.
#[must_use]
pub fn sort_of_cause(cause: Cause) -> Sort {
    match cause {
        Cause::Fast => Sort::Loss,
        Cause::Timeout | Cause::SlowStart => Sort::Timeout,
        Cause::TailLossProbe => Sort::Probe,
        Cause::Syn | Cause::SynAck => Sort::Unseen,
        Cause::Mtu => Sort::Host,
        Cause::WindowProbe => Sort::Receiver,
    }
}
