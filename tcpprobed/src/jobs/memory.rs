//! The machine's memory, of which the kernel's buffers may take a share.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::plan::subbuf_kb;
use super::{JobError, Jobs, Plan};
use crate::lock::lock;
use crate::tracefs::{MachineMemory, fitting_kb, page_kb};
use crate::user::User;

/// Kernel memory of all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What their buffers hold.
    pub used_kb: u64,
    /// What more they may have now.
    pub fits_kb: u64,
}

/// A user's jobs may have so much of what all jobs may have,
const USER_PERCENT: u64 = 50;
/// and so much of it is left to those who administer the daemon.
const RESERVE_PERCENT: u64 = 25;

/// Kernel memory in KB, by owner.
pub(super) type MemoryByUser = BTreeMap<User, u64>;

/// Memory that is promised to a job that is starting.
pub(super) struct Promise<'j> {
    promised: &'j Mutex<MemoryByUser>,
    owner: User,
    kb: u64,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if let Some(promised) = lock(self.promised).get_mut(&self.owner) {
            *promised -= self.kb;
        }
    }
}

impl Jobs {
    /// Refuses buffers that would take too much of the machine's memory, or of what `owner` may have; else they have it, until
    /// the promise is dropped or the capture runs.
    pub(super) fn promise_memory(&self, plan: &Plan, owner: &User, has_reserve: bool) -> Result<Promise<'_>, JobError> {
        let mut promised = lock(&self.promised);
        let memory = self.memory_beside(&promised)?;
        let fits_kb = if has_reserve { memory.all_kb } else { memory.of_user_kb(owner) };
        // Whole sub-buffers on every CPU, of the size that a large buffer has, so that the figure can be asked for as it is.
        let large_kb = |_| subbuf_kb(u64::MAX, self.config().job.subbuf_kb, page_kb());
        let subbuf_kb = plan.subbuf_kb.map_or_else(page_kb, large_kb);
        let cpus = u64::from(plan.cpus);
        let (asked_kb, fits_kb) = (plan.buffer_kb_total(), fitting_kb(fits_kb / cpus, subbuf_kb) * cpus);
        if asked_kb > fits_kb {
            return Err(JobError::Memory { asked_kb, fits_kb });
        }
        *promised.entry(owner.clone()).or_default() += asked_kb;
        Ok(Promise { promised: &self.promised, owner: owner.clone(), kb: asked_kb })
    }

    /// The kernel memory of jobs.
    ///
    /// # Errors
    /// When `/proc/meminfo` cannot be read.
    pub fn memory(&self) -> Result<Memory, JobError> {
        let free = self.memory_beside(&MemoryByUser::new())?;
        Ok(Memory { used_kb: free.used_kb.values().sum(), fits_kb: free.all_kb })
    }

    /// What jobs may still have, beside what is promised.
    fn memory_beside(&self, promised: &MemoryByUser) -> Result<Free, JobError> {
        let mut used_kb = promised.clone();
        for job in self.all() {
            let now = job.now();
            if let Some(running) = now.state.running() {
                *used_kb.entry(now.file.owner.clone()).or_default() += running.kernel_buffer_kb;
            }
        }
        let MachineMemory { total_kb, available_kb } = MachineMemory::now()?;
        Ok(free(used_kb, total_kb / 100 * self.config().limits.kernel_memory_percent, available_kb / 10 * 9))
    }
}

/// Divides `share_kb`, what all jobs may have, of which only `available_kb` are there.
fn free(used_kb: MemoryByUser, share_kb: u64, available_kb: u64) -> Free {
    let all_kb = share_kb.saturating_sub(used_kb.values().sum()).min(available_kb);
    Free { used_kb, share_kb, all_kb }
}

/// What jobs may still have.
struct Free {
    used_kb: MemoryByUser,
    /// Of all jobs, what they have included.
    share_kb: u64,
    /// For those who have the reserve.
    all_kb: u64,
}

impl Free {
    /// For a user without the reserve.
    fn of_user_kb(&self, user: &User) -> u64 {
        let own_kb = self.used_kb.get(user).copied().unwrap_or_default();
        let own_share_kb = (self.share_kb / 100 * USER_PERCENT).saturating_sub(own_kb);
        own_share_kb.min(self.all_kb.saturating_sub(self.share_kb / 100 * RESERVE_PERCENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> User {
        User::of_uid(uid)
    }

    #[test]
    fn nobody_takes_what_others_need() {
        let left = |used: &[(u32, u64)]| free(used.iter().map(|&(uid, kb)| (user(uid), kb)).collect(), 1000, 5000);
        assert_eq!(left(&[]).of_user_kb(&user(1)), 500, "half of it");
        assert_eq!(left(&[(1, 500)]).of_user_kb(&user(1)), 0, "however the figure is asked for");
        assert_eq!(left(&[(1, 500)]).of_user_kb(&user(2)), 250, "the rest without the reserve");
        assert_eq!((left(&[(1, 500), (2, 250)]).of_user_kb(&user(3)), left(&[(1, 500), (2, 250)]).all_kb), (0, 250));
    }
}
