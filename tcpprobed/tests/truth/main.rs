//! The truth bench: networks and programs made on purpose, in namespaces of their own, and how well `diagnose` says what happened there.
//!
//! `run.sh [NAME…]` records the scenarios and scores them; `--keep DIR` keeps what was recorded, `--score DIR` scores it again.
//! Root. Needs ip and tc (iproute2) and TUN. Names that end in `+` are held out: rules were not tried on them.
#![expect(clippy::expect_used, reason = "threads that panic are a bug of the bench")]

mod clock;
mod experiment;
mod label;
mod network;
mod path;
mod program;
mod recording;
mod scenario;
mod scenarios;
mod score;
mod sys;
mod truth;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use scenario::Scenario;
use scenarios::SCENARIOS;
use score::{Given, print};
use truth::Truth;

/// Scenarios at a time, of themselves.
const WORKERS: usize = 4;
const USAGE: &str = "usage: run.sh [--keep DIR | --score DIR] [--brief] [--workers N] [NAME…]";

/// What was asked for.
#[derive(Default)]
struct Arguments {
    keep: Option<PathBuf>,
    score: Option<PathBuf>,
    is_brief: bool,
    workers: Option<usize>,
    names: Vec<String>,
}

fn arguments() -> Result<Arguments> {
    let (mut wanted, mut given) = (Arguments::default(), std::env::args().skip(1));
    while let Some(word) = given.next() {
        match word.as_str() {
            "--keep" => wanted.keep = Some(given.next().context("--keep DIR")?.into()),
            "--score" => wanted.score = Some(given.next().context("--score DIR")?.into()),
            "--brief" => wanted.is_brief = true,
            "--workers" => wanted.workers = Some(given.next().context(USAGE)?.parse().context(USAGE)?),
            name if name.starts_with('-') => bail!(USAGE),
            name => wanted.names.push(name.to_owned()),
        }
    }
    Ok(wanted)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let fits = |scenario: &Scenario, name: &str| match name.split_once('*') {
        Some((start, end)) => scenario.name.starts_with(start) && scenario.name.ends_with(end),
        None => scenario.name == name,
    };
    if let Some(unknown) = names.iter().find(|name| !SCENARIOS.iter().any(|one| fits(one, name))) {
        bail!(
            "no scenario {unknown}; there are: {}",
            SCENARIOS.iter().map(|one| one.name).collect::<Vec<_>>().join(" ")
        );
    }
    Ok(SCENARIOS.iter().filter(|one| names.is_empty() || names.iter().any(|name| fits(one, name))).collect())
}

/// Removes what a bench that was killed left behind.
fn sweep() {
    let is_left = |name: &str, start: &str| {
        let pid = name.strip_prefix(start).and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    };
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    for name in names("/run/netns").iter().filter(|name| is_left(name, "truth-")) {
        network::remove(name);
    }
    for name in names(recording::INSTANCES).iter().filter(|name| is_left(name, recording::PREFIX)) {
        let _ = std::fs::remove_dir(Path::new(recording::INSTANCES).join(name));
    }
}

/// Records scenarios into a folder. Says which ones could not be.
fn record(scenarios: &[&Scenario], folder: &Path, workers: usize) -> Vec<String> {
    sweep();
    let next = AtomicUsize::new(0);
    let one = |scenario: &Scenario| -> Result<()> {
        let number = SCENARIOS.iter().position(|one| one.name == scenario.name).unwrap_or(0) as u16;
        let tag = format!("{}-{number}", std::process::id());
        let observed = experiment::run(scenario, &tag, 21_000 + number)?;
        Truth::new(scenario, &observed)?.save(&folder.join(scenario.name), &observed, scenario.watch)?;
        eprintln!("{}: {} lines of trace", scenario.name, observed.text.lines().count());
        Ok(())
    };
    let work = || -> Vec<String> {
        let mut failed = Vec::new();
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            failed.extend(one(scenario).err().map(|error| format!("{}: {error:#}", scenario.name)));
        }
        failed
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|one| one.join().expect("it does not panic")).collect()
    })
}

fn report(folder: &Path, scenarios: &[&Scenario], is_brief: bool) -> Result<()> {
    let mut judged = Vec::new();
    for scenario in scenarios.iter().filter(|one| folder.join(one.name).is_dir()) {
        let truth = Truth::load(&folder.join(scenario.name))?;
        if truth.is_judged() {
            judged.push(scenario);
            if let Err(why) = truth.holds() {
                println!("headline not judged: {}, for it was not what it was made for: {why}", scenario.name);
            }
        } else {
            println!("not judged: {}, for the machine was late by {} ms", scenario.name, truth.late / 1_000_000);
        }
    }
    for (title, given) in [
        ("default events and snapshots", Given::Snapshots),
        ("default events", Given::Trace),
        ("tcp_probe and tcp_retransmit_skb", Given::Plain),
        ("both ends", Given::Both),
    ] {
        for (kind, is_held) in [("tried", false), ("held out", true)] {
            let of = judged.iter().filter(|one| one.name.ends_with('+') == is_held);
            let scores: Vec<score::Score> =
                of.map(|one| score::score(&folder.join(one.name), given)).collect::<Result<_>>()?;
            if !scores.is_empty() {
                print(&format!("{title}, {kind}"), &scores, is_brief);
            }
        }
    }
    Ok(())
}

fn run() -> Result<()> {
    let wanted = arguments()?;
    let scenarios = chosen(&wanted.names)?;
    if let Some(folder) = &wanted.score {
        return report(folder, &scenarios, wanted.is_brief);
    }
    let temporary = tempfile::tempdir()?;
    let folder = wanted.keep.as_deref().unwrap_or(temporary.path());
    let failed = record(&scenarios, folder, wanted.workers.unwrap_or(WORKERS).max(1));
    report(folder, &scenarios, wanted.is_brief)?;
    if !failed.is_empty() {
        bail!("not recorded: {}", failed.join("; "));
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("truth: {error:#}");
            ExitCode::FAILURE
        }
    }
}
