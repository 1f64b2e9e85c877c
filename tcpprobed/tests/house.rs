//! The daemon's rooms: a file or folder of `src/` each. A room imports those above it in this list, and none below it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the lowest to the highest, and the one thing that each is.
const ROOMS: [(&str, &str); 25] = [
    ("lock", "a mutex's lock that a panic elsewhere does not spoil"),
    ("hash", "a short hash of names and of our own bytes"),
    ("byte_size", "sizes in the configuration"),
    ("wording", "how numbers and lists are shown to people"),
    ("user", "whom limits are counted by and jobs belong to"),
    ("clock", "the trace's clock, the wall clock, and the boot"),
    ("abort_on_panic", "a thread whose panic ends the process"),
    ("listen_fds", "the descriptors that systemd passes"),
    ("systemd", "what systemd is told"),
    ("disk", "folders by descriptor, and a hook before every change of a file"),
    ("tracefs", "the kernel's tracefs, without a policy"),
    ("store", "what was recorded, on disk"),
    ("capture", "the data plane: from a kernel instance to the store, a thread a job"),
    ("sockdiag", "what the kernel says of sockets when it is asked: snapshots"),
    ("owners", "whose the sockets are that jobs record"),
    ("config", "the configuration"),
    ("descriptors", "how many files may be open, and for whom"),
    ("runtime_folder", "what outlives the daemon and not the machine"),
    ("jobs", "the control plane: which jobs there are, and in which state"),
    ("read_stream", "the stored frames of a run, as they are given to a reader"),
    ("check", "the verification of a whole store"),
    ("doctor", "whether captures work here"),
    ("api", "connections, quotas, roles, and the API's requests"),
    ("cli", "the command line"),
    ("main", "the program"),
];

/// No longer file is one noun.
const LINES_MAX: usize = 700;
/// The files that may hold `unsafe`: one maps a file, one owns a descriptor that was a number.
const UNSAFE_FILES: [&str; 2] = ["capture/staging.rs", "listen_fds.rs"];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files: their paths below `src/`, and their text.
fn files() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { collect(&path, found) } else { found.push(path) }
        }
    }
    let mut paths = Vec::new();
    collect(&sources(), &mut paths);
    let text = |path: PathBuf| {
        (path.strip_prefix(sources()).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(text).collect()
}

/// The room of a file below `src/`; none of `lib.rs`, which only lists them.
fn room_of(path: &str) -> Option<&str> {
    let room = path.split('/').next().unwrap().trim_end_matches(".rs");
    (room != "lib").then_some(room)
}

/// Text without its comments, where links may point up.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The rooms that the code of a file names: behind `crate::` and `tcpprobed::`, alone or in braces.
fn imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut rooms = BTreeSet::new();
    for root in ["crate::", "tcpprobed::"] {
        for (at, _) in code.match_indices(root) {
            // The end of a longer name.
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                None => rooms.extend(word(rest)),
                Some(list) => rooms.extend(heads(list)),
            }
        }
    }
    rooms
}

/// The word at the beginning of a text.
fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The first word of each path of a list up to its closing brace: of `a, b::{c, d}}` it is a and b.
fn heads(list: &str) -> Vec<String> {
    let (mut found, mut depth, mut is_head) = (Vec::new(), 0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_head = true,
            c if is_head && (c.is_alphanumeric() || c == '_') => {
                found.extend(word(&list[at..]));
                is_head = false;
            }
            _ => {}
        }
    }
    found
}

/// What is wrong with the imports of files, given as path and text.
fn complaints(files: &[(String, String)], rooms: &[(&str, &str)]) -> Vec<String> {
    let height = |room: &str| rooms.iter().position(|(name, _)| *name == room);
    let mut wrong = Vec::new();
    for (path, text) in files {
        let Some(own) = room_of(path) else { continue };
        let Some(own_height) = height(own) else {
            wrong.push(format!("{path}: the room {own} is not in the list"));
            continue;
        };
        for room in imports(text) {
            match height(&room) {
                Some(height) if height > own_height => wrong.push(format!("{path} imports {room}, which is higher")),
                Some(_) => {}
                None => wrong.push(format!("{path} imports {room}, which is not in the list")),
            }
        }
    }
    wrong
}

