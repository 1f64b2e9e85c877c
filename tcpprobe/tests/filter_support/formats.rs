//! The format files of real kernels.

use std::path::{Path, PathBuf};

use tcpprobe::kernel::format::Format;

/// Folders of `fixtures/formats`, oldest kernel first.
pub const KERNELS: [&str; 6] = [
    "5.10.0-46-cloud-amd64",
    "6.1.0-50-cloud-amd64",
    "6.12.95+deb12-cloud-amd64",
    "6.18.44-fc-v669",
    "7.2.13+deb14-cloud-amd64",
    "7.3.4+deb13-cloud-amd64",
];

fn folder(kernel: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/formats").join(kernel).join("events")
}

/// All events of one kernel, by name.
pub fn all(kernel: &str) -> Vec<Format> {
    let mut list = Vec::new();
    for system in ["tcp", "sock"] {
        let folder = folder(kernel).join(system);
        let events = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for event in events {
            let text = std::fs::read_to_string(event.unwrap().path().join("format")).unwrap();
            list.push(Format::parse(system, &text).unwrap());
        }
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!list.is_empty(), "no format files of {kernel}");
    list
}
