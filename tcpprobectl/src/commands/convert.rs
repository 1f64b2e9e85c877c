//! `convert`: a trace file as another format.

use anyhow::Result;
use tcpprobe::trace::Select;

use crate::cli::{ConvertArgs, TraceFormat};
use crate::exit::Exit;
use crate::export;
use crate::input::Source;
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
    let interrupt = Interrupt::install()?;
    let source = Source::open(&args.file)?.map(|input| interrupt.guard(input));
    let name = args.file.display().to_string();
    export::write(&name, source, Select::default(), &mut selection, format, Output::open(path)?)
}