/// Circles of `super::` between files of one folder; a `mod.rs` may name what it holds, and be named by it.
fn circles(files: &[(String, String)]) -> Vec<String> {
    let siblings = |path: &str, text: &str| -> BTreeSet<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let named = code(text)
            .match_indices("super::")
            .filter_map(|(at, root)| word(&code(text)[at + root.len()..]))
            .collect::<Vec<_>>();
        named.into_iter().map(|name| format!("{folder}/{name}.rs")).collect()
    };
    let inner = files.iter().filter(|(path, _)| path.contains('/') && !path.ends_with("/mod.rs"));
    let mut left: BTreeMap<&str, BTreeSet<String>> =
        inner.map(|(path, text)| (&path[..], siblings(path, text))).collect();
    // Whatever imports no file that is left is in no circle.
    loop {
        let is_free = |own: &str, imported: &BTreeSet<String>| {
            imported.iter().all(|path| path == own || !left.contains_key(&path[..]))
        };
        let free: Vec<&str> =
            left.iter().filter(|(path, imported)| is_free(path, imported)).map(|(path, _)| *path).collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|path| drop(left.remove(path)));
    }
    left.keys().map(|path| format!("{path} is in a circle of imports, or leads to one")).collect()
}

#[test]
fn no_room_imports_a_higher_one() {
    let wrong = complaints(&files(), &ROOMS);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let circles = circles(&files());
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn every_room_of_the_list_is_there() {
    let files = files();
    let there: BTreeSet<&str> = files.iter().filter_map(|(path, _)| room_of(path)).collect();
    assert_eq!(there, ROOMS.iter().map(|(room, _)| *room).collect());
}

#[test]
fn files_are_short_and_only_two_are_unsafe() {
    for (path, text) in files() {
        assert!(text.lines().count() < LINES_MAX, "{path} is longer than {LINES_MAX} lines");
        let is_unsafe = code(&text).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        assert_eq!(is_unsafe, UNSAFE_FILES.contains(&path.as_str()), "{path}");
    }
}

/// On files that are not there.
#[test]
fn a_step_back_is_found() {
    let rooms = [("low", ""), ("middle", ""), ("high", "")];
    let check = |path: &str, text: &str, expected: &[&str]| {
        assert_eq!(complaints(&[(path.to_owned(), text.to_owned())], &rooms), expected, "{text}");
    };
    check("middle/a.rs", "use crate::low::Thing;\nuse super::b::Other;", &[]);
    check("middle/a.rs", "use crate::middle::Thing;", &[]);
    check("lib.rs", "pub use crate::high::Thing;", &[]);
    check("low.rs", "/// See [`crate::high`].\nfn f() {} // crate::high", &[]);
    check("low.rs", "fn f() { mycrate::high::f() }", &[]);
    check("low.rs", "use crate::high::Thing;", &["low.rs imports high, which is higher"]);
    check("low/deep/a.rs", "fn f() -> crate::middle::T {}", &["low/deep/a.rs imports middle, which is higher"]);
    check("middle.rs", "use crate::{\n    low::{a, b},\n    high,\n};", &["middle.rs imports high, which is higher"]);
    check("middle.rs", "use crate::{low::{high, b}};", &[]);
    check("high.rs", "use tcpprobed::elsewhere::f;", &["high.rs imports elsewhere, which is not in the list"]);
    check("attic/a.rs", "", &["attic/a.rs: the room attic is not in the list"]);
}

/// On files that are not there.
#[test]
fn a_circle_is_found() {
    let check = |texts: [&str; 3], expected: usize| {
        let files: Vec<_> =
            ["a", "b", "c"].iter().zip(texts).map(|(n, text)| (format!("low/{n}.rs"), text.into())).collect();
        assert_eq!(circles(&files).len(), expected, "{texts:?}");
    };
    check(["use super::b::B;", "use super::c::C;", "use super::D;"], 0);
    check(["use super::b::B;", "use super::a::A;", ""], 2);
    check(["use super::b::B;", "use super::c::C;", "fn f() { super::a::f() }"], 3);
    check(["use super::b::B;", "// super::a", "use super::*;"], 0);
}
