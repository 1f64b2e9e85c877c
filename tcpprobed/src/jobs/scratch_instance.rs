//! A kernel instance for a moment, which is removed when it is done with: for preflights and samples.

use super::{JobError, Jobs, Plan};
use crate::lock::lock;
use crate::tracefs::{Instance, Settings, Tracefs};
use crate::user::User;

/// Its buffer, a CPU.
pub const BUFFER_KB_MAX: u64 = 1024;
/// Follows the daemon's prefix; no job's name begins with a dot.
const NAME: &str = ".trial";

/// The instance, removed whatever happens.
struct ScratchInstance(Option<Instance>);

impl ScratchInstance {
    fn new(tracefs: &Tracefs, name: &str) -> Result<Self, JobError> {
        // One that a daemon left behind which was killed.
        if Instance::exists(tracefs, name) {
            Instance::open(tracefs, name)?.remove()?;
        }
        Ok(ScratchInstance(Some(Instance::create(tracefs, name)?)))
    }

    fn with<T>(mut self, work: impl FnOnce(&Instance) -> Result<T, JobError>) -> Result<T, JobError> {
        let result = self.0.as_ref().ok_or(JobError::Stopping).and_then(work);
        if let Some(instance) = self.0.take() {
            instance.remove()?;
        }
        result
    }
}

impl Drop for ScratchInstance {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Instance::remove) {
            tracing::error!(%error, "the scratch instance cannot be removed");
        }
    }
}

impl Jobs {
    /// Gives `work` an instance of its own, set up as `plan` says but for a small buffer, which does not record yet; and what
    /// the kernel made of the settings. One at a time; `plan` must fit into the memory.
    pub(super) fn with_scratch<T>(
        &self,
        plan: &Plan,
        work: impl FnOnce(&Instance, Settings) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        let _promise = self.promise_memory(plan, &User::own(), false)?;
        let _only = lock(&self.scratch);
        let settings = plan.settings();
        let settings = Settings { buffer_kb: settings.buffer_kb.min(BUFFER_KB_MAX), ..settings };
        let scratch = ScratchInstance::new(&self.tracefs, &self.instance_name(NAME))?;
        scratch.with(|instance| {
            let made = instance.configure(&settings)?;
            work(instance, made)
        })
    }
}
