//! A program outside of the workspace that depends on this crate alone reads every fixture there is.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds it with what this build has fetched, beside what this build has built.
fn build(folder: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--locked", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .unwrap();
    assert!(status.success());
    target.join("debug/connections")
}

#[test]
fn it_builds_and_reads_every_fixture() {
    let program = build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside"));
    let connections = |arguments: &[&Path]| {
        let output = Command::new(&program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.contains(" → ")).count()
    };
    assert!(connections(&[&root().join("fixtures/traces/version-2.tcpp")]) > 1);
    assert!(connections(&[&root().join("fixtures/text/trace_pipe-6.18.txt.gz")]) > 1);
    let mut folders = 0;
    for kernel in std::fs::read_dir(root().join("fixtures/captures")).unwrap() {
        let kernel = kernel.unwrap().path();
        let formats = root().join("fixtures/formats").join(kernel.file_name().unwrap()).join("events");
        for case in std::fs::read_dir(&kernel).unwrap() {
            let case = case.unwrap().path();
            assert!(connections(&[&case, &formats]) > 0, "{}", case.display());
            let text = case.join("trace.txt.gz");
            assert!(!text.exists() || connections(&[&text]) > 0, "{}", text.display());
            folders += 1;
        }
    }
    assert!(folders > 15, "{folders} captures");
}
