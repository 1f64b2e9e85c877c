//! The rooms of the library: data flows downwards, and no room imports one behind it. Side effects have their places.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order in which data flows.
const ROOMS: [&str; 8] = ["kernel", "event", "filter", "file", "source", "export", "flow", "diagnose"];

/// What only some rooms may name, and which.
const ONLY: [(&str, &[&str]); 4] =
    [("std::fs", &["source"]), ("std::net::Tcp", &[]), ("std::env", &[]), ("SystemTime", &[])];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file, without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms behind `room` that `code` names.
fn imports_upwards<'r>(room: &str, code: &str, rooms: &[&'r str]) -> Vec<&'r str> {
    let own = rooms.iter().position(|known| *known == room).unwrap();
    let names = |behind: &&&str| {
        let path = format!("crate::{behind}");
        code.match_indices(&path)
            .any(|(at, _)| !code[at + path.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    rooms[own + 1..].iter().filter(|behind| names(behind)).copied().collect()
}

#[test]
fn no_room_imports_one_behind_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for room in ROOMS {
        for file in sources(&src.join(room)) {
            let code = code(&fs::read_to_string(&file).unwrap());
            let upwards = imports_upwards(room, &code, &ROOMS);
            assert!(upwards.is_empty(), "{} imports {upwards:?}", file.display());
            for (name, allowed) in ONLY {
                assert!(allowed.contains(&room) || !code.contains(name), "{} names {name}", file.display());
            }
        }
    }
}

#[test]
fn every_folder_is_a_room() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&src).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            ROOMS.contains(&&*name) || ["lib.rs", "error.rs"].contains(&&*name),
            "{name} has no place in the order"
        );
    }
}

/// ARCHITECTURE.md names every room of every crate, and no file that is not there.
#[test]
fn the_map_has_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for crate_folder in [
        "tcpprobe/src",
        "tcpprobed/src",
        "tcpprobe/arrow/src",
        "tcpprobe/page/src",
        "tcpprobe/perfetto/src",
        "tcpprobe/plot/src",
        "tcpprobe/python/src",
    ] {
        for entry in fs::read_dir(root.join(crate_folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let is_told = entry.path().is_dir() || !["lib.rs", "error.rs", "tests.rs", "units.rs"].contains(&&*name);
            let told = if entry.path().is_dir() { format!("`{name}/") } else { format!("`{name}`") };
            assert!(
                !is_told || name == "snapshots" || map.contains(&told),
                "ARCHITECTURE.md lacks {crate_folder}/{name}"
            );
        }
    }
    let all: Vec<String> = ["tcpprobe", "tcpprobed", "tcpprobectl", "packaging"]
        .iter()
        .flat_map(|folder| sources(&root.join(folder)))
        .map(|path| path.display().to_string())
        .collect();
    for name in map.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")) {
        assert!(
            all.iter().any(|path| path.ends_with(&format!("/{name}"))),
            "ARCHITECTURE.md names {name}, which is not there"
        );
    }
}

#[test]
fn an_import_upwards_is_found() {
    let check =
        |room: &str, code: &str, found: &[&str]| assert_eq!(imports_upwards(room, code, &ROOMS), found, "{code}");
    check("file", "use crate::event::Record;\nuse crate::kernel::page::Page;", &[]);
    check("file", "use crate::source::Gap;", &["source"]);
    check("kernel", "fn f(x: crate::flow::Flow, y: crate::file::Frame) {}", &["file", "flow"]);
    check("file", "use crate::filexyz::A; use crate::flows::B;", &[]);
    assert_eq!(code("use a;\n// use crate::flow;\n#[cfg(test)]\nmod tests { use crate::flow; }"), "use a;");
}
