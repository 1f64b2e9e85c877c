//! What is kept of a scenario beside its trace, as JSON: what is right, and what the kernel said once a second.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tcpprobe::diagnose::{Cause, Limit};
use tcpprobe::event::Snapshot;

use super::experiment::{Observed, Sample, TICK};
use super::label::{self, SLOT, Slot};
use super::network::Link;
use super::path::Happening;
use super::scenario::Scenario;

/// The truth of a scenario.
pub struct Truth {
    pub name: String,
    /// Headlines that are right, the expected one first; none, and it is not judged.
    pub accept: Vec<String>,
    /// The sender's socket.
    pub local: String,
    pub peer: String,
    pub cookie: u64,
    /// What is judged.
    pub from: u64,
    pub to: u64,
    pub rtt: u64,
    /// By how much the machine was late, nanoseconds: 95 of 100 looks at the socket, each due 10 ms after the one before, and half of the
    /// packets of each direction of the network, were on time to this. (What a few packets are late by is jitter; what most are, a queue.)
    pub late: u64,
    /// From when to when the socket was looked at, and how long the kernel's clock of the peer's window ran meanwhile, nanoseconds.
    pub window: [u64; 3],
    /// Retransmissions by cause; `None` where events are not segments.
    pub causes: Option<Vec<u64>>,
    pub spurious: bool,
    pub findings: Vec<String>,
    pub side: String,
    pub slots: Vec<Slot>,
    pub snapshots: Vec<(u64, Snapshot)>,
}

fn snapshot(sample: &Sample, is_bbr: bool) -> Snapshot {
    Snapshot {
        snd_mss: sample.mss(),
        notsent_bytes: sample.unsent(),
        rwnd_limited: sample.window_limited_us(),
        sndbuf_limited: sample.send_buffer_limited_us(),
        wmem_queued: sample.queued(),
        sndbuf: sample.send_buffer(),
        is_bbr,
    }
}

fn lateness(samples: &[Sample]) -> u64 {
    let gaps = samples.windows(2).map(|pair| (pair[1].time - pair[0].time).saturating_sub(TICK));
    let mut gaps: Vec<u64> = gaps.collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() * 95 / 100).copied().unwrap_or(0)
}

fn path_lateness((_, happening): &(u64, Happening)) -> Option<u64> {
    if let Happening::Late(ns) = happening { Some(*ns) } else { None }
}

