//! What is found, as JSON: what `tcpprobectl diagnose --json` prints, and other programs get.

use serde_json::{Map, Value, json};

use super::{Cause, Causes, Diagnosis, End, Interval, Limit};
use crate::event::Owner;
use crate::source::Losses;

/// All connections that were found, worst first, at most so many of them; and what is missing.
///
/// ```
/// use tcpprobe::diagnose::{Diagnoser, report};
///
/// let mut diagnoser = Diagnoser::default();
/// let mut trace = tcpprobe::open("../fixtures/diagnose/rcvbuf/trace.tcpp")?;
/// for item in &mut trace {
///     diagnoser.item(&item?);
/// }
/// let untracked = diagnoser.untracked();
/// let report = report(diagnoser.finish(), usize::MAX, untracked, trace.losses());
/// assert_eq!(report["connections"][0]["headline"]["limit"], "receive_window");
/// # Ok::<(), tcpprobe::Error>(())
/// ```
#[must_use]
pub fn report(mut found: Vec<Diagnosis>, most: usize, untracked: u64, losses: &Losses) -> Value {
    // The longest held back first.
    found.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.held()));
    let connections: Vec<Value> = found.iter().take(most).map(Diagnosis::to_json).collect();
    json!({
        "connections": connections, "untracked": untracked, "lost": losses.lost, "gaps_unknown": losses.gaps_unknown,
    })
}

fn certainty(is_exact: bool) -> &'static str {
    if is_exact { "exact" } else { "inferred" }
}

impl Diagnosis {
    /// What is found of the connection, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (headline, share) = self.headline();
        let limits: Map<String, Value> =
            self.shares().iter().map(|(limit, share)| (limit.name().to_owned(), json!(share))).collect();
        let interval = |i: &Interval| json!({ "from_ns": i.from, "to_ns": i.to, "limit": i.limit.name(), "certainty": certainty(i.is_exact) });
        let findings: Vec<Value> =
            self.findings().into_iter().map(|found| json!({ "finding": found.name, "text": found.text })).collect();
        let said = headline.map(|limit| self.words(limit)).unwrap_or_default();
        let end = self.end.map(|end| if end == End::Sender { "sender" } else { "receiver" });
        json!({
            "local": self.connection.local.to_string(),
            "peer": self.connection.peer.to_string(),
            "cookie": self.connection.cookie,
            "owner": self.told.owner.as_deref().map(Owner::to_json),
            "congestion_control": self.told.congestion_control.as_deref(),
            "end": end,
            "from_ns": self.from(),
            "to_ns": self.to(),
            "headline": {
                "limit": headline.map_or("mixed", Limit::name),
                "share": share,
                "certainty": certainty(headline.is_some_and(|limit| self.is_exact(limit))),
            },
            "limits": limits,
            "intervals": self.intervals.iter().map(interval).collect::<Vec<_>>(),
            "retransmissions": self.causes.to_json(),
            "findings": findings,
            "evidence": said.evidence,
            "remedy": said.remedy,
        })
    }
}

impl Causes {
    /// How many of each cause, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let beside = [("spurious", self.spurious), ("again", self.again), ("not_sent", self.not_sent)];
        let all = Cause::ALL.iter().map(|&cause| (cause.name(), self.of(cause))).chain(beside);
        all.map(|(name, count)| (name.to_owned(), count.into())).collect()
    }
}
