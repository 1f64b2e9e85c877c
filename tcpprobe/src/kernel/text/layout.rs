//! The kernel's layouts of `trace`, and the letters of its latency columns.
//!
//! Source: `kernel/trace/trace.c`, `print_func_help_header_irq()`, and `kernel/trace/trace_output.c`,
//! `trace_print_context()` and `trace_print_lat_fmt()`. The captures of this repository hold the second and the last.

use super::flags::{BH_OFF, HARDIRQ, IRQS_OFF, NEED_RESCHED, NEED_RESCHED_LAZY, NMI, PREEMPT_RESCHED, SOFTIRQ};
use crate::kernel::format::Format;

/// Which kernel's layout to write. Nothing in tracefs but the header of `trace` itself tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// Before 5.10: five columns for the pid, four of flags.
    NarrowPid,
    /// 5.10 to 5.14: seven for the pid.
    FourColumns,
    /// 5.15 and 5.16: a fifth of flags, the depth of migrate-disable.
    FiveColumns,
    /// Since 5.17: the first also shows that softirqs are off.
    #[default]
    BottomHalves,
    /// Of any kernel with the option `irq-info` off.
    NoColumns,
    /// Patched for real time, up to 6.6: with the lazy kind of need-resched and of preemption in columns of their own.
    LazyPreempt,
}

/// Clocks that do not count nanoseconds (`trace_clocks`, `kernel/trace/trace.c`).
const TICKING: [&str; 5] = ["counter", "uptime", "x86-tsc", "ppc-tb", UNKNOWN_TICKS];

/// What a clock is called of which text tells only that it does not count nanoseconds.
pub(crate) const UNKNOWN_TICKS: &str = "ticks";

/// Whether the times of this `trace_clock` are ticks, and no nanoseconds.
#[must_use]
pub fn clock_ticks(clock: &str) -> bool {
    TICKING.contains(&clock)
}

/// What kernels patched for real time count beside `common_preempt_count`.
const PREEMPT_LAZY_COUNT: &str = "common_preempt_lazy_count";

