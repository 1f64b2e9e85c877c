//! What is done to the daemon, and when.

use std::time::Duration;

use crate::common::Random;

/// One thing that is done to a daemon. Each leaves it running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGKILL, and once more while the next one starts.
    KillTwice,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP for a second.
    Pause,
    /// SIGABRT to a daemon that hangs: systemd's watchdog.
    Watchdog,
    /// SIGTERM, and the next one is another binary.
    Upgrade,
    /// SIGKILL, and the next one finds no catalog.
    NoCatalog,
    /// The catalog is removed under its feet.
    CatalogRemoved,
    /// SIGHUP, with another configuration.
    Reload,
    /// Somebody changes the kernel instance of one of the jobs.
    Tamper,
    /// The disk is full for a while, whatever else happens in that time.
    FullDisk,
}

/// Kills are what this is about: they come more often.
const ALL: [Fault; 14] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::KillTwice,
    Fault::Terminate,
    Fault::Terminate,
    Fault::Pause,
    Fault::Watchdog,
    Fault::Upgrade,
    Fault::NoCatalog,
    Fault::CatalogRemoved,
    Fault::Reload,
    Fault::Tamper,
    Fault::FullDisk,
];

/// A fault, and what it takes to do it.
#[derive(Debug)]
pub struct Step {
    /// Before it.
    pub pause: Duration,
    pub fault: Fault,
    /// Until the second kill.
    pub early: Duration,
    /// For which the disk is full.
    pub full: Duration,
}

impl Step {
    /// By chance. Where the disk may not be full, that is a kill.
    pub fn any(random: &mut Random, may_be_full: bool) -> Self {
        let mut duration = |range| Duration::from_millis(random.within(range));
        let (pause, early, full) = (duration(200..=2000), duration(0..=150), duration(300..=4000));
        let fault = match *random.one_of(&ALL) {
            Fault::FullDisk if !may_be_full => Fault::Kill,
            // An instance that cannot be replaced is lost, and the run with it.
            Fault::Tamper if may_be_full => Fault::Kill,
            fault => fault,
        };
        Step { pause, fault, early, full }
    }
}
