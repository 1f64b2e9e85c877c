//! How a capture ended, and the end of its run.

use std::io;

use tcpprobe::file::Account;

use crate::clock;
use crate::store::{RunMeta, RunWriter, from_toml, to_toml};
use crate::tracefs::TracefsError;

/// How a capture ended.
pub struct Ending {
    /// The run, to be closed or suspended.
    pub run: RunWriter,
    /// What ended it, if nobody stopped it.
    pub error: Option<TracefsError>,
    /// Accounts that could not be written.
    pub(super) accounts: Vec<Account>,
    /// Number of the first staged page that is not in any account.
    pub(super) pages_end: u64,
}

impl Ending {
    /// Writes what is still to be accounted for and ends the run.
    ///
    /// # Errors
    /// Those of the file system. It can be tried again.
    pub fn close(&mut self, ended_ns: i64, why: &str) -> io::Result<RunMeta> {
        if !self.accounts.is_empty() {
            self.run.append(&[], 0, (0, 0), &self.accounts, self.pages_end, clock::anchor())?;
            self.accounts.clear();
        }
        self.run.finish(ended_ns, why)
    }

    /// Has the account say that nobody knows what these CPUs recorded since then.
    pub fn book_unknown(&mut self, cpus: impl IntoIterator<Item = u32>, since: u64) {
        let now = clock::boot_ns();
        self.accounts.extend(cpus.into_iter().map(|cpu| Account::unknown(cpu, since, now)));
    }

    /// What will be known of the run when it is closed.
    #[must_use]
    pub fn meta(&self, ended_ns: i64, why: &str) -> RunMeta {
        let mut meta = self.run.ended(ended_ns, why);
        let mut ledger = from_toml(&meta.ledger);
        self.accounts.iter().for_each(|account| ledger.entry(account.cpu).or_default().add(account));
        meta.ledger = to_toml(&ledger);
        meta
    }
}
