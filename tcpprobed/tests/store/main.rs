//! The store on disk: what is checked, repaired and rebuilt, with no kernel and no rights needed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod catalog;
mod check;
mod common;
mod links;
mod resume;
