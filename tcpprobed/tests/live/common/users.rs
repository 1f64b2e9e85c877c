//! Users and groups of this machine, made for a test, and removed whatever comes of it.

use std::path::Path;
use std::process::Command;

/// Some users and groups. Dropped, they are gone.
pub struct Users {
    prefix: String,
    groups: Vec<String>,
    users: Vec<String>,
}

impl Users {
    /// Nobody yet; `None`, with the reason printed, where the machine lacks a tool.
    pub fn new() -> Option<Self> {
        for tool in ["groupadd", "useradd", "userdel", "groupdel", "setpriv"] {
            if Command::new(tool).arg("--help").output().is_err() {
                eprintln!("skipped: there is no {tool}");
                return None;
            }
        }
        // Several tests may run at the same time.
        let prefix = format!("tcpprobe-{}-", std::process::id());
        Some(Users { prefix, groups: Vec::new(), users: Vec::new() })
    }

    /// The name on the machine.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn add_group(&mut self, name: &str) {
        run("groupadd", &[&self.name(name)]);
        self.groups.push(self.name(name));
    }

    /// Somebody of `group`, who is in some more.
    pub fn add_user(&mut self, name: &str, group: &str, more: &[&str]) {
        let more: Vec<String> = more.iter().map(|name| self.name(name)).collect();
        let (name, group) = (self.name(name), self.name(group));
        run("useradd", &["-M", "-N", "-s", "/bin/false", "-g", &group, "-G", &more.join(","), &name]);
        self.users.push(name);
    }

    /// A command that runs as this user, in all groups of its, as after a login.
    pub fn command(&self, name: &str, group: &str, binary: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &self.name(name), "--regid", &self.name(group), "--init-groups", "--"]).arg(binary);
        command
    }
}

fn run(tool: &str, arguments: &[&str]) {
    let output = Command::new(tool).args(arguments).output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Users {
    fn drop(&mut self) {
        let users = self.users.iter().map(|name| ("userdel", name));
        for (tool, name) in users.chain(self.groups.iter().map(|name| ("groupdel", name))) {
            if !Command::new(tool).arg(name).status().is_ok_and(|status| status.success()) {
                eprintln!("left behind: {name}");
            }
        }
    }
}
