//! One event as the kernel recorded it.

use super::table::EventKind;
use crate::kernel::format::Format;
use crate::kernel::value::Value;

/// `TRACE_FLAG_HARDIRQ`, `_SOFTIRQ`, `_NMI` (`include/linux/trace_events.h`): whoever was interrupted is in `common_pid`.
pub const INTERRUPT_FLAGS: u8 = 0x08 | 0x10 | 0x40;

/// One event as the kernel recorded it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Nanoseconds in the trace's clock.
    pub time: u64,
    /// The CPU that recorded it.
    pub cpu: u32,
    /// The name of the task that was interrupted, as far as the kernel knew it; `None` prints as `<...>`.
    pub comm: Option<&'a str>,
    /// Which event it is, where it is one of the table.
    pub kind: EventKind,
    /// The place of `format` in the list that its source has told: by it consumers find what they keep of a format.
    pub index: usize,
    /// Explains `bytes`.
    pub format: &'a Format,
    /// The record, from `common_type` on.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// A record of the only format there is; its kind is looked up by name.
    #[must_use]
    pub fn new(time: u64, cpu: u32, comm: Option<&'a str>, format: &'a Format, bytes: &'a [u8]) -> Self {
        Record { time, cpu, comm, kind: EventKind::of(&format.name), index: 0, format, bytes }
    }

    /// `common_pid`: the task that was interrupted. Seldom the owner of the connection.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, i32::from_le_bytes)
    }

    /// `common_flags`: interrupts off, need-resched, hard or soft interrupt (`include/linux/trace_events.h`).
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.bytes.get(2).copied().unwrap_or(0)
    }

    /// The thread that did it; `None` where an interrupt did, whoever was interrupted.
    #[must_use]
    pub fn task(&self) -> Option<i32> {
        (self.flags() & INTERRUPT_FLAGS == 0).then(|| self.pid())
    }

    /// `common_preempt_count`: preemption depth in the low, migrate-disable depth in the high four bits.
    #[must_use]
    pub fn preempt_count(&self) -> u8 {
        self.bytes.get(3).copied().unwrap_or(0)
    }

    /// The value of the field `name`, `None` where the event has none or the record is too short for it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        self.format.field(name).and_then(|field| Value::of(field, self.bytes))
    }
}
