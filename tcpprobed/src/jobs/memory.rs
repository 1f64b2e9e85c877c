//! The machine's memory, of which the kernel's buffers may take a share.

use std::sync::Mutex;

use super::plan::subbuf_kb;
use super::{JobError, Jobs, Plan};
use crate::lock::lock;
use crate::tracefs::{MachineMemory, fitting_kb, page_kb};

/// Kernel memory of all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What their buffers hold.
    pub used_kb: u64,
    /// What more they may have now.
    pub fits_kb: u64,
}

/// Memory that is promised to a job that is starting.
pub(super) struct Promise<'j> {
    promised_kb: &'j Mutex<u64>,
    kb: u64,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        *lock(self.promised_kb) -= self.kb;
    }
}

impl Jobs {
    /// Refuses buffers that would take too much of the machine's memory; else they have it, until the promise is dropped or
    /// the capture runs.
    pub(super) fn promise_memory(&self, plan: &Plan) -> Result<Promise<'_>, JobError> {
        let mut promised = lock(&self.promised_kb);
        let fits_kb = self.memory()?.fits_kb.saturating_sub(*promised);
        // Whole sub-buffers on every CPU, of the size that a large buffer has, so that the figure can be asked for as it is.
        let large_kb = |_| subbuf_kb(u64::MAX, self.config().job.subbuf_kb, page_kb());
        let subbuf_kb = plan.subbuf_kb.map_or_else(page_kb, large_kb);
        let cpus = u64::from(plan.cpus);
        let (asked_kb, fits_kb) = (plan.buffer_kb_total(), fitting_kb(fits_kb / cpus, subbuf_kb) * cpus);
        if asked_kb > fits_kb {
            return Err(JobError::Memory { asked_kb, fits_kb });
        }
        *promised += asked_kb;
        Ok(Promise { promised_kb: &self.promised_kb, kb: asked_kb })
    }

    /// The kernel memory of jobs.
    ///
    /// # Errors
    /// When `/proc/meminfo` cannot be read.
    pub fn memory(&self) -> Result<Memory, JobError> {
        let used_kb: u64 =
            self.all().iter().map(|job| job.now().state.running().map_or(0, |running| running.kernel_buffer_kb)).sum();
        let MachineMemory { total_kb, available_kb } = MachineMemory::now()?;
        let share_kb = (total_kb / 100 * self.config().limits.kernel_memory_percent).saturating_sub(used_kb);
        Ok(Memory { used_kb, fits_kb: share_kb.min(available_kb / 10 * 9) })
    }
}
