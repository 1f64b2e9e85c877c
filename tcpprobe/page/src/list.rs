//! What is said of each connection, and where its columns are.

use serde_json::{Value, json};
use tcpprobe::diagnose::{Cause, Diagnosis, End, Limit};
use tcpprobe::event::Owner;
use tcpprobe::flow::Flow;

use crate::chunks::{Chunks, Place};
use crate::columns::{column, put};
use crate::rows::Track;

/// The entry of a connection; times count from `zero`. `place` says where its columns are.
pub fn entry(flow: &Flow<'_>, track: &Track, found: Option<&Diagnosis>, place: Place, zero: u64) -> Value {
    let totals = flow.totals;
    let told = found.map_or(flow.told, |found| if flow.told.owner.is_some() { flow.told } else { &found.told });
    let seconds = (totals.last_time - totals.first_time).max(1) as f64 / 1e9;
    let bytes = totals.bytes_acked.max(totals.bytes_received);
    let mut entry = json!({
        "local": flow.connection.local.to_string(),
        "peer": flow.connection.peer.to_string(),
        "owner": told.owner.as_ref().map_or(Value::Null, |owner| of_owner(owner)),
        "cc": told.congestion_control.as_deref(),
        "from": totals.first_time.saturating_sub(zero),
        "to": totals.last_time.saturating_sub(zero),
        "acked": totals.bytes_acked,
        "received": totals.bytes_received,
        "rate": (bytes as f64 * 8.0 / seconds).round(),
        "retransmissions": totals.retransmissions,
        "srtt": totals.srtt_mean(),
        "events": track.events,
        "rows": track.rows,
        "spark": spark(&track.sparks),
        "at": [place.chunk, place.offset],
    });
    if let (Some(found), Some(entry)) = (found, entry.as_object_mut()) {
        let (headline, share) = found.headline();
        let said = headline.map(|limit| found.words(limit)).unwrap_or_default();
        let shares = found.shares().into_iter().filter(|(_, share)| *share >= 0.005);
        let shares: Vec<Value> = shares.map(|(limit, share)| json!([limit as u8, round(share)])).collect();
        let causes = Cause::ALL.into_iter().filter(|cause| found.causes.of(*cause) > 0);
        let causes: Vec<Value> = causes.map(|cause| json!([cause as u8, found.causes.of(cause)])).collect();
        let findings: Vec<String> = found.findings().into_iter().map(|finding| finding.text).collect();
        entry.extend(
            [
                ("limit", json!(headline.map(|limit| limit as u8))),
                ("share", json!(round(share))),
                ("exact", json!(headline.is_some_and(|limit| found.is_exact(limit)))),
                ("evidence", json!(said.evidence)),
                ("remedy", json!(said.remedy)),
                ("shares", json!(shares)),
                ("causes", json!(causes)),
                ("findings", json!(findings)),
                ("mss", json!(found.facts.mss)),
                ("held", json!(held_ns(found))),
                ("end", json!(found.end.map(|end| if end == End::Sender { "sender" } else { "receiver" }))),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
    }
    entry
}

/// Time in which something held it back that somebody could mend.
fn held_ns(found: &Diagnosis) -> u64 {
    let is_well = |limit| matches!(limit, Limit::Idle | Limit::SenderApplication | Limit::Unseen);
    found.intervals.iter().filter(|one| !is_well(one.limit)).map(|one| one.to - one.from).sum()
}

fn round(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

fn of_owner(owner: &Owner) -> Value {
    let text = |bytes: &[u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned());
    json!({
        "comm": text(&owner.comm), "pid": owner.pid,
        "unit": text(&owner.unit), "container": text(&owner.container), "pod": text(&owner.pod),
    })
}

/// A digit of base 36 for each, the largest is z.
fn spark(amounts: &[u64]) -> String {
    let most = amounts.iter().copied().max().unwrap_or(0).max(1);
    let digit = |amount: &u64| (u128::from(*amount) * 35).div_ceil(u128::from(most)) as u32;
    amounts.iter().filter_map(|amount| char::from_digit(digit(amount), 36)).collect()
}

/// Writes the columns of a connection, each after its length in rows: its events, what held it back, its retransmissions.
pub fn columns(chunks: &mut Chunks, track: &Track, found: Option<&Diagnosis>, zero: u64) -> Place {
    let relative = |time: u64| time.cast_signed().wrapping_sub(zero.cast_signed());
    chunks.add(|out| {
        put(out, track.rows.cast_signed());
        track.columns.iter().for_each(|column| out.extend(column.bytes()));
        let intervals = found.map_or(&[][..], |found| &found.intervals);
        put(out, intervals.len() as i64);
        column(out, intervals.iter().map(|one| relative(one.from)));
        column(out, intervals.iter().map(|one| relative(one.to)));
        column(out, intervals.iter().map(|one| one.limit as i64));
        let moments = found.map_or(&[][..], |found| &found.moments);
        put(out, moments.len() as i64);
        column(out, moments.iter().map(|one| relative(one.time)));
        column(out, moments.iter().map(|one| one.cause as i64));
        column(out, moments.iter().map(|one| one.count.cast_signed()));
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_little_is_seen() {
        assert_eq!(super::spark(&[0, 1, 500, 1000]), "01iz");
        assert_eq!(super::spark(&[0, 0]), "00");
    }
}
