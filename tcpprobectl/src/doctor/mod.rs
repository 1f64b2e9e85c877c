//! Whether captures work here: what the daemon finds, and what only the caller's side can tell.

pub mod group;
mod local;
pub mod systemd;

use std::path::Path;

use anyhow::{Error, Result};
use serde::Serialize;
use tcpprobe_client::Client;
use tcpprobe_proto::v1::{self as api, CheckLevel};

use crate::exit::{self, Exit};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Captures work, but not as well as they could.
    Warning,
    /// Captures do not work.
    Failure,
    /// It could not be looked at.
    Skipped,
}

impl Level {
    /// As it is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Failure => "failure",
            Level::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// In a word or two.
    pub name: String,
    /// How bad it is.
    pub level: Level,
    /// What was found, in one line.
    pub finding: String,
    /// What mends it.
    pub remedy: Option<String>,
}

impl Check {
    fn new(name: &str, level: Level, finding: impl Into<String>, remedy: &str) -> Self {
        let remedy = (!remedy.is_empty()).then(|| remedy.to_owned());
        Check { name: name.to_owned(), level, finding: finding.into(), remedy }
    }

    fn ok(name: &str, finding: impl Into<String>) -> Self {
        Check::new(name, Level::Ok, finding, "")
    }

    fn skipped(name: &str, finding: impl Into<String>) -> Self {
        Check::new(name, Level::Skipped, finding, "")
    }

    fn of_error(name: &str, error: &Error) -> Self {
        let line = exit::line(error);
        let (finding, remedy) = line.split_once("; ").unwrap_or((&line, ""));
        Check::new(name, Level::Failure, finding, remedy)
    }
}

impl From<api::Check> for Check {
    fn from(check: api::Check) -> Self {
        let level = match check.level() {
            CheckLevel::Ok => Level::Ok,
            CheckLevel::Failure => Level::Failure,
            CheckLevel::Warning | CheckLevel::Unspecified => Level::Warning,
        };
        Check::new(&check.name, level, exit::one_line(&check.finding), &exit::one_line(&check.remedy))
    }
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// In the order in which they are best read.
    pub checks: Vec<Check>,
    /// [`Exit::Ok`] only if a capture would work for the caller.
    pub exit: Exit,
}

/// Looks at everything.
#[must_use]
pub fn examine(socket: &Path) -> Report {
    let mut checks = Vec::new();
    let asked = ask(socket, &mut checks);
    // What the daemon said of access is told behind what lets people in.
    let place = checks.len().min(1);
    checks.splice(place..place, [group::check(socket), systemd::check(socket)]);
    let exit = match asked {
        Err(error) => {
            if exit::code(&error) == Exit::Unreachable {
                checks.extend(local::checks());
            }
            exit::code(&error)
        }
        Ok(()) if fails(&checks, "access") => Exit::Denied,
        Ok(()) if checks.iter().any(|check| check.level == Level::Failure) => Exit::Failed,
        Ok(()) => Exit::Ok,
    };
    Report { checks, exit }
}

fn fails(checks: &[Check], name: &str) -> bool {
    checks.iter().any(|check| check.name == name && check.level == Level::Failure)
}

/// Asks the daemon; what went wrong is a check too.
fn ask(socket: &Path, checks: &mut Vec<Check>) -> Result<()> {
    let answer = Client::connect(socket).and_then(|client| {
        let version = client.version()?.version;
        checks.push(daemon(socket, &version));
        client.doctor()
    });
    match answer {
        Ok(found) => checks.extend(found.into_iter().map(Check::from)),
        Err(error) => {
            let error = Error::from(error);
            checks.insert(0, Check::of_error("daemon", &error));
            return Err(error);
        }
    }
    Ok(())
}

fn daemon(socket: &Path, version: &str) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    let finding = format!("tcpprobed {version} answers on {}", socket.display());
    if version == own {
        return Check::ok("daemon", finding);
    }
    let finding = format!("{finding}, and this is tcpprobectl {own}");
    Check::new("daemon", Level::Warning, finding, "install both of one version, then: sudo systemctl restart tcpprobed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_a_warning() {
        assert_eq!(daemon(Path::new("/s"), env!("CARGO_PKG_VERSION")).level, Level::Ok);
        assert_eq!(daemon(Path::new("/s"), "0.0.9").level, Level::Warning);
    }

    #[test]
    fn what_the_daemon_says_stays_one_line() {
        let said = api::Check { level: 3, finding: "a\nb".into(), remedy: String::new(), name: "x".into() };
        assert_eq!(Check::from(said), Check::new("x", Level::Failure, "a b", ""));
        let unknown = api::Check { level: 99, ..api::Check::default() };
        assert_eq!(Check::from(unknown).level, Level::Warning, "a daemon from the future");
    }
}
