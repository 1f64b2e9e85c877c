//! Whether captures work here, and what would mend it where they do not.
//!
//! Each check is a function of what it looks at, so that it can be shown a machine that is not there.

mod events;
mod jobs;
mod kernel;
mod owners;
mod snapshots;
mod space;

use crate::jobs::Jobs;
use crate::owners::Means;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Captures work, but not as well as they could.
    Warning,
    /// Captures do not work.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// In a word or two.
    pub name: String,
    /// How bad it is.
    pub level: Level,
    /// What was found, in one line.
    pub finding: String,
    /// What mends it; empty where nothing needs to be done.
    pub remedy: String,
}

impl Check {
    /// All is well.
    pub fn ok(name: &str, finding: impl Into<String>) -> Self {
        Check { name: name.into(), level: Level::Ok, finding: finding.into(), remedy: String::new() }
    }

    /// Something could be better.
    pub fn warning(name: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Check { name: name.into(), level: Level::Warning, finding: finding.into(), remedy: remedy.into() }
    }

    /// Something is broken.
    pub fn failure(name: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Check { level: Level::Failure, ..Check::warning(name, finding, remedy) }
    }

    /// An error breaks it. The daemon's errors say what is wrong, then behind a semicolon what to do.
    pub fn error(name: &str, error: &dyn std::error::Error) -> Self {
        let words = error.to_string();
        let (finding, remedy) = words.split_once("; ").unwrap_or((&words, ""));
        Check::failure(name, finding, remedy)
    }
}

/// What whoever starts a job should know of the store, if anything.
#[must_use]
pub fn small_store(of: &Jobs) -> Option<String> {
    space::small_store(of).map(|check| format!("{}; {}", check.finding, check.remedy))
}

/// Looks at everything that a daemon can.
#[must_use]
pub fn examine(of: &Jobs) -> Vec<Check> {
    let tracefs = of.tracefs();
    let mut checks = vec![kernel::kernel(), kernel::tracefs(tracefs), kernel::lockdown(crate::tracefs::lockdown())];
    if tracefs.check().is_ok() {
        checks.extend(events::events(tracefs));
        checks.push(kernel::sub_buffers(tracefs.features(), of.config().job.subbuf_kb));
        checks.push(kernel::clock(tracefs, kernel::clock_source().as_deref()));
        checks.push(owners::owners(of.config().owners.enabled, Means::of(tracefs)));
        checks.push(jobs::preflight(of));
        checks.push(kernel::others(tracefs, of.instance_prefix()));
    }
    checks.push(snapshots::snapshots(of));
    checks.push(snapshots::finals(of));
    checks.push(space::memory(of));
    checks.push(space::store(of));
    checks.push(space::staging(&of.config().runtime));
    checks.push(jobs::jobs(&of.list()));
    checks.push(jobs::leftovers(of));
    checks
}

#[cfg(test)]
mod tests;
