//! Does with the committed corpus of the fuzz targets what they do.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::panic::catch_unwind;
use std::path::Path;

use fuzz::kernels::folder;

/// Does it with the seeds of one target.
fn each(target: &str, run: fn(&[u8])) {
    let seeds = folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target));
    assert!(seeds.len() >= 10, "{target} has {} seeds", seeds.len());
    for seed in seeds {
        let input = std::fs::read(&seed).unwrap();
        assert!(catch_unwind(|| run(&input)).is_ok(), "{}", seed.display());
    }
}

#[test]
fn blocks() {
    each("block", fuzz::block::run);
}

#[test]
fn filters() {
    each("filter", fuzz::filter::run);
}

#[test]
fn formats() {
    each("format", fuzz::format::run);
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
