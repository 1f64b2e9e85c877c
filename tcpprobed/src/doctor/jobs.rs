//! The jobs themselves, what an earlier daemon left of them, and a preflight of a capture.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use super::Check;
use crate::jobs::{JobView, Jobs, State};
use crate::tracefs::Tracefs;
use crate::wording::{counted, shortened};

/// Whether a capture can be set up.
pub fn preflight(jobs: &Jobs) -> Check {
    let began = Instant::now();
    match jobs.preflight() {
        Ok(settings) => {
            let (events, took) = (counted(settings.events.len(), "event", "events"), began.elapsed().as_millis());
            Check::ok(
                "capture",
                format!("tried out with {events}, a filter and the clock {}, in {took} ms", settings.clock),
            )
        }
        Err(error) => Check::error("capture", &error),
    }
}

/// How the jobs are.
pub fn jobs(all: &[JobView]) -> Check {
    let running = all.iter().filter(|job| job.state == State::Running);
    let lost = |job: &JobView| job.runs.last().map_or(0, |run| run.ledger.missing());
    if let Some(failed) = all.iter().find(|job| job.state == State::Failed) {
        let finding = format!("{} failed: {}", failed.name, failed.message);
        return Check::warning("jobs", finding, format!("tcpprobectl start {}", failed.name));
    }
    if let Some(troubled) = running.clone().find(|job| !job.message.is_empty()) {
        return Check::warning("jobs", format!("{}: {}", troubled.name, troubled.message), "");
    }
    if let Some(lossy) = running.clone().max_by_key(|job| lost(job)).filter(|job| lost(job) > 0) {
        let name = &lossy.name;
        let larger = lossy.kernel_buffer_kb.saturating_mul(4);
        let finding = format!("{name} lost {} events in this run", lost(lossy));
        return Check::warning(
            "jobs",
            finding,
            format!("tcpprobectl stop {name}; tcpprobectl start {name} --buffer {larger}"),
        );
    }
    if all.is_empty() {
        return Check::ok("jobs", "there is none yet");
    }
    let count = counted(all.len(), "job", "jobs");
    match running.count() {
        0 => Check::ok("jobs", format!("{count}, none is running")),
        running => Check::ok("jobs", format!("{count}, {running} running without loss")),
    }
}

/// What belongs to no job that runs.
pub fn leftovers(jobs: &Jobs) -> Check {
    // One that is stopped and cannot be closed yet, which it says, needs them still.
    let needs = |job: &JobView| job.state != State::Stopped || !job.message.is_empty();
    let running: BTreeSet<String> = jobs.list().into_iter().filter(needs).map(|job| job.name).collect();
    leftover_check(jobs.tracefs(), jobs.instance_prefix(), &jobs.config().runtime, &running)
}

pub(super) fn leftover_check(tracefs: &Tracefs, prefix: &str, runtime: &Path, running: &BTreeSet<String>) -> Check {
    let mut finding = Vec::new();
    let mut remedy = Vec::new();
    let instances = tracefs.instances(prefix).unwrap_or_default();
    // The scratch instance is in use, or removed by who needs it next.
    let stray = |name: &String| !running.contains(&name[prefix.len()..]) && !name[prefix.len()..].starts_with('.');
    let instances: Vec<String> = instances.into_iter().filter(stray).collect();
    if !instances.is_empty() {
        finding.push(format!(
            "{} ({})",
            counted(instances.len(), "kernel instance", "kernel instances"),
            shortened(&instances)
        ));
        remedy.extend(
            instances.iter().map(|name| format!("rmdir {}", tracefs.root().join("instances").join(name).display())),
        );
    }
    let staged: Vec<String> = staged_jobs(runtime).into_iter().filter(|name| !running.contains(name)).collect();
    if !staged.is_empty() {
        finding.push(format!("{} ({})", counted(staged.len(), "staging area", "staging areas"), shortened(&staged)));
        remedy.extend(staged.iter().map(|name| format!("rm {}", runtime.join(format!("{name}.staging")).display())));
    }
    if finding.is_empty() {
        return Check::ok("leftovers", "none of an earlier daemon");
    }
    Check::warning("leftovers", format!("of no job that runs: {}", finding.join(", ")), remedy.join("; "))
}

/// Names of the jobs that have a staging area.
fn staged_jobs(runtime: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(runtime).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".staging").map(str::to_owned)).collect();
    names.sort();
    names
}
