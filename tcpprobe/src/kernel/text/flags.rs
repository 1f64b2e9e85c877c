//! The bits of `common_flags` (`enum trace_flag_type`, `include/linux/trace_events.h`).

pub(crate) const IRQS_OFF: u8 = 0x01;
pub(crate) const NEED_RESCHED_LAZY: u8 = 0x02;
pub(crate) const NEED_RESCHED: u8 = 0x04;
pub(crate) const HARDIRQ: u8 = 0x08;
pub(crate) const SOFTIRQ: u8 = 0x10;
pub(crate) const PREEMPT_RESCHED: u8 = 0x20;
pub(crate) const NMI: u8 = 0x40;
pub(crate) const BH_OFF: u8 = 0x80;
