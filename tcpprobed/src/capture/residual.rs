//! What the kernel's filter leaves to be decided about the events that it recorded.

use tcpprobe::filter::{Context, Predicate};

use super::comms::Comms;

/// Decides about the records of one kind of event.
#[derive(Debug)]
pub struct Residual {
    predicate: Predicate,
    /// Whether names of tasks matter to it: what they are is asked of the system, so only then.
    asks_comm: bool,
}

impl Residual {
    /// That of this predicate.
    #[must_use]
    pub fn new(predicate: Predicate) -> Self {
        Residual { asks_comm: predicate.asks_comm(), predicate }
    }

    /// Whether a record of `cpu` is to be stored.
    #[inline]
    pub fn wants(&self, cpu: u32, record: &[u8], comms: &mut Comms) -> bool {
        let comm = if self.asks_comm { comm(record, comms) } else { None };
        self.predicate.matches(record, &Context { cpu, comm, pid: None })
    }
}

/// The name of the task that was interrupted by the event in `record`.
#[cold]
fn comm<'c>(record: &[u8], comms: &'c mut Comms) -> Option<&'c str> {
    let pid = i32::from_le_bytes(*record.get(4..)?.first_chunk()?);
    comms.learn(std::iter::once(pid));
    comms.get(pid)
}
