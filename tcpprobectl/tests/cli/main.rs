//! The command line, run as people run it.

mod common;

mod errors;
mod help;
mod jobs;
mod plot;
mod traces;
