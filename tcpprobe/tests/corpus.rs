//! Does with the committed seeds of the fuzz targets what they do.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz::budget;
use fuzz::kernels::folder;

/// What a small thread of a program may have.
const STACK_BYTES: usize = 256 << 10;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Does it with the seeds of one target.
fn each(target: &str, run: fn(&[u8])) {
    let seeds = folder(&fuzz_folder().join("seeds").join(target));
    assert!(seeds.len() >= 10, "{target} has {} seeds", seeds.len());
    for seed in seeds {
        let input = std::fs::read(&seed).unwrap();
        assert!(catch_unwind(|| budget::in_memory(&input, run)).is_ok(), "{}", seed.display());
    }
}

#[test]
fn blocks() {
    each("block", fuzz::block::run);
}

#[test]
fn diagnoses() {
    each("diagnose", fuzz::diagnose::run);
}

#[test]
fn filters() {
    each("filter", fuzz::filter::run);
}

#[test]
fn traces_of_others() {
    each("foreign", fuzz::foreign::run);
}

#[test]
fn formats() {
    each("format", fuzz::format::run);
}

#[test]
fn replies_about_sockets() {
    each("inet_diag", fuzz::inet_diag::run);
}

#[test]
fn pages() {
    each("page", fuzz::page::run);
}

#[test]
fn texts() {
    each("text", fuzz::text::run);
}

#[test]
fn traces() {
    each("trace", fuzz::trace::run);
}

#[test]
fn there_is_no_other_target() {
    let names = |list: Vec<PathBuf>| -> Vec<String> {
        list.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let here = ["block", "diagnose", "filter", "foreign", "format", "inet_diag", "page", "text", "trace"];
    assert_eq!(names(folder(&fuzz_folder().join("fuzz_targets"))), here);
    assert_eq!(names(folder(&fuzz_folder().join("seeds"))), here);
}

/// Does it with an input on a small stack; where that does not suffice, the whole test program ends.
fn on_a_small_stack(run: fn(&[u8]), input: String) {
    let thread = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || budget::in_memory(input.as_bytes(), run))
        .unwrap();
    thread.join().unwrap();
}

/// As often as fits, and so often that it is just allowed, or not any more.
const DEPTHS: [usize; 7] = [1, 63, 64, 65, 255, 256, 10_000];

#[test]
fn a_filter_of_ten_thousand_parentheses() {
    for depth in DEPTHS.into_iter().chain([4000]) {
        for (open, close) in [("(", ")"), ("!(", ")"), ("!", ""), ("sport == 1 || (", ")"), ("sport in {", "}")] {
            let text = format!("{}sport == 80{}", open.repeat(depth), close.repeat(depth));
            on_a_small_stack(fuzz::filter::run, format!("\0\0{text}\0"));
            on_a_small_stack(fuzz::filter::run, format!("\0\0{}\0", open.repeat(depth)));
        }
    }
}

#[test]
fn a_print_fmt_of_ten_thousand_parentheses() {
    let nested = [
        ("(", ")"),
        ("-", ""),
        ("!(", ")"),
        ("&", ""),
        ("(u8)", ""),
        ("1 + (", ")"),
        ("REC->x ? ", " : 1"),
        ("1 ? 2 : ", ""),
        ("REC->a[", "]"),
        ("__print_hex(REC->a, ", ")"),
        ("__print_symbolic(1, { ", ", \"a\" })"),
    ];
    for depth in DEPTHS.into_iter().chain([2000]) {
        for (open, close) in nested {
            let value = format!("{}REC->x{}", open.repeat(depth), close.repeat(depth));
            let fields =
                "\tfield:int x;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:u8 a[4];\toffset:12;\tsize:4;\tsigned:0;\n";
            let text = format!("name: a\nID: 7\nformat:\n{fields}\nprint fmt: \"%d %s\", {value}, {value}\n");
            on_a_small_stack(fuzz::format::run, text);
        }
    }
}
