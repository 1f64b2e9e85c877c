//! What systemd says of the daemon's units.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Check, Level};
use tcpprobe_client::DEFAULT_SOCKET;

/// Of `systemctl show`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Unit {
    /// `loaded`, `not-found`, `masked`.
    load: String,
    /// `active`, `inactive`, `failed`, `activating`.
    active: String,
    /// `enabled`, `disabled`.
    file: String,
}

/// Asks `systemctl`, where there is one and the daemon is the unit's.
pub fn check(socket: &Path) -> Check {
    let skipped = |why: &str| Check::skipped("systemd", why);
    if socket != Path::new(DEFAULT_SOCKET) {
        return skipped("the unit's daemon has another socket");
    }
    if !is_booted() {
        return skipped("this machine was not booted with systemd");
    }
    match (show("tcpprobed.service"), show("tcpprobed.socket")) {
        (Some(service), Some(socket)) => {
            let mut check = decide(&service, &socket);
            if matches!(service.active.as_str(), "failed" | "activating")
                && let Some(cause) = last_error()
            {
                check.finding = format!("{}: {cause}", check.finding);
            }
            check
        }
        _ => skipped("systemctl does not answer"),
    }
}

/// Whether systemd runs this machine: `sd_booted(3)`.
pub fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn show(unit: &str) -> Option<Unit> {
    let mut command = Command::new("systemctl");
    command.args(["show", "--property=LoadState,ActiveState,UnitFileState", unit]).stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// The last line that the daemon's unit logged as an error, where the caller may read the journal.
fn last_error() -> Option<String> {
    let mut command = Command::new("journalctl");
    command.args(["-u", "tcpprobed", "-p", "err", "-n", "1", "-o", "cat", "-q", "--no-pager"]).stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().map(crate::exit::one_line).filter(|line| !line.is_empty())
}

fn parse(text: &str) -> Unit {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim().to_owned()
    };
    Unit { load: value("LoadState"), active: value("ActiveState"), file: value("UnitFileState") }
}

fn decide(service: &Unit, socket: &Unit) -> Check {
    let warning = |finding: &str, remedy: &str| Check::new("systemd", Level::Warning, finding, remedy);
    let failure = |finding: &str, remedy: &str| Check::new("systemd", Level::Failure, finding, remedy);
    let is_enabled = [service, socket].iter().any(|unit| unit.file.starts_with("enabled"));
    match (service.load.as_str(), service.active.as_str()) {
        ("not-found" | "", _) => warning(
            "there is no tcpprobed.service: the daemon does not start with the machine",
            "sudo make install, then: sudo systemctl enable --now tcpprobed",
        ),
        ("masked", _) => failure("tcpprobed.service is masked", "sudo systemctl unmask tcpprobed"),
        (_, "failed") => {
            failure("tcpprobed.service failed", "journalctl -u tcpprobed -n 50, then: sudo systemctl restart tcpprobed")
        }
        (_, "active") if is_enabled => Check::ok("systemd", "tcpprobed.service is active, and enabled"),
        (_, "active") => warning(
            "tcpprobed.service is active, but not enabled: it does not start with the machine",
            "sudo systemctl enable tcpprobed",
        ),
        _ if socket.active == "active" => {
            Check::ok("systemd", "tcpprobed.socket is active: the daemon starts when somebody asks it")
        }
        (_, active) => {
            let finding = format!("tcpprobed.service is {active}");
            failure(&finding, "sudo systemctl enable --now tcpprobed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(load: &str, active: &str, file: &str) -> Unit {
        Unit { load: load.into(), active: active.into(), file: file.into() }
    }

    #[test]
    fn what_systemctl_shows() {
        let text = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n";
        assert_eq!(parse(text), unit("loaded", "active", "enabled"));
        assert_eq!(parse(""), Unit::default());
    }

    #[test]
    fn states() {
        let none = unit("not-found", "inactive", "");
        let check = |service: Unit, socket: &Unit, level: Level, words: &str| {
            let check = decide(&service, socket);
            assert_eq!(check.level, level, "{check:?}");
            assert!(format!("{} {:?}", check.finding, check.remedy).contains(words), "{check:?}");
        };
        check(unit("loaded", "active", "enabled"), &none, Level::Ok, "enabled");
        check(unit("loaded", "active", "disabled"), &none, Level::Warning, "systemctl enable tcpprobed");
        check(unit("loaded", "active", "disabled"), &unit("loaded", "active", "enabled"), Level::Ok, "enabled");
        check(unit("loaded", "inactive", "disabled"), &unit("loaded", "active", "enabled"), Level::Ok, "somebody asks");
        check(unit("loaded", "inactive", "disabled"), &none, Level::Failure, "enable --now");
        check(unit("loaded", "failed", "enabled"), &none, Level::Failure, "journalctl");
        check(unit("masked", "inactive", "masked"), &none, Level::Failure, "unmask");
        check(none.clone(), &none, Level::Warning, "make install");
    }
}
