//! A trace as a Perfetto trace.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use tcpprobe::kernel::text::clock_ticks;
use tcpprobe::source::{Item, Trace};
use tcpprobe_perfetto::Perfetto;

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::report::Report;

/// Writes the tracks of a trace; the same as other formats in all else.
pub fn write(trace: &mut Trace<'_>, mut report: Report, path: Option<&Path>) -> Result<Exit> {
    let mut output = Output::open(path)?;
    let (mut perfetto, mut out) = (Perfetto::new(), Vec::new());
    for item in trace.by_ref() {
        let item = item?;
        match &item {
            Item::Problem(problem) => report.tell(problem),
            Item::Begin(about) if clock_ticks(&about.clock) => {
                let what = "Perfetto draws times, and the trace's clock counts no nanoseconds";
                return Err(Failure::new(Exit::Failed, what, "record with another trace_clock").into());
            }
            _ => {}
        }
        perfetto.item(&item, &mut out);
        output.write_all(&out).context("cannot write")?;
        out.clear();
    }
    report.require_events(trace.selected(), trace.losses())?;
    perfetto.finish(trace.losses(), &mut out);
    output.write_all(&out).context("cannot write")?;
    output.finish()?;
    Ok(report.sums(trace.losses()))
}
