//! A run that ended and is to be closed: what is on disk does not tell all of its account yet, nor that it ended.

use std::io;

use crate::capture::Ending;
use crate::store::RunMeta;
use crate::tracefs::Instance;

/// A run that ended and is to be closed.
pub struct Unclosed {
    ending: Ending,
    ended_ns: i64,
    why: String,
    /// Records no more. Should the daemon end now, the kernel's totals tell the next one what is missing from the account.
    pub instance: Instance,
}

impl Unclosed {
    /// Of a capture that was stopped.
    pub fn new(ending: Ending, ended_ns: i64, why: String, instance: Instance) -> Self {
        Unclosed { ending, ended_ns, why, instance }
    }

    /// What will be known of it when it is closed.
    pub fn meta(&self) -> RunMeta {
        self.ending.meta(self.ended_ns, &self.why)
    }

    /// Closes the run; where that fails, it can be tried again.
    pub fn close(&mut self) -> io::Result<RunMeta> {
        self.ending.close(self.ended_ns, &self.why)
    }

    /// The first segment that is needed to resume the run.
    pub fn first_needed(&self) -> u32 {
        self.ending.run.meta_file().first_needed()
    }
}
