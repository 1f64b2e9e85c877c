//! `convert`: a trace file as another format.

use anyhow::Result;
use tcpprobe::trace::Select;

use crate::cli::{ConvertArgs, TraceFormat};
use crate::exit::Exit;
use crate::export;
use crate::input::{self, Source};
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::select::Selection;

pub fn run(args: &ConvertArgs) -> Result<Exit> {
    let path = Some(args.output.as_path());
    let format = export::require_format(args.format, &args.output)?;
    if matches!(format, TraceFormat::Tcpp | TraceFormat::TextGz) {
        output::refuse_terminal(path, "the trace", &format!("FILE.{}", format.extension()))?;
    }
    let mut selection = Selection::new(&args.events, args.filter.as_deref())?;
    let source = input::open(&args.file)?;
    let interrupt = Interrupt::install()?;
    let name = args.file.display().to_string();
    match source {
        Source::Trace(trace) => {
            let output = Output::open(path)?;
            export::write_trace(&name, interrupt.guard(trace), Select::default(), &mut selection, format, output)
        }
        Source::Text(_) => anyhow::bail!("not yet"),
    }
}
