//! The configuration that is installed says what the daemon does without one.

use std::path::Path;

use tcpprobed::config::Config;

/// `packaging/tcpprobed.toml`.
fn installed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/tcpprobed.toml")
}

#[test]
fn the_installed_file_is_the_default() {
    assert_eq!(Config::load(Some(&installed())).unwrap(), Config::default());
}

/// Settings that are commented out name real ones: they parse too.
#[test]
fn so_are_its_comments() {
    let text = std::fs::read_to_string(installed()).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line))
        .fold(String::new(), |all, line| all + line + "\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tcpprobed.toml");
    std::fs::write(&path, uncommented).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    assert_eq!(config.socket(), Config::default().socket());
    assert_eq!(config.tracefs.as_deref(), Some(Path::new("/sys/kernel/tracing")));
}

/// The file explains every setting: each that the daemon knows is in it, set or commented out.
#[test]
fn no_setting_is_missing() {
    let text = std::fs::read_to_string(installed()).unwrap();
    let known = format!("{:?}", Config::default());
    for name in known.split([' ', '{', '(']).filter_map(|word| word.strip_suffix(':')) {
        assert!(text.lines().any(|line| setting(line) == Some(name)), "{name} is not in {}", installed().display());
    }
}

/// The name that a line sets, heads, or would set.
fn setting(line: &str) -> Option<&str> {
    let line = line.strip_prefix('#').unwrap_or(line);
    let name =
        line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).or_else(|| Some(line.split_once(" =")?.0));
    name.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}
