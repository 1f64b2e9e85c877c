//! What the fuzz targets do with an input: each reads it as one of the things that come from elsewhere, and panics where a
//! promise of the library is broken. `tests/corpus.rs` does the same with the inputs in `seeds/`.

pub mod block;
pub mod budget;
pub mod diagnose;
pub mod filter;
pub mod flows;
pub mod foreign;
pub mod format;
pub mod inet_diag;
pub mod input;
pub mod kernels;
pub mod page;
pub mod text;
pub mod trace;

/// The kernel's evaluation of its filters, as the tests of filters have it.
#[path = "../../tests/filter_support/kernel.rs"]
mod evaluation;
