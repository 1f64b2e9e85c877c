//! The command line, run as people run it.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

mod diagnose;
mod doctor;
mod errors;
mod foreign;
mod from_tcp_probe;
mod help;
mod jobs;
mod plot;
mod record;
mod saved;
mod tables;
mod top;
mod traces;
mod wild;
