//! What the page for those who come from tcp_probe says is so.

use std::fs;

use crate::common::capture::text;
use crate::common::program;

const PAGE: &str = include_str!("../../FROM-TCP_PROBE.md");

/// The arguments of each command of ours in the page.
fn commands() -> Vec<Vec<String>> {
    let quoted = PAGE.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("tcpprobectl "));
    let indented = PAGE.lines().filter_map(|line| line.strip_prefix("    tcpprobectl "));
    let line = |line: &str| -> Vec<String> {
        let before_redirection = line.split(" > ").next().unwrap();
        before_redirection.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
    };
    quoted.chain(indented).map(line).collect()
}

#[test]
fn every_command_works() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("web.log"), text("ipv4-loss2")).unwrap();
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in &commands {
        // What needs a daemon or a viewer is only understood.
        let is_run = matches!(&*command[0], "plot" | "convert" | "help") && !command.contains(&"--open".to_owned());
        let more = if is_run { None } else { Some("--help") };
        let is_understood =
            program().args(command).args(more).current_dir(&directory).assert().get_output().status.success();
        assert!(is_understood, "{command:?}");
    }
    for made in ["web.png", "plots/web.png", "web.csv", "web.json"] {
        assert!(directory.path().join(made).is_file(), "{made}");
    }
}

#[test]
fn the_columns_are_there() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("web.log"), text("ipv4-loss2")).unwrap();
    program().args(["convert", "web.log", "-o", "web.csv"]).current_dir(&directory).assert().code(0);
    let csv = fs::read_to_string(directory.path().join("web.csv")).unwrap();
    let columns: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let table = PAGE.split("| CSV and JSON |").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    for (theirs, ours) in rows {
        // `the same` are their names.
        let names = if ours.starts_with("the same") { theirs } else { ours.split([':', ';']).next().unwrap() };
        for name in names.split('`').skip(1).step_by(2) {
            assert!(columns.contains(&name), "{name} is not in {columns:?}");
        }
    }
}
