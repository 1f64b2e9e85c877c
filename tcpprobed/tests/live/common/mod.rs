//! A daemon, a client, a shadow and traffic.

pub mod actor;
mod api;
mod client;
mod daemon;
mod events;
mod http2;
mod inside;
pub mod mounts;
mod person;
mod random;
mod rehearsal;
mod shadow;
mod text;
#[path = "../../../../tcpprobectl/tests/cli/common/tmux.rs"]
mod tmux;
mod traffic;
mod users;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tcpprobed::store::StoreError;
use tcpprobed::tracefs::Tracefs;

pub use api::{Api, channel_over, client_over, job};
pub use client::{Answer, Client};
pub use daemon::{Daemon, refused};
pub use events::{COPIES_APART_NS_MAX, Event, Trace, assert_part, assert_same};
pub use http2::{PREFACE, field, frame, request};
pub use inside::{Inside, ROOT, read_run, told_plan};
pub use person::Person;
pub use random::Random;
pub use rehearsal::{rehearsed, stored, web};
pub use shadow::{Recorded, Shadow};
pub use text::{assert_same_lines, assert_same_names, assert_same_text};
pub use tmux::Tmux;
pub use traffic::{Alone, CLIENT, Site};
pub use users::Users;

/// Longest wait for anything; a busy machine may need a good part of it, a quiet one hundredths.
const PATIENCE: Duration = Duration::from_secs(60);

/// The machine's tracefs; `None`, with the reason printed, where there is none for us.
pub fn tracefs() -> Option<Tracefs> {
    if !rustix::process::geteuid().is_root() {
        return skip("not root");
    }
    match Tracefs::locate(None) {
        Ok(tracefs) => Some(tracefs),
        Err(error) => skip(&error.to_string()),
    }
}

/// Says why a test does nothing; where nothing may be skipped, fails.
pub fn skip<T>(reason: &str) -> Option<T> {
    let required = std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_some_and(|value| value != "0");
    assert!(!required, "TCPPROBE_REQUIRE_TRACEFS is set, but: {reason}");
    eprintln!("skipped: {reason}");
    None
}

/// Copies a binary that is to be run.
pub fn copied(binary: &Path, to: &Path) -> PathBuf {
    // Not by this process: others that it just starts would hold the file open for writing, and then it cannot run.
    assert!(Command::new("cp").arg(binary).arg(to).status().unwrap().success());
    to.to_owned()
}

/// Waits until `done` gives something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Opens a store, or has it checked. A process that another test is just starting may hold the lock of a store that is
/// closed, for a moment.
pub fn unlocked<T>(mut open: impl FnMut() -> Result<T, StoreError>) -> T {
    wait_for("the store is not locked", || match open() {
        Err(StoreError::Locked(_)) => None,
        opened => Some(opened.unwrap()),
    })
}

/// Waits until `done`.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    wait_for(what, || done().then_some(()));
}
