//! `doctor`: whether captures work here, and what mends it where they do not.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{print, print_json};
use crate::cli::DoctorArgs;
use crate::doctor::{self, Check, Level, Report};
use crate::exit::Exit;
use crate::paint::{Paint, Tone};
use crate::say;

pub fn run(socket: &Path, args: &DoctorArgs) -> Result<Exit> {
    let report = doctor::examine(socket);
    if args.json {
        print_json(&ReportJson { works: report.exit == Exit::Ok, checks: &report.checks })?;
    } else {
        print(&lines(&report.checks, Paint::stdout()))?;
        say(&verdict(&report));
    }
    Ok(report.exit)
}

/// A line a check.
fn lines(checks: &[Check], paint: Paint) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let line = |check: &Check| {
        let word = format!("{:<7}", check.level.word());
        let word = paint.text(tone(check.level), word);
        let remedy = check.remedy.as_ref().map(|remedy| format!("; {}", paint.text(Tone::Strong, remedy.as_str())));
        format!("{word}  {:<width$}  {}{}\n", check.name, check.finding, remedy.unwrap_or_default())
    };
    checks.iter().map(line).collect()
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Ok => Tone::Good,
        Level::Warning => Tone::Warning,
        Level::Failure => Tone::Bad,
        Level::Skipped => Tone::Faint,
    }
}

fn verdict(report: &Report) -> String {
    let count = |level| report.checks.iter().filter(|check| check.level == level).count();
    let counted = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (report.exit, count(Level::Failure), count(Level::Warning)) {
        (Exit::Ok, _, 0) => "captures work".to_owned(),
        (Exit::Ok, _, warnings) => format!("captures work, with {}", counted(warnings, "warning")),
        (_, failures, _) => format!("captures do not work: {}", counted(failures, "failure")),
    }
}

/// What `doctor --json` prints.
#[derive(Debug, Serialize)]
struct ReportJson<'a> {
    works: bool,
    checks: &'a [Check],
}
