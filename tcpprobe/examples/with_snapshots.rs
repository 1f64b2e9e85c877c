//! Diagnoses a trace with the snapshots in a file beside it: `with_snapshots diagnose DIR/trace.tcpp --json` reads
//! `DIR/snapshots.jsonl` too, a line a snapshot, and prints headlines, limits and intervals.
#![expect(clippy::unwrap_used, reason = "an example fails by it")]

use std::path::Path;

use serde_json::{Value, json};
use tcpprobe::diagnose::{Cause, Diagnoser, Diagnosis, Limit, Snapshot};

fn snapshot(line: &str) -> (u64, Snapshot) {
    let row: Value = serde_json::from_str(line).unwrap();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let (info, memory) = (&row["tcp_info"], &row["skmeminfo"]);
    let snapshot = Snapshot {
        time: number(&row["clock_ns"]),
        mss: number(&info["tcpi_snd_mss"]) as u32,
        is_rate_based: row["congestion"] == "bbr",
        unsent: number(&info["tcpi_notsent_bytes"]) as u32,
        queued: number(&memory["wmem_queued"]) as u32,
        send_buffer: number(&memory["sndbuf"]) as u32,
        window_limited_us: number(&info["tcpi_rwnd_limited"]),
    };
    (number(&row["cookie"]), snapshot)
}

fn told(found: &Diagnosis) -> Value {
    let (headline, share) = found.headline();
    let certainty = |is_exact: bool| if is_exact { "exact" } else { "inferred" };
    let intervals = found.intervals.iter().map(|interval| {
        json!({ "from_ns": interval.from, "to_ns": interval.to, "limit": interval.limit.name(), "certainty": certainty(interval.is_exact) })
    });
    let is_exact = headline.is_some_and(|limit| found.is_exact(limit));
    let causes = Cause::ALL.into_iter().map(|cause| (cause.name().to_owned(), json!(found.causes.of(cause))));
    json!({
        "local": found.connection.local.to_string(),
        "peer": found.connection.peer.to_string(),
        "headline": { "limit": headline.map_or("mixed", Limit::name), "share": share, "certainty": certainty(is_exact) },
        "limits": found.shares().iter().map(|(limit, share)| (limit.name().to_owned(), json!(share))).collect::<serde_json::Map<_, _>>(),
        "intervals": intervals.collect::<Vec<_>>(),
        "retransmissions": causes.collect::<serde_json::Map<_, _>>(),
        "findings": [],
    })
}

fn main() {
    let path = std::env::args().find(|arg| arg.ends_with(".tcpp")).unwrap();
    let mut diagnoser = Diagnoser::default();
    let beside = Path::new(&path).with_file_name("snapshots.jsonl");
    for line in std::fs::read_to_string(beside).unwrap_or_default().lines() {
        let (cookie, snapshot) = snapshot(line);
        diagnoser.snapshots(cookie, [snapshot]);
    }
    for item in tcpprobe::open(&path).unwrap() {
        diagnoser.item(&item.unwrap());
    }
    let found = diagnoser.finish();
    println!("{}", json!({ "connections": found.iter().map(told).collect::<Vec<_>>() }));
}
