//! From a spec to what the kernel and the capture are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tcpprobe::file::block::Schema;
use tcpprobe::filter::{Filter, Predicate};
use tcpprobe::kernel::format::Format;

use super::{JobError, Spec};
use crate::capture::Residual;
use crate::config::Config;
use crate::owners;
use crate::tracefs::{EventName, Settings, Tracefs, held_kb, page_kb};

/// A buffer has at least this many sub-buffers: with fewer, a page being read leaves too little room.
const SUBBUFS_MIN: u64 = 16;
/// How full a buffer is when the kernel wakes the capture.
const WAKE_PERCENT: u64 = 25;

/// What one event becomes.
#[derive(Debug, Clone)]
pub struct EventPlan {
    /// The event.
    pub event: EventName,
    /// Its format on this kernel.
    pub format: Format,
    /// What the kernel evaluates.
    pub kernel: Option<String>,
    /// What the capture evaluates.
    pub residual: Option<Predicate>,
    /// Fields of the filter that it lacks.
    pub missing: Vec<String>,
}

/// What a job will do on this machine.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The whole filter.
    pub filter: Filter,
    /// By event, in the order of their names.
    pub events: Vec<EventPlan>,
    /// Formats of the events of our own that are recorded beside.
    pub own: Vec<Format>,
    /// What the kernel's buffer holds: what was asked for, rounded up to whole sub-buffers.
    pub buffer_kb_per_cpu: u64,
    /// CPUs that have one.
    pub cpus: u32,
    /// Sub-buffer to ask for.
    pub subbuf_kb: Option<u64>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Works out what `spec` means here.
    ///
    /// # Errors
    /// When events or filter are not possible on this kernel.
    pub fn new(spec: &Spec, config: &Config, tracefs: &Tracefs) -> Result<Self, JobError> {
        let mut names = tracefs.resolve(&spec.events)?;
        names.sort();
        let filter = Filter::parse(&spec.filter)?;
        let mut events = Vec::new();
        for event in names {
            let format = tracefs.format(&event)?;
            let compiled = filter.compile(&format);
            let (kernel, residual, missing) = (compiled.kernel, compiled.residual, compiled.missing);
            events.push(EventPlan { event, format, kernel, residual, missing });
        }
        filter.check_capture(&events.iter().map(|plan| plan.format.clone()).collect::<Vec<_>>())?;
        let cpus = crate::tracefs::possible_cpus()?.len().max(1) as u32;
        let default_kb = config.job.buffer_kb_per_cpu;
        let asked = if spec.buffer_kb == 0 { default_kb } else { spec.buffer_kb.div_ceil(u64::from(cpus)) };
        let can_choose = tracefs.features().subbuf_size;
        let subbuf_kb = can_choose.then(|| subbuf_kb(asked, config.job.subbuf_kb, page_kb()));
        let buffer_kb_per_cpu = held_kb(asked, subbuf_kb.unwrap_or_else(page_kb));
        Ok(Plan { filter, events, own: own_formats(config), buffer_kb_per_cpu, cpus, subbuf_kb, warnings: Vec::new() })
    }

    /// Kernel memory over all CPUs, in KB.
    #[must_use]
    pub fn buffer_kb_total(&self) -> u64 {
        self.buffer_kb_per_cpu.saturating_mul(u64::from(self.cpus))
    }

    /// What the kernel instance is to be.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let events: BTreeMap<_, _> = self.events.iter().map(|plan| (plan.event.clone(), plan.kernel.clone())).collect();
        Settings {
            clock: "boot".into(),
            buffer_kb: self.buffer_kb_per_cpu,
            subbuf_kb: self.subbuf_kb,
            buffer_percent: Some(WAKE_PERCENT),
            overwrite: true,
            events,
            tracing: false,
        }
    }

    /// The events' formats, as a schema: those of the kernel's in the order of the plan, then those of our own.
    ///
    /// # Errors
    /// When there are too many events.
    pub fn schema(&self) -> Result<Arc<Schema>, JobError> {
        Schema::new(self.events.iter().map(|plan| &plan.format).chain(&self.own).cloned())
            .map_err(|error| JobError::Events(error.to_string()))
    }

    /// What the capture decides about, by the schema's index.
    #[must_use]
    pub fn residuals(&self) -> Vec<Option<Residual>> {
        self.events.iter().map(|plan| plan.residual.clone().map(Residual::new)).collect()
    }

    /// The whole filter, for events of an instance that may have had another one, by the schema's index.
    #[must_use]
    pub fn whole_residuals(&self) -> Vec<Option<Residual>> {
        self.events.iter().map(|plan| Some(Residual::new(self.filter.predicate(&plan.format)))).collect()
    }
}

/// The formats of the events of our own. Their numbers are the highest that there are, which no kernel has.
fn own_formats(config: &Config) -> Vec<Format> {
    config.owners.enabled.then(owners::format).and_then(Result::ok).into_iter().collect()
}

/// The largest sub-buffer, up to `wanted`, of which a buffer has enough; a memory page at least.
pub(super) fn subbuf_kb(buffer_kb: u64, wanted: u64, page_kb: u64) -> u64 {
    let mut kb = page_kb;
    while kb * 2 <= wanted && kb * 2 * SUBBUFS_MIN <= buffer_kb {
        kb *= 2;
    }
    kb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_buffer_has_small_subbuffers() {
        let of = |page_kb| [8, 64, 128, 1023, 1024, 1 << 20].map(|kb| subbuf_kb(kb, 64, page_kb));
        assert_eq!(of(4), [4, 4, 8, 32, 64, 64]);
        assert_eq!(of(16), [16, 16, 16, 32, 64, 64]);
        assert_eq!(of(64), [64; 6]);
        assert_eq!([4, 16, 64].map(|page_kb| subbuf_kb(1 << 20, 4, page_kb)), [4, 16, 64], "none is less than a page");
    }
}
