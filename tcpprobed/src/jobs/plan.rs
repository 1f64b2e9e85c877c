//! From a spec to what the kernel and the capture are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tcpprobe::event::address::Ends;
use tcpprobe::event::fork;
use tcpprobe::file::block::Schema;
use tcpprobe::filter::{Filter, Joined, Predicate};
use tcpprobe::kernel::format::Format;

use super::{JobError, SnapshotPlan, Spec};
use crate::capture::Residuals;
use crate::config::Config;
use crate::tracefs::{EventName, Settings, Tracefs, held_kb, page_kb};
use crate::wording::shortened;

/// A buffer has at least this many sub-buffers: with fewer, a page being read leaves too little room.
const SUBBUFS_MIN: u64 = 16;
/// How full a buffer is when the kernel wakes the capture.
const WAKE_PERCENT: u64 = 25;
/// What is asked besides of the events that a set brings: some fire for other protocols too.
const OF_TCP: &str = "protocol == IPPROTO_TCP";

/// What one event becomes.
#[derive(Debug, Clone)]
pub struct EventPlan {
    /// The event.
    pub event: EventName,
    /// Its format on this kernel.
    pub format: Format,
    /// All that is asked of it.
    pub filter: Filter,
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
    /// By event, in the order of their names.
    pub events: Vec<EventPlan>,
    /// Formats of the events of our own that are recorded beside. Their numbers are the highest that there are, which no kernel has.
    pub own: Vec<Format>,
    /// Snapshots, where there are to be any.
    pub snapshots: Option<SnapshotPlan>,
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
    /// Works out what `spec` means here, but for the events of our own.
    ///
    /// # Errors
    /// When events or filter are not possible on this kernel.
    pub fn new(spec: &Spec, config: &Config, tracefs: &Tracefs) -> Result<Self, JobError> {
        let chosen = tracefs.resolve(&spec.events)?;
        let (filter, of_tcp) = (Filter::parse(&spec.filter)?, Filter::parse(OF_TCP)?);
        let mut warnings = Vec::new();
        if !chosen.lacking.is_empty() {
            warnings.push(format!("this kernel does not have {}", chosen.lacking.join(", ")));
        }
        let (mut events, mut without_socket) = (Vec::new(), Vec::new());
        for (event, is_of_set) in chosen.events {
            let format = tracefs.format(&event)?;
            if is_of_set && !filter.can_hold(&format) {
                without_socket.push(event.to_string());
                continue;
            }
            let is_narrowed = is_of_set && format.field("protocol").is_some();
            let filter = match is_narrowed {
                // It is about no socket.
                _ if fork::is_it(&format) => Filter::parse("")?,
                true => filter.and(&of_tcp),
                false => filter.clone(),
            };
            let compiled = filter.compile(&format);
            let (kernel, residual, missing) = (compiled.kernel, compiled.residual, compiled.missing);
            events.push(EventPlan { event, format, filter, kernel, residual, missing });
        }
        if !without_socket.is_empty() {
            let events = shortened(&without_socket);
            warnings.push(format!("left out, for they tell no socket that the filter could be asked of: {events}"));
        }
        warnings.extend(joined_in_vain(&events)?);
        let of_sockets = events.iter().map(|plan| &plan.format).filter(|format| !fork::is_it(format));
        filter.check_capture(&of_sockets.cloned().collect::<Vec<_>>())?;
        let cpus = crate::tracefs::possible_cpus()?.len().max(1) as u32;
        let default_kb = config.job.buffer_kb_per_cpu;
        let asked = if spec.buffer_kb == 0 { default_kb } else { spec.buffer_kb.div_ceil(u64::from(cpus)) };
        let can_choose = tracefs.features().subbuf_size;
        let subbuf_kb = can_choose.then(|| subbuf_kb(asked, config.job.subbuf_kb, page_kb()));
        let buffer_kb_per_cpu = held_kb(asked, subbuf_kb.unwrap_or_else(page_kb));
        Ok(Plan { events, own: Vec::new(), snapshots: None, buffer_kb_per_cpu, cpus, subbuf_kb, warnings })
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

    /// What the capture decides about.
    #[must_use]
    pub fn residuals(&self) -> Residuals {
        Residuals::new(self.events.iter().map(|plan| (&plan.format, plan.residual.clone())))
    }

    /// The whole filter, for events of an instance that may have had another one.
    #[must_use]
    pub fn whole_residuals(&self) -> Residuals {
        Residuals::new(self.events.iter().map(|plan| (&plan.format, Some(plan.filter.predicate(&plan.format)))))
    }
}

/// What is to be said of events that are asked for the ends of their sockets where nothing that is recorded tells those.
///
/// # Errors
/// Where such an event never tells them itself: none of them would be stored.
fn joined_in_vain(events: &[EventPlan]) -> Result<Option<String>, JobError> {
    let mut joined = Joined::default();
    events.iter().for_each(|plan| joined.add(&plan.format, plan.residual.as_ref()));
    let in_vain = events.iter().enumerate().filter(|(index, _)| joined.is_in_vain(*index)).map(|(_, plan)| plan);
    let (some, none): (Vec<&EventPlan>, Vec<&EventPlan>) = in_vain.partition(|plan| Ends::of(&plan.format).is_some());
    let names = |plans: &[&EventPlan]| shortened(&plans.iter().map(|plan| plan.event.to_string()).collect::<Vec<_>>());
    if !none.is_empty() {
        let names = names(&none);
        return Err(JobError::Events(format!(
            "{names} tells no ports and addresses to filter by, and no other event of the job tells those of its socket; add `default`"
        )));
    }
    let say = |names| {
        format!(
            "{names} does not always tell ports and addresses, and then is left out; with `default` its socket tells them"
        )
    };
    Ok((!some.is_empty()).then(|| say(names(&some))))
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
