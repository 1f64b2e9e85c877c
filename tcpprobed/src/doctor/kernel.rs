//! The kernel and its tracefs.

use super::Check;
use crate::tracefs::{Features, Tracefs, kernel_release, online_cpus, page_kb};
use crate::wording::{counted, shortened};

/// Clock sources whose every reading takes the kernel about a microsecond (`drivers/clocksource/`, `arch/x86`).
const SLOW_CLOCK_SOURCES: [&str; 4] = ["hpet", "acpi_pm", "pit", "jiffies"];

/// Which kernel this is.
pub fn kernel() -> Check {
    let cpus = online_cpus().map_or_else(|_| String::new(), |cpus| format!(", {}", counted(cpus.len(), "CPU", "CPUs")));
    Check::ok("kernel", format!("{}{cpus}", kernel_release()))
}

/// Whether there is a tracefs in which instances can be made.
pub fn tracefs(tracefs: &Tracefs) -> Check {
    let root = tracefs.root().display();
    match tracefs.check() {
        Ok(()) if tracefs.is_mounted() => Check::ok("tracefs", format!("mounted at {root}, instances can be made")),
        Ok(()) => {
            let remedy = "leave out --tracefs, or give the place where tracefs is mounted";
            Check::failure("tracefs", format!("{root} only looks like a tracefs"), remedy)
        }
        Err(error) => Check::error("tracefs", &error),
    }
}

/// Whether the kernel lets anybody trace. `level` is none where it does not know of lockdown.
pub fn lockdown(level: Option<String>) -> Check {
    match level.as_deref() {
        Some("confidentiality") => {
            let remedy = "boot with lockdown=integrity or lockdown=none; Secure Boot may set it";
            Check::failure("lockdown", "the kernel is locked down to confidentiality, which forbids tracing", remedy)
        }
        Some("none") | None => Check::ok("lockdown", "none"),
        Some(level) => Check::ok("lockdown", format!("{level}, which allows tracing")),
    }
}

/// How the kernel hands over what it recorded.
pub fn sub_buffers(features: Features, wanted_kb: u64) -> Check {
    let pages = match features.subbuf_size {
        true => format!("of {} KiB", wanted_kb.max(page_kb())),
        false => format!(
            "of a memory page, {} KiB, for this kernel (before 6.8) knows no larger ones: reading costs more",
            page_kb()
        ),
    };
    let wake = match features.buffer_percent {
        true => "readers wake when a quarter is full",
        false => "read by a timer, for this kernel (before 5.0) wakes nobody",
    };
    Check::ok("sub-buffers", format!("{pages}; {wake}; mapping them is not needed"))
}

/// Which clock source the kernel uses.
pub fn clock_source() -> Option<String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Whether events can be stamped with the time since boot, and at what cost.
pub fn clock(tracefs: &Tracefs, source: Option<&str>) -> Check {
    let clocks = match tracefs.clocks() {
        Ok(clocks) => clocks,
        Err(error) => return Check::error("clock", &error),
    };
    if !clocks.iter().any(|clock| clock == "boot") {
        return Check::failure("clock", "this kernel has no trace clock `boot`", "a kernel of 4.10 or later");
    }
    let from = source.map(|source| format!(", from {source}")).unwrap_or_default();
    match source {
        Some(source) if SLOW_CLOCK_SOURCES.contains(&source) => Check::warning(
            "clock",
            format!("boot{from}, which takes about 1 µs to read: every event costs that much more"),
            "boot with clocksource=tsc, if the machine's is reliable (tsc=reliable)",
        ),
        _ => Check::ok("clock", format!("boot{from}")),
    }
}

/// Who else traces, and slows the machine down by it. Jobs have buffers of their own that nobody else touches; the names
/// of their instances begin with `prefix`.
pub fn others(tracefs: &Tracefs, prefix: &str) -> Check {
    let (top, instances) = match tracefs.top_level().and_then(|top| Ok((top, tracefs.instances("")?))) {
        Ok(found) => found,
        Err(error) => return Check::error("others", &error),
    };
    let instances: Vec<String> = instances.into_iter().filter(|name| !name.starts_with(prefix)).collect();
    let root = tracefs.root().display();
    let mut found = Vec::new();
    let mut remedies = Vec::new();
    if top.tracer != "nop" {
        found.push(format!("the tracer {} is on", top.tracer));
        remedies.push(format!("echo nop > {root}/current_tracer"));
    }
    if !top.events.is_empty() && top.tracing {
        found.push(format!("{} on ({})", counted(top.events.len(), "event is", "events are"), shortened(&top.events)));
        remedies.push(format!("echo > {root}/set_event"));
    }
    if !top.readers.is_empty() {
        found.push(format!("trace_pipe is read by {}", top.readers.join(", ")));
    }
    let instances = match instances.len() {
        0 => String::new(),
        count => format!("; {} of others ({})", counted(count, "instance", "instances"), shortened(&instances)),
    };
    if found.is_empty() {
        return Check::ok("others", format!("nobody uses the top-level buffer{instances}"));
    }
    let found = found.join(", ");
    let finding = format!("the top-level buffer is in use, which costs CPU and disturbs no job: {found}{instances}");
    match remedies.is_empty() {
        true => Check::ok("others", finding),
        false => Check::warning("others", finding, format!("if nobody needs it: {}", remedies.join("; "))),
    }
}