impl Truth {
    /// Whether what held the sender back in each 10 ms is, most of all, what the scenario was made for. A kernel may end slow start so early
    /// that a link is never full; the error says in which percentage of the time it was what was meant, and what it was else.
    ///
    /// # Errors
    /// When it is not.
    pub fn holds(&self) -> Result<(), String> {
        let is_meant = |slot: &Slot| slot.iter().any(|limit| self.accept.iter().any(|name| name == limit.name()));
        let meant = self.slots.iter().filter(|slot| is_meant(slot)).count();
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        // Of a connection that has something to send at times, that alone is judged.
        let is_active = |slot: &&Slot| slot.first().is_some_and(|limit| *limit != Limit::Idle);
        for slot in self.slots.iter().filter(is_active).filter(|slot| !is_meant(slot)) {
            *others.entry(slot[0].name()).or_default() += 1;
        }
        // What a receiver's side does not show has no time.
        if self.side != "sender" {
            return Ok(());
        }
        let all = meant + others.values().sum::<usize>();
        if all * 2 < self.slots.len() {
            // Most of its time is not judged.
            return Ok(());
        }
        match others.into_iter().max_by_key(|(_, count)| *count) {
            Some((other, count)) if !self.accept.is_empty() && count > meant => {
                let percent = |count: usize| count * 100 / all;
                Err(format!("{} {} %, {other} {} % of its time", self.accept.join("|"), percent(meant), percent(count)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the machine kept up: on one that was late by as much as matters on that path, programs and network were not what the
    /// scenario says, and what is right is not known.
    pub fn is_judged(&self) -> bool {
        self.late <= 2_000_000 + self.rtt / 20
    }

    /// Of what was seen.
    pub fn new(scenario: &Scenario, observed: &Observed) -> Result<Self> {
        let sender = &observed.ends[scenario.watch];
        let (from, to) = (sender.connecting, sender.closed);
        let options = scenario.options[scenario.watch];
        let mut snapshots: Vec<(u64, Snapshot)> = Vec::new();
        for sample in &sender.samples {
            if snapshots.last().is_none_or(|(last, _)| sample.time / 1_000_000_000 > last / 1_000_000_000) {
                snapshots.push((sample.time, snapshot(sample, options.contains("cc=bbr"))));
            }
        }
        let (Some(first), Some(last)) = (sender.samples.first(), sender.samples.last()) else {
            anyhow::bail!("{}: no samples", scenario.name)
        };
        let counter = |name: &str| observed.counters[scenario.watch].get(name).copied().unwrap_or(0);
        let (fast, slow, syn) = (counter("TCPFastRetrans"), counter("TCPSlowStartRetrans"), counter("TCPSynRetrans"));
        let of_syn = if scenario.watch == 0 {
            syn
        } else {
            counter("TCPTimeouts")
                .saturating_sub(u64::from(last.total_rto() - first.total_rto().min(last.total_rto())))
                .min(syn)
        };
        let timeouts = counter("TCPTimeouts").saturating_sub(of_syn);
        let tail = counter("RetransSegs").saturating_sub(fast + slow + timeouts + syn);
        let causes = Cause::ALL.map(|cause| match cause {
            Cause::Fast => fast,
            Cause::SlowStart => slow,
            Cause::Timeout => timeouts,
            Cause::TailLossProbe => tail,
            Cause::Syn if scenario.watch == 0 => syn,
            Cause::SynAck if scenario.watch == 1 => syn,
            _ => 0,
        });
        let are_segments =
            !scenario.gso && scenario.link == Link::Tun && scenario.others == 0 && scenario.are_causes_judged;
        let undone =
            ["TCPSpuriousRTOs", "TCPLossUndo", "TCPFullUndo", "TCPPartialUndo", "TCPDSACKUndo", "TCPDSACKRecv"];
        Ok(Truth {
            name: scenario.name.to_owned(),
            accept: scenario.accept.split('|').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            local: sender.local.context("no address")?.to_string(),
            peer: sender.peer.context("no address")?.to_string(),
            cookie: sender.cookie,
            from,
            to,
            rtt: sender.samples.iter().map(|sample| u64::from(sample.min_rtt_us()) * 1000).min().unwrap_or(0),
            late: observed.path.iter().flatten().filter_map(path_lateness).fold(lateness(&sender.samples), u64::max),
            window: [first.time, last.time, (last.window_limited_us() - first.window_limited_us()) * 1000],
            causes: are_segments.then(|| causes.to_vec()),
            spurious: undone.iter().any(|name| counter(name) > 0),
            findings: scenario.findings.split('|').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            side: if scenario.is_receiver { "receiver" } else { "sender" }.to_owned(),
            slots: label::slots(scenario, observed, from, to),
            snapshots,
        })
    }

    /// Writes it, and the trace, into a folder.
    pub fn save(&self, folder: &Path, observed: &Observed, watch: usize) -> Result<()> {
        fs::create_dir_all(folder)?;
        let mut runs: Vec<(String, u64)> = Vec::new();
        for slot in &self.slots {
            let value = slot.iter().map(|limit| limit.name()).collect::<Vec<_>>().join("|");
            match runs.last_mut() {
                Some((last, count)) if *last == value => *count += 1,
                _ => runs.push((value, 1)),
            }
        }
        let snapshots: Vec<Value> = self
            .snapshots
            .iter()
            .map(|(time, said)| {
                json!([
                    time,
                    said.snd_mss,
                    said.is_bbr,
                    said.notsent_bytes,
                    said.wmem_queued,
                    said.sndbuf,
                    said.rwnd_limited,
                    said.sndbuf_limited
                ])
            })
            .collect();
        let truth = json!({
            "name": self.name, "accept": self.accept, "local": self.local, "peer": self.peer, "cookie": self.cookie,
            "from_ns": self.from, "to_ns": self.to, "rtt_ns": self.rtt, "late_ns": self.late, "window_ns": self.window, "causes": self.causes,
            "spurious": self.spurious, "findings": self.findings, "side": self.side, "slots": runs, "snapshots": snapshots,
            "counters": observed.counters,
        });
        fs::write(folder.join("truth.json"), serde_json::to_string_pretty(&truth)?)?;
        fs::write(folder.join("trace.txt"), &observed.text)?;
        let mut log = String::from(
            "time ca_state unacked lost cwnd ssthresh unsent queued sndbuf rwnd_us sndbuf_us busy_us rto acked delivery_rate max_pacing\n",
        );
        for s in &observed.ends[watch].samples {
            log += &format!(
                "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}\n",
                s.time,
                s.ca_state(),
                s.unacked(),
                s.lost(),
                s.cwnd(),
                s.ssthresh(),
                s.unsent(),
                s.queued(),
                s.send_buffer(),
                s.window_limited_us(),
                s.send_buffer_limited_us(),
                s.busy_us(),
                s.total_rto(),
                s.bytes_acked(),
                s.delivery_rate(),
                s.max_pacing_rate()
            );
        }
        fs::write(folder.join("samples.txt"), log)?;
        for (end, name) in observed.ends.iter().zip(["a", "b"]) {
            let lines: Vec<String> = end.log.iter().map(|(from, to, doing)| format!("{from} {to} {doing:?}")).collect();
            fs::write(folder.join(format!("program-{name}.txt")), lines.join("\n"))?;
        }
        let path: Vec<String> = observed.path[watch].iter().map(|(time, what)| format!("{time} {what:?}")).collect();
        fs::write(folder.join("path.txt"), path.join("\n"))?;
        Ok(())
    }

    /// Reads it back.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("truth.json");
        let truth: Value = serde_json::from_slice(&fs::read(&path).with_context(|| path.display().to_string())?)?;
        let text = |key: &str| truth[key].as_str().unwrap_or_default().to_owned();
        let texts = |key: &str| -> Vec<String> {
            truth[key].as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
        };
        let number = |key: &str| truth[key].as_u64().unwrap_or(0);
        let limit = |name: &str| Limit::ALL.into_iter().find(|limit| limit.name() == name);
        let mut slots = Vec::new();
        for run in truth["slots"].as_array().into_iter().flatten() {
            let slot: Slot = run[0].as_str().unwrap_or_default().split('|').filter_map(limit).collect();
            slots.extend(std::iter::repeat_n(slot, run[1].as_u64().unwrap_or(0) as usize));
        }
        let snapshot = |row: &Value| {
            let word = |at: usize| row[at].as_u64().unwrap_or(0);
            let said = Snapshot {
                snd_mss: word(1) as u32,
                is_bbr: row[2].as_bool().unwrap_or(false),
                notsent_bytes: word(3) as u32,
                wmem_queued: word(4) as u32,
                sndbuf: word(5) as u32,
                rwnd_limited: word(6),
                sndbuf_limited: word(7),
            };
            (word(0), said)
        };
        Ok(Truth {
            name: text("name"),
            accept: texts("accept"),
            local: text("local"),
            peer: text("peer"),
            cookie: number("cookie"),
            from: number("from_ns"),
            to: number("to_ns"),
            rtt: number("rtt_ns"),
            late: number("late_ns"),
            window: std::array::from_fn(|at| truth["window_ns"][at].as_u64().unwrap_or(0)),
            causes: truth["causes"].as_array().map(|all| all.iter().filter_map(Value::as_u64).collect()),
            spurious: truth["spurious"].as_bool().unwrap_or(false),
            findings: texts("findings"),
            side: text("side"),
            slots,
            snapshots: truth["snapshots"].as_array().into_iter().flatten().map(snapshot).collect(),
        })
    }

    /// The middle of a slot.
    pub fn middle(&self, slot: usize) -> u64 {
        self.from + slot as u64 * SLOT + SLOT / 2
    }
}
