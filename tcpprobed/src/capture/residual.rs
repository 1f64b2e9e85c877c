//! What the kernel's filter leaves to be decided about the events that it recorded.

use tcpprobe::filter::{Context, Ends, Joined, Predicate};
use tcpprobe::kernel::format::Format;

use super::comms::Comms;

/// Decides about the records of one kind of event.
#[derive(Debug)]
struct Residual {
    predicate: Predicate,
    /// Whether names of tasks matter to it: what they are is asked of the system, so only then.
    asks_comm: bool,
}

/// Decides about the records of a job, by the index of their event in its schema.
#[derive(Debug, Default)]
pub struct Residuals {
    by_index: Vec<Option<Residual>>,
    joined: Joined,
}

impl Residuals {
    /// Those of these events.
    pub fn new<'f>(events: impl IntoIterator<Item = (&'f Format, Option<Predicate>)>) -> Self {
        let mut residuals = Residuals::default();
        for (format, predicate) in events {
            residuals.joined.add(format, predicate.as_ref());
            let asks_comm = predicate.as_ref().is_some_and(Predicate::asks_comm);
            residuals.by_index.push(predicate.map(|predicate| Residual { predicate, asks_comm }));
        }
        residuals
    }

    /// Whether a record of `cpu` is to be stored.
    #[inline]
    pub fn wants(&mut self, index: usize, cpu: u32, (time, record): (u64, &[u8]), comms: &mut Comms) -> bool {
        self.joined.note(index, time, record);
        let Some(Some(residual)) = self.by_index.get(index) else { return true };
        residual.wants(cpu, record, self.joined.ends(index, time, record), comms)
    }

    /// The kernel lost events: what they may have said about sockets, nobody knows.
    pub fn lose(&mut self) {
        self.joined.lose();
    }
}

impl Residual {
    #[inline]
    fn wants(&self, cpu: u32, record: &[u8], ends: Ends, comms: &mut Comms) -> bool {
        let comm = if self.asks_comm { comm(record, comms) } else { None };
        self.predicate.matches(record, &Context { cpu, comm, pid: None, ends })
    }
}

/// The name of the task that was interrupted by the event in `record`.
#[cold]
fn comm<'c>(record: &[u8], comms: &'c mut Comms) -> Option<&'c str> {
    let pid = i32::from_le_bytes(*record.get(4..)?.first_chunk()?);
    comms.learn(std::iter::once(pid));
    comms.get(pid)
}
