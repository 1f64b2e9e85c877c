//! The whole path on the kernel that runs: real daemons, driven by their API and by the client's binary, and beside them
//! a tracefs instance of the test's own that says what the kernel really traced.
//!
//! Needs root and tracefs; without them each test says so and passes, unless `TCPPROBE_REQUIRE_TRACEFS=1`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

mod access;
mod bad_input;
mod default_events;
mod disk_faults;
mod disk_full;
mod doctor;
mod endings;
mod exact;
mod filters;
mod follow;
mod foreign;
mod ledger;
mod load;
mod owners;
mod panics;
mod power_loss;
mod private;
mod record;
mod reload;
mod restart;
mod roles;
mod scale;
mod snapshots;
mod tamper;
mod top;
mod torture;
mod up_to_now;
