//! The kernel's layouts of `trace`, and the letters of its latency columns.
//!
//! Source: `kernel/trace/trace.c`, `print_func_help_header_irq()`, and `kernel/trace/trace_output.c`,
//! `trace_print_lat_fmt()`. The captures of this repository hold the first and the last of the three.

use crate::format::Format;

/// Which kernel's layout to write. Nothing in tracefs but the header of `trace` itself tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// Before 5.14: four columns of flags.
    FourColumns,
    /// 5.14 to 5.16: a fifth, the depth of migrate-disable.
    FiveColumns,
    /// Since 5.17: the first also shows that softirqs are off.
    #[default]
    BottomHalves,
}

const IRQS_OFF: u8 = 0x01;
const NEED_RESCHED_LAZY: u8 = 0x02;
const NEED_RESCHED: u8 = 0x04;
const HARDIRQ: u8 = 0x08;
const SOFTIRQ: u8 = 0x10;
const PREEMPT_RESCHED: u8 = 0x20;
const NMI: u8 = 0x40;
const BH_OFF: u8 = 0x80;

impl Layout {
    /// The layout of the kernel with this `uname -r`; the newest where that does not begin with a version.
    ///
    /// ```
    /// use tcpprobe::text::Layout;
    /// assert_eq!(Layout::of_release("5.10.0-46-cloud-amd64"), Layout::FourColumns);
    /// assert_eq!(Layout::of_release("6.12.95+deb12-cloud-amd64"), Layout::BottomHalves);
    /// ```
    #[must_use]
    pub fn of_release(release: &str) -> Self {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|word| word.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(5), Some(0..=13)) | (Some(1..=4), _) => Layout::FourColumns,
            (Some(5), Some(14..=16)) => Layout::FiveColumns,
            _ => Layout::BottomHalves,
        }
    }

    /// The layout of a kernel of which only the formats of its tcp events are known: they changed at about the same times
    /// (`family` came with 5.12, tcp_cong_state_set with 5.19). The newest where they do not tell.
    #[must_use]
    pub fn of_formats<'f>(formats: impl IntoIterator<Item = &'f Format>) -> Self {
        let tcp: Vec<&Format> = formats.into_iter().filter(|format| format.system == "tcp").collect();
        let find = |name| tcp.iter().find(|format| format.name == name);
        // tcp_destroy_sock is older than them all: it tells whether the list is complete.
        let is_older = find("tcp_cong_state_set").is_none() && find("tcp_destroy_sock").is_some();
        match find("tcp_probe") {
            Some(probe) if probe.field("family").is_none() => Layout::FourColumns,
            Some(_) if is_older => Layout::FiveColumns,
            _ => Layout::BottomHalves,
        }
    }

    /// The lines between the count of entries and the first event.
    pub(super) fn legend(self) -> &'static str {
        match self {
            Layout::FourColumns => concat!(
                "#                                _-----=> irqs-off\n",
                "#                               / _----=> need-resched\n",
                "#                              | / _---=> hardirq/softirq\n",
                "#                              || / _--=> preempt-depth\n",
                "#                              ||| /     delay\n",
                "#           TASK-PID     CPU#  ||||   TIMESTAMP  FUNCTION\n",
                "#              | |         |   ||||      |         |\n",
            ),
            Layout::FiveColumns => concat!(
                "#                                _-----=> irqs-off\n",
                "#                               / _----=> need-resched\n",
                "#                              | / _---=> hardirq/softirq\n",
                "#                              || / _--=> preempt-depth\n",
                "#                              ||| / _-=> migrate-disable\n",
                "#                              |||| /     delay\n",
                "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n",
                "#              | |         |   |||||     |         |\n",
            ),
            Layout::BottomHalves => concat!(
                "#                                _-----=> irqs-off/BH-disabled\n",
                "#                               / _----=> need-resched\n",
                "#                              | / _---=> hardirq/softirq\n",
                "#                              || / _--=> preempt-depth\n",
                "#                              ||| / _-=> migrate-disable\n",
                "#                              |||| /     delay\n",
                "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n",
                "#              | |         |   |||||     |         |\n",
            ),
        }
    }

    /// Appends the columns for a record's `common_flags` and `common_preempt_count`.
    pub(super) fn put_columns(self, out: &mut Vec<u8>, flags: u8, preempt_count: u8) {
        let has = |flag| flags & flag != 0;
        let irqs_off = match (has(IRQS_OFF), has(BH_OFF)) {
            (true, true) => b'D',
            (true, false) => b'd',
            (false, true) => b'b',
            (false, false) => b'.',
        };
        let need_resched = match (has(NEED_RESCHED), has(NEED_RESCHED_LAZY), has(PREEMPT_RESCHED)) {
            (true, true, true) => b'B',
            (true, false, true) => b'N',
            (false, true, true) => b'L',
            (true, true, false) => b'b',
            (true, false, false) => b'n',
            (false, true, false) => b'l',
            (false, false, true) => b'p',
            (false, false, false) => b'.',
        };
        let interrupt = match (has(NMI), has(HARDIRQ), has(SOFTIRQ)) {
            (true, true, _) => b'Z',
            (true, false, _) => b'z',
            (false, true, true) => b'H',
            (false, true, false) => b'h',
            (false, false, true) => b's',
            (false, false, false) => b'.',
        };
        out.extend_from_slice(&[irqs_off, need_resched, interrupt]);
        if self == Layout::FourColumns {
            // The whole byte is the depth; two digits where it needs them.
            if preempt_count > 0xf {
                out.push(depth(preempt_count >> 4));
            }
            out.push(if preempt_count > 0xf { digit(preempt_count & 0xf) } else { depth(preempt_count) });
        } else {
            out.extend_from_slice(&[depth(preempt_count & 0xf), depth(preempt_count >> 4)]);
        }
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// A depth as one hexadecimal digit, a dot for none.
fn depth(value: u8) -> u8 {
    if value == 0 { b'.' } else { digit(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        let check = |release, expected| assert_eq!(Layout::of_release(release), expected, "{release}");
        check("4.19.0-27-amd64", Layout::FourColumns);
        check("5.13", Layout::FourColumns);
        check("5.15.0-91-generic", Layout::FiveColumns);
        check("5.17.1", Layout::BottomHalves);
        check("10.1.0", Layout::BottomHalves);
        check("", Layout::BottomHalves);
    }

    #[test]
    fn letters() {
        let check = |layout: Layout, flags, preempt_count, expected: &str| {
            let mut out = Vec::new();
            layout.put_columns(&mut out, flags, preempt_count);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{layout:?} {flags:#x} {preempt_count:#x}");
        };
        let new = Layout::BottomHalves;
        check(new, 0, 0, ".....");
        check(new, IRQS_OFF, 0, "d....");
        check(new, BH_OFF, 1, "b..1.");
        check(new, IRQS_OFF | BH_OFF | HARDIRQ, 0x2f, "D.hf2");
        check(new, NEED_RESCHED | PREEMPT_RESCHED | SOFTIRQ, 0x02, ".Ns2.");
        check(new, NEED_RESCHED, 0, ".n...");
        check(new, PREEMPT_RESCHED, 0, ".p...");
        check(new, NEED_RESCHED_LAZY, 0, ".l...");
        check(new, NEED_RESCHED_LAZY | PREEMPT_RESCHED, 0, ".L...");
        check(new, NEED_RESCHED_LAZY | NEED_RESCHED, 0, ".b...");
        check(new, NEED_RESCHED_LAZY | NEED_RESCHED | PREEMPT_RESCHED, 0, ".B...");
        check(new, NMI, 0, "..z..");
        check(new, NMI | HARDIRQ, 0, "..Z..");
        check(new, HARDIRQ | SOFTIRQ, 0, "..H..");
        check(Layout::FourColumns, SOFTIRQ, 1, "..s1");
        check(Layout::FourColumns, SOFTIRQ, 0, "..s.");
        check(Layout::FourColumns, IRQS_OFF, 0x10, "d..10");
    }
}
