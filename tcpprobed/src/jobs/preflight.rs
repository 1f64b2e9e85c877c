//! Whether a capture would work here, found by setting one up.

use super::{JobError, Jobs, Spec};
use crate::tracefs::{CpuReader, Settings, StatsFile};

impl Jobs {
    /// Does all that starting a job with the default events does to the kernel, and undoes it; what the kernel made of it.
    ///
    /// # Errors
    /// What starting a job would fail with.
    pub fn preflight(&self) -> Result<Settings, JobError> {
        let spec = Spec { filter: "port == 1".to_owned(), ..Spec::default() };
        let plan = self.plan(&spec)?;
        self.with_scratch(&plan, |instance, settings| {
            for cpu in instance.cpus()? {
                CpuReader::open(instance, cpu)?;
                StatsFile::open(instance, cpu)?.read()?;
            }
            Ok(settings)
        })
    }
}