impl Layout {
    /// The layout of the kernel with this `uname -r`; the newest where that does not begin with a version.
    ///
    /// ```
    /// use tcpprobe::kernel::text::Layout;
    /// assert_eq!(Layout::of_release("5.10.0-46-cloud-amd64"), Layout::FourColumns);
    /// assert_eq!(Layout::of_release("6.12.95+deb12-cloud-amd64"), Layout::BottomHalves);
    /// ```
    #[must_use]
    pub fn of_release(release: &str) -> Self {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|word| word.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(5), Some(0..=9)) | (Some(1..=4), _) => Layout::NarrowPid,
            (Some(5), Some(10..=14)) => Layout::FourColumns,
            (Some(5), Some(15..=16)) => Layout::FiveColumns,
            _ => Layout::BottomHalves,
        }
    }

    /// Every layout and its name in the header of a trace that was made of text.
    const NAMES: [(Layout, &str); 6] = [
        (Layout::NarrowPid, "narrow-pid"),
        (Layout::FourColumns, "four-columns"),
        (Layout::FiveColumns, "five-columns"),
        (Layout::BottomHalves, "bottom-halves"),
        (Layout::NoColumns, "no-columns"),
        (Layout::LazyPreempt, "lazy-preempt"),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Layout::NAMES.iter().find(|(layout, _)| *layout == self).map_or("", |(_, name)| name)
    }

    /// The layout of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Layout::NAMES.iter().find(|(_, known)| *known == name).map(|(layout, _)| *layout)
    }

    /// The layout of the kernel with this `uname -r`, which may be empty, and these formats.
    #[must_use]
    pub fn told_by<'f>(release: &str, formats: impl IntoIterator<Item = &'f Format>) -> Self {
        match Layout::of_formats(formats) {
            Layout::LazyPreempt => Layout::LazyPreempt,
            _ if !release.is_empty() => Layout::of_release(release),
            of_formats => of_formats,
        }
    }

    /// The layout of a kernel of which only the formats of its tcp events are known: they changed at about the same times
    /// (the `state` of tcp_retransmit_skb came with 5.2, two bytes for the `protocol` of inet_sock_set_state with 5.6, `family`
    /// with 5.12, tcp_bad_csum with 5.14, tcp_cong_state_set with 5.19). The newest where they do not tell.
    #[must_use]
    pub fn of_formats<'f>(formats: impl IntoIterator<Item = &'f Format>) -> Self {
        let formats: Vec<&Format> = formats.into_iter().collect();
        // Older patches keep the depth of migrate-disable beside it.
        let is_lazy = |format: &&Format| {
            format.field(PREEMPT_LAZY_COUNT).is_some() && format.field("common_migrate_disable").is_none()
        };
        if formats.iter().any(is_lazy) {
            return Layout::LazyPreempt;
        }
        let find = |name| formats.iter().find(|format| format.name == name);
        // tcp_destroy_sock is older than them all: it tells whether the list is complete.
        let is_older = find("tcp_cong_state_set").is_none() && find("tcp_destroy_sock").is_some();
        let is_stateless = find("tcp_retransmit_skb").is_some_and(|format| format.field("state").is_none());
        let protocol = find("inet_sock_set_state").and_then(|format| format.field("protocol"));
        match find("tcp_probe") {
            Some(probe) if probe.field("family").is_none() => {
                let is_narrow = is_stateless || protocol.is_some_and(|protocol| protocol.size == 1);
                if is_narrow { Layout::NarrowPid } else { Layout::FourColumns }
            }
            Some(_) if is_older && find("tcp_bad_csum").is_none() => Layout::FourColumns,
            Some(_) if is_older => Layout::FiveColumns,
            _ => Layout::BottomHalves,
        }
    }

    /// The lines between the count of entries and the first event.
    pub(crate) fn legend(self) -> &'static str {
        match self {
            Layout::NarrowPid => concat!(
                "#                              _-----=> irqs-off\n",
                "#                             / _----=> need-resched\n",
                "#                            | / _---=> hardirq/softirq\n",
                "#                            || / _--=> preempt-depth\n",
                "#                            ||| /     delay\n",
                "#           TASK-PID   CPU#  ||||    TIMESTAMP  FUNCTION\n",
                "#              | |       |   ||||       |         |\n",
            ),
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
            Layout::LazyPreempt => concat!(
                "#                                _-------=> irqs-off/BH-disabled\n",
                "#                               / _------=> need-resched\n",
                "#                              | / _-----=> need-resched-lazy\n",
                "#                              || / _----=> hardirq/softirq\n",
                "#                              ||| / _---=> preempt-depth\n",
                "#                              |||| / _--=> preempt-lazy-depth\n",
                "#                              ||||| / _-=> migrate-disable\n",
                "#                              |||||| /     delay\n",
                "#           TASK-PID     CPU#  |||||||  TIMESTAMP  FUNCTION\n",
                "#              | |         |   |||||||      |         |\n",
            ),
            Layout::NoColumns => concat!(
                "#           TASK-PID     CPU#     TIMESTAMP  FUNCTION\n",
                "#              | |         |         |         |\n",
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

    /// Columns of the pid, those of its minus included.
    pub(crate) fn pid_width(self) -> usize {
        if self == Layout::NarrowPid { 5 } else { 7 }
    }

    /// Appends the columns of a record of this format.
    pub(crate) fn put_columns(self, out: &mut Vec<u8>, format: &Format, record: &[u8]) {
        // `common_flags` and `common_preempt_count`.
        let (flags, preempt_count) = match record {
            [_, _, flags, preempt_count, ..] => (*flags, *preempt_count),
            _ => (0, 0),
        };
        if self == Layout::NoColumns {
            return;
        }
        let has = |flag| flags & flag != 0;
        out.push(match (has(IRQS_OFF), has(BH_OFF)) {
            (true, true) => b'D',
            (true, false) => b'd',
            (false, true) => b'b',
            (false, false) => b'.',
        });
        if self == Layout::LazyPreempt {
            // PREEMPT_RESCHED shares its bit with the lazy kind, beside which the other one is not shown.
            let lazy = has(PREEMPT_RESCHED);
            out.push(if has(NEED_RESCHED) && !lazy { b'n' } else { b'.' });
            out.push(if lazy { b'L' } else { b'.' });
        } else {
            out.push(need_resched(has(NEED_RESCHED), has(NEED_RESCHED_LAZY), has(PREEMPT_RESCHED)));
        }
        out.push(match (has(NMI), has(HARDIRQ), has(SOFTIRQ)) {
            (true, true, _) => b'Z',
            (true, false, _) => b'z',
            (false, true, true) => b'H',
            (false, true, false) => b'h',
            (false, false, true) => b's',
            (false, false, false) => b'.',
        });
        match self {
            // The whole byte is the depth; two digits where it needs them.
            Layout::NarrowPid | Layout::FourColumns => put_depth(out, preempt_count),
            Layout::LazyPreempt => {
                out.push(depth(preempt_count & 0xf));
                let lazy_count = format.field(PREEMPT_LAZY_COUNT).and_then(|field| field.unsigned(record));
                put_depth(out, lazy_count.unwrap_or(0) as u8);
                out.push(depth(preempt_count >> 4));
            }
            _ => out.extend_from_slice(&[depth(preempt_count & 0xf), depth(preempt_count >> 4)]),
        }
    }
}

fn need_resched(now: bool, lazily: bool, preempting: bool) -> u8 {
    match (now, lazily, preempting) {
        (true, true, true) => b'B',
        (true, false, true) => b'N',
        (false, true, true) => b'L',
        (true, true, false) => b'b',
        (true, false, false) => b'n',
        (false, true, false) => b'l',
        (false, false, true) => b'p',
        (false, false, false) => b'.',
    }
}

/// A depth of up to two digits.
fn put_depth(out: &mut Vec<u8>, value: u8) {
    if value > 0xf {
        out.push(digit(value >> 4));
    }
    out.push(if value > 0xf { digit(value & 0xf) } else { depth(value) });
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
        check("4.19.0-27-amd64", Layout::NarrowPid);
        check("5.4.0-216-generic", Layout::NarrowPid);
        check("5.9.16", Layout::NarrowPid);
        check("5.10", Layout::FourColumns);
        check("5.14.21", Layout::FourColumns);
        check("5.15.0-91-generic", Layout::FiveColumns);
        check("5.17.1", Layout::BottomHalves);
        check("10.1.0", Layout::BottomHalves);
        check("", Layout::BottomHalves);
    }

    /// A tcp event with these fields, of a byte each.
    fn with_fields(name: &str, fields: &[&str]) -> Format {
        let lines =
            fields.iter().zip(8..).map(|(field, at)| format!("\tfield:{field};\toffset:{at};\tsize:1;\tsigned:0;\n"));
        let text = format!("name: {name}\nID: 7\nformat:\n{}\nprint fmt: \"\"\n", lines.collect::<String>());
        Format::parse("tcp", &text).unwrap()
    }

    #[test]
    fn where_no_release_is_known_the_events_tell() {
        let check = |events: &[(&str, &[&str])], expected| {
            let formats: Vec<Format> = events.iter().map(|(name, fields)| with_fields(name, fields)).collect();
            assert_eq!(Layout::told_by("", &formats), expected, "{events:?}");
        };
        let (old, new): (&[&str], &[&str]) = (&["u8 sport"], &["u8 sport", "u8 family"]);
        let (retransmit, retransmit_state) = (("tcp_retransmit_skb", old), ("tcp_retransmit_skb", &["u8 state"][..]));
        let (destroy, bad_csum, cong) = (("tcp_destroy_sock", old), ("tcp_bad_csum", old), ("tcp_cong_state_set", old));
        check(&[], Layout::BottomHalves);
        check(&[("tcp_probe", old), retransmit], Layout::NarrowPid);
        check(&[("tcp_probe", old), retransmit_state, destroy], Layout::FourColumns);
        check(&[("tcp_probe", old), ("inet_sock_set_state", &["u8 protocol"])], Layout::NarrowPid);
        check(&[("tcp_probe", new), retransmit_state, destroy], Layout::FourColumns);
        check(&[("tcp_probe", new), retransmit_state, destroy, bad_csum], Layout::FiveColumns);
        check(&[("tcp_probe", new), retransmit_state, destroy, bad_csum, cong], Layout::BottomHalves);
        check(&[("tcp_probe", new)], Layout::BottomHalves);
        let lazy: &[&str] = &["unsigned char common_preempt_lazy_count", "u8 family"];
        check(&[("tcp_probe", lazy)], Layout::LazyPreempt);
        let formats = [with_fields("tcp_probe", lazy)];
        assert_eq!(Layout::told_by("6.1.0-50-rt-amd64", &formats), Layout::LazyPreempt);
        let formats = [with_fields("tcp_probe", old)];
        assert_eq!(Layout::told_by("6.1.0-50-amd64", &formats), Layout::BottomHalves);
    }

    #[test]
    fn letters() {
        let format = with_fields("event", &["unsigned char common_preempt_lazy_count"]);
        let check_lazy = |layout: Layout, flags, preempt_count, lazy_count, expected: &str| {
            let bytes = [7, 0, flags, preempt_count, 1, 0, 0, 0, lazy_count];
            let mut out = Vec::new();
            layout.put_columns(&mut out, &format, &bytes);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{layout:?} {flags:#x} {preempt_count:#x}");
        };
        let check = |layout, flags, preempt_count, expected| check_lazy(layout, flags, preempt_count, 3, expected);
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
        check(Layout::NarrowPid, SOFTIRQ, 2, "..s2");
        let lazy = Layout::LazyPreempt;
        check_lazy(lazy, SOFTIRQ, 0x30, 1, "...s.13");
        check_lazy(lazy, BH_OFF, 0, 0, "b......");
        check_lazy(lazy, NEED_RESCHED, 1, 0, ".n..1..");
        check_lazy(lazy, PREEMPT_RESCHED | HARDIRQ, 1, 0x12, "..Lh112.");
        check_lazy(lazy, PREEMPT_RESCHED | NEED_RESCHED, 0, 0, "..L....");
    }
}
