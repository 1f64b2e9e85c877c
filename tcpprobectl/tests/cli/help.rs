//! The help of every command, word for word.

use crate::common::{program, stdout};

#[test]
fn the_overview() {
    insta::assert_snapshot!(stdout(&program().arg("--help").assert().code(0)));
}

#[test]
fn of_each_command() {
    let overview = stdout(&program().arg("--help").assert().code(0));
    let verbs = overview.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(' ')).map(|(verb, _)| verb);
    let verbs: Vec<&str> = verbs.filter(|verb| verb.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    assert!(verbs.len() >= 12, "{verbs:?}");
    for verb in verbs.into_iter().filter(|&verb| !["help", "filter", "tcpprobectl"].contains(&verb)) {
        let assert = program().args([verb, "--help"]).assert().code(0);
        insta::assert_snapshot!(verb, stdout(&assert));
    }
}

#[test]
fn no_line_is_wider_than_a_terminal_of_100() {
    for verb in ["start", "fetch", "convert", "filter", "trace", "tail", "status", "record"] {
        let help = stdout(&program().args([verb, "--help"]).assert().code(0));
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{verb}: {wide:?}");
        // A word alone on a line is what wrapping leaves of a text that was broken by hand.
        let torn: Vec<&str> =
            help.lines().filter(|line| line.len() < 12 && line.starts_with(char::is_alphabetic)).collect();
        assert!(torn.iter().all(|line| line.ends_with(':')), "{verb}: {torn:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&program().args(["completions", shell]).assert().code(0));
        assert!(script.contains("fetch") && script.contains("max-size"), "{shell}");
    }
}

/// As bash does it, with the daemon of the test.
#[test]
fn completions_ask_for_names() {
    use crate::common::daemon::{Daemon, jobs};
    let daemon = Daemon::start(jobs(), Vec::new());
    let script = stdout(&program().args(["completions", "bash"]).assert().code(0));
    let complete = |words: &[&str]| {
        let program = assert_cmd::cargo::cargo_bin!("tcpprobectl");
        let typed: String = words.iter().map(|word| format!("'{word}' ")).collect();
        let last = words.len() - 1;
        let asked = format!(
            "{script}\nCOMP_WORDS=({typed}); COMP_CWORD={last}; \
             _tcpprobectl_names tcpprobectl '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words[last],
            words[last - 1]
        );
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut bash = std::process::Command::new("bash");
        let output = bash.args(["-c", &asked]).env("PATH", path).env("TCPPROBED_SOCKET", daemon.socket()).output();
        let lines = String::from_utf8(output.unwrap().stdout).unwrap();
        lines.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["tcpprobectl", "stop", "we"]), ["web"]);
    assert_eq!(complete(&["tcpprobectl", "fetch", "web", "--run", ""]), ["1", "2"]);
    assert!(complete(&["tcpprobectl", "start", "web", "--events", "tcp_p"]).contains(&"tcp_probe".to_owned()));
    let verbs = complete(&["tcpprobectl", "help", ""]);
    assert!(verbs.contains(&"fetch".to_owned()), "{verbs:?}");
    assert!(!verbs.iter().any(|verb| ["man", "names"].contains(&verb.as_str())), "{verbs:?}");
    for shell in ["zsh", "fish"] {
        let script = stdout(&program().args(["completions", shell]).assert().code(0));
        assert!(script.contains("tcpprobectl names --runs-of"), "{shell}");
        assert!(!script.contains("-a \"man\"") && !script.contains("'man:"), "{shell}");
    }
}

#[test]
fn help_filter_is_the_language() {
    let help = stdout(&program().args(["help", "filter"]).assert().code(0));
    assert_eq!(help.trim_end(), tcpprobe::filter::HELP.trim_end());
    assert_eq!(stdout(&program().arg("filter").assert().code(0)), tcpprobe::filter::HELP);
}

#[test]
fn manual_pages() {
    let folder = tempfile::tempdir().unwrap();
    program().arg("man").arg(folder.path()).assert().code(0);
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(page("tcpprobectl.1").contains("Exit codes:\n  0 done"));
    assert!(page("tcpprobectl-start.1").contains("max\\-size"));
    assert!(page("tcpprobe-filter.7").contains("srtt"));
    assert!(page("tcpprobed.toml.5").contains("segment_seconds = 600"));
    let explained = page("tcpprobe-diagnose.7");
    assert!(tcpprobe::diagnose::PAGES.iter().all(|known| explained.contains(&known.name.replace('-', "\\-"))));
    assert!(explained.is_ascii(), "{:?}", explained.chars().filter(|c| !c.is_ascii()).collect::<String>());
    let assert = program().args(["man", "/nowhere"]).assert().code(1);
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stderr).lines().count(), 1);
}

/// As `man` shows them where it is there; else their source is looked at.
#[test]
fn manual_pages_fit_80_columns_in_every_locale() {
    let folder = tempfile::tempdir().unwrap();
    program().arg("man").arg(folder.path()).assert().code(0);
    let overview = std::fs::read_to_string(folder.path().join("tcpprobectl.1")).unwrap();
    for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "SIGNALS"] {
        assert!(
            overview.contains(&format!(".SH \"{section}\"")) || overview.contains(&format!(".SH {section}")),
            "{section}"
        );
    }
    for page in folder.path().read_dir().unwrap() {
        let path = page.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(source.is_ascii(), "{}: {:?}", path.display(), source.lines().find(|line| !line.is_ascii()));
        for locale in ["C", "C.UTF-8"] {
            let mut man = std::process::Command::new("man");
            man.args(["--warnings", "-l"]).arg(&path).env("LC_ALL", locale).env("MANWIDTH", "80");
            let Some(shown) = shown(&mut man) else { continue };
            let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{} in {locale}: {wide:#?}", path.display());
        }
    }
}

/// What a command prints; `None` where it cannot.
fn shown(command: &mut std::process::Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let shown = String::from_utf8(output.stdout).unwrap();
    (shown.lines().count() > 3).then_some(shown)
}
