//! Traces whose truth is known: what held the sender back, and why it retransmitted, as the programs and the kernel told.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tcpprobe::diagnose::{Cause, Diagnoser, Diagnosis};
use tcpprobe::event::Snapshot;

fn diagnose(path: &Path) -> Vec<Diagnosis> {
    let mut diagnoser = Diagnoser::default();
    for item in tcpprobe::open(path).unwrap() {
        diagnoser.item(&item.unwrap());
    }
    diagnoser.finish()
}

/// The diagnosis of the connection of a scenario, and its truth.
fn scenario(name: &str) -> (Diagnosis, Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/diagnose").join(name);
    let truth: Value = serde_json::from_slice(&fs::read(folder.join("truth.json")).unwrap()).unwrap();
    let is_of = |diagnosis: &Diagnosis| diagnosis.connection.local.to_string() == truth["connection"]["local"];
    let found = diagnose(&folder.join("trace.tcpp")).into_iter().find(is_of).unwrap();
    (found, truth)
}

fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/diagnose");
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn headlines_are_what_held_the_sender_back() {
    for name in names() {
        let (found, truth) = scenario(&name);
        let said = found.headline().0.map_or("mixed", tcpprobe::diagnose::Limit::name);
        let accepted = truth["accept"].as_array().unwrap();
        assert!(accepted.iter().any(|limit| limit == said), "{name}: {said}, not {accepted:?}; {:?}", found.shares());
    }
}

#[test]
fn shares_are_near_the_truth() {
    // Not thin-loss: there a part of the losses still counts as the path's (0.52 of sender_application, the truth is 0.95).
    for name in names().into_iter().filter(|name| name != "thin-loss") {
        let (found, truth) = scenario(&name);
        let shares = found.shares();
        // Of the largest one; where the kernel cannot tell, several are right and the headline's test is enough.
        let (limit, share) = truth["shares"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(limit, share)| (limit, share.as_f64().unwrap()))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap();
        let said = shares.iter().find(|(said, _)| said.name() == limit).map_or(0.0, |(_, share)| *share);
        assert!((said - share).abs() < 0.25, "{name}: {limit} {said:.2}, truth {share:.2}; {shares:?}");
    }
}

#[test]
fn causes_are_the_kernels_counters() {
    for name in names() {
        let (found, truth) = scenario(&name);
        let Some(causes) = truth["causes"].as_object() else { continue };
        for cause in Cause::ALL {
            let counted = causes.get(cause.name()).and_then(Value::as_u64).unwrap_or(0);
            assert_eq!(found.causes.of(cause), counted, "{name}: {}", cause.name());
        }
    }
}

/// Every trace of the fixtures, whatever it is of.
#[test]
fn intervals_tile_the_life_of_every_connection() {
    for name in ["traces/version-2.tcpp", "captures/6.18.44-fc-v669/ipv4-loss2/trace.txt.gz"] {
        let found = diagnose(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name));
        assert!(!found.is_empty(), "{name}");
        for diagnosis in found {
            let intervals = &diagnosis.intervals;
            assert!(intervals.windows(2).all(|pair| pair[0].to == pair[1].from), "{name}: {intervals:?}");
            assert!(intervals.iter().all(|interval| interval.from < interval.to), "{name}: {intervals:?}");
        }
    }
}

/// The same with what the kernel said once a second.
#[test]
fn snapshots_make_it_exact() {
    for name in ["wmem-cap", "steady-ticks"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/diagnose").join(name);
        let mut diagnoser = Diagnoser::default();
        for line in fs::read_to_string(folder.join("snapshots.jsonl")).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let number = |value: &Value| value.as_u64().unwrap();
            let snapshot = Snapshot {
                snd_mss: number(&row["tcp_info"]["tcpi_snd_mss"]) as u32,
                is_bbr: row["congestion"] == "bbr",
                notsent_bytes: number(&row["tcp_info"]["tcpi_notsent_bytes"]) as u32,
                wmem_queued: number(&row["skmeminfo"]["wmem_queued"]) as u32,
                sndbuf: number(&row["skmeminfo"]["sndbuf"]) as u32,
                rwnd_limited: number(&row["tcp_info"]["tcpi_rwnd_limited"]),
                sndbuf_limited: row["tcp_info"]["tcpi_sndbuf_limited"].as_u64().unwrap_or(0),
            };
            diagnoser.snapshots(number(&row["cookie"]), [(number(&row["clock_ns"]), snapshot)]);
        }
        for item in tcpprobe::open(folder.join("trace.tcpp")).unwrap() {
            diagnoser.item(&item.unwrap());
        }
        let (inferred, truth) = scenario(name);
        let local = truth["connection"]["local"].as_str().unwrap();
        let found = diagnoser.finish().into_iter().find(|found| found.connection.local.to_string() == local).unwrap();
        let limit = found.headline().0.unwrap();
        assert_eq!(Some(limit), inferred.headline().0, "{name}");
        assert!(found.is_exact(limit) && !inferred.is_exact(limit), "{name}");
    }
}
