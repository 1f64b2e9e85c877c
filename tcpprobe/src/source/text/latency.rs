//! The latency columns of a line, back to the bytes that a kernel prints them of: the opposite of
//! [`Layout`]'s letters.

use crate::kernel::text::Layout;
use crate::kernel::text::flags::{
    BH_OFF, HARDIRQ, IRQS_OFF, NEED_RESCHED, NEED_RESCHED_LAZY, NMI, PREEMPT_RESCHED, SOFTIRQ,
};

/// Columns of a kernel patched for real time.
const LAZY_COLUMNS: usize = 7;

/// `common_flags`, `common_preempt_count`, and `common_preempt_lazy_count` where the kernel has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    pub flags: u8,
    pub preempt_count: u8,
    /// `None` where there is no such column.
    pub lazy_count: Option<u8>,
}

/// The layout of text whose first event has these columns.
pub fn layout(columns: &str) -> Layout {
    match columns.len() {
        0 => Layout::NoColumns,
        4 => Layout::FourColumns,
        LAZY_COLUMNS => Layout::LazyPreempt,
        _ => Layout::BottomHalves,
    }
}

impl Latency {
    /// Reads the columns; letters that no kernel prints are passed over.
    #[inline]
    pub fn of(columns: &str) -> Self {
        let columns = columns.as_bytes();
        let [irqs, resched, rest @ ..] = columns else { return Latency::default() };
        let mut flags = match irqs {
            b'D' => IRQS_OFF | BH_OFF,
            b'd' => IRQS_OFF,
            b'b' => BH_OFF,
            _ => 0,
        };
        let is_lazy = columns.len() == LAZY_COLUMNS;
        let (lazy, rest) = if is_lazy { (rest[0], &rest[1..]) } else { (b'.', rest) };
        flags |= match resched {
            b'B' => NEED_RESCHED | NEED_RESCHED_LAZY | PREEMPT_RESCHED,
            b'N' => NEED_RESCHED | PREEMPT_RESCHED,
            b'L' => NEED_RESCHED_LAZY | PREEMPT_RESCHED,
            b'b' => NEED_RESCHED | NEED_RESCHED_LAZY,
            b'n' => NEED_RESCHED,
            b'l' => NEED_RESCHED_LAZY,
            b'p' => PREEMPT_RESCHED,
            _ => 0,
        };
        if lazy == b'L' {
            flags |= PREEMPT_RESCHED;
        }
        let Some((interrupt, depths)) = rest.split_first() else {
            return Latency { flags, ..Latency::default() };
        };
        flags |= match interrupt {
            b'Z' => NMI | HARDIRQ,
            b'z' => NMI,
            b'H' => HARDIRQ | SOFTIRQ,
            b'h' => HARDIRQ,
            b's' => SOFTIRQ,
            _ => 0,
        };
        let digit = |at: usize| depths.get(at).copied().map_or(0, depth);
        match is_lazy {
            true => Latency { flags, preempt_count: digit(0) | digit(2) << 4, lazy_count: Some(digit(1)) },
            false => Latency { flags, preempt_count: digit(0) | digit(1) << 4, lazy_count: None },
        }
    }
}

/// A depth of one hexadecimal digit, a dot for none.
fn depth(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::format::Format;

    fn format(lazy: bool) -> Format {
        let field = if lazy { "\tfield:u8 common_preempt_lazy_count;\toffset:8;\tsize:1;\tsigned:0;\n" } else { "" };
        Format::parse("tcp", &format!("name: e\nID: 7\nformat:\n{field}\nprint fmt: \"\"\n")).unwrap()
    }

    #[test]
    fn columns_come_back_for_any_flags() {
        for layout in [Layout::BottomHalves, Layout::LazyPreempt] {
            let is_lazy = layout == Layout::LazyPreempt;
            let format = format(is_lazy);
            for (flags, count) in (0..=255u8).flat_map(|flags| [0, 2, 0x1f, 0xf0].map(|count| (flags, count))) {
                let record = [7, 0, flags, count, 0, 0, 0, 0, 3];
                let mut columns = Vec::new();
                layout.put_columns(&mut columns, &format, &record);
                let latency = Latency::of(std::str::from_utf8(&columns).unwrap());
                assert_eq!((latency.preempt_count, latency.lazy_count), (count, is_lazy.then_some(3)));
                let again = [7, 0, latency.flags, latency.preempt_count, 0, 0, 0, 0, 3];
                let mut same = Vec::new();
                layout.put_columns(&mut same, &format, &again);
                assert_eq!(same, columns, "{flags:#x}");
            }
        }
    }
}
