//! What the tests share: the program, a daemon that says what it is told to, and a trace of real events.

pub mod capture;
pub mod daemon;
pub mod tmux;

use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;

/// The program, with nothing of the tester's environment that changes what it prints.
pub fn program() -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("tcpprobectl");
    command.env("TZ", "UTC").env("NO_COLOR", "1").env_remove("TCPPROBED_SOCKET").env_remove("COLUMNS");
    command
}

/// Runs the program with these arguments against the daemon at `socket`.
pub fn run(socket: &Path, arguments: &[&str]) -> Assert {
    program().env("TCPPROBED_SOCKET", socket).args(arguments).assert()
}

/// What the program wrote to stdout.
pub fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// What the program wrote to stderr.
pub fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// Asserts that the program failed with `code` and this one line, and wrote nothing to stdout.
#[track_caller]
pub fn check_failure(assert: Assert, code: i32, line: &str) {
    let assert = assert.code(code);
    assert_eq!(stderr(&assert), format!("tcpprobectl: {line}\n"));
    assert_eq!(stdout(&assert), "");
}
